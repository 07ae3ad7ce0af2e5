//! Waiting for several green threads at once.
#![forbid(unsafe_code)]

use super::{JoinError, JoinHandle, LocalJoinHandle, ScopedJoinHandle, Thread, ThreadId};
use crate::runtime::finished::Finished;
use crate::runtime::park;
use crate::sys::time::deadline_after;
use crate::util::dropping::{Held, each, give_out};
use crate::util::moment::at_one_moment;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod sealed {
    pub trait Sealed {}
}

/// What [`wait`], [`as_completed`] and [`kill_all`] take: a handle of a green thread, or a reference to one. No other types can
/// implement it.
pub trait Handle: sealed::Sealed {
    /// The green thread.
    fn thread(&self) -> &Thread;
}

/// What [`join_all`] and [`try_join_all`] take: a handle itself, which is used up for the result. No other types can implement it.
pub trait Join: Handle + Sized {
    /// What the green thread returns.
    type Value;

    /// As [`JoinHandle::join`]. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// Those of [`JoinHandle::join`].
    fn join(self) -> Result<Self::Value, JoinError>;
}

macro_rules! handles {
    ($($handle:ident <$($life:lifetime,)? T>),*) => {$(
        impl<$($life,)? T> sealed::Sealed for $handle<$($life,)? T> {}

        impl<$($life,)? T> Handle for $handle<$($life,)? T> {
            fn thread(&self) -> &Thread {
                $handle::thread(self)
            }
        }

        impl<$($life,)? T> Join for $handle<$($life,)? T> {
            type Value = T;

            fn join(self) -> Result<T, JoinError> {
                $handle::join(self)
            }
        }
    )*};
}

handles!(JoinHandle<T>, LocalJoinHandle<T>, ScopedJoinHandle<'scope, T>);

impl<H: Handle> sealed::Sealed for &H {}

impl<H: Handle> Handle for &H {
    fn thread(&self) -> &Thread {
        H::thread(self)
    }
}

/// Handles of different green threads, and the order in which these end.
struct WatchedHandles<H: Handle> {
    handles: Vec<Option<H>>,
    left: usize,
    /// The numbers of those that had ended before anybody waited, in the order given.
    ended: VecDeque<usize>,
    /// The numbers of the others, in the order in which they end. Some of `ended` may be there too.
    finished: Arc<Finished>,
}

/// Whether its end can still come. A forked child has the handles of its parent, but not the green threads.
fn is_awaited(thread: &Thread) -> bool {
    !thread.task().is_done() && !thread.task().is_parents()
}

impl<H: Handle> WatchedHandles<H> {
    #[track_caller]
    fn new(handles: impl IntoIterator<Item = H>) -> Self {
        let mut seen: HashSet<ThreadId> = HashSet::new();
        let mut different: Vec<Option<H>> = Vec::new();
        for handle in each(handles) {
            assert!(
                !park::is_caller(handle.thread().task()),
                "a green thread cannot wait for its own end: it would wait for ever"
            );
            super::join_handle::start(handle.thread());
            if seen.insert(handle.thread().id()) {
                different.push(Some(handle));
            }
        }
        let left = different.len();
        let finished = Arc::new(Finished::default());
        let mut watched = Self { handles: different, left, ended: VecDeque::new(), finished };
        for (number, handle) in watched.handles.iter().enumerate() {
            if let Some(handle) = handle
                && is_awaited(handle.thread())
            {
                handle.thread().task().watch(&watched.finished, number);
            }
        }
        // All are watched by now, so those that have not ended here will be reported.
        watched.ended = at_one_moment(|| watched.have_ended());
        watched
    }

    fn have_ended(&self) -> VecDeque<usize> {
        let handles = self.handles.iter().enumerate();
        let has_ended = |handle: &H| !is_awaited(handle.thread());
        handles
            .filter(|(_, handle)| handle.as_ref().is_some_and(has_ended))
            .map(|(number, _)| number)
            .collect()
    }

    /// The next handle whose green thread has ended. `None` if none is left, or the deadline came first.
    fn next(&mut self, deadline: Option<Instant>) -> Option<H> {
        self.next_numbered(deadline).map(|(_, handle)| handle)
    }

    /// Like `next`, with the position that the handle had among the different ones that were given.
    fn next_numbered(&mut self, deadline: Option<Instant>) -> Option<(usize, H)> {
        if self.left == 0 {
            return None;
        }
        loop {
            let number = match self.ended.pop_front() {
                Some(number) => number,
                None => self.finished.next(deadline)?,
            };
            // It has been taken already if it was in `ended` too.
            if let Some(handle) = self.handles[number].take() {
                self.left -= 1;
                handle.thread().task().settle();
                return Some((number, handle));
            }
        }
    }

    /// The handles that have not been taken, in the order given.
    fn into_rest(mut self) -> Vec<H> {
        self.unwatch();
        std::mem::take(&mut self.handles).into_iter().flatten().collect()
    }

    fn unwatch(&self) {
        for handle in self.handles.iter().flatten().filter(|handle| is_awaited(handle.thread())) {
            handle.thread().task().unwatch(&self.finished);
        }
    }
}

impl<H: Handle> Drop for WatchedHandles<H> {
    fn drop(&mut self) {
        self.unwatch();
    }
}

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

/// Kills all of the green threads, as [`JoinHandle::kill`]; as gevent's `killall`. Does not suspend: [`wait`] or
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
    /// The handles that have not been given out, in the order given.
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
