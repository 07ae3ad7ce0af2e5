//! Waiting for a point in time in `async` code.

use crate::support::{on_all_runtimes, within_limit, workers};
use greenthread::future::{self, FutureExt as _};
use greenthread::sync::mpmc;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// A future that a green thread has polled once, whose runtime is over since.
fn left_behind<T: 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Pin<Box<dyn Future<Output = T> + Send>> {
    let mut future: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(future);
    let runtime = workers(1);
    let begun = runtime.spawn(move || {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        future
    });
    let future = begun.join().unwrap();
    drop(runtime);
    future
}

#[test]
fn what_waits_for_a_time_may_outlive_the_runtime_that_was_to_tell() {
    const SOON: Duration = Duration::from_millis(200);
    within_limit(|| {
        on_all_runtimes(|| {
            let begin = Instant::now();
            left_behind(future::sleep(SOON)).wait();
            assert!(begin.elapsed() >= SOON, "not when the runtime ended");
            let begin = Instant::now();
            let timer = mpmc::after(SOON);
            left_behind(async move { timer.recv_async().await }).wait().unwrap();
            assert!(begin.elapsed() >= SOON);
        });
    });
}

#[test]
fn the_end_of_a_runtime_cuts_no_wait_of_another_short() {
    within_limit(|| {
        // It is being waited for elsewhere while the runtime ends.
        let mut future = Box::pin(future::sleep(Duration::from_millis(200)));
        let (first, second) = (workers(1), workers(1));
        let begun = first.spawn(move || {
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            future
        });
        let future = begun.join().unwrap();
        let sleeper = second.spawn(move || future.wait());
        drop(first);
        sleeper.join().unwrap();
    });
}
