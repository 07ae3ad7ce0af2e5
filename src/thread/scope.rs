//! Green threads that borrow from their spawner.
#![forbid(unsafe_code)]

use super::{Builder, JoinError, JoinHandle, Thread, ThreadState};
use crate::runtime::scope::{Scope, enter_scope};
use crate::util::dropping::Held;
use std::fmt;
use std::marker::PhantomData;

/// Runs `body`, which may spawn green threads that borrow what lives longer than this call; waits for all of these children
/// before it returns, also while unwinding. As [`std::thread::scope`]. Suspends a green thread, blocks an OS thread.
///
/// A child may borrow anything outside of `body`, but nothing that `body` itself owns; while it borrows something, others
/// may not change that. It may itself spawn in the scope. It may start on another worker, so what it takes along must be
/// `Send`; [`Scope::spawn_local`] is for what is not. A handle may be dropped or forgotten: the scope waits for its child
/// all the same. Neither a handle nor the scope can leave `body`.
///
/// If the caller is killed, or a [`timeout`](crate::timeout) around it expires, the children are killed first; then they are
/// waited for, which nothing can cut short, and then the caller unwinds. After a panic of `body` the children are waited
/// for but not killed. A child that catches its kill and goes on keeps the scope waiting. If the child's runtime ends and
/// gives it up, the scope never returns, since memory that such a child has borrowed must stay.
///
/// A generator or greenlet that began outside of the scope must not be switched to from inside: that panics.
///
/// # Panics
/// If `body` panics, with the same payload; and if a child panicked, or could not run, and its handle was not joined.
///
/// # Examples
/// ```
/// let numbers = [1, 2, 3, 4];
/// let mut largest = 0;
/// let sum = greenthread::scope(|s| {
///     let (left, right) = numbers.split_at(2);
///     let left = s.spawn(|| left.iter().sum::<i32>());
///     let right = s.spawn(|| right.iter().sum::<i32>());
///     s.spawn(|| largest = *numbers.iter().max().unwrap());
///     left.join().unwrap() + right.join().unwrap()
/// });
/// assert_eq!((sum, largest), (10, 4));
/// ```
#[doc(alias("nursery"))]
pub fn scope<'env, F, T>(body: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let mut failed = 0;
    let value = enter_scope(body, &mut failed);
    if failed != 0 {
        some_failed(value);
    }
    value
}

/// Not inlined, so that the caller's stack has no second place for the value.
#[cold]
#[inline(never)]
#[track_caller]
fn some_failed<T>(value: T) -> ! {
    let _value = Held::new(value);
    panic!("a scoped thread panicked");
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a green thread in the scope, as [`std::thread::Scope::spawn`]. Does not suspend.
    ///
    /// # Panics
    /// If there is no room for another stack; [`Builder::spawn_scoped`] returns that as an error instead.
    ///
    /// # Examples
    /// A child that spawns others in the same scope:
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// let count = AtomicU32::new(0);
    /// greenthread::scope(|s| {
    ///     s.spawn(|| {
    ///         for _ in 0..3 {
    ///             s.spawn(|| count.fetch_add(1, Ordering::Relaxed));
    ///         }
    ///     });
    /// });
    /// assert_eq!(count.load(Ordering::Relaxed), 3);
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, body: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Builder::new().spawn_scoped(self, body).expect("failed to spawn a green thread")
    }

    /// Spawns a green thread in the scope, on the calling OS thread, which it never leaves: neither what it borrows or takes
    /// along nor its value need be `Send`. As [`spawn_local`](crate::thread::spawn_local), for a scope. Does not suspend.
    ///
    /// # Panics
    /// If the calling OS thread runs no green threads, or there is no room for another stack;
    /// [`Builder::spawn_scoped_local`] returns these as an error instead.
    ///
    /// # Examples
    /// ```
    /// use std::cell::Cell;
    /// greenthread::run(|| {
    ///     let count = Cell::new(0);
    ///     greenthread::scope(|s| {
    ///         for _ in 0..3 {
    ///             s.spawn_local(|| count.set(count.get() + 1));
    ///         }
    ///     });
    ///     assert_eq!(count.get(), 3);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_local<F, T>(&'scope self, body: F) -> ScopedLocalJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        Builder::new().spawn_scoped_local(self, body).expect("failed to spawn a local green thread")
    }
}

/// Owns the right to join a green thread of a [`scope`], as [`std::thread::ScopedJoinHandle`]. Made by [`Scope::spawn`] and
/// [`Builder::spawn_scoped`]. Dropping it detaches the green thread, for which the scope waits all the same.
///
/// # Examples
/// ```
/// use greenthread::thread::{park, scope};
/// let text = String::from("borrowed");
/// let (length, killed) = scope(|s| {
///     let length = s.spawn(|| text.len());
///     let endless = s.spawn(|| loop { park() });
///     endless.kill();
///     (length.join().unwrap(), endless.join().unwrap_err().is_killed())
/// });
/// assert_eq!((length, killed), (8, true));
/// ```
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    pub(super) fn new(handle: JoinHandle<T>) -> Self {
        Self { handle, scope: PhantomData }
    }

    /// Waits for the green thread to end and returns its value. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// Those of [`JoinHandle::join`]. Once an error has been returned here, the scope does not panic for that child.
    ///
    /// # Examples
    /// What a child returns may be borrowed, and its panic is an error here instead of one of the whole scope:
    /// ```
    /// let words = ["a", "bbb", "cc"];
    /// let longest = greenthread::scope(|s| {
    ///     let longest = s.spawn(|| words.iter().max_by_key(|word| word.len()).unwrap());
    ///     let fails = s.spawn(|| panic!("no luck"));
    ///     assert!(fails.join().unwrap_err().is_panic());
    ///     longest.join().unwrap()
    /// });
    /// assert_eq!(*longest, "bbb");
    /// ```
    pub fn join(self) -> Result<T, JoinError> {
        let thread = self.handle.thread().clone();
        let result = self.handle.join();
        thread.task().take_failure();
        result
    }

    /// As [`JoinHandle::kill`].
    ///
    /// # Examples
    /// A helper that is not needed any more, so that the scope need not wait for it:
    /// ```
    /// use greenthread::{scope, sleep};
    /// use std::time::Duration;
    ///
    /// scope(|s| {
    ///     let progress = s.spawn(|| loop {
    ///         println!("still at it");
    ///         sleep(Duration::from_secs(1));
    ///     });
    ///     // ... the work ...
    ///     progress.kill();
    /// });
    /// ```
    pub fn kill(&self) {
        self.handle.kill();
    }

    /// As [`JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// As [`JoinHandle::state`].
    #[must_use]
    pub fn state(&self) -> ThreadState {
        self.handle.state()
    }

    /// As [`JoinHandle::thread`].
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ScopedJoinHandle");
        out.field("thread", self.thread()).field("state", &self.state()).finish_non_exhaustive()
    }
}

/// A [`ScopedJoinHandle`] of a green thread that was made by [`Scope::spawn_local`]. Like what the green thread holds, it
/// stays on the OS thread: it is neither `Send` nor `Sync`.
///
/// # Examples
/// ```
/// use std::{cell::RefCell, rc::Rc};
///
/// greenthread::run(|| {
///     let log = Rc::new(RefCell::new(Vec::new()));
///     greenthread::scope(|s| {
///         let first = s.spawn_local(|| log.borrow_mut().push("first"));
///         s.spawn_local(|| {
///             first.join().unwrap();
///             log.borrow_mut().push("second");
///         });
///     });
///     assert_eq!(*log.borrow(), ["first", "second"]);
/// });
/// ```
pub struct ScopedLocalJoinHandle<'scope, T> {
    handle: ScopedJoinHandle<'scope, T>,
    not_send: PhantomData<*mut ()>,
}

impl<T> ScopedLocalJoinHandle<'_, T> {
    pub(super) fn new(handle: JoinHandle<T>) -> Self {
        Self { handle: ScopedJoinHandle::new(handle), not_send: PhantomData }
    }

    /// As [`ScopedJoinHandle::join`]. Suspends.
    ///
    /// # Errors
    /// Those of [`JoinHandle::join`].
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.join()
    }

    /// As [`JoinHandle::kill`].
    pub fn kill(&self) {
        self.handle.kill();
    }

    /// As [`JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// As [`JoinHandle::state`].
    #[must_use]
    pub fn state(&self) -> ThreadState {
        self.handle.state()
    }

    /// As [`JoinHandle::thread`].
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }
}

impl<T> fmt::Debug for ScopedLocalJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ScopedLocalJoinHandle");
        debug.field("thread", self.thread()).field("state", &self.state()).finish_non_exhaustive()
    }
}

/// What must not compile.
///
/// What a child borrows must live longer than the scope:
/// ```compile_fail,E0373
/// greenthread::scope(|s| {
///     let inside = String::new();
///     s.spawn(|| println!("{inside}"));
/// });
/// ```
///
/// No handle, and nothing borrowed by a child, leaves the scope:
/// ```compile_fail
/// let handle = greenthread::scope(|s| s.spawn(|| 1));
/// ```
/// ```compile_fail
/// let mut kept = None;
/// greenthread::scope(|s| kept = Some(s));
/// ```
///
/// And while children may use something, others may not change it:
/// ```compile_fail,E0506
/// let mut number = 1;
/// greenthread::scope(|s| {
///     s.spawn(|| println!("{number}"));
///     number = 2;
/// });
/// ```
///
/// Children may start on another OS thread, so what they take along must be `Send`:
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// greenthread::scope(|s| {
///     s.spawn(|| println!("{shared}"));
/// });
/// ```
///
/// A [`ScopedJoinHandle`] of a green thread that was made by [`Scope::spawn_local`]. Like what that holds, it stays on the OS
/// thread:
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<greenthread::thread::ScopedLocalJoinHandle<u8>>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
