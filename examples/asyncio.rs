//! The programs of asyncio's tutorials, each beside its form on green threads: what is `await` there is a plain call here,
//! what is `async def` a plain function.
//!
//! ```text
//! run: hello
//! run: world
//! in turn: hello, world; the slower one determines how long that takes together
//! create_task: [1, 2]
//! gather: [0, 1, 4, 9]
//! gather with exceptions: [Ok(1), Err("went wrong"), Ok(3)]
//! wait: 1 done, 1 pending
//! wait_for: too slow; in time: 42
//! shield: the payment went through
//! cancel: cleaned up, was cancelled
//! as_completed: quick slow
//! async for: 0 1 4
//! async with: opened, used, closed
//! Queue: 6 items, 0 left
//! Event and Semaphore: 2 at most at a time
//! streams: echo of hello
//! subprocess: said hi, exit status: 0
//! run_in_executor: 5050
//! an awaitable from elsewhere: set by a callback
//! a coroutine of an async crate: 3
//! ```

use greenthread::future::{self, FutureExt as _, Joining};
use greenthread::io::{BufRead, BufReader, Write};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::process::{Command, Stdio};
use greenthread::queue::Queue;
use greenthread::sync::{AsyncResult, Event, Semaphore};
use greenthread::thread::{as_completed, join_all};
use greenthread::{blocking, run, shield, sleep, spawn, timeout};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

/// A tenth of the tutorials' second.
const SECOND: Duration = Duration::from_millis(100);

/// `async def main(): print('hello'); await asyncio.sleep(1); print('world')`, and `asyncio.run(main())`.
fn hello() {
    println!("run: hello");
    sleep(SECOND);
    println!("run: world");
}

/// `async def say_after(delay, what): await asyncio.sleep(delay); return what`
fn say_after(delay: Duration, what: &str) -> &str {
    sleep(delay);
    what
}

/// `await say_after(1, 'hello')`, then `await say_after(2, 'world')`, takes three seconds; `task1 = asyncio.create_task(..)`,
/// `task2 = ..`, `await task1`, `await task2` takes two.
fn two_tasks() {
    let begin = Instant::now();
    let first = spawn(|| say_after(SECOND, "hello"));
    let second = spawn(|| say_after(2 * SECOND, "world"));
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    assert!(begin.elapsed() >= 2 * SECOND);
    println!("in turn: {first}, {second}; the slower one determines how long that takes together");

    // `tasks = {asyncio.create_task(f(i)) for i in ..}`: a set keeps them from being collected. A green thread needs none.
    let tasks = [1, 2].map(|i| spawn(move || i));
    println!("create_task: {:?}", tasks.map(|task| task.join().unwrap()));
}

/// `await asyncio.gather(*(square(i) for i in range(4)))`, and with `return_exceptions=True`.
fn gather() {
    let squares = join_all((0..4).map(|i| spawn(move || i * i)));
    let squares: Vec<_> = squares.into_iter().map(Result::unwrap).collect();
    println!("gather: {squares:?}");
    let work = |i| if i == 2 { Err("went wrong") } else { Ok(i) };
    let results = join_all((1..4).map(|i| spawn(move || work(i))));
    let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    println!("gather with exceptions: {results:?}");
}

/// `done, pending = await asyncio.wait(tasks, return_when=FIRST_COMPLETED)`, then `task.cancel()` for those pending.
fn wait() {
    let tasks = [Duration::ZERO, 100 * SECOND].map(|delay| spawn(move || sleep(delay)));
    let (mut done, mut pending) = (0, Vec::new());
    let _ = greenthread::thread::wait(&tasks, 1);
    for task in tasks {
        if task.is_finished() { done += 1 } else { pending.push(task) }
    }
    println!("wait: {done} done, {} pending", pending.len());
    pending.iter().for_each(|task| task.kill());
}

/// `await asyncio.wait_for(work(), timeout=1)`, and `except TimeoutError`.
fn wait_for() {
    let slow = timeout(SECOND / 10, || sleep(100 * SECOND));
    assert!(slow.is_err());
    println!("wait_for: too slow; in time: {}", timeout(100 * SECOND, || 42).unwrap());
}

/// `await asyncio.shield(pay())`: what is cancelled is the caller, not the payment.
fn shielded() {
    let paid = Arc::new(Event::new());
    let done = Arc::clone(&paid);
    let buyer = spawn(move || {
        shield(|| {
            sleep(SECOND / 2);
            done.set();
        });
        sleep(100 * SECOND);
    });
    sleep(SECOND / 10);
    buyer.kill();
    assert!(buyer.join().unwrap_err().is_killed());
    assert!(paid.is_set());
    println!("shield: the payment went through");
}

/// `task.cancel()`; in the task `try: await asyncio.sleep(3600)` and `finally: print('cleaned up')`.
fn cancel() {
    struct Finally;

    impl Drop for Finally {
        fn drop(&mut self) {
            print!("cancel: cleaned up, ");
        }
    }

    let task = spawn(|| {
        let _finally = Finally;
        sleep(Duration::from_secs(3600));
    });
    sleep(SECOND / 10);
    task.kill();
    let is_cancelled = task.join().unwrap_err().is_killed();
    println!("{}", if is_cancelled { "was cancelled" } else { "went on" });
}

/// `for task in asyncio.as_completed(tasks): print(await task)`
fn in_the_order_of_their_ends() {
    let tasks =
        [(2, "slow"), (1, "quick")].map(|(n, name)| spawn(move || say_after(n * SECOND, name)));
    let names: Vec<_> = as_completed(tasks).map(|task| task.join().unwrap()).collect();
    println!("as_completed: {}", names.join(" "));
}

/// `async def squares(): for i in range(3): await asyncio.sleep(0); yield i * i`, and `async for square in squares()`.
fn async_for() {
    let squares = future::stream(|items| {
        for i in 0..3 {
            sleep(Duration::ZERO);
            items.send(i * i).unwrap();
        }
    });
    print!("async for:");
    for square in future::iter(squares) {
        print!(" {square}");
    }
    println!();
}

/// `async with Connection() as c:`, where `__aexit__` may wait: so may `drop`.
fn async_with() {
    struct Connection(Arc<Mutex<Vec<&'static str>>>);

    impl Drop for Connection {
        fn drop(&mut self) {
            sleep(SECOND / 10);
            self.0.lock().unwrap().push("closed");
        }
    }

    let log = Arc::new(Mutex::new(vec!["opened"]));
    {
        let connection = Connection(Arc::clone(&log));
        connection.0.lock().unwrap().push("used");
    }
    println!("async with: {}", log.lock().unwrap().join(", "));
}

/// `queue = asyncio.Queue()`; workers with `await queue.get()` and `queue.task_done()`; `await queue.join()`.
fn queue() {
    let (queue, worked) = (Arc::new(Queue::new()), Arc::new(AtomicUsize::new(0)));
    let workers = [(); 3].map(|()| {
        let (queue, worked) = (Arc::clone(&queue), Arc::clone(&worked));
        spawn(move || {
            while let Ok(delay) = queue.get() {
                sleep(delay);
                worked.fetch_add(1, Ordering::SeqCst);
                queue.task_done().unwrap();
            }
        })
    });
    (0..6).for_each(|i| queue.put(i * SECOND / 100).unwrap());
    queue.join();
    queue.shutdown();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    println!("Queue: {} items, {} left", worked.load(Ordering::SeqCst), queue.len());
}

/// `start = asyncio.Event()`, `await start.wait()`; `limit = asyncio.Semaphore(2)`, `async with limit:`.
fn event_and_semaphore() {
    let (start, limit) = (Arc::new(Event::new()), Arc::new(Semaphore::new(2)));
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let runners: Vec<_> = (0..6)
        .map(|_| {
            let (start, limit) = (Arc::clone(&start), Arc::clone(&limit));
            let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
            spawn(move || {
                start.wait();
                let _permit = limit.acquire();
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(SECOND / 50);
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    start.set();
    join_all(runners);
    println!("Event and Semaphore: {} at most at a time", most.load(Ordering::SeqCst));
}

/// `asyncio.start_server(handle, ..)` with `await reader.readline()` and `writer.write(line)`; `asyncio.open_connection(..)`.
fn streams() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = spawn(move || {
        let (stream, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        (&stream).write_all(format!("echo of {line}").as_bytes())
    });
    let mut client = TcpStream::connect(address)?;
    client.write_all(b"hello\n")?;
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line)?;
    server.join()??;
    println!("streams: {}", line.trim_end());
    Ok(())
}

/// `proc = await asyncio.create_subprocess_exec(.., stdout=PIPE)`, `stdout, _ = await proc.communicate()`.
fn subprocess() -> Result<(), Failure> {
    let output = Command::new("echo").arg("hi").stdout(Stdio::piped()).output()?;
    let said = String::from_utf8(output.stdout)?;
    println!("subprocess: said {}, {}", said.trim_end(), output.status);
    Ok(())
}

/// `await loop.run_in_executor(None, compute)`, or `asyncio.to_thread(compute)`.
fn run_in_executor() {
    println!("run_in_executor: {}", blocking(|| (1..=100).sum::<i32>()));
}

/// `future = loop.create_future()`, `loop.call_later(1, future.set_result, ..)`, `await future`.
fn a_future() {
    let result = Arc::new(AsyncResult::new());
    let later = Arc::clone(&result);
    greenthread::thread::spawn_later(SECOND / 10, move || {
        let _ = later.set("set by a callback");
    });
    println!("an awaitable from elsewhere: {}", result.get());
}

/// What has none in asyncio: `async` code of Rust, called from straight-line code, and the other way round.
fn both_worlds() {
    async fn from_a_crate(first: Joining<greenthread::JoinHandle<i32>>) -> i32 {
        future::sleep(SECOND / 10).await;
        first.await.unwrap() + future::green(|| 2).await.unwrap()
    }

    let first = spawn(|| 1).into_future();
    println!("a coroutine of an async crate: {}", from_a_crate(first).wait());
}

fn main() -> Result<(), Failure> {
    run(|| {
        hello();
        two_tasks();
        gather();
        wait();
        wait_for();
        shielded();
        cancel();
        in_the_order_of_their_ends();
        async_for();
        async_with();
        queue();
        event_and_semaphore();
        streams().map_err(|error| error.to_string())?;
        subprocess().map_err(|error| error.to_string())?;
        run_in_executor();
        a_future();
        both_worlds();
        Ok::<(), String>(())
    })?;
    Ok(())
}
