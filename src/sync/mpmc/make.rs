//! Making channels.
#![forbid(unsafe_code)]

use super::{Receiver, Sender};
use crate::sync::channel::{Chan, Timer};
use crate::sys::time::deadline_after;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn make<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let chan = Arc::new(Chan::new(capacity));
    (Sender { chan: Arc::clone(&chan) }, Receiver::of(chan))
}

/// A channel without a limit: sending never waits.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    make(None)
}

/// A channel that holds up to `capacity` items: then sending waits. With zero, each send waits until its item has been
/// received.
///
/// # Examples
/// ```
/// use greenthread::sync::mpmc::{TrySendError, bounded};
/// let (sender, receiver) = bounded(1);
/// sender.send("a").unwrap();
/// assert_eq!(sender.try_send("b"), Err(TrySendError::Full("b")));
/// assert_eq!(receiver.recv(), Ok("a"));
/// ```
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    make(Some(capacity))
}

/// [`unbounded`] by std's name.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    unbounded()
}

/// [`bounded`] by std's name.
pub fn sync_channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    bounded(capacity)
}

/// Gives one message, the time it was due, after `duration`; as Go's `time.After`.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// let due = greenthread::sync::mpmc::after(Duration::from_millis(5)).recv().unwrap();
/// assert!(due >= start + Duration::from_millis(5) && Instant::now() >= due);
/// ```
pub fn after(duration: Duration) -> Receiver<Instant> {
    Receiver::at(Timer::new(deadline_after(duration), None, |due| due))
}

/// Gives one message, `due` itself, at that time.
pub fn at(due: Instant) -> Receiver<Instant> {
    Receiver::at(Timer::new(Some(due), None, |due| due))
}

/// Gives a message each `period`, the time it was due; as Go's `time.Tick`. Those that nobody takes in time are left out.
pub fn tick(period: Duration) -> Receiver<Instant> {
    Receiver::at(Timer::new(deadline_after(period), Some(period), |due| due))
}

/// Never gives a message; for an arm of a `select!` that is not needed.
pub fn never<T>() -> Receiver<T> {
    Receiver::at(Timer::never())
}
