//! A green thread with settings.
#![forbid(unsafe_code)]

use super::{JoinHandle, LocalJoinHandle, Scope, ScopedJoinHandle, ScopedLocalJoinHandle};
use crate::runtime::task::{Body, SpawnPlace, new_task};
use crate::sys::clock;
use crate::sys::time::deadline_after;
use crate::util::dropping::Held;
use std::io;
use std::time::{Duration, Instant};

/// Settings for a new green thread, as [`std::thread::Builder`]: a name, a stack size, labels, whether it is a daemon, and
/// when it starts. The methods that spawn return an error where [`spawn`](crate::spawn()) and its likes panic.
///
/// # Examples
/// ```
/// let handle = greenthread::Builder::new()
///     .name("adder".to_string())
///     .stack_size(64 * 1024)
///     .spawn(|| greenthread::current().name().map(str::to_string))?;
/// assert_eq!(handle.join().unwrap().as_deref(), Some("adder"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "settings do nothing until `spawn`"]
pub struct Builder {
    /// They are behind a pointer, so that a spawn without settings, which is the usual case, moves only one word.
    pub(super) settings: Option<Box<Settings>>,
    /// The place in the code where it was made.
    pub(super) place: SpawnPlace,
}

#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) name: Option<String>,
    pub(super) stack_size: Option<usize>,
    pub(super) daemon: Option<bool>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) start_at: Option<Instant>,
    pub(super) paused: bool,
}

impl Builder {
    /// Begins with no name, the stack size of the runtime, and the caller's labels; it is a daemon if the caller is one.
    #[inline]
    #[track_caller]
    pub fn new() -> Self {
        Self { settings: None, place: SpawnPlace::caller() }
    }

    fn settings(&mut self) -> &mut Settings {
        self.settings.get_or_insert_default()
    }

    pub(super) fn has_name(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.name.is_some())
    }

    pub(super) fn is_paused(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.paused)
    }

    /// Sets the name, which panic messages, overflow reports and [`Thread::name`](crate::thread::Thread::name) give. As
    /// [`std::thread::Builder::name`].
    ///
    /// # Panics
    /// If the name contains a null byte. (std panics for that in `spawn`.)
    ///
    /// # Examples
    /// Whoever reads a panic, a report or a dump sees who it was:
    /// ```
    /// use greenthread::Builder;
    ///
    /// let handle = Builder::new().name("fetcher 7".into()).spawn(|| panic!("no answer"))?;
    /// let error = handle.join().unwrap_err();
    /// assert!(error.to_string().contains("fetcher 7"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn name(mut self, name: String) -> Self {
        assert!(!name.contains('\0'), "thread name may not contain interior null bytes");
        self.settings().name = Some(name);
        self
    }

    /// Sets how many bytes of the stack can be used, rounded up to whole pages and to at least 32 KiB. Unless it is called, this
    /// is the [size of the runtime](crate::RuntimeBuilder::stack_size). A stack takes memory only as far as it has been used,
    /// so a large one costs address space only. As [`std::thread::Builder::stack_size`].
    ///
    /// # Examples
    /// ```
    /// fn depth(n: u32) -> u32 {
    ///     let room = [n; 256]; // a kilobyte for each level
    ///     if n == 0 { 0 } else { 1 + depth(std::hint::black_box(&room)[0] - 1) }
    /// }
    /// let deep = greenthread::Builder::new().stack_size(16 << 20).spawn(|| depth(1000))?;
    /// assert_eq!(deep.join().unwrap(), 1000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings().stack_size = Some(bytes);
        self
    }

    /// Sets whether it is a daemon, for which [`run`](crate::run) does not wait, as Python's `Thread.daemon`: when only
    /// daemons are left of `main` and all that descend from it, these are killed, and `run` returns when they have unwound.
    /// Green threads that a daemon spawns are daemons too, unless they are set otherwise. Outside of any `run` it has no
    /// effect.
    ///
    /// # Examples
    /// ```
    /// let spawned = greenthread::run(|| {
    ///     let heart = greenthread::Builder::new().daemon(true).spawn(|| loop {
    ///         greenthread::sleep(std::time::Duration::from_secs(1));
    ///     });
    ///     heart.unwrap()
    /// });
    /// assert!(spawned.join().unwrap_err().is_killed());
    /// ```
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.settings().daemon = Some(daemon);
        self
    }

    /// Adds a label, a text by which a green thread can be recognized, or sets another value for the same key. Green threads
    /// that it spawns have the label too. It is read by [`Thread::label`](crate::thread::Thread::label). As the labels of
    /// profiles in Go.
    ///
    /// # Examples
    /// ```
    /// let request = greenthread::Builder::new().label("request", "17").spawn(|| {
    ///     let child = greenthread::spawn(|| greenthread::current().label("request").map(str::to_string));
    ///     child.join().unwrap()
    /// })?;
    /// assert_eq!(request.join().unwrap().as_deref(), Some("17"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let value = Held::new(value);
        let key = key.into();
        self.settings().labels.push((key, value.into_inner().into()));
        self
    }

    /// Makes the green thread without starting it: [`JoinHandle::start`] does that, and so does waiting for its end. As
    /// Python's `Thread` before its `start`.
    ///
    /// Before it is started, a kill, or dropping its handle, ends it without running it, and no [`run`](crate::run)
    /// waits for it: it counts as a descendant of whoever starts it. If its handle is
    /// [forgotten](std::mem::forget), it is never started, and what its closure holds is never dropped.
    ///
    /// # Examples
    /// ```
    /// let handle = greenthread::Builder::new().start_paused().spawn(|| "started")?;
    /// handle.start();
    /// assert_eq!(handle.join().unwrap(), "started");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start_paused(mut self) -> Self {
        self.settings().paused = true;
        self
    }

    /// Spawns the green thread, as [`spawn`](crate::spawn()). Does not suspend.
    ///
    /// # Errors
    /// - `InvalidInput` if the stack size is zero or more than 1 TiB.
    /// - `OutOfMemory` if there is no room for another stack; the text names the limit that was met (`vm.max_map_count` or
    ///   `RLIMIT_AS`).
    /// - The error of the system call that failed if the global runtime was to start and could not.
    ///
    /// Memory for the stack is asked for only when the green thread first runs. If the system has none then, though there
    /// seemed to be room, the green thread waits for up to a second for a stack that another gives back. After that its
    /// closure is dropped without being called, and joining it returns the error
    /// ([`JoinError::io_error`](crate::JoinError::io_error)).
    ///
    /// # Examples
    /// ```
    /// let built = greenthread::Builder::new().name("reader".into()).spawn(|| "read")?;
    /// assert_eq!(built.name(), Some("reader"));
    /// assert_eq!(built.join().unwrap(), "read");
    /// assert!(greenthread::Builder::new().stack_size(0).spawn(|| ()).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn<F, T>(self, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_body(body)
    }

    /// As [`spawn`](Self::spawn), for any body.
    #[inline]
    pub(crate) fn spawn_body<B, T>(self, body: B) -> io::Result<JoinHandle<T>>
    where
        B: Body<T> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_here(|meta, family, reservation| new_task(body, meta, family, reservation))
    }

    /// As [`spawn`](Self::spawn), but the green thread starts after `delay`; see
    /// [`spawn_later`](crate::thread::spawn_later). Does not suspend.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn).
    ///
    /// # Examples
    /// A second try, by a green thread with a name; [`spawn_at`](Self::spawn_at) begins at a point in time:
    /// ```
    /// use greenthread::Builder;
    /// use std::time::{Duration, Instant};
    ///
    /// let (begin, delay) = (Instant::now(), Duration::from_millis(1));
    /// let retry = Builder::new().name("retry".into()).spawn_later(delay, Instant::now)?;
    /// assert!(retry.join().unwrap() >= begin + delay);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_later<F, T>(mut self, delay: Duration, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // If the clock cannot represent the time, a hundred years will do.
        let never = || clock::now() + Duration::from_secs(100 * 365 * 24 * 3600);
        self.settings().start_at = Some(deadline_after(delay).unwrap_or_else(never));
        self.spawn(body)
    }

    /// As [`spawn`](Self::spawn), but the green thread starts at a point in time; see
    /// [`spawn_later`](crate::thread::spawn_later). Does not suspend.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn).
    pub fn spawn_at<F, T>(mut self, at: Instant, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.settings().start_at = Some(at);
        self.spawn(body)
    }

    /// Spawns the green thread on the calling OS thread, which it never leaves; see
    /// [`spawn_local`](crate::thread::spawn_local). Does not suspend.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn); and `Unsupported` if the calling OS thread runs no green threads.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Builder, Runtime};
    /// let error = Builder::new().spawn_local(|| ()).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::Unsupported, "this is a plain OS thread");
    /// let value = Runtime::new_current_thread()?.run_local(|| {
    ///     Builder::new().name("local".into()).spawn_local(|| std::rc::Rc::new(5)).unwrap().join().unwrap()
    /// });
    /// assert_eq!(*value.unwrap(), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_local<F, T>(self, body: F) -> io::Result<LocalJoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.spawn_local_body(body)
    }

    /// As [`spawn_local`](Self::spawn_local), for any body.
    pub(crate) fn spawn_local_body<B, T>(self, body: B) -> io::Result<LocalJoinHandle<T>>
    where
        B: Body<T> + 'static,
        T: 'static,
    {
        let create = |meta, family, reservation| new_task(body, meta, family, reservation);
        self.make_local(create).map(LocalJoinHandle::new)
    }

    /// As [`spawn`](Self::spawn), for a green thread of a [`scope`](crate::thread::scope), which may borrow what lives longer
    /// than the scope. As [`std::thread::Builder::spawn_scoped`]. Does not suspend.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn); and `InvalidInput` together with [`start_paused`](Self::start_paused), as the
    /// scope would wait for a green thread that perhaps nobody starts.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Builder, thread};
    /// let text = String::from("borrowed");
    /// let length = thread::scope(|s| {
    ///     Builder::new().name("counter".into()).spawn_scoped(s, || text.len()).unwrap().join().unwrap()
    /// });
    /// assert_eq!(length, text.len());
    /// ```
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        body: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_in(scope, body)
    }

    /// As [`spawn_scoped`](Self::spawn_scoped), for a body that need not be a closure.
    pub(super) fn spawn_in<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        body: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: Body<T> + Send + 'scope,
        T: Send + 'scope,
    {
        self.check_not_paused()?;
        let handle = self.spawn_here(|meta, family, reservation| {
            scope.new_task(body, meta, family, reservation)
        });
        handle.map(ScopedJoinHandle::new)
    }

    /// As [`spawn_scoped`](Self::spawn_scoped), on the calling OS thread, which the green thread never leaves; see
    /// [`Scope::spawn_local`]. Does not suspend.
    ///
    /// # Errors
    /// Those of [`spawn_scoped`](Self::spawn_scoped); and `Unsupported` if the calling OS thread runs no green threads.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Builder, Runtime, thread};
    /// use std::rc::Rc;
    /// let count = Runtime::new_current_thread()?.run_local(|| {
    ///     let shared = Rc::new(7);
    ///     thread::scope(|s| {
    ///         let local = Builder::new().name("local".into()).spawn_scoped_local(s, || *shared + 1);
    ///         local.unwrap().join().unwrap()
    ///     })
    /// });
    /// assert_eq!(count.unwrap(), 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_scoped_local<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        body: F,
    ) -> io::Result<ScopedLocalJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        self.check_not_paused()?;
        let create = |meta, family, reservation| scope.new_task(body, meta, family, reservation);
        self.make_local(create).map(ScopedLocalJoinHandle::new)
    }

    /// # Errors
    /// `InvalidInput` if it is paused, as a scope waits for all of its green threads.
    fn check_not_paused(&self) -> io::Result<()> {
        if self.is_paused() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a green thread of a scope cannot be paused: the scope waits for its end",
            ));
        }
        Ok(())
    }
}
