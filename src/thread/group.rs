//! Green threads that succeed or fail together.
#![forbid(unsafe_code)]

use super::timeout::{Limited, new_limit_id, run_limited};
use super::{Builder, JoinError, ScopedJoinHandle, current};
use crate::runtime::park;
use crate::runtime::task::{
    Cause, EndedAsKilled, MayEnd, Scope, TaskRef, Who, enter_scope, is_interruption,
};
use parking_lot::Mutex;
use std::error::Error;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Why one task of a [`group`] failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskError<E> {
    /// It returned this error.
    Failed(E),
    /// It panicked, or could not run because there was no memory for its stack.
    Panicked(JoinError),
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Panicked(error) => error.source(),
        }
    }
}

/// Everything that went wrong in a [`group`], in the order in which it did: the first error is the one that ended the others.
/// (Python's `ExceptionGroup`.)
#[derive(Debug)]
pub struct GroupError<E>(Vec<TaskError<E>>);

impl<E> GroupError<E> {
    /// The errors, at least one.
    pub fn errors(&self) -> &[TaskError<E>] {
        &self.0
    }

    /// The errors, at least one.
    pub fn into_errors(self) -> Vec<TaskError<E>> {
        self.0
    }
}

impl<E> IntoIterator for GroupError<E> {
    type Item = TaskError<E>;
    type IntoIter = std::vec::IntoIter<TaskError<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{error}")?;
        }
        Ok(())
    }
}

impl<E: Error + 'static> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.first().map(|error| error as _)
    }
}

#[derive(Debug)]
struct Shared<E> {
    errors: Mutex<Vec<TaskError<E>>>,
    owner: TaskRef,
    /// The limit that the group's body runs in, by which it is ended when a task fails.
    body: u64,
}

/// Where the tasks of a [`group`] are spawned. A task that spawns others takes a clone along.
#[derive(Debug)]
pub struct TaskGroup<'scope, 'env: 'scope, E> {
    scope: &'scope Scope<'scope, 'env>,
    shared: Arc<Shared<E>>,
}

impl<E> Clone for TaskGroup<'_, '_, E> {
    fn clone(&self) -> Self {
        Self { scope: self.scope, shared: Arc::clone(&self.shared) }
    }
}

/// Runs `body`, which spawns tasks that may borrow as those of a [`scope`](crate::scope) may; waits for all of them before it returns.
/// The first that fails, by an error or a panic, kills the others and ends `body` at its wait or its next one; all errors
/// are returned together. (Python's `asyncio.TaskGroup`, trio's nursery.) Suspends a green thread, blocks an OS thread.
///
/// An error of `body` counts as that of a task. A kill of a single task, by its handle, is not a failure. What is killed or
/// ended unwinds, see [`JoinHandle::kill`](crate::JoinHandle::kill). Where the caller itself is killed, or a
/// [`timeout`](crate::timeout()) around it expires, the tasks are killed and waited for, as those of a [`scope`](crate::scope) are. With
/// `panic = "abort"` nothing can be unwound: all that have begun run to their ends. On an OS thread that waits for a socket, `body` ends
/// when that wait is over.
///
/// # Errors
/// What the tasks and `body` failed with, at least one error. A task that could not run, because there was no memory for its
/// stack, ends no other; its error comes last, unless its handle has told it.
///
/// # Panics
/// With the panic of `body`, when the tasks have been killed and have ended.
///
/// # Examples
/// ```
/// use greenthread::{sleep, thread::group};
/// use std::time::Duration;
///
/// let words = ["1", "2", "3"];
/// let sum = group(|g| {
///     let parsed: Vec<_> = words.iter().map(|word| g.spawn(|| word.parse::<i32>())).collect();
///     Ok(parsed.into_iter().map(|one| one.join().unwrap()).sum::<i32>())
/// });
/// assert_eq!(sum.unwrap(), 6);
///
/// let failed = group(|g| {
///     g.spawn(|| "no number".parse::<i32>());
///     g.spawn(|| Ok(sleep(Duration::from_secs(60)))); // killed at once
///     sleep(Duration::from_secs(60)); // this ends as well
///     Ok(())
/// });
/// assert_eq!(failed.unwrap_err().errors().len(), 1);
/// ```
#[doc(alias("nursery", "ErrGroup", "TaskGroup"))]
pub fn group<'env, F, T, E>(body: F) -> Result<T, GroupError<E>>
where
    F: for<'scope> FnOnce(&TaskGroup<'scope, 'env, E>) -> Result<T, E>,
{
    let id = new_limit_id();
    let shared = Arc::new(Shared { errors: Mutex::default(), owner: park::own_task(), body: id });
    let (value, not_run) = enter_scope(|scope| {
        let group = TaskGroup { scope, shared: Arc::clone(&shared) };
        match run_limited(None, id, || body(&group)) {
            Limited::Done(Ok(value)) => Some(value),
            Limited::Done(Err(error)) => {
                group.fail(TaskError::Failed(error));
                None
            }
            Limited::Expired => None,
            Limited::Unwound(payload) => {
                scope.kill_children();
                resume_unwind(payload)
            }
        }
    });
    let mut errors = mem::take(&mut *shared.errors.lock());
    // What a task's body fails with is in `errors`, so these never began.
    errors.extend((0..not_run).map(|_| {
        let error = io::Error::new(io::ErrorKind::OutOfMemory, "no memory for its stack");
        TaskError::Panicked(JoinError::new(Cause::Io(error), Who::Unknown))
    }));
    match value {
        Some(value) if errors.is_empty() => Ok(value),
        _ => Err(GroupError(errors)),
    }
}

impl<'scope, 'env, E> TaskGroup<'scope, 'env, E> {
    /// Spawns a task of the group. Does not suspend.
    ///
    /// Its value can be had by the handle, which may as well be dropped. Of a task that failed, the handle tells that it was
    /// killed: the error is the group's. Once the group has failed, new tasks never run.
    ///
    /// # Panics
    /// As [`spawn`](crate::spawn); [`spawn_with`](Self::spawn_with) returns that as an error instead.
    pub fn spawn<F, T>(&self, body: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
        E: Send + 'scope,
    {
        self.spawn_with(Builder::new(), body).expect("failed to spawn a green thread")
    }

    /// As [`spawn`](Self::spawn), for a green thread with settings.
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    pub fn spawn_with<F, T>(
        &self,
        builder: Builder,
        body: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
        E: Send + 'scope,
    {
        let group = self.clone();
        let body = move || match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                group.fail(TaskError::Failed(error));
                Err(EndedAsKilled)
            }
            Err(payload) if is_interruption(&*payload) => resume_unwind(payload),
            Err(payload) => {
                let error = JoinError::from_payload(payload, current().task());
                group.fail(TaskError::Panicked(error));
                Err(EndedAsKilled)
            }
        };
        builder.spawn_in(self.scope, MayEnd(body))
    }

    /// Keeps the error, kills every task of the group, and ends its body at the wait it is in or at its next one.
    fn fail(&self, error: TaskError<E>) {
        self.shared.errors.lock().push(error);
        self.scope.kill_children();
        self.shared.owner.expire_limit(self.shared.body);
    }
}
