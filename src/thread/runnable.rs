//! A struct that is a green thread.
#![forbid(unsafe_code)]

use super::{Builder, JoinHandle};
use std::io;

/// What a green thread is made of where a closure would have too many variables: a struct with a method `run`, whose fields are
/// there when it has ended. As a subclass of Python's `threading.Thread`.
///
/// [`join`](JoinHandle::join) gives the struct back. A panic or a kill takes it along, as it takes what a closure has captured;
/// what must stay is in an [`Arc`](std::sync::Arc).
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

    /// What it is called; by default it has no name, see [`Thread`](crate::thread::Thread#impl-Display-for-Thread).
    fn name(&self) -> Option<String> {
        None
    }

    /// Spawns the green thread, as [`spawn`](crate::spawn). Does not suspend. With other settings:
    /// [`Builder::spawn_runnable`].
    ///
    /// # Panics
    /// As [`spawn`](crate::spawn).
    fn start(self) -> JoinHandle<Self>
    where
        Self: Sized,
    {
        Builder::new().spawn_runnable(self).expect("failed to spawn a green thread")
    }
}

impl Builder {
    /// As [`spawn`](Self::spawn), for a struct that is a green thread. A name of the builder's own goes before the struct's.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// As [`name`](Self::name), for the struct's.
    pub fn spawn_runnable<R: Runnable>(mut self, mut runnable: R) -> io::Result<JoinHandle<R>> {
        if !self.has_name()
            && let Some(name) = runnable.name()
        {
            self = self.name(name);
        }
        self.spawn(move || {
            runnable.run();
            runnable
        })
    }
}
