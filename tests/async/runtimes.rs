//! The same body on each kind of runtime.

use greenthread::Runtime;
use std::panic::resume_unwind;

/// Runs `body` as the `main` of runtimes of several kinds, one after the other.
pub(crate) fn on_each(body: impl Fn() + Clone + Send + 'static) {
    let run = |runtime: Runtime| {
        if let Err(error) = runtime.run(body.clone()) {
            resume_unwind(error.into_panic());
        }
    };
    run(Runtime::new_current_thread().unwrap());
    for workers in [1, 2, 4] {
        run(Runtime::builder().workers(workers).build().unwrap());
    }
}
