//! Programs about pools of processes, line by line as Python's tutorials have them.
//!
//!     cargo run --features processes --example tutorial_process_pools
//!
//! Times and process ids are left out. Programs whose tasks end in any order are in `process_pool`.
//!
//! [What it prints](printed/tutorial_process_pools.txt) is compared.

use greenthread::executor::ProcessPool;
use greenthread::process::shared::Queue;
use greenthread::process::{self, function};
use greenthread::sleep;
use std::error::Error;
use std::os::unix::process::parent_id;
use std::time::Duration;

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;
type Program = fn() -> Result;

/// `time.sleep(1)`, which decides nothing here.
fn pause() {
    sleep(Duration::from_millis(1));
}

fn get_html(n: u32) -> String {
    println!("in the child process: {n}");
    pause();
    format!("http://www.baidu.com/{n}")
}

/// `pool.apply_async(get_html, args=(1,))`, `close`, `join`, `get`
fn pool_with_a_result() -> Result {
    let pool = ProcessPool::builder().build()?;
    let result = pool.apply_async(function!(get_html), 1)?;
    pool.close();
    pool.join();
    println!("in the main process: {}", result.result()?);
    Ok(())
}

fn work(i: u32) {
    println!("work  {i} begins");
    pause();
    println!("work  {i} has ended");
}

/// `Pool(3).apply`, which waits for each.
fn pool_of_three() -> Result {
    let pool = ProcessPool::new(3)?;
    for i in 0..10 {
        pool.apply(function!(work), i)?;
    }
    pool.close();
    println!("the processes begin");
    pool.join();
    println!("the processes have ended");
    Ok(())
}

fn serve_a_guest() {
    println!("serves a guest");
    pause();
}

/// `ProcessPoolExecutor()`, with as many processes as there are processors, and twenty tasks.
fn pool_of_processors() -> Result {
    let pool = ProcessPool::builder().build()?;
    for _ in 0..20 {
        pool.apply_async(function!(serve_a_guest()), ())?;
    }
    pool.close();
    pool.join();
    Ok(())
}

fn reader(main: u32, q: Queue<char>) {
    println!("the reader begins, its parent is the main process: {}", parent_id() == main);
    for _ in 0..q.len().unwrap() {
        println!("the reader got from the queue: {}", q.get().unwrap().unwrap());
    }
}

fn writer(main: u32, q: Queue<char>) {
    println!("the writer begins, its parent is the main process: {}", parent_id() == main);
    "itcast".chars().for_each(|i| q.put(&i).unwrap());
}

/// `Manager().Queue()` for the tasks of a pool; the reader comes when the writer has ended, not a second later.
fn queue_of_a_pool() -> Result {
    println!("start");
    let q = Queue::new(100)?;
    let pool = ProcessPool::builder().build()?;
    let written = pool.apply_async(function!(writer(main, q)), (process::id(), q.clone()))?;
    written.result()?;
    pool.apply_async(function!(reader(main, q)), (process::id(), q))?;
    pool.close();
    pool.join();
    println!("End");
    Ok(())
}

fn main() -> Result {
    process::init();
    greenthread::run(|| {
        let programs: [(&str, Program); 4] = [
            ("a pool with a result", pool_with_a_result),
            ("a pool of three", pool_of_three),
            ("a pool of as many as there are processors", pool_of_processors),
            ("a queue for the tasks of a pool", queue_of_a_pool),
        ];
        for (title, program) in programs {
            println!("# {title}");
            program()?;
        }
        Ok(())
    })
}
