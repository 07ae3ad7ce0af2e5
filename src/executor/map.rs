//! Hands many calls to one executor, and returns their results.
#![forbid(unsafe_code)]

use super::error::ExecutionError;
use super::executor::{Apply, Call, Executor, Runs};
use super::future::Future;
use crate::runtime::finished::Finished;
use crate::sys::clock;
use crate::util::dropping::{Held, drop_each};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::iter::Fuse;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The calls of a function for the items of an iterator; what [`Executor::map`] makes of its arguments.
#[derive(Debug)]
pub struct Calls<F, I> {
    function: Held<Arc<F>>,
    items: I,
}

impl<F, I> Calls<F, I> {
    pub(super) fn of(function: F, items: impl IntoIterator<IntoIter = I>) -> Self {
        let function = Held::new(Arc::new(function));
        Self { function, items: items.into_iter() }
    }
}

impl<F, I: Iterator> Iterator for Calls<F, I> {
    type Item = Apply<F, I::Item>;

    fn next(&mut self) -> Option<Self::Item> {
        self.items.next().map(|item| Apply::new(&self.function, item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

type Output<I> = <<I as Iterator>::Item as Call>::Output;
type CallOutcome<I> = Result<Output<I>, ExecutionError>;

/// How many calls are submitted before the first result is taken: enough that workers find work while the caller deals
/// with a result that came late.
fn usual_read_ahead<E: Executor>(executor: &E) -> usize {
    executor.max_workers().saturating_mul(4).min(1024)
}

/// When the time is over, if there is a limit. `None` if the clock cannot represent that.
fn deadline(since: Instant, timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| since.checked_add(timeout))
}

/// The results of [`Executor::map`] in the order of the items, as an iterator.
///
/// The items are read as they are needed: [`read_ahead`](Self::read_ahead) says how many calls may be handed in before
/// their results are asked for. So the iterator of the items may be endless. Each `next` suspends a green thread, or
/// blocks an OS thread, until its call has ended. If a call has no value, its error comes in its place, and the others
/// go on. Dropping this cancels the calls that have not begun.
#[must_use = "results are lost, and most calls are never made, if nobody takes them"]
pub struct Map<'a, E, I>
where
    I: Iterator<Item: Call>,
{
    executor: &'a E,
    calls: Held<Fuse<I>>,
    ahead: VecDeque<Result<Future<Output<I>>, ExecutionError>>,
    read_ahead: usize,
    begun: Instant,
    timeout: Option<Duration>,
    over: bool,
}

impl<'a, E, I> Map<'a, E, I>
where
    I: Iterator<Item: Call>,
    E: Executor + Runs<I::Item>,
{
    pub(super) fn new(executor: &'a E, calls: I) -> Self {
        let calls = Held::new(calls.fuse());
        let read_ahead = usual_read_ahead(executor);
        let mut map = Self {
            executor,
            calls,
            ahead: VecDeque::new(),
            read_ahead,
            begun: clock::now(),
            timeout: None,
            over: false,
        };
        map.fill();
        map
    }

    /// Sets a limit for the whole, counted from the call of `map`. When the time is over, the next result is the last
    /// one: an error that [says so](ExecutionError::is_timeout). Calls that have not begun are cancelled then, and
    /// those that run go on.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{executor::{Executor, GreenExecutor}, sleep};
    /// use std::time::Duration;
    /// let executor = GreenExecutor::new();
    /// let nap = |seconds| sleep(Duration::from_secs(seconds));
    /// let mut results = executor.map(nap, [1000, 2000]).timeout(Duration::from_millis(5));
    /// assert!(results.next().unwrap().unwrap_err().is_timeout());
    /// assert!(results.next().is_none());
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many calls may be handed in before their results are asked for; at least one. Unless set, four for each
    /// worker, and no more than 1024. (Python's `buffersize`.)
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    /// let executor = GreenExecutor::new();
    /// // Of these endless numbers, no more than three are squared before they are asked for.
    /// let squares: Vec<_> = executor.map(|n: u64| n * n, 1..).read_ahead(3).take(4).flatten().collect();
    /// assert_eq!(squares, [1, 4, 9, 16]);
    /// ```
    #[doc(alias = "buffersize")]
    #[doc(alias = "chunksize")]
    pub fn read_ahead(mut self, calls: usize) -> Self {
        self.read_ahead = calls.max(1);
        self.fill();
        self
    }

    fn fill(&mut self) {
        self.fill_beside(0);
    }

    /// Like `fill`, when this many of the results are about to be given out.
    fn fill_beside(&mut self, leaving: usize) {
        while !self.over && self.ahead.len() - leaving < self.read_ahead {
            let Some(call) = self.calls.next() else { return };
            self.ahead.push_back(self.executor.start(call).map_err(ExecutionError::from));
        }
    }
}

impl<E, I> Map<'_, E, I>
where
    I: Iterator<Item: Call>,
{
    fn cancel_rest(&mut self) {
        self.over = true;
        drop_each(self.ahead.drain(..).flatten().map(|future| move || _ = future.cancel()));
    }
}

impl<E, I> Iterator for Map<'_, E, I>
where
    I: Iterator<Item: Call>,
    E: Executor + Runs<I::Item>,
{
    type Item = CallOutcome<I>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        // The result stays where it is until it is given out, so an interruption of this wait, or of reading the next
        // item, does not lose it.
        if let Ok(future) = self.ahead.front()?
            && !future.shared().wait_result(deadline(self.begun, self.timeout))
        {
            self.cancel_rest();
            return Some(Err(ExecutionError::timed_out()));
        }
        // This is done now, as the caller may take long over this result.
        self.fill_beside(1);
        Some(self.ahead.pop_front()?.and_then(Future::into_result))
    }
}

impl<E, I> Drop for Map<'_, E, I>
where
    I: Iterator<Item: Call>,
{
    fn drop(&mut self) {
        self.cancel_rest();
    }
}

impl<E, I> fmt::Debug for Map<'_, E, I>
where
    I: Iterator<Item: Call>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

/// The results of [`Executor::map_unordered`] as they come, as an iterator. In all other respects as [`Map`].
#[must_use = "results are lost, and most calls are never made, if nobody takes them"]
pub struct MapUnordered<'a, E, I>
where
    I: Iterator<Item: Call>,
{
    executor: &'a E,
    calls: Held<Fuse<I>>,
    open: HashMap<usize, Result<Future<Output<I>>, ExecutionError>>,
    handed_in: usize,
    finished: Arc<Finished>,
    /// The number of the next result to be given out.
    next: Option<usize>,
    read_ahead: usize,
    begun: Instant,
    timeout: Option<Duration>,
    over: bool,
}

impl<'a, E, I> MapUnordered<'a, E, I>
where
    I: Iterator<Item: Call>,
    E: Executor + Runs<I::Item>,
{
    pub(super) fn new(executor: &'a E, calls: I) -> Self {
        let calls = Held::new(calls.fuse());
        let read_ahead = usual_read_ahead(executor);
        let mut map = Self {
            executor,
            calls,
            open: HashMap::new(),
            handed_in: 0,
            finished: Arc::default(),
            next: None,
            read_ahead,
            begun: clock::now(),
            timeout: None,
            over: false,
        };
        map.fill();
        map
    }

    /// As [`Map::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// As [`Map::read_ahead`].
    pub fn read_ahead(mut self, calls: usize) -> Self {
        self.read_ahead = calls.max(1);
        self.fill();
        self
    }

    fn fill(&mut self) {
        self.fill_beside(0);
    }

    /// Like `fill`, when this many of the results are about to be given out.
    fn fill_beside(&mut self, leaving: usize) {
        while !self.over && self.open.len() - leaving < self.read_ahead {
            let Some(call) = self.calls.next() else { return };
            let number = self.handed_in;
            self.handed_in += 1;
            let future = self.executor.start(call).map_err(ExecutionError::from);
            let open = match &future {
                Ok(future) => future.shared().watch(&self.finished, number),
                Err(_) => false,
            };
            self.open.insert(number, future);
            if !open {
                self.finished.push(number);
            }
        }
    }
}

impl<E, I> MapUnordered<'_, E, I>
where
    I: Iterator<Item: Call>,
{
    fn cancel_rest(&mut self) {
        self.over = true;
        let futures = self.open.drain().filter_map(|(_, future)| future.ok());
        drop_each(futures.map(|future| move || _ = future.cancel()));
    }
}

impl<E, I> Iterator for MapUnordered<'_, E, I>
where
    I: Iterator<Item: Call>,
    E: Executor + Runs<I::Item>,
{
    type Item = CallOutcome<I>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        if self.open.is_empty() {
            return None;
        }
        if self.next.is_none() {
            self.next = self.finished.next(deadline(self.begun, self.timeout));
        }
        let Some(number) = self.next else {
            self.cancel_rest();
            return Some(Err(ExecutionError::timed_out()));
        };
        // The result stays where it is until it is given out, so an interruption does not lose it.
        if let Ok(future) = self.open.get(&number)? {
            future.shared().wait_result(None);
        }
        self.fill_beside(1);
        self.next = None;
        Some(self.open.remove(&number)?.and_then(Future::into_result))
    }
}

impl<E, I> Drop for MapUnordered<'_, E, I>
where
    I: Iterator<Item: Call>,
{
    fn drop(&mut self) {
        self.cancel_rest();
    }
}

impl<E, I> fmt::Debug for MapUnordered<'_, E, I>
where
    I: Iterator<Item: Call>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered").field("open", &self.open.len()).finish_non_exhaustive()
    }
}
