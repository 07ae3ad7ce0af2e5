//! Waiting for several green threads at once, as users see it. In which order they end is found in `watched_handles.rs`.
#![forbid(unsafe_code)]

use super::JoinError;
use super::handle::{Handle, Join};
use super::watched_handles::WatchedHandles;
use crate::sys::time::deadline_after;
use crate::util::dropping::{Held, each, give_out};
use std::fmt;
use std::time::{Duration, Instant};

/// When a [`wait`] returns, for green threads here and for futures in [`executor`](crate::executor::wait()), which have examples; a plain
/// number is a [`Count`](Self::Count). As `return_when` of Python's `concurrent.futures.wait`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReturnWhen {
    /// When one has ended.
    #[doc(alias = "FIRST_COMPLETED")]
    FirstCompleted,
    /// When one has panicked or could not run, or when all have ended. A kill does not count, as a cancelled future does not
    /// in Python.
    #[doc(alias = "FIRST_EXCEPTION")]
    FirstFailed,
    /// When all have ended.
    #[default]
    #[doc(alias = "ALL_COMPLETED")]
    AllCompleted,
    /// When so many have ended, or all, if there are fewer.
    Count(usize),
}

impl From<usize> for ReturnWhen {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl ReturnWhen {
    fn is_reached<H: Handle>(self, done: &[H]) -> bool {
        match self {
            Self::FirstCompleted => !done.is_empty(),
            Self::FirstFailed => {
                done.last().is_some_and(|handle| handle.thread().task().ended_badly())
            }
            Self::AllCompleted => false,
            Self::Count(count) => done.len() >= count,
        }
    }
}

/// Waits until some of the green threads have ended: a number of them, or what a [`ReturnWhen`] says. Returns the handles of
/// those that have ended, and the others. As gevent's `wait` and the `wait` of Python's `concurrent.futures`. Suspends a green
/// thread, blocks an OS thread.
///
/// The first list is in the order in which they ended; those that had ended before the call come first, in the order
/// given. It is no longer than the number that was waited for: others that have ended may be in the second list. A
/// green thread that is given twice, by references, counts once.
///
/// # Panics
/// If the caller itself is among them: it would wait for ever.
///
/// # Examples
/// ```
/// use greenthread::thread::wait;
/// let quick = greenthread::spawn(|| "quick");
/// let slow = greenthread::spawn(|| {
///     greenthread::thread::park();
///     "slow"
/// });
/// let (mut done, rest) = wait([slow, quick], 1);
/// assert_eq!(done.remove(0).join().unwrap(), "quick");
/// rest[0].thread().unpark();
/// let (done, _) = wait(rest, usize::MAX);
/// assert_eq!(done.len(), 1);
/// ```
/// Waiting until one of them fails:
/// ```
/// use greenthread::{sleep, spawn, thread::{ReturnWhen, kill_all, wait}};
/// use std::time::Duration;
/// let fine = spawn(|| ());
/// let bad = spawn(|| panic!("no luck"));
/// let slow = spawn(|| sleep(Duration::from_secs(1000)));
/// let (done, rest) = wait([fine, bad, slow], ReturnWhen::FirstFailed);
/// assert!(done.into_iter().any(|handle| handle.join().is_err()));
/// kill_all(rest);
/// ```
#[track_caller]
pub fn wait<H: Handle>(
    handles: impl IntoIterator<Item = H>,
    when: impl Into<ReturnWhen>,
) -> (Vec<H>, Vec<H>) {
    let handles = Held::new(handles);
    let when = when.into();
    wait_until(handles.into_inner(), when, None)
}

/// Like [`wait`], for at most `timeout`: then the first list has those that have ended by then, which may be none. Suspends a
/// green thread, blocks an OS thread.
///
/// # Panics
/// If the caller itself is among them.
///
/// # Examples
/// ```
/// use greenthread::{spawn, thread::{kill_all, park, wait_timeout}};
/// use std::time::Duration;
/// let (done, rest) = wait_timeout([spawn(park)], 1, Duration::from_millis(1));
/// assert_eq!((done.len(), rest.len()), (0, 1));
/// kill_all(rest);
/// ```
#[track_caller]
pub fn wait_timeout<H: Handle>(
    handles: impl IntoIterator<Item = H>,
    when: impl Into<ReturnWhen>,
    timeout: Duration,
) -> (Vec<H>, Vec<H>) {
    let handles = Held::new(handles);
    let when = when.into();
    wait_until(handles.into_inner(), when, deadline_after(timeout))
}

#[track_caller]
fn wait_until<H: Handle>(
    handles: impl IntoIterator<Item = H>,
    when: ReturnWhen,
    deadline: Option<Instant>,
) -> (Vec<H>, Vec<H>) {
    let mut watched = WatchedHandles::new(handles);
    let mut done = Vec::new();
    while !when.is_reached(&done) {
        match watched.next(deadline) {
            Some(handle) => done.push(handle),
            None => break,
        }
    }
    (done, watched.into_rest())
}

/// Waits for all of the green threads and returns their results in the order given; as gevent's `joinall`, and as
/// `asyncio.gather` with `return_exceptions`. Suspends a green thread, blocks an OS thread.
///
/// # Examples
/// ```
/// use greenthread::{spawn, thread::join_all};
/// let handles = (1..=3).map(|i| spawn(move || i * 10));
/// let values: Result<Vec<_>, _> = join_all(handles).into_iter().collect();
/// assert_eq!(values.unwrap(), [10, 20, 30]);
/// ```
#[doc(alias("joinall", "gather"))]
pub fn join_all<H: Join>(handles: impl IntoIterator<Item = H>) -> Vec<Result<H::Value, JoinError>> {
    // All of them exist, and have been started, before the first one is waited for, as that may need any of them.
    let handles: Vec<H> = each(handles).collect();
    handles.iter().for_each(|handle| super::join_handle::start(handle.thread()));
    give_out(handles.into_iter().map(|handle| Held::new(handle.join())).collect::<Vec<_>>())
}

/// As [`join_all`], but stops waiting as soon as one of the green threads ends without a value: the others go on, and their
/// handles are dropped. A [`group`](crate::thread::group()) ends the others as well. As Python's `asyncio.gather` and the
/// `try_join_all` of futures. Suspends a green thread, blocks an OS thread.
///
/// # Errors
/// The error of the green thread that was the first to end without a value.
///
/// # Panics
/// If the caller itself is among them.
///
/// # Examples
/// ```
/// use greenthread::{spawn, thread::{park, try_join_all}};
/// let handles = (1..=3).map(|i| spawn(move || i * 10));
/// assert_eq!(try_join_all(handles).unwrap(), [10, 20, 30]);
/// // The first of these never ends, and is not waited for.
/// let error = try_join_all([spawn(park), spawn(|| panic!("no luck"))]).unwrap_err();
/// assert!(error.is_panic());
/// ```
#[doc(alias = "gather")]
#[track_caller]
pub fn try_join_all<H: Join>(
    handles: impl IntoIterator<Item = H>,
) -> Result<Vec<H::Value>, JoinError> {
    let handles: Vec<H> = each(handles).collect();
    let mut values: Vec<Held<Option<H::Value>>> = handles.iter().map(|_| Held::new(None)).collect();
    let mut watched = WatchedHandles::new(handles);
    while let Some((number, handle)) = watched.next_numbered(None) {
        match handle.join() {
            Ok(value) => *values[number] = Some(value),
            Err(error) => {
                drop((values, watched));
                return Err(error);
            }
        }
    }
    // A handle cannot be given twice, as it is not a reference.
    Ok(values.into_iter().filter_map(Held::into_inner).collect())
}

/// Kills all of the green threads, as [`JoinHandle::kill`](super::JoinHandle::kill); as gevent's `killall`. Does not suspend: [`wait`] or
/// [`join_all`] waits for their ends.
///
/// # Examples
/// ```
/// use greenthread::{spawn, thread};
/// let handles: Vec<_> = (0..3).map(|_| spawn(|| thread::park())).collect();
/// thread::kill_all(&handles);
/// assert!(thread::join_all(handles).iter().all(|result| result.as_ref().unwrap_err().is_killed()));
/// ```
#[doc(alias("killall"))]
pub fn kill_all<H: Handle>(handles: impl IntoIterator<Item = H>) {
    for handle in each(handles) {
        super::join_handle::kill(handle.thread());
    }
}

/// An iterator that gives the handles of the green threads in the order in which these end. As `as_completed` of Python's
/// `concurrent.futures` and gevent's `iwait`. The call itself does not wait; the iterator's `next` waits until one more has
/// ended: it suspends a green thread and blocks an OS thread.
///
/// Those that had ended before the call come first, in the order given. A green thread that is given twice, by references,
/// comes once.
///
/// # Panics
/// If the caller itself is among them.
///
/// # Examples
/// ```
/// use greenthread::{sleep, spawn, thread::as_completed};
/// use std::time::Duration;
/// let sleepers = [30, 1, 15].map(|ms| spawn(move || { sleep(Duration::from_millis(ms)); ms }));
/// let mut order = Vec::new();
/// for handle in as_completed(sleepers) {
///     order.push(handle.join().unwrap());
/// }
/// assert_eq!(order.len(), 3);
/// ```
#[doc(alias("iwait", "FuturesUnordered", "imap_unordered"))]
#[track_caller]
pub fn as_completed<H: Handle>(handles: impl IntoIterator<Item = H>) -> AsCompleted<H> {
    AsCompleted { watched: WatchedHandles::new(handles), deadline: None }
}

/// Like [`as_completed`], for at most `timeout` from this call on: then the iterator ends, and
/// [`into_pending`](AsCompleted::into_pending) gives the handles of the others.
///
/// # Panics
/// If the caller itself is among them.
///
/// # Examples
/// ```
/// use greenthread::{spawn, thread::{as_completed_timeout, kill_all, park}};
/// use std::time::Duration;
/// let mut done = as_completed_timeout([spawn(park)], Duration::from_millis(1));
/// assert!(done.next().is_none());
/// kill_all(done.into_pending());
/// ```
#[track_caller]
pub fn as_completed_timeout<H: Handle>(
    handles: impl IntoIterator<Item = H>,
    timeout: Duration,
) -> AsCompleted<H> {
    AsCompleted { watched: WatchedHandles::new(handles), deadline: deadline_after(timeout) }
}

/// The iterator of [`as_completed`]. Dropping it drops the handles that it has not given out.
pub struct AsCompleted<H: Handle> {
    watched: WatchedHandles<H>,
    deadline: Option<Instant>,
}

impl<H: Handle> AsCompleted<H> {
    /// The handles that have not been taken, in the order given.
    ///
    /// # Examples
    /// Those that are not needed once the first is there:
    /// ```
    /// use greenthread::thread::{as_completed, kill_all, park};
    /// use greenthread::spawn;
    ///
    /// let mut ends = as_completed([spawn(park), spawn(|| ())]);
    /// ends.next().unwrap().join().unwrap();
    /// let others = ends.into_pending();
    /// assert_eq!(others.len(), 1);
    /// kill_all(others);
    /// ```
    #[must_use]
    pub fn into_pending(self) -> Vec<H> {
        self.watched.into_rest()
    }
}

impl<H: Handle> Iterator for AsCompleted<H> {
    type Item = H;

    fn next(&mut self) -> Option<H> {
        self.watched.next(self.deadline)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let least = if self.deadline.is_none() { self.watched.left } else { 0 };
        (least, Some(self.watched.left))
    }
}

impl<H: Handle> fmt::Debug for AsCompleted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("pending", &self.watched.left).finish_non_exhaustive()
    }
}
