//! A green thread with settings.
#![forbid(unsafe_code)]

use super::{JoinHandle, Scope, ScopedJoinHandle, context};
use crate::runtime::family::Family;
use crate::runtime::task::{Joinable, Meta, TaskRef, current, new_task};
use crate::runtime::{Runtime, global};
use crate::stack::StackSize;
use crate::stack::budget::{self, Reservation};
use std::io;

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

/// The family of the calling green thread.
#[inline]
fn own_family() -> Option<&'static Family> {
    current::with_hub(|hub| hub.current()?.with(TaskRef::family)).flatten()
}

impl Builder {
    /// No name, the runtime's stack size.
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

    /// As [`spawn`](Self::spawn), for a green thread of a [`scope`](crate::thread::scope), which may borrow what the scope
    /// may. As [`std::thread::Builder::spawn_scoped`]. Does not suspend.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
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
        let handle = self.spawn_here(|meta, family, reservation| {
            scope.new_task(body, meta, family, reservation)
        });
        handle.map(ScopedJoinHandle::new)
    }

    /// On the caller's runtime, or on the global one.
    #[inline]
    fn spawn_here<T>(self, create: impl Create<T>) -> io::Result<JoinHandle<T>> {
        if current::with_hub(|_| ()).is_some() {
            let default = current::with_hub(|hub| hub.stack_size());
            return self.make(create, default.unwrap_or_default(), own_family(), |task| {
                current::with_hub(|hub| hub.scheduler.push_from(hub, task));
            });
        }
        let runtime = global()?;
        self.make(create, runtime.stack_size(), None, |task| runtime.push(task))
    }

    pub(crate) fn spawn_on<F, T>(self, runtime: &Runtime, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        runtime.check_is_own()?;
        // Whoever runs a `main` knows of its own runtime's green threads only.
        let family = if runtime.is_callers() { own_family() } else { None };
        let create = |meta, family, reservation| new_task(body, meta, family, reservation);
        self.make(create, runtime.stack_size(), family, |task| runtime.push(task))
    }

    #[inline]
    fn make<T>(
        self,
        create: impl Create<T>,
        default_size: StackSize,
        family: Option<&'static Family>,
        push: impl FnOnce(TaskRef),
    ) -> io::Result<JoinHandle<T>> {
        let size = self.stack_size.map(StackSize::new).transpose()?;
        let reservation = budget::reserve(size.unwrap_or(default_size))?;
        let meta = (self.name.is_some() || size.is_some()).then(|| {
            Box::new(Meta { name: self.name.map(String::into_boxed_str), stack_size: size })
        });
        if let Some(family) = family {
            family.enter();
        }
        let (task, joinable) = create(meta, family, reservation);
        if let Some(context) = context::to_inherit() {
            task.give_context(context);
        }
        push(task);
        Ok(JoinHandle::new(joinable))
    }
}
