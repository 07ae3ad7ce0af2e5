//! Another process of this program that runs functions for this one: the side that asks. The other side is in
//! [`init`](super::init).
#![forbid(unsafe_code)]

use super::init::{self, ARGUMENT, call, reply};
use super::{ChildHandle, Command, ExitStatus, Function, MAX_MESSAGE, Stdio, frame};
use crate::os::unix::net::UnixStream;
use crate::os::unix::process::CommandExt;
use crate::runtime::blocking::{self, Kind};
use crate::runtime::outside::Expectation;
use crate::sys::image::{self, Failed};
use crate::thread::Builder;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Why a call in another process gave no result.
///
/// # Examples
/// ```no_run
/// use greenthread::process::{self, CallError, Process};
///
/// fn divide(left: u32, right: u32) -> u32 {
///     left / right
/// }
///
/// fn main() -> std::io::Result<()> {
///     process::init();
///     match Process::start(process::function!(divide(left, right)), (1, 0))?.join() {
///         Err(CallError::Panicked(message)) => println!("no luck: {message}"),
///         other => println!("{other:?}"),
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The process ended before the result came: it was killed, it crashed, or it called `exit`.
    Ended(ExitStatus),
    /// The function panicked, with this message.
    Panicked(String),
    /// The arguments could not be encoded, or the other process could not decode them.
    Arguments(String),
    /// The other process could not encode the result, or it could not be decoded here.
    Result(String),
    /// The arguments or the result have more than [`MAX_MESSAGE`] bytes.
    TooLarge(usize),
    /// The two processes could not talk to each other.
    Io(io::Error),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(status) => write!(f, "the process ended before its result: {status}"),
            Self::Panicked(message) => write!(f, "the function panicked: {message}"),
            Self::Arguments(why) => write!(f, "the arguments cannot be passed on: {why}"),
            Self::Result(why) => write!(f, "the result cannot be passed on: {why}"),
            Self::TooLarge(length) => {
                write!(f, "a message of {length} bytes, where at most {MAX_MESSAGE} are allowed")
            }
            Self::Io(error) => write!(f, "the other process cannot be talked to: {error}"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Failed> for CallError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Arguments(why) => Self::Arguments(why),
            Failed::Panicked(message) => Self::Panicked(message),
            Failed::Result(why) => Self::Result(why),
        }
    }
}

/// How to start a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) name: String,
    /// Whether it is ended, by force, when this process ends or drops the [`WorkerProcess`].
    pub(crate) dies_with_parent: bool,
    /// Whether it ends after its first call, with an exit status that says how that call ended.
    pub(crate) once: bool,
}

pub(crate) use init::check;

/// A process that runs functions, one at a time.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    child: ChildHandle,
    stream: Arc<UnixStream>,
}

/// Encodes arguments.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, CallError> {
    let bytes =
        postcard::to_stdvec(value).map_err(|error| CallError::Arguments(error.to_string()))?;
    if bytes.len() > MAX_MESSAGE { Err(CallError::TooLarge(bytes.len())) } else { Ok(bytes) }
}

/// Decodes the result that [`WorkerProcess::call`] returned.
pub(crate) fn decode<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, CallError> {
    match postcard::take_from_bytes(bytes) {
        Ok((result, [])) => Ok(result),
        Ok(_) => Err(CallError::Result("there is more than the result".into())),
        Err(error) => Err(CallError::Result(error.to_string())),
    }
}

impl WorkerProcess {
    /// Starts a process. Only the first call shows whether it gets ready. Suspends while the system starts it.
    ///
    /// # Errors
    /// `Unsupported` if [`init`](super::init()) was not called, and those of starting a process.
    pub(crate) fn start(options: &Options) -> io::Result<Self> {
        init::check()?;
        let (own, other) = UnixStream::pair()?;
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command.args([ARGUMENT, &options.name]).stdin(Stdio::from(OwnedFd::from(other)));
        let _started = Expectation::new();
        // A thread that stays starts it, as the system may end the process together with the thread that started it.
        let (child, stays) = blocking::run_there(Kind::Starts, move || {
            (command.spawn_here(), blocking::is_on(Kind::Starts))
        });
        let child = child?.handle();
        let hello = (
            image::identity()?,
            options.dies_with_parent,
            options.dies_with_parent && stays,
            options.once,
        );
        let hello = postcard::to_stdvec(&hello).map_err(io::Error::other)?;
        let worker = Self { child, stream: Arc::new(own) };
        worker.watch()?;
        // If the process has ended already, the first call returns that.
        let _ = frame::send(&mut &*worker.stream, call::HELLO, &[&hello]);
        Ok(worker)
    }

    /// Ends the connection when the process has ended, even if others have the other end of the connection.
    fn watch(&self) -> io::Result<()> {
        let (child, stream) = (self.child.clone(), Arc::clone(&self.stream));
        let name = format!("watch of process {}", child.id());
        drop(Builder::new().name(name).daemon(true).spawn_apart(move || {
            let _ = child.wait();
            let _ = stream.shutdown(Shutdown::Both);
        })?);
        Ok(())
    }

    /// Has the function called there, and waits for the encoded result. There can be one call at a time. Suspends.
    /// After a kill or a timeout, and after [`CallError::Ended`] or [`CallError::Io`], the process cannot be used any
    /// more.
    pub(crate) fn call<A, R>(
        &self,
        function: Function<A, R>,
        arguments: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        self.call_then(function, arguments, || ())
    }

    /// Like [`call`](Self::call), and also calls a closure when the arguments have been sent.
    pub(crate) fn call_then<A, R>(
        &self,
        function: Function<A, R>,
        arguments: &[u8],
        then: impl FnOnce(),
    ) -> Result<Vec<u8>, CallError> {
        let head = encode(&function)?;
        let length = (head.len() as u32).to_le_bytes();
        // An error means that the process has ended. What it has sent before counts.
        let sent = frame::send(&mut &*self.stream, call::CALL, &[&length, &head, arguments]);
        then();
        loop {
            let received = frame::receive(&mut &*self.stream);
            let (kind, bytes) = match received {
                Ok(Some(received)) => received,
                Ok(None) => return Err(self.ended(sent.err())),
                Err(error) => return Err(self.ended(Some(error))),
            };
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            return match kind {
                reply::READY => continue,
                reply::DONE => Ok(bytes),
                reply::ARGUMENTS => Err(CallError::Arguments(text())),
                reply::PANICKED => Err(CallError::Panicked(text())),
                reply::RESULT => Err(CallError::Result(text())),
                reply::TOO_LARGE => {
                    let length = bytes.try_into().map_or(0, u64::from_le_bytes);
                    Err(CallError::TooLarge(length as usize))
                }
                _ => Err(CallError::Io(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a reply of the unknown kind {kind}"),
                ))),
            };
        }
    }

    /// Why the connection has ended: the process has ended, or is about to.
    fn ended(&self, error: Option<io::Error>) -> CallError {
        if let Some(error) = error
            && error.kind() == io::ErrorKind::InvalidData
        {
            return CallError::Io(error);
        }
        match self.child.wait() {
            Ok(status) => CallError::Ended(status),
            Err(error) => CallError::Io(error),
        }
    }

    /// A handle for waiting for the process and for ending it.
    pub(crate) fn child(&self) -> &ChildHandle {
        &self.child
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CallError> for io::Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Io(error) => error,
            error => Self::other(error),
        }
    }
}
