//! Making channels.
#![forbid(unsafe_code)]

use super::{Receiver, Sender};
use crate::sync::channel::{Chan, TimedMessages};
use crate::sys::time::deadline_after;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn make<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let chan = Arc::new(Chan::new(capacity));
    (Sender { chan: Arc::clone(&chan) }, Receiver::of(chan))
}

/// Makes a channel without a limit, to which sending never waits. As crossbeam-channel's.
///
/// # Examples
/// ```
/// let (sender, receiver) = greenthread::sync::mpmc::unbounded();
/// let other = sender.clone();
/// greenthread::spawn(move || other.send("one").unwrap()).join().unwrap();
/// sender.send("two").unwrap();
/// drop(sender);
/// assert_eq!(receiver.into_iter().collect::<Vec<_>>(), ["one", "two"]);
/// ```
#[doc(alias("chan", "channel"))]
#[must_use]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    make(None)
}

/// Makes a channel that holds up to `capacity` items; while it is full, sending waits. With a capacity of zero, each send waits
/// until its item has been received. As crossbeam-channel's, and as Go's `make(chan T, capacity)`.
///
/// # Examples
/// ```
/// use greenthread::sync::mpmc::{TrySendError, bounded};
/// let (sender, receiver) = bounded(1);
/// sender.send("a").unwrap();
/// assert_eq!(sender.try_send("b"), Err(TrySendError::Full("b")));
/// assert_eq!(receiver.recv(), Ok("a"));
/// ```
#[doc(alias = "BlockingQueue")]
#[doc(alias("chan", "channel", "rendezvous"))]
#[must_use]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    make(Some(capacity))
}

/// The same as [`unbounded`], by std's name.
///
/// # Examples
/// Code that is written for std's channels gets receivers that can be cloned by its `use` line alone:
/// ```
/// use greenthread::sync::mpmc::{channel, sync_channel};
///
/// let ((sender, receiver), (full, _kept)) = (channel(), sync_channel(1));
/// sender.send(1).unwrap();
/// full.send(2).unwrap();
/// assert!(receiver.clone().recv() == Ok(1) && full.is_full());
/// ```
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    unbounded()
}

/// The same as [`bounded`], by std's name.
#[must_use]
pub fn sync_channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    bounded(capacity)
}

/// Makes a receiver that gives one message after `duration`: the time at which it was due. As Go's `time.After`; for a time limit
/// in a [`select!`](crate::select).
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// let due = greenthread::sync::mpmc::after(Duration::from_millis(5)).recv().unwrap();
/// assert!(due >= start + Duration::from_millis(5) && Instant::now() >= due);
/// ```
#[doc(alias("time.After", "timeout"))]
#[must_use]
pub fn after(duration: Duration) -> Receiver<Instant> {
    Receiver::at(TimedMessages::new(deadline_after(duration), None, |due| due))
}

/// Makes a receiver that gives one message at the time `due`: that time itself. As crossbeam-channel's.
///
/// # Examples
/// ```
/// use greenthread::{select, sync::mpmc};
/// use std::time::{Duration, Instant};
/// let deadline = Instant::now() + Duration::from_millis(1);
/// let (_sender, receiver) = mpmc::unbounded::<u8>();
/// // The same limit for several waits.
/// let timed_out = select! {
///     recv(receiver) -> _ => false,
///     recv(mpmc::at(deadline)) -> due => due == Ok(deadline),
/// };
/// assert!(timed_out);
/// ```
#[must_use]
pub fn at(due: Instant) -> Receiver<Instant> {
    Receiver::at(TimedMessages::new(Some(due), None, |due| due))
}

/// Makes a receiver that gives a message in each `period`: the time at which it was due. As Go's `time.Tick`. Messages that are
/// not taken in time are left out.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// let ticks = greenthread::sync::mpmc::tick(Duration::from_millis(1));
/// let due: Vec<_> = ticks.iter().take(3).collect();
/// assert!(due[0] < due[1] && due[1] < due[2]);
/// ```
#[doc(alias("Ticker", "interval"))]
#[must_use]
pub fn tick(period: Duration) -> Receiver<Instant> {
    Receiver::at(TimedMessages::new(deadline_after(period), Some(period), |due| due))
}

/// Makes a receiver that never gives a message: for an arm of a [`select!`](crate::select) that is switched off, as a nil channel
/// of Go.
///
/// # Examples
/// ```
/// use greenthread::{select, sync::mpmc};
/// use std::time::Duration;
/// fn wait_for(limit: Option<Duration>) -> bool {
///     let (_sender, receiver) = mpmc::unbounded::<u8>();
///     let over = limit.map_or_else(mpmc::never, mpmc::after);
///     select! {
///         recv(receiver) -> _ => true,
///         recv(over) -> _ => false,
///     }
/// }
/// assert!(!wait_for(Some(Duration::from_millis(1))));
/// ```
#[must_use]
pub fn never<T>() -> Receiver<T> {
    Receiver::at(TimedMessages::never())
}
