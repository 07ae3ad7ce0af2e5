//! Waiting for several futures at once.
#![forbid(unsafe_code)]

use super::error::ExecutionError;
use super::future::Future;
use super::shared::SharedTask;
use crate::runtime::finished::Finished;
use crate::sys::time::deadline_after;
use crate::thread::ReturnWhen;
use crate::util::dropping::{Held, collect, drop_quietly, each, give_out};
use crate::util::moment::at_one_moment;
use std::borrow::Borrow;
use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What [`wait`] returns: each of the futures is in one of the two, in the order in which they were given.
#[derive(Debug)]
pub struct Waited<F> {
    /// Those that have ended, or were cancelled.
    pub done: Vec<F>,
    /// The others.
    pub not_done: Vec<F>,
}

/// A future that is waited for. The user's `borrow` has been called once, and is not called again.
struct One<T, F> {
    future: Held<F>,
    shared: Arc<SharedTask<T>>,
}

impl<T, F: Borrow<Future<T>>> One<T, F> {
    fn new(future: F) -> Self {
        let future = Held::new(future);
        let shared = Arc::clone((*future).borrow().shared());
        Self { future, shared }
    }
}

impl<T, F> One<T, F> {
    fn is_done(&self) -> bool {
        self.shared.outcome().is_some()
    }

    /// Returns the future, and drops our share of its task first: whoever uses the future up for its value waits until
    /// nobody else has a share.
    fn into_future(self) -> F {
        drop_quietly(self.shared);
        self.future.into_inner()
    }
}

/// Futures, each of them once, and the order in which they end.
struct WatchedFutures<T, F> {
    ones: Vec<Option<One<T, F>>>,
    left: usize,
    /// The numbers of those that had ended before anybody waited, in the given order; and for each future whether it
    /// had.
    ended: VecDeque<usize>,
    had_ended: Vec<bool>,
    /// The numbers of the others, in the order in which they end. Some of `ended` may be there too.
    finished: Arc<Finished>,
}

impl<T, F: Borrow<Future<T>>> WatchedFutures<T, F> {
    fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let mut seen = HashSet::new();
        let mut ones = Vec::new();
        for future in each(futures) {
            let one = One::new(future);
            if seen.insert(Arc::as_ptr(&one.shared).cast::<()>().addr()) {
                ones.push(Some(one));
            }
        }
        let finished = Arc::new(Finished::default());
        for (number, one) in ones.iter().flatten().enumerate() {
            one.shared.watch(&finished, number);
        }
        let (left, had_ended) = (ones.len(), vec![false; ones.len()]);
        let mut watched = Self { ones, left, ended: VecDeque::new(), had_ended, finished };
        // In a forked child, those that belong to the parent do not end.
        let is_over = |one: &One<T, F>| one.is_done() || one.shared.is_parents();
        // All are watched by now, so those that have not ended here will be reported.
        watched.ended = watched.at_one_moment(is_over);
        for number in &watched.ended {
            watched.had_ended[*number] = true;
        }
        watched
    }
}

impl<T, F> WatchedFutures<T, F> {
    /// The numbers of those for which `holds` is true, all at one moment. Once it is true it must stay so.
    fn at_one_moment(&self, holds: impl Fn(&One<T, F>) -> bool) -> VecDeque<usize> {
        let ones = || self.ones.iter().enumerate();
        let of = |one: &Option<One<T, F>>| one.as_ref().is_some_and(&holds);
        at_one_moment(|| ones().filter(|(_, one)| of(one)).map(|(number, _)| number).collect())
    }

    /// The number of the next one that has ended. `None` if none is left, or the deadline came first.
    fn next(&mut self, deadline: Option<Instant>) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        let number = match self.ended.pop_front() {
            Some(number) => number,
            None => loop {
                let number = self.finished.next(deadline)?;
                if !self.had_ended[number] {
                    break number;
                }
            },
        };
        self.left -= 1;
        if let Some(one) = &self.ones[number] {
            one.shared.settle();
        }
        Some(number)
    }

    /// Takes a future out, to be returned.
    fn take(&mut self, number: usize) -> Option<F> {
        self.ones[number].take().map(One::into_future)
    }

    fn unwatch(&self) {
        for one in self.ones.iter().flatten() {
            one.shared.unwatch(&self.finished);
        }
    }
}

impl<T, F> Drop for WatchedFutures<T, F> {
    fn drop(&mut self) {
        self.unwatch();
    }
}

/// Waits for futures of one executor or of several; returns those that have ended and the others. As Python's
/// `concurrent.futures.wait`. Suspends a green thread, blocks an OS thread.
///
/// The futures are given by value, by reference or in an [`Arc`]. One that is given twice counts once.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, ReturnWhen, wait};
/// use std::time::Duration;
/// let executor = GreenExecutor::new();
/// let quick = executor.submit(|| "quick")?;
/// let slow = executor.submit(|| { greenthread::thread::park(); "slow" })?;
/// let waited = wait([&quick, &slow], ReturnWhen::FirstCompleted);
/// assert_eq!(waited.done[0].result().unwrap(), &"quick");
/// assert_eq!(waited.not_done.len(), 1);
/// slow.kill();
/// assert!(wait([&quick, &slow], ReturnWhen::AllCompleted).not_done.is_empty());
/// # Ok::<(), greenthread::executor::SubmitError>(())
/// ```
#[doc(alias = "FIRST_COMPLETED")]
pub fn wait<T, F>(futures: impl IntoIterator<Item = F>, when: impl Into<ReturnWhen>) -> Waited<F>
where
    F: Borrow<Future<T>>,
{
    let futures = Held::new(futures);
    let when = when.into();
    wait_until(futures.into_inner(), when, None)
}

/// As [`wait`], for at most `timeout`. Those that have not ended by then are in `not_done`.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, ReturnWhen, wait_timeout};
/// use std::time::Duration;
/// let slow = GreenExecutor::new().submit(greenthread::thread::park)?;
/// let waited = wait_timeout([&slow], ReturnWhen::AllCompleted, Duration::from_millis(1));
/// assert_eq!((waited.done.len(), waited.not_done.len()), (0, 1));
/// # slow.kill();
/// # Ok::<(), greenthread::executor::SubmitError>(())
/// ```
pub fn wait_timeout<T, F>(
    futures: impl IntoIterator<Item = F>,
    when: impl Into<ReturnWhen>,
    timeout: Duration,
) -> Waited<F>
where
    F: Borrow<Future<T>>,
{
    let futures = Held::new(futures);
    let when = when.into();
    wait_until(futures.into_inner(), when, deadline_after(timeout))
}

fn wait_until<T, F>(
    futures: impl IntoIterator<Item = F>,
    when: ReturnWhen,
    deadline: Option<Instant>,
) -> Waited<F>
where
    F: Borrow<Future<T>>,
{
    let mut watched = WatchedFutures::new(futures);
    let (mut ended, mut enough) = (0, when == ReturnWhen::Count(0));
    while !enough && let Some(number) = watched.next(deadline) {
        let outcome = watched.ones[number].as_ref().and_then(|one| one.shared.outcome());
        ended += 1;
        enough = match when {
            ReturnWhen::FirstCompleted => true,
            ReturnWhen::FirstFailed => {
                outcome.is_some_and(|it| it.as_ref().is_err_and(|error| !error.is_cancelled()))
            }
            ReturnWhen::AllCompleted => false,
            ReturnWhen::Count(count) => ended >= count,
        };
    }
    watched.unwatch();
    let mut ended = watched.at_one_moment(One::is_done);
    let (mut done, mut not_done) = (Vec::new(), Vec::new());
    // None has been taken out, so their positions are their numbers.
    for (number, one) in std::mem::take(&mut watched.ones).into_iter().flatten().enumerate() {
        let has_ended = ended.front() == Some(&number);
        if has_ended {
            ended.pop_front();
        }
        if has_ended { &mut done } else { &mut not_done }.push(one.into_future());
    }
    Waited { done, not_done }
}

/// The futures in the order in which they end: each `next` suspends a green thread, or blocks an OS thread, until one
/// has ended. As Python's `concurrent.futures.as_completed`.
///
/// Those that have ended already come first, in the order in which they were given. One that is given twice, by
/// references, comes once.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, ThreadPool, as_completed};
/// let pool = ThreadPool::new(2)?;
/// let futures = (1..=3u32).map(|n| pool.submit(move || n * n)).collect::<Result<Vec<_>, _>>()?;
/// let mut sum = 0;
/// for future in as_completed(&futures) {
///     sum += future.result()?;
/// }
/// assert_eq!(sum, 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "FuturesUnordered")]
pub fn as_completed<T, F>(futures: impl IntoIterator<Item = F>) -> AsCompleted<T, F>
where
    F: Borrow<Future<T>>,
{
    AsCompleted { watched: WatchedFutures::new(futures), deadline: None }
}

/// As [`as_completed`], for at most `timeout` from this call on: then the iterator ends, and
/// [`into_pending`](AsCompleted::into_pending) returns the others.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, as_completed_timeout};
/// use std::time::Duration;
/// let executor = GreenExecutor::new();
/// let never = executor.submit(greenthread::thread::park)?;
/// let mut ended = as_completed_timeout([&never], Duration::from_millis(1));
/// assert!(ended.next().is_none());
/// assert_eq!(ended.into_pending().len(), 1);
/// # never.kill();
/// # Ok::<(), greenthread::executor::SubmitError>(())
/// ```
pub fn as_completed_timeout<T, F>(
    futures: impl IntoIterator<Item = F>,
    timeout: Duration,
) -> AsCompleted<T, F>
where
    F: Borrow<Future<T>>,
{
    AsCompleted { watched: WatchedFutures::new(futures), deadline: deadline_after(timeout) }
}

/// An iterator over futures in the order in which they end; made by [`as_completed`].
pub struct AsCompleted<T, F: Borrow<Future<T>>> {
    watched: WatchedFutures<T, F>,
    deadline: Option<Instant>,
}

impl<T, F: Borrow<Future<T>>> AsCompleted<T, F> {
    /// The futures that the iterator has not returned, in the order in which they were given.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor, as_completed};
    ///
    /// let executor = GreenExecutor::new();
    /// let slow = executor.submit(greenthread::thread::park)?;
    /// let quick = executor.submit(|| ())?;
    /// let mut ended = as_completed([slow, quick]);
    /// assert!(ended.next().unwrap().result().is_ok());
    /// for unneeded in ended.into_pending() {
    ///     unneeded.kill();
    ///     # unneeded.cancel();
    /// }
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    pub fn into_pending(mut self) -> Vec<F> {
        self.watched.unwatch();
        let ones = std::mem::take(&mut self.watched.ones);
        ones.into_iter().flatten().map(One::into_future).collect()
    }
}

impl<T, F: Borrow<Future<T>>> Iterator for AsCompleted<T, F> {
    type Item = F;

    fn next(&mut self) -> Option<F> {
        let number = self.watched.next(self.deadline)?;
        self.watched.take(number)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let least = if self.deadline.is_none() { self.watched.left } else { 0 };
        (least, Some(self.watched.left))
    }
}

impl<T, F: Borrow<Future<T>>> fmt::Debug for AsCompleted<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("pending", &self.watched.left).finish_non_exhaustive()
    }
}

/// Waits for all of the futures and returns their values in the order given. If one has no value, returns its error at
/// once; the other tasks go on. As Python's `asyncio.gather`. Suspends a green thread, blocks an OS thread.
///
/// # Errors
/// That of the first task that ends without a value.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, gather};
/// let executor = GreenExecutor::new();
/// let good = (0..3).map(|n| executor.submit(move || n)).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(gather(good).unwrap(), [0, 1, 2]);
///
/// let futures = [executor.submit(greenthread::thread::park)?, executor.submit(|| panic!("no luck"))?];
/// assert!(gather(futures).unwrap_err().is_panic());
/// # Ok::<(), greenthread::executor::SubmitError>(())
/// ```
#[doc(alias = "asyncio")]
#[doc(alias = "join_all")]
pub fn gather<T>(futures: impl IntoIterator<Item = Future<T>>) -> Result<Vec<T>, ExecutionError> {
    let futures: Vec<_> = each(futures).collect();
    for future in as_completed(&futures) {
        future.result()?;
    }
    collect(futures.into_iter().map(Future::into_result))
}

/// Waits for all of the futures and returns the outcome of each, in the order given. As Python's `asyncio.gather` with
/// `return_exceptions`. Suspends a green thread, blocks an OS thread.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, gather_all};
/// let executor = GreenExecutor::new();
/// let outcomes = gather_all([executor.submit(|| 1)?, executor.submit(|| panic!("no luck"))?]);
/// assert_eq!(outcomes[0].as_ref().unwrap(), &1);
/// assert!(outcomes[1].as_ref().unwrap_err().is_panic());
/// # Ok::<(), greenthread::executor::SubmitError>(())
/// ```
#[doc(alias = "return_exceptions")]
pub fn gather_all<T>(
    futures: impl IntoIterator<Item = Future<T>>,
) -> Vec<Result<T, ExecutionError>> {
    let futures: Vec<_> = each(futures).collect();
    let results = futures.into_iter().map(|future| Held::new(future.into_result()));
    give_out(results.collect::<Vec<_>>())
}

/// Why [`try_gather`] has no values.
#[derive(Debug)]
#[non_exhaustive]
pub enum GatherError<E> {
    /// A task returned this error.
    Failed(E),
    /// A task has no value at all.
    Execution(ExecutionError),
}

impl<E: fmt::Display> fmt::Display for GatherError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Execution(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for GatherError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Execution(error) => error.source(),
        }
    }
}

/// As [`gather`], for tasks that return a [`Result`]: an error that one of them returns counts as a failure too. (In
/// Python there is no difference between the two.) Suspends a green thread, blocks an OS thread.
///
/// # Errors
/// The first that comes: [`GatherError::Failed`] for one that a task returned, [`GatherError::Execution`] for a task
/// without a value.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, try_gather};
/// let executor = GreenExecutor::new();
/// let parse = |word: &'static str| executor.submit(move || word.parse::<u8>()).unwrap();
/// assert_eq!(try_gather([parse("1"), parse("2")]).unwrap(), [1, 2]);
/// assert_eq!(try_gather([parse("1"), parse("x")]).unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[doc(alias = "try_join_all")]
pub fn try_gather<T, E>(
    futures: impl IntoIterator<Item = Future<Result<T, E>>>,
) -> Result<Vec<T>, GatherError<E>> {
    let mut watched = WatchedFutures::new(futures);
    let mut values: Vec<Held<Option<T>>> = Vec::new();
    values.resize_with(watched.ones.len(), Held::default);
    let mut failure = Held::new(None);
    while failure.is_none()
        && let Some(number) = watched.next(None)
    {
        match watched.take(number).map(Future::into_result) {
            Some(Ok(Ok(value))) => *values[number] = Some(value),
            Some(Ok(Err(error))) => *failure = Some(GatherError::Failed(error)),
            Some(Err(error)) => *failure = Some(GatherError::Execution(error)),
            None => {}
        }
    }
    if failure.is_some() {
        drop((values, watched));
        return failure.into_inner().map_or_else(|| unreachable!("there is one"), Err);
    }
    Ok(values.into_iter().filter_map(Held::into_inner).collect())
}
