//! Mutexes from `async` code.
#![forbid(unsafe_code)]

use crate::runtime::wait_list::Key;
use crate::runtime::waker::{FutureParker, GoOn};
use crate::sync::{LockResult, Mutex, MutexGuard, TryLockError};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A mutex that is to be taken; see [`Mutex::lock_async`].
#[must_use = "it does nothing unless it is awaited"]
pub struct Locking<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    wait: Option<(FutureParker, Key)>,
}

impl<T: ?Sized> Mutex<T> {
    /// As [`lock`](Self::lock), to be awaited, in the same queue as everybody. Does not suspend a green thread.
    ///
    /// Dropping the future passes the mutex on that has been handed over by then. A future whose turn it is, and that is neither polled
    /// nor dropped, is passed by after some 50 ms, as long as the program has a [`Runtime`](crate::Runtime). The guard stays on its OS
    /// thread, as any other of this mutex, so a task that an executor moves about does not hold it over an `await`; there, a
    /// [`Semaphore`](crate::sync::Semaphore) of one permit protects.
    ///
    /// # Errors
    /// [`PoisonError`](std::sync::PoisonError) with the guard, if poisoned.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Mutex;
    ///
    /// let count = Mutex::new(1);
    /// greenthread::future::block_on(async {
    ///     *count.lock_async().await.unwrap() += 1;
    /// });
    /// assert_eq!(*count.lock().unwrap(), 2);
    /// ```
    pub fn lock_async(&self) -> Locking<'_, T> {
        Locking { mutex: self, wait: None }
    }
}

impl<'a, T: ?Sized> Future for Locking<'a, T> {
    type Output = LockResult<MutexGuard<'a, T>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let woken = match &this.wait {
                Some((listener, key)) => match ready!(listener.poll_open(context)) {
                    GoOn::Notified => true,
                    GoOn::Nudged => match this.mutex.pass_by(*key) {
                        Some(guard) => {
                            this.wait = None;
                            return Poll::Ready(guard);
                        }
                        None => continue,
                    },
                },
                None => match this.mutex.try_lock() {
                    Ok(guard) => return Poll::Ready(Ok(guard)),
                    Err(TryLockError::Poisoned(error)) => return Poll::Ready(Err(error)),
                    Err(TryLockError::WouldBlock) => false,
                },
            };
            let mut listener = this.wait.take().map_or_else(FutureParker::new, |(again, _)| again);
            let waiter = if woken { listener.again() } else { listener.waiter() };
            listener.open(this.mutex.mark());
            match this.mutex.enter(waiter, woken) {
                Ok(guard) => return Poll::Ready(guard),
                Err(key) => this.wait = Some((listener, key)),
            }
        }
    }
}

impl<T: ?Sized> Drop for Locking<'_, T> {
    fn drop(&mut self) {
        if let Some((_, key)) = self.wait.take() {
            self.mutex.give_up(key);
        }
    }
}

impl<T: ?Sized> fmt::Debug for Locking<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locking").finish_non_exhaustive()
    }
}
