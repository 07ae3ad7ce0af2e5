//! Tasks that wait for a worker, and the workers. What these are, their crew knows.
//!
//! A worker is made where a task comes and none is idle, up to the limit, and takes that task along. Workers are counted by
//! guards that they own: whatever ends one, even before it began, takes it off the count. The last that goes leaves no task
//! behind: it is replaced where tasks wait, or, where no worker comes to run any more, they end as killed.
#![forbid(unsafe_code)]

use super::error::{ExecutionError, SubmitError};
use super::executor::Call;
use super::future::Future;
use super::shared::{Runner, Ticket};
use crate::runtime::park::{self, Reason};
use crate::runtime::task::{TaskRef, any_interruption, drop_quietly};
use crate::sync::gate::Gate;
use crate::sys::process;
use crate::util::slab::{Key, Slab};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What the workers of an executor are.
pub(super) trait Crew: Send + Sync + Sized + 'static {
    /// What each worker has for itself.
    type Seat;

    /// Whether workers stay where no task waits, until the executor is shut down.
    fn stays(&self) -> bool;

    /// Has a new worker run this.
    fn spawn(&self, number: usize, life: impl FnOnce() + Send + 'static) -> io::Result<()>;

    /// What a worker does before its first task; why it cannot. That breaks the executor.
    fn begin(&self, number: usize) -> Result<Self::Seat, String>;
}

/// A task as workers see it.
pub(super) trait Run<S>: Send + 'static {
    /// Runs it, unless it was cancelled. Says whether it panicked, or what has broken the executor. Called once.
    fn run(&mut self, seat: &mut S) -> Result<Ran, String>;

    /// Ends it without running it.
    fn fail(&mut self, error: ExecutionError);
}

impl<S: 'static> Run<S> for Box<dyn Run<S>> {
    fn run(&mut self, seat: &mut S) -> Result<Ran, String> {
        (**self).run(seat)
    }

    fn fail(&mut self, error: ExecutionError) {
        (**self).fail(error);
    }
}

/// How a task went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    Well,
    Panicked,
}

type BoxedRun<C> = Box<dyn Run<<C as Crew>::Seat>>;

/// A call that runs in the worker itself, until it has.
struct Job<C: Call>(Option<(C, Ticket<C::Output>)>);

/// A task for a worker, and its future.
pub(super) fn new_job<C: Call>(call: C) -> (impl Run<()>, Future<C::Output>) {
    let (ticket, future) = Ticket::new();
    (Job(Some((call, ticket))), future)
}

impl<C: Call> Run<()> for Job<C> {
    fn run(&mut self, (): &mut ()) -> Result<Ran, String> {
        let Some((call, ticket)) = self.0.take() else { return Ok(Ran::Well) };
        let runner =
            if park::is_green() { Runner::GreenThread(park::own_task()) } else { Runner::OsThread };
        if !ticket.begin(runner) {
            drop_quietly(call);
            return Ok(Ran::Well);
        }
        let generation = process::generation();
        let outcome = catch_unwind(AssertUnwindSafe(|| call.call()));
        let ran = if outcome.is_ok() { Ran::Well } else { Ran::Panicked };
        if process::generation() != generation {
            // The task has forked. In the parent it goes on; here, what the child was made for is over.
            ticket.forget();
        } else {
            ticket.end(outcome.map_err(ExecutionError::from_payload));
        }
        Ok(ran)
    }

    fn fail(&mut self, error: ExecutionError) {
        if let Some((call, ticket)) = self.0.take() {
            ticket.end(Err(error));
            drop_quietly(call);
        }
    }
}

struct State<C: Crew> {
    queue: VecDeque<BoxedRun<C>>,
    workers: usize,
    /// Those that have begun.
    threads: Slab<TaskRef>,
    /// How many workers wait for a task.
    idle: usize,
    /// How many workers there have ever been.
    made: usize,
    closed: bool,
    broken: Option<String>,
}

pub(super) struct Core<C: Crew> {
    crew: C,
    limit: usize,
    state: Mutex<State<C>>,
    /// Where workers wait that are OS threads, and those that are green threads.
    work: Condvar,
    green_work: Gate,
    /// For those who wait until the last worker has gone.
    gone: Gate,
    generation: u32,
}

impl<C: Crew> fmt::Debug for Core<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<C: Crew> Core<C> {
    pub(super) fn new(crew: C, limit: usize) -> Arc<Self> {
        process::watch();
        Arc::new(Self {
            crew,
            limit,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                workers: 0,
                threads: Slab::new(),
                idle: 0,
                made: 0,
                closed: false,
                broken: None,
            }),
            work: Condvar::new(),
            green_work: Gate::new(),
            gone: Gate::new(),
            generation: process::generation(),
        })
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A forked child has none of the workers, and perhaps a lock that is held for ever.
    fn is_parents(&self) -> bool {
        self.generation != process::generation()
    }

    #[cfg_attr(not(feature = "processes"), expect(dead_code, reason = "there are no processes"))]
    pub(super) fn crew(&self) -> &C {
        &self.crew
    }

    /// Queues the task that `make` makes, or gives it to a new worker.
    pub(super) fn submit<T, J: Run<C::Seat>>(
        self: &Arc<Self>,
        make: impl FnOnce() -> (J, Future<T>),
    ) -> Result<Future<T>, SubmitError> {
        if self.is_parents() {
            return Err(SubmitError::Io(process::belongs_to_parent("the executor")));
        }
        // Outside of the lock: that may run the user's code, as does dropping a task that is not taken.
        let (job, future) = make();
        let mut state = self.state.lock();
        if let Some(reason) = &state.broken {
            return Err(SubmitError::Broken(reason.clone()));
        }
        if state.closed {
            return Err(SubmitError::ShutDown);
        }
        if state.idle > state.queue.len() || state.workers >= self.limit {
            state.queue.push_back(Box::new(job));
            let idle = state.idle > 0;
            drop(state);
            if idle {
                self.work.notify_one();
                self.green_work.notify_one();
            }
            return Ok(future);
        }
        state.workers += 1;
        let worker = self.new_worker(&mut state);
        drop(state);
        match self.spawn(worker, Some(job)) {
            Ok(()) => Ok(future),
            Err(error) => Err(SubmitError::Io(error)),
        }
    }

    fn new_worker(self: &Arc<Self>, state: &mut State<C>) -> Worker<C> {
        let number = state.made;
        state.made += 1;
        Worker { core: Arc::clone(self), number, own: None, began: false, counted: true }
    }

    /// Lets a worker loose, which is in the count already. Where that fails it is dropped, with the task that it was to take.
    fn spawn(&self, worker: Worker<C>, first: Option<impl Run<C::Seat>>) -> io::Result<()> {
        self.crew.spawn(worker.number, || worker.work(first))
    }

    /// The next task of a worker; `None` is the worker's end, and takes it off the count.
    fn next(&self, worker: &mut Worker<C>) -> Option<BoxedRun<C>> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if !self.crew.stays() || state.closed {
                break;
            }
            state.idle += 1;
            if park::is_green() {
                drop(state);
                let idle = Idle(self);
                self.green_work.wait(Reason::Queue, None, || {
                    let state = self.state.lock();
                    !state.queue.is_empty() || state.closed
                });
                drop(idle);
                state = self.state.lock();
            } else {
                self.work.wait(&mut state);
                state.idle -= 1;
            }
        }
        worker.counted = false;
        self.leave(state, worker);
        None
    }

    /// Takes a worker off the count.
    fn leave(&self, mut state: MutexGuard<'_, State<C>>, worker: &mut Worker<C>) {
        state.workers -= 1;
        let own = worker.own.take().and_then(|key| state.threads.remove(key));
        drop(state);
        drop(own);
        self.gone.notify_all();
    }

    /// Fails what waits, and what comes.
    fn break_down(&self, reason: &str) {
        let queue = {
            let mut state = self.state.lock();
            state.broken.get_or_insert_with(|| reason.into());
            state.closed = true;
            mem::take(&mut state.queue)
        };
        self.work.notify_all();
        self.green_work.notify_all();
        for mut job in queue {
            job.fail(ExecutionError::broken(reason));
        }
    }

    /// See [`Executor::shutdown`](super::Executor::shutdown).
    pub(super) fn shutdown(self: &Arc<Self>, wait: bool, cancel_pending: bool) {
        if self.is_parents() {
            return;
        }
        let cancelled = {
            let mut state = self.state.lock();
            state.closed = true;
            if cancel_pending { mem::take(&mut state.queue) } else { VecDeque::new() }
        };
        self.work.notify_all();
        self.green_work.notify_all();
        for mut job in cancelled {
            job.fail(ExecutionError::cancelled());
        }
        if wait {
            let caller = park::own_task();
            let is_own = self.state.lock().threads.iter().any(|(_, thread)| *thread == caller);
            let gone = || self.state.lock().workers <= usize::from(is_own);
            while !gone() {
                self.gone.wait(Reason::Join, None, gone);
            }
        }
    }
}

/// A worker that waits for a task, until this is dropped: a kill may end its wait.
struct Idle<'a, C: Crew>(&'a Core<C>);

impl<C: Crew> Drop for Idle<'_, C> {
    fn drop(&mut self) {
        self.0.state.lock().idle -= 1;
    }
}

/// One worker, counted by its executor until it is dropped or finds nothing more to do.
struct Worker<C: Crew> {
    core: Arc<Core<C>>,
    number: usize,
    /// Its place among the threads of the executor.
    own: Option<Key>,
    began: bool,
    counted: bool,
}

impl<C: Crew> Worker<C> {
    /// A worker's whole life.
    fn work(mut self, mut first: Option<impl Run<C::Seat>>) {
        self.began = true;
        let core = Arc::clone(&self.core);
        self.own = Some(core.state.lock().threads.insert(park::own_task()));
        let mut seat = match core.crew.begin(self.number) {
            Ok(seat) => seat,
            Err(reason) => {
                core.break_down(&reason);
                if let Some(mut job) = first {
                    job.fail(ExecutionError::broken(&reason));
                }
                return;
            }
        };
        loop {
            let ran = match first.take() {
                Some(mut job) => job.run(&mut seat),
                None => match core.next(&mut self) {
                    Some(mut job) => job.run(&mut seat),
                    None => return,
                },
            };
            let ran = match ran {
                Ok(ran) => ran,
                Err(reason) => return core.break_down(&reason),
            };
            if core.is_parents() {
                self.counted = false;
                if !park::is_green() {
                    // A task has forked, and what the child was made for is over.
                    std::process::exit(process::status(ran == Ran::Well));
                }
                return;
            }
            if any_interruption() && park::is_green() && park::own_task().is_killed() {
                // The kill was for the task that has ended, or for this green thread; it is not for the next task.
                return;
            }
        }
    }
}

impl<C: Crew> Drop for Worker<C> {
    fn drop(&mut self) {
        if !self.counted || self.core.is_parents() {
            return;
        }
        let core = Arc::clone(&self.core);
        let mut state = core.state.lock();
        if self.began && !state.queue.is_empty() {
            // Takes the place over, in the count too.
            let successor = core.new_worker(&mut state);
            let own = self.own.take().and_then(|key| state.threads.remove(key));
            drop(state);
            drop(own);
            drop(core.spawn(successor, None::<BoxedRun<C>>));
            return;
        }
        let orphans =
            if state.workers == 1 { mem::take(&mut state.queue) } else { VecDeque::new() };
        core.leave(state, self);
        for mut job in orphans {
            job.fail(ExecutionError::killed());
        }
    }
}
