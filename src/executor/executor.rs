//! What all executors can do.
#![forbid(unsafe_code)]

use super::error::SubmitError;
use super::future::Future;
use super::map::{Calls, Map, MapUnordered};
use crate::util::dropping::{Held, seen_in};
use std::sync::Arc;

/// A piece of work for an executor: a closure without arguments; or a function with its argument, as the executors of
/// this module make them for [`map`](Executor::map). It can be implemented for other types.
///
/// # Examples
/// A task that can be printed before it is handed in:
/// ```
/// use greenthread::executor::{Call, GreenExecutor, Runs};
///
/// #[derive(Debug)]
/// struct Square(u32);
///
/// impl Call for Square {
///     type Output = u32;
///
///     fn call(self) -> u32 {
///         self.0 * self.0
///     }
/// }
/// // A closure and a type of one's own are handed in alike.
/// let executor = GreenExecutor::new();
/// assert_eq!(executor.start(Square(12))?.result().unwrap(), &144);
/// # Ok::<(), greenthread::executor::SubmitError>(())
/// ```
pub trait Call: Send + 'static {
    /// What the call returns. Several threads may look at it at once.
    type Output: Send + Sync + 'static;

    /// Makes the call, in the calling thread.
    fn call(self) -> Self::Output;
}

impl<F, T> Call for F
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + Sync + 'static,
{
    type Output = T;

    fn call(self) -> T {
        self()
    }
}

/// A function and the argument for one call of it; what [`Executor::map`] hands in.
#[derive(Debug)]
pub struct Apply<F, A> {
    function: Held<Arc<F>>,
    argument: Held<A>,
}

impl<F, A> Apply<F, A> {
    pub(super) fn new(function: &Arc<F>, argument: A) -> Self {
        Self { function: Held::new(Arc::clone(function)), argument: Held::new(argument) }
    }
}

impl<F, A, T> Call for Apply<F, A>
where
    F: Fn(A) -> T + Send + Sync + 'static,
    A: Send + 'static,
    T: Send + Sync + 'static,
{
    type Output = T;

    fn call(self) -> T {
        let Self { function, argument } = self;
        seen_in(function.into_inner(), |function| function(argument.into_inner()))
    }
}

/// Says that an executor can run calls of the type `C`. Green threads and OS threads run every [`Call`]; a pool of
/// processes runs those that can be sent to another process.
pub trait Runs<C: Call> {
    /// The same as [`Executor::submit`].
    ///
    /// # Errors
    /// As [`Executor::submit`].
    fn start(&self, call: C) -> Result<Future<C::Output>, SubmitError>;
}

/// Runs tasks: on green threads, OS threads, or in processes. As Python's `concurrent.futures.Executor`.
///
/// # Examples
/// The same function with either kind of threads:
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, Runs, SubmitError, ThreadPool};
///
/// fn sum<E: Executor + Runs<fn() -> u64>>(executor: &E) -> Result<u64, SubmitError> {
///     let future = executor.submit((|| (1..=100).sum()) as fn() -> u64)?;
///     Ok(*future.result().unwrap())
/// }
/// assert_eq!(sum(&GreenExecutor::new())?, 5050);
/// assert_eq!(sum(&ThreadPool::new(2).unwrap())?, 5050);
/// # Ok::<(), SubmitError>(())
/// ```
#[doc(alias = "concurrent.futures")]
#[doc(alias = "JoinSet")]
pub trait Executor: Sized {
    /// How many tasks run at once at most.
    fn max_workers(&self) -> usize;

    /// Takes no more tasks; those that it has taken still run. With `cancel_pending`, those that have not begun are
    /// cancelled. With `wait`, returns when the last one has ended: that suspends a green thread and blocks an OS
    /// thread. (A task of the executor that calls this waits neither for itself nor for others that call it too.) As
    /// Python's `shutdown(wait, cancel_futures)`.
    ///
    /// It may be called again, to wait or to cancel after all. Dropping an executor is `shutdown(false, false)`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, SubmitError, ThreadPool};
    /// let pool = ThreadPool::new(1).unwrap();
    /// let future = pool.submit(|| "ran all the same")?;
    /// pool.shutdown(true, false);
    /// assert!(future.done());
    /// assert!(matches!(pool.submit(|| ()), Err(SubmitError::ShutDown)));
    /// # Ok::<(), SubmitError>(())
    /// ```
    fn shutdown(&self, wait: bool, cancel_pending: bool);

    /// Hands in a task, to be run as soon as a worker is free. Does not suspend.
    ///
    /// # Errors
    /// [`SubmitError`], and the call is dropped: after a [`shutdown`](Self::shutdown), if an initializer has failed,
    /// and if a worker that is needed for it cannot be started.
    #[doc(alias = "run_in_executor")]
    #[doc(alias = "spawn_blocking")]
    #[doc(alias = "apply_async")]
    fn submit<C: Call>(&self, call: C) -> Result<Future<C::Output>, SubmitError>
    where
        Self: Runs<C>,
    {
        self.start(call)
    }

    /// Calls `function` for each of the items, several at once; the results come in the order of the items. As Python's
    /// `Executor.map` with `buffersize`: it reads the items as they are needed. See [`Map`], which also says how to set
    /// a time limit for the whole. This call does not suspend, but each `next` of the result does.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, ThreadPool};
    /// let pool = ThreadPool::new(2)?;
    /// let squares: Result<Vec<u32>, _> = pool.map(|n| n * n, 1..=5).collect();
    /// assert_eq!(squares?, [1, 4, 9, 16, 25]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn map<F, A, T, I>(&self, function: F, items: I) -> Map<'_, Self, Calls<F, I::IntoIter>>
    where
        I: IntoIterator<Item = A>,
        F: Fn(A) -> T + Send + Sync + 'static,
        A: Send + 'static,
        T: Send + Sync + 'static,
        Self: Runs<Apply<F, A>>,
    {
        self.run_all(Calls::of(function, items))
    }

    /// As [`map`](Self::map), but the results come as they are ready. As `imap_unordered` of Python's
    /// `multiprocessing.Pool`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    /// use std::time::Duration;
    /// let nap = |ms| { greenthread::sleep(Duration::from_millis(ms)); ms };
    /// let mut all: Vec<u64> = GreenExecutor::new().map_unordered(nap, [20, 1, 10]).flatten().collect();
    /// all.sort();
    /// assert_eq!(all, [1, 10, 20]);
    /// ```
    #[doc(alias = "imap_unordered")]
    #[doc(alias = "buffer_unordered")]
    fn map_unordered<F, A, T, I>(
        &self,
        function: F,
        items: I,
    ) -> MapUnordered<'_, Self, Calls<F, I::IntoIter>>
    where
        I: IntoIterator<Item = A>,
        F: Fn(A) -> T + Send + Sync + 'static,
        A: Send + 'static,
        T: Send + Sync + 'static,
        Self: Runs<Apply<F, A>>,
    {
        self.run_all_unordered(Calls::of(function, items))
    }

    /// As [`map`](Self::map), for calls that are there already.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, ThreadPool};
    /// let calls = [1, 2, 3].map(|n| move || n * 10);
    /// let values: Result<Vec<_>, _> = ThreadPool::new(2)?.run_all(calls).collect();
    /// assert_eq!(values?, [10, 20, 30]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn run_all<C, I>(&self, calls: I) -> Map<'_, Self, I::IntoIter>
    where
        C: Call,
        I: IntoIterator<Item = C>,
        Self: Runs<C>,
    {
        Map::new(self, calls.into_iter())
    }

    /// As [`map_unordered`](Self::map_unordered), for calls that are there already.
    fn run_all_unordered<C, I>(&self, calls: I) -> MapUnordered<'_, Self, I::IntoIter>
    where
        C: Call,
        I: IntoIterator<Item = C>,
        Self: Runs<C>,
    {
        MapUnordered::new(self, calls.into_iter())
    }
}
