//! What a runtime runs for its users: [`run`](Runtime::run) and [`spawn`](Runtime::spawn).
#![forbid(unsafe_code)]

use super::context::pass_on;
use super::{Builder, JoinHandle};
use crate::runtime::Runtime;
use crate::runtime::task::JoinError;

impl Runtime {
    /// Runs `main` as a green thread of this runtime, waits until it and every green thread that descends from it has ended, and
    /// returns the value of `main`. Daemons are not waited for, but killed then; see [`run`](crate::run). Those that descendants
    /// spawn on another runtime do not count. Blocks an OS thread, suspends a green one.
    ///
    /// `main` takes over the caller's labels and context values, but is no daemon.
    ///
    /// # Errors
    /// A [`JoinError`] if `main` panicked or was killed, or could not run: there was no memory for its stack, or this runtime
    /// belongs to a parent process. On a current-thread runtime also if another thread runs it already, or if the caller is a
    /// green thread, whose worker it would block.
    ///
    /// On a current-thread runtime a deadlock is an error too ([`JoinError::is_deadlock`]), and ends all green threads as a kill
    /// does: every green thread waits, none for a time or a file, and nothing else can wake one, neither another OS thread of
    /// the process (idle ones of [`blocking`](crate::blocking()) do not count) nor a signal handler. If something else could,
    /// and on a runtime with workers, the wait goes on, and the same report is printed on standard error, once for each
    /// runtime, when nothing has moved for five seconds (or the milliseconds in the environment variable
    /// `GREENTHREAD_DEADLOCK_MS`; zero is never). Green threads that wait for one another's locks, initializations or ends, in
    /// this runtime or several, are reported after about that time also while others go on.
    ///
    /// # Examples
    /// ```
    /// let runtime = greenthread::Runtime::new_current_thread()?;
    /// assert_eq!(runtime.run(|| "value").unwrap(), "value");
    /// let error = runtime.run(|| panic!("no luck")).unwrap_err();
    /// assert!(error.is_panic());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias("block_on", "run_until_complete"))]
    pub fn run<F, T>(&self, main: F) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.run_main(main, pass_on)
    }

    /// Like [`run`](Self::run) on a current-thread runtime, for a `main` that need not be `Send`: it stays on the calling thread.
    /// Blocks that thread.
    ///
    /// Green threads that still run when `main` and its descendants have ended, as they were spawned from outside, are killed.
    ///
    /// # Errors
    /// Those of [`run`](Self::run); and an error if this runtime has workers.
    ///
    /// # Examples
    /// ```
    /// use std::rc::Rc;
    ///
    /// let text = Rc::new("not Send");
    /// let runtime = greenthread::Runtime::new_current_thread()?;
    /// let length = runtime.run_local(move || {
    ///     let twice = greenthread::spawn(|| 2);
    ///     text.len() * twice.join().unwrap()
    /// });
    /// assert_eq!(length.unwrap(), 16);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn run_local<F, T>(&self, main: F) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.run_main_here(main, pass_on)
    }

    /// Spawns a green thread on this runtime, wherever it is called. Does not suspend.
    ///
    /// On a current-thread runtime that nobody runs, the green thread starts with the next [`run`](Self::run).
    ///
    /// # Panics
    /// If there is no room for another stack, or if this runtime belongs to a parent process.
    ///
    /// # Examples
    /// ```
    /// let runtime = greenthread::Runtime::builder().workers(1).build()?;
    /// assert_eq!(runtime.spawn(|| 2 + 2).join().unwrap(), 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&self, body: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Builder::new().spawn_on(self, body).expect("failed to spawn a green thread")
    }
}
