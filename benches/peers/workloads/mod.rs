//! What is measured, done by this library and by its peers.
//!
//! A workload is a function that does so much work and ends: it is run as a process of its own and measured from outside. What only the
//! program itself can know, such as the longest wait for a lock, it prints by [`report`].

mod channels;
mod memory;
mod mutexes;
mod sleeps;
mod spawns;
mod switches;
mod yields;

use std::future::Future;

/// Green threads that may keeps stacks for; its own 1000 make it map and unmap one for most spawns of a large batch.
const MAY_POOL: usize = 20_000;

/// How much is done, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub workers: usize,
    /// Units of work in all.
    pub n: u64,
    /// Green threads that share the work, where a workload leaves that open.
    pub threads: u64,
}

/// Who does it, and how.
pub type Peer = (&'static str, fn(Size));

/// Each workload with its peers; the first is ours.
pub const ALL: &[(&str, &[Peer])] = &[
    ("switch", switches::PEERS),
    ("yield", yields::PEERS),
    ("spawn", spawns::PLAIN),
    ("spawn_yield", spawns::YIELDING),
    ("channel", channels::PING_PONG),
    ("mpmc", channels::MANY_TO_MANY),
    ("mutex", mutexes::PLAIN),
    ("mutex_held", mutexes::HELD),
    ("uncontended", mutexes::UNCONTENDED),
    ("sleeps", sleeps::PEERS),
    ("memory", memory::PEERS),
];

/// What a peer does for a workload.
pub fn find(workload: &str, peer: &str) -> Option<fn(Size)> {
    let (_, peers) = ALL.iter().find(|(name, _)| *name == workload)?;
    peers.iter().find(|(name, _)| *name == peer).map(|(_, run)| *run)
}

/// Prints what only the program knows.
fn report(figure: &str, value: f64) {
    println!("{figure} {value}");
}

/// Runs `main` on a green thread of a runtime with so many workers.
fn green<T: Send + 'static>(workers: usize, main: impl FnOnce() -> T + Send + 'static) -> T {
    greenthread::Runtime::builder().workers(workers).build().expect("a runtime").run(main).unwrap()
}

/// Runs `main` on a coroutine of may.
fn may(workers: usize, main: impl FnOnce() + Send + 'static) {
    may_with(MAY_POOL, workers, main);
}

/// The same with room for so many stacks, all of which are made at the start.
fn may_with(pool: usize, workers: usize, main: impl FnOnce() + Send + 'static) {
    may::config().set_workers(workers).set_pool_capacity(pool);
    may_spawn(main).join().unwrap();
}

fn may_spawn<T: Send + 'static>(
    main: impl FnOnce() -> T + Send + 'static,
) -> may::coroutine::JoinHandle<T> {
    // SAFETY: what the workloads spawn uses no thread-locals across waits, and little stack.
    unsafe { may::coroutine::spawn(main) }
}

/// Runs `main` as a task of tokio's runtime with so many workers.
fn tokio(workers: usize, main: impl Future<Output = ()> + Send + 'static) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_all().build().expect("a runtime");
    runtime.block_on(runtime.spawn(main)).unwrap();
}

/// Runs `main` as a task of tokio's runtime on the current thread.
fn tokio_here(main: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(runtime.spawn(main)).unwrap();
}

/// An OS thread with a small stack, as its peers have.
fn os_spawn<T: Send + 'static>(
    main: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::Builder::new().stack_size(64 << 10).spawn(main).expect("an OS thread")
}
