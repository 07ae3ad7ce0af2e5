//! Green threads that stay on the OS thread that spawned them.
#![forbid(unsafe_code)]

use super::{Builder, JoinError, JoinHandle, Thread, ThreadId, ThreadState};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// Spawns a green thread on the calling OS thread: a worker, or one that runs a current-thread runtime. It never leaves that
/// OS thread, so neither what it takes along nor its value need be `Send`. Does not suspend. As
/// `tokio::task::spawn_local`.
///
/// # Panics
/// If the calling OS thread runs no green threads, or there is no room for another stack;
/// [`Builder::spawn_local`] returns these as an error instead.
///
/// # Examples
/// ```
/// use std::{cell::Cell, rc::Rc};
/// greenthread::run(|| {
///     let shared = Rc::new(Cell::new(1));
///     let own = shared.clone();
///     let local = greenthread::thread::spawn_local(move || own.set(own.get() + 1));
///     local.join().unwrap();
///     assert_eq!(shared.get(), 2);
/// });
/// ```
#[doc(alias("LocalSet"))]
#[track_caller]
pub fn spawn_local<F, T>(body: F) -> LocalJoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new().spawn_local(body).expect("failed to spawn a local green thread")
}

/// Owns the right to join a green thread that was made by [`spawn_local`]. Its methods are those of [`JoinHandle`]; but like
/// what the green thread holds, it stays on the OS thread: it is neither `Send` nor `Sync`.
///
/// # Examples
/// ```
/// use greenthread::thread::{LocalJoinHandle, park, spawn_local};
/// use std::rc::Rc;
/// greenthread::run(|| {
///     let value: LocalJoinHandle<Rc<str>> = spawn_local(|| "not Send".into());
///     let endless = spawn_local(|| loop { park() });
///     endless.kill();
///     assert!(endless.join().unwrap_err().is_killed());
///     assert_eq!(&*value.join().unwrap(), "not Send");
/// });
/// ```
pub struct LocalJoinHandle<T> {
    handle: JoinHandle<T>,
    not_send: PhantomData<*mut ()>,
}

impl<T> LocalJoinHandle<T> {
    pub(super) fn new(handle: JoinHandle<T>) -> Self {
        Self { handle, not_send: PhantomData }
    }

    /// As [`JoinHandle::join`]. Suspends.
    ///
    /// # Errors
    /// Those of [`JoinHandle::join`].
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.join()
    }

    /// As [`JoinHandle::join_timeout`]. Suspends.
    ///
    /// # Errors
    /// The handle itself if the time ran out.
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        self.handle.join_timeout(timeout).map_err(Self::new)
    }

    /// As [`JoinHandle::start`].
    pub fn start(&self) {
        self.handle.start();
    }

    /// As [`JoinHandle::kill`].
    pub fn kill(&self) {
        self.handle.kill();
    }

    /// As [`JoinHandle::kill_and_wait`]. Suspends.
    pub fn kill_and_wait(&self, timeout: Duration) -> bool {
        self.handle.kill_and_wait(timeout)
    }

    /// As [`JoinHandle::detach`].
    pub fn detach(self) {}

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

    /// As [`JoinHandle::id`].
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.handle.id()
    }

    /// As [`JoinHandle::name`].
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.handle.name()
    }
}

/// Links as those of [`JoinHandle`]; but what they capture need not be `Send`, as they are called on this OS thread only.
impl<T: 'static> LocalJoinHandle<T> {
    /// As [`JoinHandle::link`].
    ///
    /// # Examples
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// greenthread::run(|| {
    ///     let seen = Rc::new(Cell::new(0));
    ///     let local = greenthread::thread::spawn_local(|| 7);
    ///     let own = seen.clone();
    ///     local.link_value(move |value| own.set(*value));
    ///     local.join().unwrap();
    ///     assert_eq!(seen.get(), 7);
    /// });
    /// ```
    pub fn link(&self, f: impl FnOnce(&Result<T, JoinError>) + 'static) {
        self.handle.link_local(f);
    }

    /// As [`JoinHandle::link_value`].
    pub fn link_value(&self, f: impl FnOnce(&T) + 'static) {
        self.link(|result| {
            if let Ok(value) = result {
                f(value);
            }
        });
    }

    /// As [`JoinHandle::link_failure`].
    pub fn link_failure(&self, f: impl FnOnce(&JoinError) + 'static) {
        self.link(|result| {
            if let Err(error) = result {
                f(error);
            }
        });
    }
}

impl<T> fmt::Debug for LocalJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("LocalJoinHandle");
        out.field("thread", self.thread()).field("state", &self.state()).finish_non_exhaustive()
    }
}

/// What must not compile.
///
/// A local handle can neither be sent to another thread nor shared with one:
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<greenthread::thread::LocalJoinHandle<u8>>();
/// ```
/// ```compile_fail,E0277
/// fn share<T: Sync>() {}
/// share::<greenthread::thread::LocalJoinHandle<u8>>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
