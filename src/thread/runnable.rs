//! A struct that is a green thread.
#![forbid(unsafe_code)]

use super::{Builder, JoinHandle};
use crate::util::dropping::Held;
use std::io;

/// A struct that is a green thread, where a closure would have too many variables: its method `run` is the body, and its fields
/// are there when it has ended. As a subclass of Python's `threading.Thread`.
///
/// [`join`](JoinHandle::join) returns the struct. After a panic or a kill the struct is dropped, as what a closure has captured
/// is; what must stay is kept in an [`Arc`](std::sync::Arc).
///
/// # Examples
/// ```
/// use greenthread::thread::Runnable;
///
/// struct Summer {
///     numbers: Vec<u32>,
///     sum: u32,
/// }
///
/// impl Runnable for Summer {
///     fn run(&mut self) {
///         self.sum = self.numbers.iter().sum();
///     }
/// }
///
/// let summer = Summer { numbers: vec![1, 2, 3], sum: 0 }.start();
/// assert_eq!(summer.join().unwrap().sum, 6);
/// ```
pub trait Runnable: Send + 'static {
    /// What the green thread does.
    fn run(&mut self);

    /// The name of the green thread; by default it has none, and is
    /// [called by its id](crate::thread::Thread#impl-Display-for-Thread).
    fn name(&self) -> Option<String> {
        None
    }

    /// Spawns the green thread, as [`spawn`](crate::spawn). Does not suspend. [`Builder::spawn_runnable`] is for one with
    /// settings.
    ///
    /// # Panics
    /// If there is no room for another stack, or the global runtime cannot start.
    #[track_caller]
    fn start(self) -> JoinHandle<Self>
    where
        Self: Sized,
    {
        Builder::new().spawn_runnable(self).expect("failed to spawn a green thread")
    }
}

impl Builder {
    /// As [`spawn`](Self::spawn), for a struct that is a green thread. If both the builder and the struct have a name, the
    /// builder's counts. Does not suspend.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// If the struct's name contains a null byte.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Builder, thread::Runnable};
    /// struct Counter(u32);
    /// impl Runnable for Counter {
    ///     fn run(&mut self) {
    ///         self.0 += 1;
    ///     }
    ///     fn name(&self) -> Option<String> {
    ///         Some(format!("counter from {}", self.0))
    ///     }
    /// }
    /// let counter = Builder::new().stack_size(64 * 1024).spawn_runnable(Counter(7))?;
    /// assert_eq!(counter.name(), Some("counter from 7"));
    /// assert_eq!(counter.join().unwrap().0, 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_runnable<R: Runnable>(mut self, runnable: R) -> io::Result<JoinHandle<R>> {
        let mut runnable = Held::new(runnable);
        if !self.has_name()
            && let Some(name) = runnable.name()
        {
            self = self.name(name);
        }
        self.spawn(move || {
            runnable.run();
            runnable.into_inner()
        })
    }
}
