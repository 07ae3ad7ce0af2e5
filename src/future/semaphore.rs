//! Semaphores from `async` code.
#![forbid(unsafe_code)]

use crate::runtime::wait_list::Key;
use crate::runtime::waker::FutureParker;
use crate::sync::{Semaphore, SemaphorePermit};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The future of [`Semaphore::acquire_async`] and [`Semaphore::acquire_many_async`].
#[must_use = "it does nothing unless it is awaited"]
pub struct Acquiring<'a> {
    semaphore: &'a Semaphore,
    wants: usize,
    wait: Option<(FutureParker, Key)>,
}

impl Semaphore {
    /// As [`acquire`](Self::acquire), to be awaited: the call returns a future, and does not suspend. The future waits in the same queue
    /// as threads do. Dropping it gives back a permit that has been handed over by then.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Semaphore;
    ///
    /// let seats = Semaphore::new(1);
    /// greenthread::future::block_on(async {
    ///     let seat = seats.acquire_async().await;
    ///     assert_eq!(seats.available(), 0);
    ///     drop(seat);
    /// });
    /// assert_eq!(seats.available(), 1);
    /// ```
    pub fn acquire_async(&self) -> Acquiring<'_> {
        self.acquire_many_async(1)
    }

    /// As [`acquire_many`](Self::acquire_many), to be awaited; see [`acquire_async`](Self::acquire_async).
    ///
    /// # Examples
    /// ```
    /// use greenthread::{future::block_on, sync::Semaphore};
    ///
    /// let megabytes = Semaphore::new(10);
    /// block_on(async {
    ///     let large = megabytes.acquire_many_async(8).await;
    ///     assert_eq!((large.num_permits(), megabytes.available()), (8, 2));
    /// });
    /// ```
    pub fn acquire_many_async(&self, count: usize) -> Acquiring<'_> {
        Acquiring { semaphore: self, wants: count, wait: None }
    }
}

impl<'a> Future for Acquiring<'a> {
    type Output = SemaphorePermit<'a>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<SemaphorePermit<'a>> {
        let this = &mut *self;
        if this.wait.is_none() {
            if this.semaphore.raw.try_acquire(this.wants) {
                return Poll::Ready(this.semaphore.permit(this.wants));
            }
            let listener = FutureParker::new();
            let Some(key) = this.semaphore.raw.enter(this.wants, listener.waiter()) else {
                return Poll::Ready(this.semaphore.permit(this.wants));
            };
            this.wait = Some((listener, key));
        }
        if let Some((listener, _)) = &this.wait {
            ready!(listener.poll(context));
        }
        this.wait = None;
        Poll::Ready(this.semaphore.permit(this.wants))
    }
}

impl Drop for Acquiring<'_> {
    fn drop(&mut self) {
        if let Some((_, key)) = self.wait.take() {
            self.semaphore.raw.give_up(key, self.wants);
        }
    }
}

impl fmt::Debug for Acquiring<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquiring").field("wants", &self.wants).finish_non_exhaustive()
    }
}
