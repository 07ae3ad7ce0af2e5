//! Programs about queues and pools of threads, line by line as Python's tutorials have them.
//!
//!     cargo run --example tutorial_pools
//!
//! A second is a hundred turns, and a pool of threads is one of green threads. Pools of processes are in `process_pool`.
//!
//! [What it prints](printed/tutorial_pools.txt) is compared.

#[path = "shared/turns.rs"]
mod turns;

use greenthread::executor::{Executor as _, Future, GreenExecutor, as_completed, wait};
use greenthread::queue::{LifoQueue, PriorityQueue, Queue};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use turns::{join_all, my_name, program, sleep, start};

const SHORT: Duration = Duration::from_millis(1);

/// Five items, made each second and taken each two.
fn producer_and_consumer() {
    let queue = Arc::new(Queue::new());
    let items = Arc::clone(&queue);
    let producer = start("producer", move || {
        for i in 0..5 {
            println!("Producer produced: item-{i}");
            queue.put(format!("item-{i}")).unwrap();
            sleep(1.0);
        }
    });
    let consumer = start("consumer", move || {
        for _ in 0..5 {
            println!("Consumer consumed: {}", items.get().unwrap());
            sleep(1.9);
        }
    });
    join_all([producer, consumer]);
}

/// `LifoQueue`: the last comes out first.
fn last_first() {
    let queue = LifoQueue::new();
    ["item1", "item2", "item3"].into_iter().for_each(|item| queue.put(item).unwrap());
    (0..3).for_each(|_| println!("{}", queue.get().unwrap()));
}

/// Items of several kinds are an enum in Rust.
fn last_first_of_several_kinds() {
    enum Item {
        Number(u32),
        Name(&'static str),
    }

    let queue = LifoQueue::with_capacity(4);
    for item in [Item::Number(1), Item::Number(2), Item::Name("alex"), Item::Name("taibai")] {
        queue.put(item).unwrap();
    }
    for _ in 0..4 {
        match queue.get().unwrap() {
            Item::Number(number) => println!("{number}"),
            Item::Name(name) => println!("{name}"),
        }
    }
}

/// `PriorityQueue`: the smallest comes out first.
fn smallest_first() {
    let queue = PriorityQueue::new();
    [(2, "item1"), (1, "item2"), (3, "item3")]
        .into_iter()
        .for_each(|item| queue.put(item).unwrap());
    (0..3).for_each(|_| println!("{:?}", queue.get().unwrap()));
}

/// Negative ones too.
fn negative_ones_first() {
    let queue = PriorityQueue::with_capacity(4);
    [(5, "ingot"), (-2, "doggy"), (0, "plum")]
        .into_iter()
        .for_each(|item| queue.put(item).unwrap());
    (0..3).for_each(|_| println!("{:?}", queue.get().unwrap()));
}

/// `Queue(3)`, `get(block=False)`, and `get(timeout=2)`, which raises `Empty`.
fn empty_after_two_seconds() {
    let queue = Queue::with_capacity(3);
    [1, 2, 3].into_iter().for_each(|item| queue.put(item).unwrap());
    (0..3).for_each(|_| println!("{}", queue.get().unwrap()));
    println!("{}", queue.try_get().unwrap_err());
    println!("{}", queue.get_timeout(SHORT).unwrap_err());
}

/// `qsize()`, `full()`, `empty()`
fn how_many() {
    let queue = Queue::with_capacity(4);
    [1, 2, 3, 4].into_iter().for_each(|item| queue.put(item).unwrap());
    println!("before, the queue has {}", queue.len());
    println!("what was taken: {}", queue.get().unwrap());
    println!("afterwards, the queue has {}", queue.len());
    println!("is it full: {}", queue.is_full());
    println!("is it empty: {}", queue.is_empty());
}

/// `put(.., True, 2)` and `put_nowait` where it is full.
fn full() {
    let queue = Queue::with_capacity(3);
    ["message 1", "message 2"].into_iter().for_each(|item| queue.put(item).unwrap());
    println!("{}", queue.is_full());
    queue.put("message 3").unwrap();
    println!("{}", queue.is_full());
    if queue.put_timeout("message 4", SHORT).is_err() {
        println!("the queue is full, with {} messages", queue.len());
    }
    if queue.try_put("message 4").is_err() {
        println!("the queue is full, with {} messages", queue.len());
    }
    for _ in 0..queue.len() {
        println!("{}", queue.try_get().unwrap());
    }
}

/// `writer` and `reader`, and what they return.
fn writer_and_reader() {
    let queue = Arc::new(Queue::with_capacity(32));
    let items = Arc::clone(&queue);
    let writer = start("writer", move || {
        println!("starting {}", my_name());
        for _ in 0..2 {
            println!("producing object for Q...");
            queue.put("xxx").unwrap();
            println!("size now {}", queue.len());
            sleep(1.0);
        }
        println!("{} finished", my_name());
    });
    let reader = start("reader", move || {
        println!("starting {}", my_name());
        for _ in 0..2 {
            items.get().unwrap();
            println!("consumed object from Q... size now {}", items.len());
            sleep(1.5);
        }
        println!("{} finished", my_name());
    });
    join_all([writer, reader]);
    println!("All done");
}

fn pool(max_workers: usize) -> GreenExecutor {
    GreenExecutor::builder().max_workers(max_workers).build().expect("a pool")
}

/// Three lines of one task, with the name of its thread.
fn worker(lines: u32, and: &str) {
    for i in 0..lines {
        println!("the current thread is {}, it prints {i}{and}", my_name());
    }
}

fn pool_of_two() -> GreenExecutor {
    let builder = GreenExecutor::builder().max_workers(2).name("ThreadPoolExecutor-0");
    builder.build().expect("a pool")
}

/// `[executor.submit(worker, i) for i in [100, 100, 100]]`, with three lines instead of a hundred.
fn three_tasks() {
    let executor = pool_of_two();
    let _made = [3, 3, 3].map(|i| executor.submit(move || worker(i, "")).expect("it is open"));
    executor.shutdown(true, false);
}

/// `executor.map(worker, [100, 100, 100, 1000])`
fn map_over_a_list() {
    let executor = pool_of_two();
    executor.map(|i| worker(i, ""), [3, 3, 3, 5]).for_each(|result| result.unwrap());
}

/// `executor.map(worker, *zip(*data))`: several arguments are a tuple.
fn map_over_several_arguments() {
    let executor = pool_of_two();
    let data = [(3, 2), (3, 3), (5, 3)];
    let results = executor.map(|(num, w)| worker(num, &format!(",{w}")), data);
    results.for_each(|result| result.unwrap());
}

/// `ThreadPoolExecutor()` and twenty tasks, which print their process id there.
fn twenty_tasks() {
    let executor = pool(10);
    for _ in 0..20 {
        let task = || {
            println!("serves a guest");
            sleep(1.0);
        };
        executor.submit(task).expect("it is open");
    }
    executor.shutdown(true, false);
}

/// `pool.shutdown(wait=True)`: they have all ended when the last line is printed.
fn all_have_ended_at_shutdown() {
    let executor = pool(4);
    for _ in 0..10 {
        let task = || {
            println!("the task begins");
            sleep(1.0);
            println!("the task ends");
        };
        executor.submit(task).expect("it is open");
    }
    executor.shutdown(true, false);
    println!("===main");
}

fn submitted(pool: &GreenExecutor, seconds: u32, what: &'static str) -> Future<u32> {
    let test = move || {
        sleep(f64::from(seconds));
        println!("{what} {seconds}s finished");
        seconds
    };
    pool.submit(test).expect("it is open")
}

/// `executor.submit(task)`, `future.done()`, `future.result()`
fn a_future() {
    let executor = pool(4);
    let task = || {
        sleep(2.0);
        "Task completed"
    };
    let future = executor.submit(task).expect("it is open");
    println!("Task is done: {}", future.done());
    println!("Task result: {}", future.result().unwrap());
    println!("Task is done: {}", future.done());
}

/// A pool of two, asked at once and after four seconds.
fn done_after_four_seconds() {
    let executor = pool(2);
    let (first, _second) = (submitted(&executor, 3, "test"), submitted(&executor, 2, "test"));
    println!("{}", first.done());
    sleep(4.0);
    println!("{}", first.done());
    println!("{}", first.result().unwrap());
}

/// `executor.map(test, [3, 2, 4])`: in the order of the arguments.
fn in_order_of_arguments() {
    let executor = pool(2);
    let test = |seconds: u32| {
        sleep(f64::from(seconds));
        println!("test {seconds}s finished");
        seconds
    };
    for seconds in executor.map(test, [3, 2, 4]) {
        println!("in main: test {}s success", seconds.unwrap());
    }
}

/// `as_completed(all_task)`: as they end.
fn as_they_end() {
    let executor = pool(2);
    let all_task = [3, 2, 4].map(|seconds| submitted(&executor, seconds, "test"));
    for future in as_completed(&all_task) {
        println!("in main: test {}s success", future.result().unwrap());
    }
}

/// `wait(all_task, return_when=ALL_COMPLETED)`
fn all_have_ended() {
    let executor = pool(2);
    let all_task = [3, 2, 4].map(|seconds| submitted(&executor, seconds, "get page"));
    wait(&all_task, usize::MAX);
    println!("main");
}

/// Ten tasks and a callback for each.
fn callbacks() {
    let executor = pool(4);
    let made: Vec<_> = (0..10)
        .map(|i| {
            let task = move || {
                println!("I am thread {i}");
                i
            };
            executor.submit(task).expect("it is open")
        })
        .collect();
    for future in &made {
        future.add_done_callback(|future| {
            println!("{}", future.result().unwrap());
            println!("I am the callback");
        });
    }
    executor.shutdown(true, false);
}

/// Each is waited for before the next begins.
fn one_at_a_time() {
    let executor = pool(4);
    for i in 0..3 {
        let task = move || {
            println!("begins");
            sleep(1.0);
            println!("ends");
            i
        };
        println!("result: {}", executor.submit(task).expect("it is open").result().unwrap());
    }
    executor.shutdown(true, false);
    println!("===main");
}

/// All are handed in, then all results are read.
fn all_results_at_the_end() {
    let executor = pool(4);
    let made: Vec<_> = (0..5).map(|i| executor.submit(move || i).expect("it is open")).collect();
    executor.shutdown(true, false);
    println!("{made:?}");
    made.iter().for_each(|future| println!("{}", future.result().unwrap()));
    println!("===main");
}

fn main() -> io::Result<()> {
    program("a producer and a consumer", producer_and_consumer)?;
    program("the last comes out first", last_first)?;
    program("items of several kinds", last_first_of_several_kinds)?;
    program("the smallest comes out first", smallest_first)?;
    program("negative ones too", negative_ones_first)?;
    program("empty after two seconds", empty_after_two_seconds)?;
    program("how many are in it", how_many)?;
    program("a full queue", full)?;
    program("a writer and a reader", writer_and_reader)?;
    program("a future", a_future)?;
    program("done after four seconds", done_after_four_seconds)?;
    program("in the order of the arguments", in_order_of_arguments)?;
    program("as they end", as_they_end)?;
    program("all have ended", all_have_ended)?;
    program("callbacks", callbacks)?;
    program("three tasks", three_tasks)?;
    program("map over a list", map_over_a_list)?;
    program("map over several arguments", map_over_several_arguments)?;
    program("twenty tasks", twenty_tasks)?;
    program("all have ended at shutdown", all_have_ended_at_shutdown)?;
    program("one at a time", one_at_a_time)?;
    program("all results at the end", all_results_at_the_end)
}
