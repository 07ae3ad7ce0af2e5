//! A green thread with settings.
#![forbid(unsafe_code)]

use super::{JoinHandle, LocalJoinHandle, Scope, ScopedJoinHandle, context};
use crate::runtime::family::Family;
use crate::runtime::paused::Paused;
use crate::runtime::task::{Heritage, Joinable, Meta, TaskRef, current, new_task};
use crate::runtime::{Runtime, global};
use crate::stack::StackSize;
use crate::stack::budget::{self, Reservation};
use crate::sys::time::deadline_after;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Settings for a new green thread, as [`std::thread::Builder`].
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
    name: Option<String>,
    stack_size: Option<usize>,
    daemon: Option<bool>,
    labels: Vec<(String, String)>,
    start_at: Option<Instant>,
    paused: bool,
}

/// Makes the task of a body, given what the settings come to.
trait Create<T>:
    FnOnce(Option<Box<Meta>>, Option<&'static Family>, Reservation) -> (TaskRef, Joinable<T>)
{
}

impl<T, F> Create<T> for F where
    F: FnOnce(Option<Box<Meta>>, Option<&'static Family>, Reservation) -> (TaskRef, Joinable<T>)
{
}

/// What a new green thread takes over from the one that makes it.
#[derive(Default)]
struct Lineage {
    family: Option<&'static Family>,
    heritage: Option<Arc<Heritage>>,
}

impl Lineage {
    #[inline]
    fn own() -> Self {
        let of =
            |task: &TaskRef| Self { family: task.family(), heritage: task.heritage().cloned() };
        current::with_hub(|hub| Some(hub.current()?.with(of))).flatten().unwrap_or_default()
    }
}

impl Builder {
    /// No name, the runtime's stack size, daemon and labels as the caller's.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name in panic messages, overflow reports and [`Thread::name`](crate::thread::Thread::name).
    pub fn name(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }

    /// Usable bytes of the stack, rounded up to whole pages and to at least 32 KiB. It takes memory only as far as it has
    /// been used.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Whether [`run`](crate::run) goes without waiting for it, as Python's `Thread.daemon`: when `main` and all that
    /// descend from it have ended but for daemons, these are killed, and `run` returns when they have unwound. Inherited by
    /// those that it spawns, unless they are set otherwise. Outside of any `run` it has no effect.
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
        self.daemon = Some(daemon);
        self
    }

    /// Adds a label, or sets another value for the key. Inherited by those that it spawns; read by
    /// [`Thread::label`](crate::thread::Thread::label).
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
        self.labels.push((key.into(), value.into()));
        self
    }

    /// The green thread is made but not started: [`JoinHandle::start`] does that. Waiting for its end starts it too;
    /// dropping its handle, or a kill, ends it without its running. Until then nobody waits for it: it counts as a
    /// descendant of whoever starts it.
    ///
    /// If its handle is forgotten, it stays where it is for ever, and so does what its closure holds.
    ///
    /// # Examples
    /// ```
    /// let handle = greenthread::Builder::new().start_paused().spawn(|| "started")?;
    /// handle.start();
    /// assert_eq!(handle.join().unwrap(), "started");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start_paused(mut self) -> Self {
        self.paused = true;
        self
    }

    /// Spawns the green thread: on the caller's runtime, or on the global one. Does not suspend.
    ///
    /// # Errors
    /// `InvalidInput` for a stack size of zero or beyond 1 TiB; `OutOfMemory`, naming the limit, where no room for another
    /// stack is left (`vm.max_map_count`, `RLIMIT_AS`); and what the system said if the global runtime could not start.
    pub fn spawn<F, T>(self, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_here(|meta, family, reservation| new_task(body, meta, family, reservation))
    }

    /// As [`spawn`](Self::spawn), to start after `delay`; see [`spawn_later`](crate::thread::spawn_later).
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
    pub fn spawn_later<F, T>(mut self, delay: Duration, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // Beyond the clock's end is as good as never.
        let never = || Instant::now() + Duration::from_secs(100 * 365 * 24 * 3600);
        self.start_at = Some(deadline_after(delay).unwrap_or_else(never));
        self.spawn(body)
    }

    /// As [`spawn`](Self::spawn), to start at a point in time; see [`spawn_later`](crate::thread::spawn_later).
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
    pub fn spawn_at<F, T>(mut self, at: Instant, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.start_at = Some(at);
        self.spawn(body)
    }

    /// Spawns the green thread on the calling OS thread, which it never leaves; see
    /// [`spawn_local`](crate::thread::spawn_local). Does not suspend.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn); and `Unsupported` on an OS thread that runs no runtime.
    pub fn spawn_local<F, T>(self, body: F) -> io::Result<LocalJoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let Some(default) = current::with_hub(|hub| hub.stack_size()) else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "spawn_local on an OS thread that runs no green threads: only what is Send can start elsewhere",
            ));
        };
        let paused = self.paused;
        let create = |meta: Option<Box<Meta>>, family, reservation| {
            let mut meta = meta;
            if let Some(meta) = &mut meta {
                meta.local = true;
            }
            new_task(body, meta, family, reservation)
        };
        let handle = self.make(create, default, Lineage::own(), |task| {
            current::with_hub(|hub| {
                if paused {
                    Paused::keep(task, Arc::clone(&hub.scheduler));
                } else {
                    hub.push_local(task);
                }
            });
        });
        handle.map(LocalJoinHandle::new)
    }

    /// As [`spawn`](Self::spawn), for a green thread of a [`scope`](crate::thread::scope), which may borrow what the scope
    /// may. As [`std::thread::Builder::spawn_scoped`]. Does not suspend.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn); and `InvalidInput` with [`start_paused`](Self::start_paused): the scope would wait
    /// for what nobody may ever start.
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
        if self.paused {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a green thread of a scope cannot be paused: the scope waits for its end",
            ));
        }
        let handle = self.spawn_here(|meta, family, reservation| {
            scope.new_task(body, meta, family, reservation)
        });
        handle.map(ScopedJoinHandle::new)
    }

    /// As [`spawn`](Self::spawn), on worker `at` of the runtime, counted round.
    pub(crate) fn spawn_pinned<F, T>(self, at: usize, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let create = |meta, family, reservation| new_task(body, meta, family, reservation);
        let own = current::with_hub(|hub| (Arc::clone(&hub.scheduler), hub.stack_size()));
        let (scheduler, default, lineage) = match own {
            Some((scheduler, default)) => (scheduler, default, Lineage::own()),
            None => {
                let runtime = global()?;
                (runtime.scheduler(), runtime.stack_size(), Lineage::default())
            }
        };
        self.make(create, default, lineage, |task| scheduler.pin(at, task))
    }

    /// On the caller's runtime, or on the global one.
    #[inline]
    fn spawn_here<T>(self, create: impl Create<T>) -> io::Result<JoinHandle<T>> {
        if current::with_hub(|_| ()).is_some() {
            let default = current::with_hub(|hub| hub.stack_size());
            let paused = self.paused;
            return self.make(create, default.unwrap_or_default(), Lineage::own(), |task| {
                current::with_hub(|hub| {
                    if paused {
                        Paused::keep(task, Arc::clone(&hub.scheduler));
                    } else {
                        hub.scheduler.push_from(hub, task);
                    }
                });
            });
        }
        self.make_on(global()?, create, Lineage::default())
    }

    pub(crate) fn spawn_on<F, T>(self, runtime: &Runtime, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let mut lineage = Lineage::own();
        // Whoever runs a `main` knows of its own runtime's green threads only.
        lineage.family = lineage.family.filter(|_| runtime.is_callers());
        let create = |meta, family, reservation| new_task(body, meta, family, reservation);
        self.make_on(runtime, create, lineage)
    }

    fn make_on<T>(
        self,
        runtime: &Runtime,
        create: impl Create<T>,
        lineage: Lineage,
    ) -> io::Result<JoinHandle<T>> {
        runtime.check_is_own()?;
        let paused = self.paused;
        self.make(create, runtime.stack_size(), lineage, |task| {
            if paused { runtime.keep(task) } else { runtime.push(task) }
        })
    }

    #[inline]
    fn make<T>(
        self,
        create: impl Create<T>,
        default_size: StackSize,
        lineage: Lineage,
        push: impl FnOnce(TaskRef),
    ) -> io::Result<JoinHandle<T>> {
        let size = self.stack_size.map(StackSize::new).transpose()?;
        let reservation = budget::reserve(size.unwrap_or(default_size))?;
        let paused = self.paused;
        let meta = self.meta(size, lineage.heritage);
        let context = context::to_inherit();
        let (task, joinable) = create(meta, None, reservation);
        if let Some(context) = context {
            task.give_context(context);
        }
        if let Some(family) = lineage.family
            && !paused
        {
            task.join_family(family);
        }
        push(task);
        Ok(JoinHandle::new(joinable))
    }

    /// What is not as usual.
    #[inline]
    fn meta(self, size: Option<StackSize>, inherited: Option<Arc<Heritage>>) -> Option<Box<Meta>> {
        let usual = self.name.is_none()
            && size.is_none()
            && self.daemon.is_none()
            && self.labels.is_empty()
            && self.start_at.is_none()
            && !self.paused;
        if usual && inherited.is_none() {
            return None;
        }
        Some(self.unusual_meta(size, inherited))
    }

    #[cold]
    fn unusual_meta(self, size: Option<StackSize>, inherited: Option<Arc<Heritage>>) -> Box<Meta> {
        let mut heritage = inherited;
        if self.daemon.is_some() || !self.labels.is_empty() {
            let changed = Arc::make_mut(heritage.get_or_insert_default());
            changed.daemon = self.daemon.unwrap_or(changed.daemon);
            for (key, value) in self.labels {
                changed.set_label(key, value);
            }
        }
        Box::new(Meta {
            name: self.name.map(String::into_boxed_str),
            stack_size: size,
            heritage: heritage.filter(|heritage| **heritage != Heritage::default()),
            start_at: self.start_at,
            local: false,
        })
    }
}
