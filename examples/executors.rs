//! Programs about executors: a thread pool with callbacks, results as they come and in order, gathering, cancelling.
//!
//!     cargo run --example executors
//!
//! ```text
//! callbacks: 0 1 4 9 16 25 36 49 64 81
//! pool of two: done before false, after true, its result is 3, asked again 3
//! as they come: first second third
//! in order: 9 4 16
//! wait: 1 done and 2 not, then 3 done
//! gather: Result from Task 1, Result from Task 2, Result from Task 3
//! gather with a failure: the task panicked: no luck; the other went on: true
//! all outcomes: 1, the task panicked: two, 3
//! cancel: the running one false, the waiting one true; then it is Future(cancelled)
//! kill: the task was killed
//! shutdown: the executor has been shut down and takes no more tasks
//! initializer: the executor is broken: an initializer failed: no connection
//! ```

use greenthread::executor::{
    Executor, GreenExecutor, ReturnWhen, ThreadPool, as_completed, gather, gather_all, wait,
};
use greenthread::sync::{Arc, Event, Mutex};
use std::error::Error;
use std::panic;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

/// Ten tasks on four OS threads; what each returns goes to a callback.
fn callbacks() -> Result {
    let pool = ThreadPool::new(4)?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    for number in 0..10 {
        let seen = Arc::clone(&seen);
        let future = pool.submit(move || number * number)?;
        future
            .add_done_callback(move |future| seen.lock().unwrap().push(*future.result().unwrap()));
    }
    pool.shutdown(true, false);
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.sort();
    println!("callbacks: {}", words(seen));
    Ok(())
}

fn pool_of_two() -> Result {
    let pool = ThreadPool::new(2)?;
    let go = Arc::new(Event::new());
    let wait_for_go = Arc::clone(&go);
    let future = pool.submit(move || {
        wait_for_go.wait();
        3
    })?;
    let before = future.done();
    go.set();
    let value = *future.result()?;
    println!(
        "pool of two: done before {before}, after {}, its result is {value}, asked again {}",
        future.done(),
        future.result()?
    );
    Ok(())
}

/// The third waits for the second, and that for the first.
fn as_they_come() -> Result {
    let executor = GreenExecutor::new();
    let (one, two) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let third = executor.submit({
        let two = Arc::clone(&two);
        move || {
            two.wait();
            "third"
        }
    })?;
    let first = executor.submit(|| "first")?;
    let second = executor.submit({
        let one = Arc::clone(&one);
        move || {
            one.wait();
            "second"
        }
    })?;
    let mut order = Vec::new();
    for future in as_completed([&third, &first, &second]) {
        let name = *future.result()?;
        order.push(name);
        if name == "first" { one.set() } else { two.set() }
    }
    println!("as they come: {}", words(order));
    Ok(())
}

fn in_order() -> Result {
    let pool = ThreadPool::new(2)?;
    let squares: Vec<u32> = pool.map(|n| n * n, [3, 2, 4]).collect::<Result<_, _>>()?;
    println!("in order: {}", words(squares));
    Ok(())
}

fn wait_for_some() -> Result {
    let executor = GreenExecutor::new();
    let go = Arc::new(Event::new());
    let held = || {
        let go = Arc::clone(&go);
        executor.submit(move || go.wait())
    };
    let futures = [held()?, executor.submit(|| ())?, held()?];
    let some = wait(&futures, ReturnWhen::FirstCompleted);
    let (done, not_done) = (some.done.len(), some.not_done.len());
    go.set();
    let all = wait(&futures, ReturnWhen::AllCompleted);
    println!("wait: {done} done and {not_done} not, then {} done", all.done.len());
    Ok(())
}

fn gathered() -> Result {
    let executor = GreenExecutor::new();
    let tasks = (1..=3).map(|n| executor.submit(move || format!("Result from Task {n}")));
    println!("gather: {}", gather(tasks.collect::<Result<Vec<_>, _>>()?)?.join(", "));

    // The first error is that of `gather`, at once.
    let go = Arc::new(Event::new());
    let went_on = Arc::new(Event::new());
    let other = executor.submit({
        let (go, went_on) = (Arc::clone(&go), Arc::clone(&went_on));
        move || {
            go.wait();
            went_on.set();
        }
    })?;
    let failing = executor.submit(|| panic!("no luck"))?;
    let error = gather([other, failing]).unwrap_err();
    go.set();
    went_on.wait();
    println!("gather with a failure: {error}; the other went on: {}", went_on.is_set());

    let tasks = (1..=3).map(|n| {
        executor.submit(move || {
            assert!(n != 2, "two");
            n
        })
    });
    let outcomes = gather_all(tasks.collect::<Result<Vec<_>, _>>()?)
        .into_iter()
        .map(|outcome| outcome.map_or_else(|error| error.to_string(), |value| value.to_string()));
    println!("all outcomes: {}", outcomes.collect::<Vec<_>>().join(", "));
    Ok(())
}

/// What has not begun can be cancelled; what runs can be killed where it is a green thread.
fn cancelled() -> Result {
    let executor = GreenExecutor::builder().max_workers(1).build()?;
    let begun = Arc::new(Event::new());
    let running = executor.submit({
        let begun = Arc::clone(&begun);
        move || {
            begun.set();
            greenthread::thread::park();
        }
    })?;
    let waiting = executor.submit(|| unreachable!("it is cancelled"))?;
    begun.wait();
    println!(
        "cancel: the running one {}, the waiting one {}; then it is {waiting:?}",
        running.cancel(),
        waiting.cancel(),
    );
    running.kill();
    println!("kill: {}", running.result().unwrap_err());
    Ok(())
}

fn ended() -> Result {
    let pool = ThreadPool::new(1)?;
    pool.shutdown(true, false);
    println!("shutdown: {}", pool.submit(|| ()).unwrap_err());
    let broken = ThreadPool::builder().initializer(|| Err("no connection")).build()?;
    println!("initializer: {}", broken.submit(|| ())?.result().unwrap_err());
    Ok(())
}

fn main() -> Result {
    // The panics here are meant to be.
    panic::set_hook(Box::new(|_| ()));
    for part in
        [callbacks, pool_of_two, as_they_come, in_order, wait_for_some, gathered, cancelled, ended]
    {
        part()?;
    }
    Ok(())
}
