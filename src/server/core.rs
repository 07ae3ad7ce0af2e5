//! Starting, counting and ending handlers.
//!
//! Each *acceptor*, a green thread, takes items (connections, datagrams) from a source of its own and starts a handler
//! for each. A server ends in two steps: it is *closed* when the last acceptor has ended, and the sources with it; and
//! it has *ended* when the last handler has ended too. Both are counted by guards that the green threads own: whatever
//! ends a green thread, even before it began, drops them.
#![forbid(unsafe_code)]

use super::acceptor::{Acceptor, ItemSource};
use super::stats::{Counters, HandlerEnd, Stats};
use crate::runtime::current as current_task;
use crate::runtime::{global, park};
use crate::sync::{Event, Semaphore};
use crate::sys;
use crate::sys::time::deadline_after;
use crate::thread::{Builder, Thread, current};
use crate::util::dropping::Held;
use crate::util::lock::Mutex;
use crate::util::slab::{Slab, SlabKey};
use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub(super) struct ServerSettings {
    pub(super) max_handlers: Option<usize>,
    pub(super) stack_size: Option<usize>,
    pub(super) name: Option<String>,
    /// Whether each acceptor and its handlers stay on one worker.
    pub(super) pinned: bool,
    /// How many sockets share the address, if the user has set that.
    pub(super) sources: Option<usize>,
}

impl ServerSettings {
    /// How many sockets are to share the address.
    pub(super) fn sources(&self) -> io::Result<usize> {
        match self.sources {
            Some(count) => Ok(count),
            None if self.pinned => workers(),
            None => Ok(1),
        }
    }

    fn builder(&self, role: &str) -> Builder {
        let mut builder = Builder::new();
        if let Some(name) = &self.name {
            builder = builder.name(format!("{name} {role}"));
        }
        builder
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerPhase {
    New,
    Running,
    Stopping,
}

#[derive(Debug)]
struct ServerState {
    phase: ServerPhase,
    /// How many acceptors have not ended.
    accepting: usize,
    acceptors: Vec<Thread>,
    /// The handlers; `None` for one whose green thread is just being spawned.
    handlers: Slab<Option<Thread>>,
    /// The error that ended the acceptors, if one did.
    failure: Option<io::Error>,
    /// How many callers are in `wait`, and will be told of the failure.
    waiting: usize,
}

pub(super) struct ServerCore<T> {
    handler: Held<Box<dyn Fn(T) + Send + Sync>>,
    settings: ServerSettings,
    /// How many more handlers each acceptor may start; empty if there is no limit.
    pub(super) limits: Box<[Semaphore]>,
    state: Mutex<ServerState>,
    pub(super) counters: Counters,
    /// Set when no acceptor is left.
    closed: Event,
    /// Set when no handler is left either.
    ended: Event,
    /// Whether an acceptor pauses, and is to be woken when a handler ends.
    short: AtomicBool,
    freed: Event,
}

impl<T> fmt::Debug for ServerCore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A handler that has not ended.
struct LiveHandler<T> {
    core: Arc<ServerCore<T>>,
    key: SlabKey,
    acceptor: u32,
    outcome: HandlerEnd,
}

impl<T> Drop for LiveHandler<T> {
    fn drop(&mut self) {
        let core = &*self.core;
        let panicked = matches!(self.outcome, HandlerEnd::Panicked) && !park::is_interrupted();
        core.counters.end(match self.outcome {
            HandlerEnd::Panicked if !panicked => HandlerEnd::Killed,
            outcome => outcome,
        });
        if let Some(limit) = core.limits.get(self.acceptor as usize) {
            limit.release();
        }
        if core.short.load(Ordering::SeqCst) {
            core.freed.set();
        }
        let mut state = core.state.lock();
        let thread = state.handlers.remove(self.key);
        core.end_if_done(&state);
        drop(state);
        drop(thread);
    }
}

impl<T: Send + 'static> LiveHandler<T> {
    fn run(mut self, item: T) {
        // This stays unless the handler returns.
        self.outcome = HandlerEnd::Panicked;
        (self.core.handler)(item);
        self.outcome = HandlerEnd::Finished;
    }
}

impl<T> ServerCore<T> {
    pub(super) fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Sets `ended` if everything has ended. Called whenever an acceptor or a handler has.
    fn end_if_done(&self, state: &ServerState) {
        if state.phase == ServerPhase::Stopping && state.accepting == 0 && state.handlers.len() == 0
        {
            self.ended.set();
        }
    }

    /// Counts an acceptor off, which has closed its source. The last one closes the server.
    pub(super) fn acceptor_ended(&self) {
        let mut state = self.state.lock();
        state.accepting -= 1;
        if state.accepting == 0 {
            // The end of their runtime may have killed them.
            state.phase = ServerPhase::Stopping;
            state.acceptors.clear();
            self.closed.set();
            self.end_if_done(&state);
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state.lock().phase == ServerPhase::Stopping
    }

    /// Begins the end: the server accepts no more. Does not wait.
    pub(super) fn close(&self) {
        let acceptors = {
            let mut state = self.state.lock();
            state.phase = ServerPhase::Stopping;
            if state.accepting == 0 {
                self.closed.set();
                self.end_if_done(&state);
            }
            mem::take(&mut state.acceptors)
        };
        for acceptor in &acceptors {
            kill(acceptor);
        }
    }

    /// Begins the end because of a failure. Those who wait are told of it; if nobody does, it is reported on standard
    /// error.
    pub(super) fn fail(&self, failure: io::Error) {
        let mut state = self.state.lock();
        let tell =
            state.failure.is_none() && state.waiting == 0 && state.phase == ServerPhase::Running;
        let text = tell.then(|| format!("a server accepts no more: {failure}"));
        state.failure.get_or_insert(failure);
        drop(state);
        if let Some(text) = text {
            sys::report(format_args!("{text}"));
        }
        self.close();
    }

    /// See [`StreamServer::stop`](super::StreamServer::stop).
    pub(super) fn stop(&self, grace: Duration) -> usize {
        let deadline = deadline_after(grace);
        self.close();
        // With `panic = "abort"` acceptors cannot be killed; they end when the next connection comes.
        if !cfg!(panic = "abort") {
            self.closed.wait();
        }
        self.forgo_caller();
        let in_time = match deadline {
            Some(deadline) => self.ended.wait_deadline(deadline),
            None => {
                self.ended.wait();
                true
            }
        };
        if in_time || cfg!(panic = "abort") {
            return 0;
        }
        let handlers: Vec<Thread> = {
            let state = self.state.lock();
            state.handlers.iter().filter_map(|(_, handler)| handler.clone()).collect()
        };
        for handler in &handlers {
            kill(handler);
        }
        self.ended.wait();
        handlers.len()
    }

    /// Removes the caller from the handlers if it is one: a handler that stops its server is neither waited for nor
    /// killed.
    fn forgo_caller(&self) {
        let caller = current();
        let mut state = self.state.lock();
        // The acceptors have ended by now, so every handler has its entry.
        let own = state.handlers.iter().find(|(_, handler)| handler.as_ref() == Some(&caller));
        if let Some((key, _)) = own {
            state.handlers.remove(key);
        }
        self.end_if_done(&state);
    }

    /// Waits for the end. If a kill or a timeout ends this wait, that begins the end of the server.
    pub(super) fn wait(&self) -> io::Result<()> {
        struct Close<'a, T>(&'a ServerCore<T>);
        impl<T> Drop for Close<'_, T> {
            fn drop(&mut self) {
                self.0.state.lock().waiting -= 1;
                self.0.close();
            }
        }
        self.state.lock().waiting += 1;
        let _close = Close(self);
        self.closed.wait();
        if let Some(failure) = self.state.lock().failure.take() {
            return Err(failure);
        }
        self.ended.wait();
        Ok(())
    }
}

/// How many workers the caller's runtime has, or if there is none, the global one.
fn workers() -> io::Result<usize> {
    match current_task::with_hub(|hub| hub.scheduler.width()) {
        Some(count) => Ok(count),
        None => Ok(global()?.scheduler().width()),
    }
}

fn kill(thread: &Thread) {
    thread.task().kill();
}

impl<T: Send + 'static> ServerCore<T> {
    pub(super) fn new(
        settings: ServerSettings,
        acceptors: usize,
        handler: impl Fn(T) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let limits = settings.max_handlers.map_or_else(Box::default, |limit| {
            // The limit is divided among them: with a common one, an acceptor would hold a permit while nobody connects
            // to it, and keep it from the others.
            (0..acceptors).map(|_| Semaphore::new(limit.div_ceil(acceptors).max(1))).collect()
        });
        Arc::new(Self {
            handler: Held::new(Box::new(handler)),
            settings,
            limits,
            state: Mutex::new(ServerState {
                phase: ServerPhase::New,
                accepting: 0,
                acceptors: Vec::new(),
                handlers: Slab::new(),
                failure: None,
                waiting: 0,
            }),
            counters: Counters::default(),
            closed: Event::new(),
            ended: Event::new(),
            short: AtomicBool::new(false),
            freed: Event::new(),
        })
    }

    /// Starts an acceptor for each source.
    pub(super) fn start<S: ItemSource<Item = T>>(
        self: &Arc<Self>,
        sources: Vec<Held<S>>,
    ) -> io::Result<()> {
        {
            let mut state = self.state.lock();
            match state.phase {
                // Another call has taken the sources and is about to start the acceptors.
                ServerPhase::New if sources.is_empty() => return Ok(()),
                ServerPhase::New => {}
                ServerPhase::Running => return Ok(()),
                ServerPhase::Stopping => {
                    return Err(io::Error::new(
                        io::ErrorKind::NotConnected,
                        "the server has been stopped; make a new one",
                    ));
                }
            }
            state.phase = ServerPhase::Running;
            state.accepting = sources.len();
        }
        // All are made before the first is spawned: if one cannot be spawned, dropping the others uncounts them.
        let acceptors: Vec<_> = sources
            .into_iter()
            .enumerate()
            .map(|(at, source)| Acceptor::new(self, source, at))
            .collect();
        for acceptor in acceptors {
            let builder = self.settings.builder("acceptor");
            let at = acceptor.at();
            let body = move || acceptor.accept_all();
            let spawned = match self.settings.pinned {
                true => builder.spawn_pinned(at, body),
                false => builder.spawn(body),
            };
            let thread = match spawned {
                Ok(handle) => handle.thread().clone(),
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            };
            let mut state = self.state.lock();
            if state.phase == ServerPhase::Running {
                state.acceptors.push(thread);
            } else {
                drop(state);
                kill(&thread);
            }
        }
        Ok(())
    }

    /// Waits before the next attempt, but no longer than until a handler ends.
    pub(super) fn pause(&self, pause: Duration) {
        self.freed.clear();
        self.short.store(true, Ordering::SeqCst);
        self.freed.wait_timeout(pause);
        self.short.store(false, Ordering::SeqCst);
    }

    /// Runs the handler for `item` on a green thread of its own.
    pub(super) fn begin(self: &Arc<Self>, acceptor: usize, item: T) -> io::Result<()> {
        self.counters.accept();
        let key = self.state.lock().handlers.insert(None);
        let (core, acceptor) = (Arc::clone(self), acceptor as u32);
        let live = LiveHandler { core, key, acceptor, outcome: HandlerEnd::Killed };
        let mut builder = self.settings.builder("handler");
        if let Some(bytes) = self.settings.stack_size {
            builder = builder.stack_size(bytes);
        }
        // The handle is dropped, so a panic of the handler is reported as that of a green thread that nobody joins.
        let body = move || live.run(item);
        let thread = match self.settings.pinned {
            true => builder.spawn_local(body)?.thread().clone(),
            false => builder.spawn(body)?.thread().clone(),
        };
        if let Some(handler) = self.state.lock().handlers.get_mut(key) {
            *handler = Some(thread);
        }
        Ok(())
    }
}
