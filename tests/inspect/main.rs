//! What is seen of green threads from outside.

mod assert;
#[cfg(feature = "console")]
mod console;
mod cycles;
mod dump;
mod leaks;
#[cfg(feature = "counters")]
mod metrics;
mod profile;
mod storm;

use greenthread::{Builder, JoinHandle, Runtime};
use std::panic::resume_unwind;

/// Runs `body` as the `main` of runtimes of several kinds, one after the other. All runtimes of the process are seen, so tests look
/// for their own green threads only.
fn on_each(body: impl Fn() + Clone + Send + 'static) {
    // `run` waits for those that a body has left which has failed; daemons it kills.
    let main = move || {
        let body = body.clone();
        let daemon = Builder::new().daemon(true).spawn(body).unwrap();
        if let Err(error) = daemon.join() {
            resume_unwind(error.into_panic());
        }
    };
    let current = Runtime::new_current_thread().unwrap();
    current.run(main.clone()).unwrap();
    for workers in [1, 2, 4] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime.run(main.clone()).unwrap();
    }
}

/// Kills them and waits for their ends.
fn end<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) {
    for handle in handles {
        handle.kill();
        let _ = handle.join();
    }
}
