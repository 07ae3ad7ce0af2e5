//! Events from `async` code.
#![forbid(unsafe_code)]

use super::awaited::Awaited;
use crate::sync::Event;
use crate::sync::select::{EventArm, event};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The future of [`Event::wait_async`].
#[must_use = "it does nothing unless it is awaited"]
pub struct Happening<'a>(Awaited<EventArm<'a>>);

impl Event {
    /// As [`wait`](Self::wait), to be awaited: the call returns a future, and does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Arc, Event};
    ///
    /// let event = Arc::new(Event::new());
    /// let other = Arc::clone(&event);
    /// greenthread::spawn(move || other.set());
    /// greenthread::future::block_on(async { event.wait_async().await });
    /// assert!(event.is_set());
    /// ```
    pub fn wait_async(&self) -> Happening<'_> {
        Happening(Awaited::new(event(self)))
    }
}

impl Future for Happening<'_> {
    type Output = ();

    /// # Panics
    /// If it has been ready before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.0.poll(context)).finish();
        Poll::Ready(())
    }
}

impl fmt::Debug for Happening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Happening").finish_non_exhaustive()
    }
}
