//! Green threads that belong together.
#![forbid(unsafe_code)]

use super::imap::{IMap, IMapUnordered};
use super::members::Members;
use crate::sys::time::deadline_after;
use crate::thread::{Builder, JoinError, JoinHandle};
use crate::util::dropping::collect;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Green threads that can be waited for or killed together, as gevent's `Group`. Dropping the group does nothing to
/// them.
///
/// # Examples
/// ```
/// use greenthread::pool::Group;
/// let group = Group::new();
/// let handles: Vec<_> = (0..3).map(|n| group.spawn(move || n * 2)).collect();
/// group.join();
/// assert!(group.is_empty());
/// assert_eq!(handles.into_iter().map(|one| one.join().unwrap()).sum::<i32>(), 6);
/// ```
#[doc(alias = "WaitGroup")]
#[doc(alias = "JoinSet")]
#[doc(alias = "TaskTracker")]
pub struct Group {
    members: Arc<Members>,
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("len", &self.len()).finish()
    }
}

impl Group {
    /// A group without green threads.
    #[must_use]
    pub fn new() -> Self {
        Self { members: Members::new(None) }
    }

    /// Spawns a green thread of the group, as [`spawn`](crate::spawn). Does not suspend.
    ///
    /// # Panics
    /// If no green thread can be spawned, as [`spawn`](crate::spawn) does; [`spawn_with`](Self::spawn_with) returns
    /// that as an error instead.
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::Group;
    ///
    /// let requests = Group::new();
    /// for n in 0..3 {
    ///     requests.spawn(move || println!("request {n}"));
    /// }
    /// requests.join();
    /// assert!(requests.is_empty());
    /// ```
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(Builder::new(), f).expect("failed to spawn a green thread")
    }

    /// Spawns a green thread with settings, such as a name or a stack size.
    ///
    /// # Errors
    /// As [`Builder::spawn`]; and in a forked child process, to which the group does not belong.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Builder, current, pool::Group};
    ///
    /// let group = Group::new();
    /// let named = group.spawn_with(Builder::new().name("first".into()), || current().to_string())?;
    /// assert_eq!(named.join().unwrap(), "first");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_with<F, T>(&self, builder: Builder, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.members.place(None)? {
            Some(place) => place.spawn(builder, f),
            None => unreachable!("a group has room for all"),
        }
    }

    /// Calls `f` on a green thread of the group and waits for its value. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// As [`JoinHandle::join`]: `f` panicked, or was killed.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::Group;
    ///
    /// // It counts as one of the group, and ends with it.
    /// assert_eq!(Group::new().apply(|| 6 * 7).unwrap(), 42);
    /// assert!(Group::new().apply(|| panic!("no luck")).unwrap_err().is_panic());
    /// ```
    pub fn apply<F, T>(&self, f: F) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
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
    /// use greenthread::pool::Group;
    /// let lengths = Group::new().map(|word: &str| word.len(), ["a", "bb", "ccc"]);
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
    /// use greenthread::pool::Group;
    /// let mut squares = Group::new().imap(|n| n * n, 1u64..);
    /// assert_eq!(squares.nth(2).unwrap().unwrap(), 9);
    /// ```
    pub fn imap<F, A, T, I>(&self, function: F, items: I) -> IMap<F, I::IntoIter, T>
    where
        F: Fn(A) -> T + Send + Sync + 'static,
        I: IntoIterator<Item = A>,
        A: Send + 'static,
        T: Send + 'static,
    {
        IMap::new(&self.members, function, items, None)
    }

    /// As [`imap`](Self::imap), but gives the results in the order in which they come.
    ///
    /// # Examples
    /// ```
    /// use greenthread::pool::Group;
    /// let mut sizes: Vec<_> = Group::new().imap_unordered(|word: &str| word.len(), ["ccc", "a"]).flatten().collect();
    /// sizes.sort();
    /// assert_eq!(sizes, [1, 3]);
    /// ```
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
        IMapUnordered::new(&self.members, function, items, None)
    }

    /// Waits until all green threads of the group have ended. One of them that calls this waits neither for itself nor for
    /// others that call it too. Suspends a green thread, blocks an OS thread.
    pub fn join(&self) {
        self.members.join(None);
    }

    /// As [`join`](Self::join), for at most `timeout`. Returns whether all have ended.
    ///
    /// # Examples
    /// A server that lets its requests finish, but not for ever:
    /// ```
    /// use greenthread::{pool::Group, thread::park};
    /// use std::time::Duration;
    ///
    /// let requests = Group::new();
    /// requests.spawn(park); // one that hangs
    /// if !requests.join_timeout(Duration::from_millis(1)) {
    ///     requests.kill();
    ///     requests.join();
    /// }
    /// assert_eq!(requests.len(), 0);
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.members.join(deadline_after(timeout))
    }

    /// Kills all green threads of the group except the caller, as [`JoinHandle::kill`], and does not wait;
    /// [`join`](Self::join) waits for their ends. The group can be used on.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{pool::Group, thread::park};
    /// let group = Group::new();
    /// let handle = group.spawn(park);
    /// group.kill();
    /// group.join();
    /// assert!(handle.join().unwrap_err().is_killed());
    /// ```
    #[doc(alias = "cancel")]
    pub fn kill(&self) {
        self.members.kill();
    }

    /// How many green threads of the group have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether all green threads of the group have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
