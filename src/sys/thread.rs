//! Starts of OS threads.
#![forbid(unsafe_code)]

use super::fault::{self, Plan, Syscall};
use crate::util::dropping::Held;
use std::thread::{Builder, JoinHandle};
use std::{fmt, io, panic};

/// Starts an OS thread of that name, which has std's stack size unless it is given another.
///
/// Why the system gives no thread, with the name of the thread that was to be started.
pub(crate) fn start<T: Send + 'static>(
    name: &str,
    stack_size: Option<usize>,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let builder = checked(name, stack_size)?;
    builder.spawn(body).map_err(|error| no_thread(name, error))
}

/// A builder for a thread of that name, unless a test wants the start to fail.
fn checked(name: &str, stack_size: Option<usize>) -> io::Result<Builder> {
    fault::check(Syscall::ThreadSpawn).map_err(|error| no_thread(name, error))?;
    let builder = Builder::new().name(name.into());
    Ok(match stack_size {
        Some(bytes) => builder.stack_size(bytes),
        None => builder,
    })
}

/// Like [`start`], for a thread that has the caller's [`Plan`] of faults.
///
/// As those of [`start`].
pub(crate) fn start_planned<T: Send + 'static>(
    name: &str,
    stack_size: Option<usize>,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let plan = Plan::current();
    start(name, stack_size, || {
        plan.adopt();
        body()
    })
}

/// Runs the second closure on an OS thread of that name while the first runs on the calling one. If either panics, the
/// panic goes on here after both have ended.
///
/// As those of [`start`]; then neither closure has run.
pub(crate) fn beside<A, B: Send>(
    name: &str,
    first: impl FnOnce() -> A,
    second: impl FnOnce() -> B + Send,
) -> io::Result<(A, B)> {
    std::thread::scope(|scope| {
        let builder = checked(name, None)?;
        let second = builder.spawn_scoped(scope, second).map_err(|error| no_thread(name, error))?;
        let first = Held::new(first());
        let second = second.join().unwrap_or_else(|payload| panic::resume_unwind(payload));
        Ok((first.into_inner(), second))
    })
}

fn no_thread(name: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), NoThread { name: name.into(), error })
}

/// Why an OS thread could not be started.
#[derive(Debug)]
struct NoThread {
    name: String,
    error: io::Error,
}

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the OS thread `{}`: {}", self.name, self.error)
    }
}

impl std::error::Error for NoThread {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_cannot_be_had_is_named_and_so_is_the_reason() {
        for (errno, kind) in
            [(libc::EAGAIN, io::ErrorKind::WouldBlock), (libc::ENOMEM, io::ErrorKind::OutOfMemory)]
        {
            fault::fail(Syscall::ThreadSpawn, 0, 3, errno);
            let ran = || unreachable!("there is no thread");
            let errors = [
                start("one", None, ran).map(drop).unwrap_err(),
                start_planned("two", Some(1 << 20), ran).map(drop).unwrap_err(),
                beside("three", || unreachable!("not the first alone"), ran).map(drop).unwrap_err(),
            ];
            let why = io::Error::from_raw_os_error(errno);
            for (name, error) in ["one", "two", "three"].into_iter().zip(errors) {
                let text = format!("cannot start the OS thread `{name}`: {why}");
                assert_eq!((error.to_string(), error.kind()), (text, kind));
                let cause = error.get_ref().and_then(|error| error.source());
                let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
                assert_eq!(cause.and_then(io::Error::raw_os_error), Some(errno));
            }
        }
        let name = || std::thread::current().name().map(str::to_owned);
        assert_eq!(start("four", None, name).unwrap().join().unwrap().as_deref(), Some("four"));
        assert_eq!(beside("five", || 1, name).unwrap(), (1, Some("five".into())));
    }
}
