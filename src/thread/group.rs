//! Green threads that succeed or fail together.
#![forbid(unsafe_code)]

use super::timeout::{Limited, new_limit_id, run_limited};
use super::{Builder, JoinError, ScopedJoinHandle, current};
use crate::runtime::park;
use crate::runtime::scope::{Scope, enter_scope};
use crate::runtime::task::{Cause, EndedAsKilled, MayEnd, TaskRef, Who, is_interruption};
use crate::util::dropping::{Held, drop_each};
use crate::util::lock::Mutex;
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

/// Everything that went wrong in a [`group`], in the order in which it happened: the first error is the one that ended the other
/// tasks. (Python's `ExceptionGroup`.)
///
/// # Examples
/// ```
/// use greenthread::thread::{TaskError, group};
/// let failed = group(|g| {
///     g.spawn(|| -> Result<(), &str> { panic!("a panic") });
///     Ok(())
/// });
/// let error = failed.unwrap_err();
/// assert!(error.to_string().ends_with("panicked: a panic"));
/// for one in error {
///     match one {
///         TaskError::Failed(error) => unreachable!("{error}"),
///         TaskError::Panicked(error) => assert!(error.is_panic()),
///         _ => {}
///     }
/// }
/// ```
#[doc(alias("ExceptionGroup", "MultiError"))]
#[derive(Debug)]
pub struct GroupError<E>(Vec<TaskError<E>>);

impl<E> GroupError<E> {
    /// The errors, at least one.
    ///
    /// # Examples
    /// See also [`into_errors`](Self::into_errors).
    /// ```
    /// use greenthread::thread::{TaskError, group};
    ///
    /// let failed = group(|g| {
    ///     g.spawn(|| "one".parse::<u32>());
    ///     Ok(())
    /// });
    /// let error = failed.unwrap_err();
    /// assert!(matches!(error.errors(), [TaskError::Failed(_)]));
    /// assert_eq!(error.into_errors().len(), 1);
    /// ```
    #[must_use]
    pub fn errors(&self) -> &[TaskError<E>] {
        &self.0
    }

    /// The errors, at least one.
    #[must_use]
    pub fn into_errors(mut self) -> Vec<TaskError<E>> {
        mem::take(&mut self.0)
    }
}

impl<E> Drop for GroupError<E> {
    fn drop(&mut self) {
        drop_each(self.0.drain(..).map(|error| || drop(error)));
    }
}

impl<E> IntoIterator for GroupError<E> {
    type Item = TaskError<E>;
    type IntoIter = std::vec::IntoIter<TaskError<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_errors().into_iter()
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
struct GroupShared<E> {
    errors: Mutex<GroupError<E>>,
    owner: TaskRef,
    /// The limit around the group's body, by which the body is ended when a task fails.
    body: u64,
}

/// Spawns the tasks of a [`group`]; `group` gives it to its body. A task that spawns others takes a clone along.
///
/// # Examples
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// let visited = AtomicU32::new(0);
/// let visited = &visited;
/// greenthread::thread::group(|g| {
///     let inner = g.clone();
///     g.spawn(move || {
///         inner.spawn(|| Ok(visited.fetch_add(1, Ordering::Relaxed)));
///         Ok(visited.fetch_add(1, Ordering::Relaxed))
///     });
///     Ok::<(), String>(())
/// })
/// .unwrap();
/// assert_eq!(visited.load(Ordering::Relaxed), 2);
/// ```
#[derive(Debug)]
pub struct TaskGroup<'scope, 'env: 'scope, E> {
    scope: &'scope Scope<'scope, 'env>,
    shared: Arc<GroupShared<E>>,
}

impl<E> Clone for TaskGroup<'_, '_, E> {
    fn clone(&self) -> Self {
        Self { scope: self.scope, shared: Arc::clone(&self.shared) }
    }
}

/// Runs `body`, which spawns tasks that may borrow as those of a [`scope`](crate::scope) may; waits for all of them before it
/// returns. The first task that fails, by an error or a panic, kills the others, and ends `body` at the wait that it is in or
/// at its next one; all errors are returned together. (Python's `asyncio.TaskGroup`, trio's nursery, Go's `errgroup`.) Suspends
/// a green thread, blocks an OS thread.
///
/// An error of `body` counts as that of a task. A task that is killed by its handle has not failed. What is killed or ended
/// unwinds, see [`JoinHandle::kill`](crate::JoinHandle::kill). If the caller itself is killed, or a
/// [`timeout`](crate::timeout()) around it expires, the tasks are killed and waited for, as those of a
/// [`scope`](crate::scope) are. With `panic = "abort"` nothing can be unwound: all tasks that have begun run to their ends. If
/// the caller is an OS thread and `body` waits for a socket, `body` ends only when that wait is over. Inside of a
/// [`shield`](crate::shield) nothing ends a wait: there the first failure kills the other tasks, and `body` goes on to its own end.
///
/// # Errors
/// The errors of the tasks and of `body`, of which there is at least one. A task that could not run, because there was no
/// memory for its stack, does not end the others; its error comes last, unless it has been returned by the task's handle.
///
/// # Panics
/// If `body` panics, with the same payload, when the tasks have been killed and have ended.
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
#[doc(alias("nursery", "errgroup", "TaskGroup", "JoinSet"))]
pub fn group<'env, F, T, E>(body: F) -> Result<T, GroupError<E>>
where
    F: for<'scope> FnOnce(&TaskGroup<'scope, 'env, E>) -> Result<T, E>,
{
    let id = new_limit_id();
    let shared = Arc::new(GroupShared {
        errors: Mutex::new(GroupError(Vec::new())),
        owner: park::own_task(),
        body: id,
    });
    let mut not_run = 0;
    let value = enter_scope(
        |scope| {
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
        },
        &mut not_run,
    );
    let value = Held::new(value);
    let mut errors = GroupError(mem::take(&mut shared.errors.lock().0));
    // A task whose body failed has its error in `errors`, so those that are counted here never began.
    errors.0.extend((0..not_run).map(|_| {
        let error = io::Error::new(io::ErrorKind::OutOfMemory, "no memory for its stack");
        TaskError::Panicked(JoinError::new(Cause::Io(error), Who::Unknown))
    }));
    if !errors.0.is_empty() {
        drop(value);
        return Err(errors);
    }
    value.into_inner().ok_or(errors)
}

impl<'scope, 'env, E> TaskGroup<'scope, 'env, E> {
    /// Spawns a task of the group. Does not suspend.
    ///
    /// The handle gives the task's value, and may as well be dropped. Joining a task that failed returns an error that says
    /// that it was killed: the error of the task itself is returned by [`group`]. Once the group has failed, new tasks
    /// never run.
    ///
    /// # Panics
    /// If there is no room for another stack; [`spawn_with`](Self::spawn_with) returns that as an error instead.
    ///
    /// # Examples
    /// Nobody joins the tasks: the group waits for them, and returns what goes wrong in any of them:
    /// ```
    /// use greenthread::thread::group;
    ///
    /// let files = ["Cargo.toml", "no such file", "src/lib.rs"];
    /// let result = group(|g| {
    ///     for file in files {
    ///         g.spawn(move || greenthread::fs::metadata(file));
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(result.unwrap_err().errors().len(), 1);
    /// ```
    #[track_caller]
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
    /// Those of [`Builder::spawn_scoped`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Builder, current, thread::group};
    /// let name = group(|g| {
    ///     let named = Builder::new().name("fetcher".into());
    ///     let task = g.spawn_with(named, || Ok::<_, std::io::Error>(current().to_string()))?;
    ///     Ok(task.join().unwrap())
    /// });
    /// assert_eq!(name.unwrap(), "fetcher");
    /// ```
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

    /// Keeps the error, kills every task of the group, and ends its body at the wait that it is in or at its next one.
    fn fail(&self, error: TaskError<E>) {
        self.shared.errors.lock().0.push(error);
        self.scope.kill_children();
        self.shared.owner.expire_limit(self.shared.body);
    }
}
