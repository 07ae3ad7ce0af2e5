//! Green threads with a limit on their number.
#![forbid(unsafe_code)]

use super::imap::{IMap, IMapUnordered};
use super::members::Members;
use crate::sys::time::deadline_after;
use crate::thread::{Builder, JoinError, JoinHandle, catch_unwind, current};
use crate::util::dropping::{Held, collect};
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A [`Group`](super::Group) with a limit on how many green threads there are at once, as gevent's `Pool`:
/// [`spawn`](Self::spawn) waits while it is full, and those who wait get their turns in the order in which they came.
/// Dropping the pool does nothing to its green threads.
///
/// A green thread of the pool that spawns another one while the pool is full may wait for ever: for a place that it
/// holds itself.
///
/// # Examples
/// ```
/// use greenthread::pool::Pool;
/// use std::time::Duration;
/// let pool = Pool::new(2)?;
/// for n in 0..10 {
///     pool.spawn(move || greenthread::sleep(Duration::from_millis(n))); // at most two sleep at once
/// }
/// pool.join();
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "JoinSet")]
#[doc(alias = "errgroup")]
#[doc(alias = "Semaphore")]
pub struct Pool {
    members: Arc<Members>,
    size: usize,
}

/// Why [`Pool::try_spawn`] and its relatives have spawned nothing.
#[non_exhaustive]
pub enum TrySpawnError<F> {
    /// The pool was full, in the end too. Here is what was to be called.
    Full(F),
    /// An error of [`Builder::spawn`]; or the pool belongs to the process that this one was forked from.
    Io(io::Error),
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Io(error) => f.debug_tuple("Io").field(error).finish(),
        }
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the pool is full"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl<F> Error for TrySpawnError<F> {}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("size", &self.size).field("len", &self.len()).finish()
    }
}

impl Pool {
    /// A pool of at most `size` green threads at once.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `size` is 0, or more than half of `usize::MAX`.
    pub fn new(size: usize) -> io::Result<Self> {
        if size == 0 || size > usize::MAX / 2 {
            let text =
                "a pool needs room for one green thread at least, and half of usize::MAX at most";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self { members: Members::new(Some(size)), size })
    }

    /// Spawns a green thread of the pool, as [`spawn`](crate::spawn), as soon as there is room for it. While the pool
    /// is full, this suspends a green thread and blocks an OS thread.
    ///
    /// # Panics
    /// If no green thread can be spawned, as [`spawn`](crate::spawn) does; [`spawn_with`](Self::spawn_with) returns
    /// that as an error instead.
    ///
    /// # Examples
    /// At most three downloads at once, however many there are to do:
    /// ```
    /// use greenthread::pool::Pool;
    /// use greenthread::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    ///
    /// let (pool, running) = (Pool::new(3)?, Arc::new(AtomicUsize::new(0)));
    /// for _url in 0..20 {
    ///     let running = running.clone();
    ///     pool.spawn(move || {
    ///         assert!(running.fetch_add(1, Ordering::SeqCst) < 3);
    ///         greenthread::yield_now(); // the download
    ///         running.fetch_sub(1, Ordering::SeqCst);
    ///     });
    /// }
    /// pool.join();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(Builder::new(), f).expect("failed to spawn a green thread")
    }

    /// As [`spawn`](Self::spawn), for a green thread with settings, such as a name or a stack size.
    ///
    /// # Errors
    /// As [`Builder::spawn`]; and in a forked child process, to which the pool does not belong.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Builder, current, pool::Pool};
    ///
    /// let pool = Pool::new(2)?;
    /// let named = pool.spawn_with(Builder::new().name("download".into()), || current().to_string())?;
    /// assert_eq!(named.join().unwrap(), "download");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_with<F, T>(&self, builder: Builder, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let f = Held::new(f);
        match self.members.place(None)? {
            Some(place) => place.spawn(builder, f.into_inner()),
            None => unreachable!("a wait without a deadline ends with a place"),
        }
    }

    /// As [`spawn`](Self::spawn), if there is room at once. Does not suspend.
    ///
    /// # Errors
    /// [`TrySpawnError::Full`] gives `f` back if the pool is full; [`TrySpawnError::Io`] as
    /// [`spawn_with`](Self::spawn_with).
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::{Pool, TrySpawnError};
    /// let pool = Pool::new(1)?;
    /// let first = pool.try_spawn(greenthread::thread::park).unwrap();
    /// assert!(matches!(pool.try_spawn(|| ()), Err(TrySpawnError::Full(_))));
    /// first.thread().unpark();
    /// pool.join();
    /// assert!(pool.try_spawn(|| ()).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.members.try_place().map_err(TrySpawnError::Io)? {
            Some(place) => place.spawn(Builder::new(), f).map_err(TrySpawnError::Io),
            None => Err(TrySpawnError::Full(f)),
        }
    }

    /// As [`spawn`](Self::spawn), but waits for room for at most `timeout`.
    ///
    /// # Errors
    /// [`TrySpawnError::Full`] gives `f` back if the pool stayed full; [`TrySpawnError::Io`] as
    /// [`spawn_with`](Self::spawn_with).
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::{Pool, TrySpawnError};
    /// use std::time::Duration;
    /// let pool = Pool::new(1)?;
    /// pool.spawn(greenthread::thread::park);
    /// let refused = pool.spawn_timeout(Duration::from_millis(1), || "never");
    /// // The closure comes back, and can be called here.
    /// let Err(TrySpawnError::Full(f)) = refused else { unreachable!() };
    /// assert_eq!(f(), "never");
    /// # pool.kill();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_timeout<F, T>(
        &self,
        timeout: Duration,
        f: F,
    ) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_until(deadline_after(timeout), f)
    }

    /// As [`spawn_timeout`](Self::spawn_timeout), until a point in time.
    ///
    /// # Errors
    /// As [`spawn_timeout`](Self::spawn_timeout).
    #[track_caller]
    pub fn spawn_deadline<F, T>(
        &self,
        deadline: Instant,
        f: F,
    ) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_until(Some(deadline), f)
    }

    fn spawn_until<F, T>(
        &self,
        deadline: Option<Instant>,
        f: F,
    ) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let f = Held::new(f);
        match self.members.place(deadline).map_err(TrySpawnError::Io)? {
            Some(place) => place.spawn(Builder::new(), f.into_inner()).map_err(TrySpawnError::Io),
            None => Err(TrySpawnError::Full(f.into_inner())),
        }
    }

    /// Calls `f` on a green thread of the pool and waits for its value. Suspends a green thread, blocks an OS thread.
    /// If a green thread of the pool calls this while the pool is full, `f` runs at once on that same green thread, as
    /// in gevent.
    ///
    /// # Errors
    /// As [`JoinHandle::join`]: `f` panicked, or was killed.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::Pool;
    /// let pool = Pool::new(4)?;
    /// assert_eq!(pool.apply(|| 6 * 7).unwrap(), 42);
    /// assert!(pool.apply(|| panic!("no luck")).unwrap_err().is_panic());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn apply<F, T>(&self, f: F) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.is_full() && self.members.has_caller() {
            return catch_unwind(AssertUnwindSafe(f))
                .map_err(|payload| JoinError::from_payload(payload, current().task()));
        }
        self.spawn(f).join()
    }

    /// Calls `function` for each of the items, several at once, and returns the values in the order of the items.
    /// Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// That of the first item, in their order, that has no value. Items that have begun by then run on.
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::Pool;
    /// let lengths = Pool::new(2).unwrap().map(|word: &str| word.len(), ["a", "bb", "ccc"]);
    /// assert_eq!(lengths.unwrap(), [1, 2, 3]);
    /// ```
    pub fn map<F, A, T, I>(&self, function: F, items: I) -> Result<Vec<T>, JoinError>
    where
        F: Fn(A) -> T + Send + Sync + 'static,
        I: IntoIterator<Item = A>,
        A: Send + 'static,
        T: Send + 'static,
    {
        collect(self.imap(function, items))
    }

    /// As [`map`](Self::map), but gives one result after the other, while the next ones are being computed: see
    /// [`IMap`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::Pool;
    /// let mut squares = Pool::new(2).unwrap().imap(|n| n * n, 1u64..);
    /// assert_eq!(squares.nth(2).unwrap().unwrap(), 9);
    /// ```
    pub fn imap<F, A, T, I>(&self, function: F, items: I) -> IMap<F, I::IntoIter, T>
    where
        F: Fn(A) -> T + Send + Sync + 'static,
        I: IntoIterator<Item = A>,
        A: Send + 'static,
        T: Send + 'static,
    {
        IMap::new(&self.members, function, items, Some(self.size))
    }

    /// As [`imap`](Self::imap), but gives the results in the order in which they come.
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::Pool;
    /// let pool = Pool::new(2)?;
    /// let mut sizes: Vec<_> = pool.imap_unordered(|word: &str| word.len(), ["ccc", "a", "bb"]).flatten().collect();
    /// sizes.sort();
    /// assert_eq!(sizes, [1, 2, 3]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "buffer_unordered")]
    pub fn imap_unordered<F, A, T, I>(
        &self,
        function: F,
        items: I,
    ) -> IMapUnordered<F, I::IntoIter, T>
    where
        F: Fn(A) -> T + Send + Sync + 'static,
        I: IntoIterator<Item = A>,
        A: Send + 'static,
        T: Send + 'static,
    {
        IMapUnordered::new(&self.members, function, items, Some(self.size))
    }

    /// Waits until all green threads of the pool have ended. One of them that calls this waits neither for itself nor for
    /// others that call it too. Suspends a green thread, blocks an OS thread.
    pub fn join(&self) {
        self.members.join(None);
    }

    /// As [`join`](Self::join), for at most `timeout`. Returns whether all have ended.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{pool::Pool, thread::park};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(2)?;
    /// let waits = pool.spawn(park);
    /// assert!(!pool.join_timeout(Duration::from_millis(1)));
    /// waits.thread().unpark();
    /// pool.join();
    /// assert!(pool.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.members.join(deadline_after(timeout))
    }

    /// Kills all green threads of the pool except the caller, as [`JoinHandle::kill`], and does not wait;
    /// [`join`](Self::join) waits for their ends. The pool can be used on.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{pool::Pool, thread::park};
    /// let pool = Pool::new(2).unwrap();
    /// let handle = pool.spawn(park);
    /// pool.kill();
    /// pool.join();
    /// assert!(handle.join().unwrap_err().is_killed());
    /// ```
    #[doc(alias = "cancel")]
    pub fn kill(&self) {
        self.members.kill();
    }

    /// How many green threads of the pool have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether all green threads of the pool have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many green threads there may be at once.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many more green threads there may be at this moment.
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::Pool;
    /// let pool = Pool::new(3)?;
    /// pool.spawn(greenthread::thread::park);
    /// assert_eq!((pool.len(), pool.size(), pool.free_count(), pool.is_full()), (1, 3, 2, false));
    /// # pool.kill();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn free_count(&self) -> usize {
        self.members.room().map_or(0, |room| room.available())
    }

    /// Whether the next [`spawn`](Self::spawn) would wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.free_count() == 0
    }
}
