//! How a green thread is made: a stack is reserved, a task is made with what it inherits from the caller, and it is put
//! where it will run.
#![forbid(unsafe_code)]

use super::builder::{Builder, Settings};
use super::{JoinHandle, context};
use crate::runtime::current;
use crate::runtime::family::Family;
use crate::runtime::paused::Paused;
use crate::runtime::task::{Heritage, Joinable, Meta, Started, TaskRef, new_task};
use crate::runtime::{Runtime, global};
use crate::stack::StackSize;
use crate::stack::budget::{self, Reservation};
use std::io;
use std::sync::Arc;

/// Makes the task of a body, given the settings that it keeps, its family and its reserved stack.
pub(super) trait Create<T>:
    FnOnce(Option<Box<Meta>>, Option<&'static Family>, Reservation) -> (TaskRef, Joinable<T>)
{
}

impl<T, F> Create<T> for F where
    F: FnOnce(Option<Box<Meta>>, Option<&'static Family>, Reservation) -> (TaskRef, Joinable<T>)
{
}

/// What a new green thread inherits from the one that makes it.
#[derive(Default)]
pub(super) struct Lineage {
    pub(super) family: Option<&'static Family>,
    pub(super) heritage: Option<Arc<Heritage>>,
}

impl Lineage {
    /// What the calling green thread passes on, if the caller is one.
    #[inline]
    pub(super) fn of(current: Option<Started>) -> Self {
        let own = |task: &TaskRef| Self { family: task.family(), heritage: task.to_inherit() };
        current.map_or_else(Self::default, |started| started.with(own))
    }
}

impl Builder {
    /// Spawns it on the calling OS thread.
    pub(super) fn make_local<T>(self, create: impl Create<T>) -> io::Result<JoinHandle<T>> {
        let here = current::with_hub(|hub| (hub.stack_size(), Lineage::of(hub.current())));
        let Some((default, lineage)) = here else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "spawn_local on an OS thread that runs no green threads: call it inside `run`, `Runtime::run_local` or \
                    another green thread, or, if all that it takes along is Send, use `spawn`",
            ));
        };
        let paused = self.is_paused();
        let create_local = |meta: Option<Box<Meta>>, family, reservation| {
            let mut meta = meta;
            if let Some(meta) = &mut meta {
                meta.local = true;
            }
            create(meta, family, reservation)
        };
        self.make(create_local, default, lineage, |task| {
            current::with_hub(|hub| {
                if paused {
                    Paused::keep(task, hub.scheduler.clone());
                } else {
                    hub.enroll(&task);
                    hub.push_local(task);
                }
            });
        })
    }

    /// Like [`spawn`](Self::spawn), on the worker with the number `at`, taken modulo the number of workers.
    pub(crate) fn spawn_pinned<F, T>(self, at: usize, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let create = |meta, family, reservation| new_task(body, meta, family, reservation);
        let here = current::with_hub(|hub| {
            (Arc::clone(&hub.scheduler), hub.stack_size(), Lineage::of(hub.current()))
        });
        let (scheduler, default, lineage) = match here {
            Some(here) => here,
            None => {
                let runtime = global()?;
                (runtime.scheduler(), runtime.stack_size(), Lineage::default())
            }
        };
        self.make(create, default, lineage, |task| {
            scheduler.enroll(&task);
            scheduler.pin(at, task);
        })
    }

    /// Spawns it on the caller's runtime, or on the global one.
    #[inline]
    pub(super) fn spawn_here<T>(self, create: impl Create<T>) -> io::Result<JoinHandle<T>> {
        let paused = self.is_paused();
        let later = self.settings.as_ref().is_some_and(|settings| settings.start_at.is_some());
        current::with_hub_or(
            (self, create),
            |hub, (own, create)| {
                let lineage = Lineage::of(hub.current());
                own.make(create, hub.stack_size(), lineage, |task| {
                    if paused {
                        return Paused::keep(task, hub.scheduler.clone());
                    }
                    hub.enroll(&task);
                    if later {
                        hub.push_later(task);
                    } else {
                        hub.scheduler.push_from(hub, task);
                    }
                })
            },
            |(own, create)| own.make_on(global()?, create, Lineage::default()),
        )
    }

    /// Spawns it on the global runtime, as if the caller were no green thread: it belongs to nobody's `run`, and ends
    /// with none.
    #[allow(dead_code, reason = "functions in other processes alone use it")]
    pub(crate) fn spawn_apart<F, T>(self, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let create = |meta, family, reservation| new_task(body, meta, family, reservation);
        self.make_on(global()?, create, Lineage::default())
    }

    pub(crate) fn spawn_on<F, T>(self, runtime: &Runtime, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let mut lineage = current::with_hub(|hub| Lineage::of(hub.current())).unwrap_or_default();
        // A `run` only waits for green threads of its own runtime.
        lineage.family = lineage.family.filter(|_| runtime.is_callers());
        let create = |meta, family, reservation| new_task(body, meta, family, reservation);
        self.make_on(runtime, create, lineage)
    }

    pub(super) fn make_on<T>(
        self,
        runtime: &Runtime,
        create: impl Create<T>,
        lineage: Lineage,
    ) -> io::Result<JoinHandle<T>> {
        runtime.check_is_own()?;
        let paused = self.is_paused();
        self.make(create, runtime.stack_size(), lineage, |task| {
            if paused { runtime.keep(task) } else { runtime.push(task) }
        })
    }

    #[inline]
    pub(super) fn make<T>(
        self,
        create: impl Create<T>,
        default_size: StackSize,
        lineage: Lineage,
        push: impl FnOnce(TaskRef),
    ) -> io::Result<JoinHandle<T>> {
        let stack_size = self.settings.as_ref().and_then(|settings| settings.stack_size);
        let size = stack_size.map(StackSize::new).transpose()?;
        let reservation = budget::reserve(size.unwrap_or(default_size))?;
        // A paused green thread becomes a descendant of the one that starts it.
        let family = lineage.family.filter(|_| !self.is_paused());
        let meta = match (self.settings, lineage.heritage) {
            (None, None) => None,
            (settings, inherited) => Some(meta(
                settings.map_or_else(Settings::default, |settings| *settings),
                size,
                inherited,
            )),
        };
        let (task, joinable) = create(meta, family, reservation);
        task.set_spawn_place(self.place);
        context::pass_on(&task);
        if let Some(family) = family {
            family.enter(&task);
        }
        push(task);
        Ok(JoinHandle::new(joinable))
    }
}

/// The settings that a task keeps, if it has any.
#[cold]
fn meta(
    settings: Settings,
    size: Option<StackSize>,
    inherited: Option<Arc<Heritage>>,
) -> Box<Meta> {
    let mut heritage = inherited;
    if settings.daemon.is_some() || !settings.labels.is_empty() {
        let changed = Arc::make_mut(heritage.get_or_insert_default());
        changed.daemon = settings.daemon.unwrap_or(changed.daemon);
        for (key, value) in settings.labels {
            changed.set_label(key, value);
        }
    }
    Box::new(Meta {
        name: settings.name.map(String::into_boxed_str),
        stack_size: size,
        heritage: heritage.filter(|heritage| **heritage != Heritage::default()),
        start_at: settings.start_at,
        ..Meta::default()
    })
}
