//! Runs calls in other processes.
#![forbid(unsafe_code)]

use super::crew::NotReady;
use super::duty::{Run, TaskRan};
use super::error::{ExecutionCause, ExecutionError};
use super::executor::Call;
use super::process_crew::ProcessCrew;
use super::shared::{DutyToEnd, Joint};
use crate::process::shared::UnderWay;
use crate::process::worker::{self, Options, WorkerProcess};
use crate::process::{CallError, ChildHandle, Function};
use crate::runtime::outside::Expectation;
use crate::util::dropping::Held;
use crate::util::lock::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use std::io;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A call of a [`Function`] with its arguments. A [`ProcessPool`](super::ProcessPool) runs it in another process; any
/// other executor runs it in this one.
///
/// The arguments are encoded when this is made. If they cannot be encoded, that is the error of the task.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, Remote};
/// use greenthread::process::function;
///
/// fn add(left: u32, right: u32) -> u32 {
///     left + right
/// }
/// let call = Remote::new(function!(add(left, right)), (1, 2));
/// assert_eq!(GreenExecutor::new().submit(call)?.result().unwrap(), &3);
/// # Ok::<(), greenthread::executor::SubmitError>(())
/// ```
pub struct Remote<A, R> {
    function: Function<A, R>,
    arguments: Result<Vec<u8>, CallError>,
    /// Held while a pool has it: the outcome comes from another runtime than that of those who wait for it.
    expectation: Option<Expectation>,
    under_way: UnderWay,
}

impl<A, R> Remote<A, R> {
    /// A call of `function`. If it has several arguments, `arguments` is a tuple of them.
    pub fn new(function: Function<A, R>, arguments: A) -> Self
    where
        A: Serialize,
    {
        let given = Held::new(arguments);
        let (arguments, under_way) = UnderWay::noted(|| worker::encode(&*given));
        drop(given);
        Self { function, arguments, expectation: None, under_way }
    }

    pub(super) fn expected(self) -> Self {
        Self { expectation: Some(Expectation::new()), ..self }
    }
}

impl<A, R> fmt::Debug for Remote<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.function.name()).finish()
    }
}

/// Makes the call in this process.
///
/// # Panics
/// If the function panics; and if an argument or the result cannot be encoded or decoded.
impl<A, R> Call for Remote<A, R>
where
    A: 'static,
    R: DeserializeOwned + Send + Sync + 'static,
{
    type Output = R;

    fn call(self) -> R {
        let run = |arguments: Vec<u8>| self.function.run(&arguments).map_err(CallError::from);
        let value = self.arguments.and_then(run).and_then(|bytes| worker::decode(&bytes));
        value.unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The calls of a function for the items of an iterator; what [`ProcessPool::imap`](super::ProcessPool::imap) makes of its arguments.
pub struct RemoteCalls<A, R, I> {
    function: Function<A, R>,
    items: I,
}

impl<A, R, I> RemoteCalls<A, R, I> {
    pub(super) fn new(function: Function<A, R>, items: I) -> Self {
        Self { function, items }
    }
}

impl<A, R, I> fmt::Debug for RemoteCalls<A, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteCalls").field("function", &self.function).finish_non_exhaustive()
    }
}

impl<A: Serialize, R, I: Iterator<Item = A>> Iterator for RemoteCalls<A, R, I> {
    type Item = Remote<A, R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.items.next().map(|item| Remote::new(self.function, item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<A: Serialize, R, I: iter::FusedIterator<Item = A>> iter::FusedIterator
    for RemoteCalls<A, R, I>
{
}

/// A call that waits for a process, and is taken out once it has one.
impl<A, R> Run<Seat> for Joint<R, Option<Remote<A, R>>>
where
    A: 'static,
    R: DeserializeOwned + Send + Sync + 'static,
{
    fn run(self: Arc<Self>, seat: &mut Seat) -> TaskRan {
        let call = self.take();
        let ticket = DutyToEnd::of(self);
        let Some(call) = call else { return TaskRan::Well };
        let Remote { function, arguments, expectation: _until_the_end, under_way } = call;
        let arguments = match arguments {
            Ok(arguments) => arguments,
            Err(error) => {
                ticket.end(Err(ExecutionError::from_call(error)));
                return TaskRan::Well;
            }
        };
        // A worker has a process before it takes a task.
        let Some(process) = &seat.process else { return TaskRan::Well };
        let killed = Arc::new(AtomicBool::new(false));
        let kill = {
            let (child, killed) = (process.child().clone(), Arc::clone(&killed));
            move || {
                killed.store(true, Ordering::SeqCst);
                // An error means that it has ended by itself.
                let _ = child.kill();
            }
        };
        if !ticket.begin_elsewhere(kill) {
            return TaskRan::Well;
        }
        let result = seat.call(function, &arguments);
        drop((arguments, under_way));
        let of_use = !matches!(result, Err(CallError::Ended(_) | CallError::Io(_)));
        // Decoding runs code of the type, which may panic.
        let outcome = match result {
            Ok(bytes) => catch_unwind(AssertUnwindSafe(|| worker::decode::<R>(&bytes)))
                .map_err(ExecutionError::from_payload)
                .and_then(|decoded| decoded.map_err(ExecutionError::from_call)),
            Err(_) if killed.load(Ordering::SeqCst) => Err(ExecutionError::killed()),
            Err(error) => Err(ExecutionError::from_call(error)),
        };
        // This comes before anybody is told the outcome, as whoever is told may look whether the process exists.
        if !of_use {
            seat.discard();
        } else if seat.crew.max_tasks.is_some_and(|most| seat.done >= most) {
            seat.retire();
        }
        ticket.end(outcome);
        // From here on nobody kills the process because of this task.
        if killed.load(Ordering::SeqCst) {
            seat.discard();
        }
        TaskRan::Well
    }

    fn fail(self: Arc<Self>, error: ExecutionError) {
        drop(self.take());
        DutyToEnd::of(self).end(Err(error));
    }
}

/// What a worker has for itself: a place for one process at a time.
pub(super) struct Seat {
    crew: Arc<ProcessCrew>,
    number: usize,
    process: Option<WorkerProcess>,
    /// How many tasks the process has had.
    done: usize,
    /// Whether the process has a task now.
    busy: bool,
}

impl Seat {
    pub(super) fn new(crew: &Arc<ProcessCrew>, number: usize) -> Self {
        Self { crew: Arc::clone(crew), number, process: None, done: 0, busy: false }
    }

    /// Whether there is a process and it is alive.
    pub(super) fn is_ready(&self) -> bool {
        let alive = |process: &WorkerProcess| matches!(process.child().try_wait(), Ok(None));
        self.process.as_ref().is_some_and(alive)
    }

    /// Gets a new process.
    pub(super) fn prepare(&mut self) -> Result<(), NotReady> {
        self.discard();
        let name = format!("{}-{}", self.crew.name, self.number + 1);
        let options = Options { name, dies_with_parent: true, once: false };
        let process = WorkerProcess::start(&options).map_err(NotReady::Io)?;
        // This comes before the initializer, which may take for ever: then the end of the process ends it.
        self.crew.enter(self.number, process.child());
        let process = self.process.insert(process);
        let Some(initializer) = &self.crew.initializer else { return Ok(()) };
        self.busy = true;
        let initialized = initializer(process);
        self.busy = false;
        let Err(error) = initialized else { return Ok(()) };
        self.discard();
        if self.crew.is_terminated() {
            return Err(NotReady::Io(io::Error::other("the pool has been terminated")));
        }
        Err(NotReady::Broken(format!("an initializer failed: {error}")))
    }

    fn call<A, R>(
        &mut self,
        function: Function<A, R>,
        arguments: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let Some(process) = &self.process else {
            return Err(CallError::Io(io::ErrorKind::NotFound.into()));
        };
        self.busy = true;
        let result = process.call(function, arguments);
        self.busy = false;
        self.done += 1;
        result
    }

    /// Lets the process end by itself, as it has nothing to do.
    fn retire(&mut self) {
        self.done = 0;
        if let Some(process) = self.process.take() {
            self.crew.leave(self.number);
            drop(process);
        }
    }

    /// Ends the process, whatever it is doing.
    fn discard(&mut self) {
        if let Some(process) = &self.process {
            end(process.child());
        }
        self.retire();
    }
}

/// Ends a process, for which somebody waits already. An error means that it has ended by itself.
fn end(child: &ChildHandle) {
    let _ = child.kill();
}

impl Drop for Seat {
    fn drop(&mut self) {
        // If the worker is killed, the process may be in the middle of a task.
        if self.busy { self.discard() } else { self.retire() }
    }
}

impl ExecutionError {
    pub(super) fn from_call(error: CallError) -> Self {
        Self::new(match error {
            CallError::Ended(status) => ExecutionCause::Died(status),
            CallError::Panicked(text) => ExecutionCause::Panic { text, payload: Mutex::default() },
            CallError::Io(error) => ExecutionCause::Io(error),
            other => ExecutionCause::NotPassed(other.to_string()),
        })
    }
}
