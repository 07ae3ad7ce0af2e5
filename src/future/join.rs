//! Green threads as futures.
#![forbid(unsafe_code)]

use crate::runtime::park::Waiter;
use crate::runtime::waker::FutureParker;
use crate::thread::{
    Join, JoinError, JoinHandle, LocalJoinHandle, ScopedJoinHandle, is_over, start,
};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future that a [`JoinHandle`] becomes when it is awaited. Its output is what [`join`](JoinHandle::join) returns.
///
/// Dropping it leaves the green thread running, as dropping the handle does; with [`kill_on_drop`](Self::kill_on_drop) it kills the
/// green thread.
///
/// # Examples
/// ```
/// # greenthread::future::block_on(async {
/// let sum = greenthread::spawn(|| (1..=10).sum::<i32>()).await;
/// assert_eq!(sum.unwrap(), 55);
/// # });
/// ```
#[must_use = "it does nothing unless it is awaited"]
pub struct Joining<H: Join> {
    handle: Option<H>,
    wait: Option<(FutureParker, Waiter)>,
    kill: bool,
}

impl<H: Join> Joining<H> {
    fn new(handle: H) -> Self {
        Self { handle: Some(handle), wait: None, kill: false }
    }

    /// Makes a drop of the future, before it is ready, kill the green thread, without waiting for its end.
    ///
    /// # Examples
    /// ```
    /// use greenthread::future::FutureExt as _;
    /// use std::time::Duration;
    ///
    /// let slow = greenthread::spawn(|| greenthread::sleep(Duration::from_secs(1000)));
    /// let thread = slow.thread().clone();
    /// assert!(slow.into_future().kill_on_drop().wait_timeout(Duration::from_millis(1)).is_err());
    /// ```
    pub fn kill_on_drop(mut self) -> Self {
        self.kill = true;
        self
    }

    fn leave(&mut self) {
        if let (Some((_, waiter)), Some(handle)) = (self.wait.take(), &self.handle) {
            handle.thread().task().remove_waiter(&waiter);
        }
    }
}

// None of its contents is pinned.
impl<H: Join> Unpin for Joining<H> {}

impl<H: Join> Future for Joining<H> {
    type Output = Result<H::Value, JoinError>;

    /// # Panics
    /// If it has been ready before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(handle) = &this.handle else {
            panic!("a green thread's future was polled after it was ready")
        };
        let task = handle.thread().task();
        if !is_over(task) {
            start(handle.thread());
            let (listener, _) = match &mut this.wait {
                Some(wait) => wait,
                none => {
                    let listener = FutureParker::new();
                    let waiter = listener.waiter();
                    task.add_waiter(waiter.clone());
                    none.insert((listener, waiter))
                }
            };
            if listener.poll(context).is_pending() && !is_over(task) {
                return Poll::Pending;
            }
        }
        this.leave();
        match this.handle.take() {
            Some(handle) => Poll::Ready(handle.join()),
            None => unreachable!("it was there just now"),
        }
    }
}

impl<H: Join> Drop for Joining<H> {
    fn drop(&mut self) {
        self.leave();
        if let (true, Some(handle)) = (self.kill, &self.handle) {
            handle.thread().task().kill();
        }
    }
}

impl<H: Join> fmt::Debug for Joining<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = self.handle.as_ref().map(H::thread);
        f.debug_struct("Joining").field("thread", &thread).finish_non_exhaustive()
    }
}

macro_rules! into_future {
    ($($handle:ident <$($life:lifetime,)? T>),*) => {$(
        /// Awaiting a handle joins the green thread.
        impl<$($life,)? T> IntoFuture for $handle<$($life,)? T> {
            type Output = Result<T, JoinError>;
            type IntoFuture = Joining<Self>;

            fn into_future(self) -> Joining<Self> {
                Joining::new(self)
            }
        }
    )*};
}

into_future!(JoinHandle<T>, LocalJoinHandle<T>, ScopedJoinHandle<'scope, T>);
