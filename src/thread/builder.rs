//! A green thread with settings.
#![forbid(unsafe_code)]

use super::JoinHandle;
use crate::runtime::family::Family;
use crate::runtime::task::{Meta, TaskRef, current, new_task};
use crate::runtime::{Runtime, global};
use crate::stack::{StackSize, budget};
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
        if current::with_hub(|_| ()).is_some() {
            let default = current::with_hub(|hub| hub.stack_size());
            return self.make(body, default.unwrap_or_default(), own_family(), |task| {
                current::with_hub(|hub| hub.scheduler.push_from(hub, task));
            });
        }
        self.spawn_on(global()?, body)
    }

    pub(crate) fn spawn_on<F, T>(self, runtime: &Runtime, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // Whoever runs a `main` knows of its own runtime's green threads only.
        let family = if runtime.is_callers() { own_family() } else { None };
        self.make(body, runtime.stack_size(), family, |task| runtime.push(task))
    }

    #[inline]
    fn make<F, T>(
        self,
        body: F,
        default_size: StackSize,
        family: Option<&'static Family>,
        push: impl FnOnce(TaskRef),
    ) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let size = self.stack_size.map(StackSize::new).transpose()?;
        let reservation = budget::reserve(size.unwrap_or(default_size))?;
        let meta = (self.name.is_some() || size.is_some()).then(|| {
            Box::new(Meta { name: self.name.map(String::into_boxed_str), stack_size: size })
        });
        if let Some(family) = family {
            family.enter();
        }
        let (task, joinable) = new_task(body, meta, family, reservation);
        push(task);
        Ok(JoinHandle::new(joinable))
    }
}
