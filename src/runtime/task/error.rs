//! Why a green thread has no value.
#![forbid(unsafe_code)]

use super::header::Header;
use super::payload::Payload;
use super::raised::Raised;
use super::task_ref::TaskRef;
use std::any::Any;
use std::fmt;
use std::io;

/// The payload of the unwinding that ends a killed green thread.
pub(crate) struct Kill {
    pub(super) _raised: Raised,
}

/// The payload of the unwinding that ends what runs inside an expired timeout.
pub(crate) struct Expired {
    /// The id of the timeout.
    pub(crate) id: u64,
    pub(super) _raised: Raised,
}

/// Whether it is a kill or an expired timeout, not a panic.
pub(crate) fn is_interruption(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Kill>() || payload.is::<Expired>()
}

pub(crate) enum Cause {
    Panic(Payload),
    Killed,
    Io(io::Error),
    /// The caller would have waited for its own end.
    OwnJoin,
    /// Nothing could go on any more; with the report.
    Deadlock(String),
}

/// The error of [`JoinHandle::join`](crate::JoinHandle::join): why the green thread has no value. It panicked, was killed, or could
/// not run; or the wait would never have ended. The text names the green thread.
///
/// # Examples
/// ```
/// let handle = greenthread::spawn(|| panic!("no luck"));
/// let error = handle.join().unwrap_err();
/// assert!(error.is_panic() && !error.is_killed());
/// assert_eq!(*error.into_panic().downcast_ref::<&str>().unwrap(), "no luck");
///
/// let handle = greenthread::spawn(greenthread::thread::park);
/// handle.kill();
/// let error = handle.join().unwrap_err();
/// assert!(error.is_killed());
/// assert!(error.try_into_panic().is_err(), "there is no payload");
/// ```
#[doc(alias("CancelledError", "GreenletExit"))]
pub struct JoinError(Box<Inner>);

/// The contents are behind a pointer, as errors are rare and every task has room for one.
struct Inner {
    cause: Cause,
    who: Who,
}

/// How reports name a thread.
pub(crate) enum Who {
    Named(Box<str>),
    /// A thread without a name, by its id.
    Unnamed(u64),
    /// A thread that is not known any more.
    Unknown,
}

impl From<&str> for Who {
    fn from(name: &str) -> Self {
        Self::Named(name.into())
    }
}

impl From<&TaskRef> for Who {
    fn from(task: &TaskRef) -> Self {
        task.header().into()
    }
}

impl From<&Header> for Who {
    fn from(header: &Header) -> Self {
        header.name().map_or_else(|| Self::Unnamed(header.id()), Self::from)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Unnamed(id) => write!(f, "green-{id}"),
            Self::Unknown => f.write_str("<unnamed>"),
        }
    }
}

impl JoinError {
    pub(crate) fn new(cause: Cause, who: impl Into<Who>) -> Self {
        Self(Box::new(Inner { cause, who: who.into() }))
    }

    pub(crate) fn from_payload(payload: Box<dyn Any + Send>, who: impl Into<Who>) -> Self {
        let cause =
            if payload.is::<Kill>() { Cause::Killed } else { Cause::Panic(Payload::new(payload)) };
        Self::new(cause, who)
    }

    /// The error of a green thread that could not even be spawned.
    pub(crate) fn not_run(error: io::Error) -> Self {
        Self::new(Cause::Io(error), Who::Unknown)
    }

    /// Whether the green thread panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0.cause, Cause::Panic(_))
    }

    /// Whether the green thread was killed, before it ran or later; by [`kill`](crate::JoinHandle::kill) or, for example, by the
    /// end of its runtime.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{spawn, thread::park};
    ///
    /// let handle = spawn(park);
    /// handle.kill();
    /// match handle.join() {
    ///     Err(error) if error.is_killed() => println!("as it should be"),
    ///     Err(error) if error.is_panic() => panic!("a bug: {error}"),
    ///     other => panic!("it returned {other:?}"),
    /// }
    /// ```
    #[doc(alias("cancelled", "is_cancelled"))]
    #[must_use]
    pub fn is_killed(&self) -> bool {
        matches!(self.0.cause, Cause::Killed)
    }

    /// Whether the wait would never have ended: the green thread joined itself, or [`Runtime::run`](crate::Runtime::run)
    /// gave up because nothing could ever wake one of its green threads. Then the text of the error says of each what it waits
    /// for, and who holds that.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{JoinHandle, spawn, sync::mpsc::channel};
    /// let (give, own_handle) = channel::<JoinHandle<()>>();
    /// let (tell, told) = channel();
    /// give.send(spawn(move || {
    ///     let error = own_handle.recv().unwrap().join().unwrap_err();
    ///     tell.send(error.is_deadlock()).unwrap();
    /// }))
    /// .unwrap();
    /// assert_eq!(told.recv(), Ok(true));
    /// ```
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        matches!(self.0.cause, Cause::OwnJoin | Cause::Deadlock(_))
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// The error that kept the green thread from running at all, if that happened: there was no memory for its stack, for
    /// example.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        match &self.0.cause {
            Cause::Io(error) => Some(error),
            _ => None,
        }
    }

    /// The panic's payload, as [`std::panic::resume_unwind`] takes it.
    ///
    /// # Panics
    /// If the green thread did not panic; see [`try_into_panic`](Self::try_into_panic).
    ///
    /// # Examples
    /// To let a panic go on in the one that joins, as if it had happened here.
    /// [`try_into_panic`](Self::try_into_panic) is for errors that may be others:
    /// ```
    /// let handle = greenthread::spawn(|| panic!("no luck"));
    /// let caught = greenthread::catch_unwind(|| match handle.join() {
    ///     Ok(()) => {}
    ///     Err(error) => std::panic::resume_unwind(error.into_panic()),
    /// });
    /// assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "no luck");
    /// ```
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("into_panic on an error that is not a panic: {error}"),
        }
    }

    /// The panic's payload.
    ///
    /// # Errors
    /// The error itself, if the green thread did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match *self.0 {
            Inner { cause: Cause::Panic(payload), .. } => Ok(payload.into_inner()),
            other => Err(Self(Box::new(other))),
        }
    }
}

/// The methods that the error of std's `join` has, which is the panic's payload. If there was no panic, they find nothing.
impl JoinError {
    /// Whether the green thread panicked with a `T`.
    ///
    /// # Examples
    /// ```
    /// let error = greenthread::spawn(|| panic!("no luck")).join().unwrap_err();
    /// assert!(error.is::<&str>());
    /// assert_eq!(error.downcast_ref::<&str>(), Some(&"no luck"));
    /// assert_eq!(*error.downcast::<&str>().unwrap(), "no luck");
    /// ```
    #[must_use]
    pub fn is<T: Any>(&self) -> bool {
        matches!(&self.0.cause, Cause::Panic(payload) if payload.is::<T>())
    }

    /// The panic's payload, if it is a `T`.
    ///
    /// # Examples
    /// See also [`downcast`](Self::downcast), which gives the payload itself.
    /// ```
    /// let what = "luck".to_string();
    /// let handle = greenthread::spawn(move || panic!("no {what}"));
    /// let error = handle.join().unwrap_err();
    /// // A message with arguments is a `String`, one without a `&str`.
    /// assert_eq!(error.downcast_ref::<String>().map(|text| &**text), Some("no luck"));
    /// assert!(error.downcast::<&str>().is_err());
    /// ```
    #[must_use]
    pub fn downcast_ref<T: Any + Sync>(&self) -> Option<&T> {
        match &self.0.cause {
            Cause::Panic(payload) => payload.downcast_ref(),
            _ => None,
        }
    }

    /// The panic's payload as a `T`.
    ///
    /// # Errors
    /// The error itself, if there is no payload or it is no `T`.
    pub fn downcast<T: Any>(self) -> Result<Box<T>, Self> {
        let who = self.0.who;
        let back = |cause| Err(Self(Box::new(Inner { cause, who })));
        match self.0.cause {
            Cause::Panic(payload) => match payload.into_inner().downcast() {
                Ok(payload) => Ok(payload),
                Err(payload) => back(Cause::Panic(Payload::new(payload))),
            },
            cause => back(cause),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.0.who;
        match &self.0.cause {
            Cause::Panic(payload) => {
                write!(f, "green thread '{name}' panicked: {}", payload.text())
            }
            Cause::Killed => write!(f, "green thread '{name}' was killed"),
            Cause::Io(error) => write!(f, "green thread '{name}' did not run: {error}"),
            Cause::Deadlock(report) => {
                write!(f, "deadlock: nothing can wake any green thread:\n{report}")
            }
            Cause::OwnJoin => {
                write!(f, "green thread '{name}' cannot join itself: it would wait for ever")
            }
        }
    }
}

/// Gives the kind of error and the green thread: this is what `unwrap` prints, for people to read.
impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, details): (_, Option<(_, &dyn fmt::Debug)>) = match &self.0.cause {
            Cause::Panic(payload) => ("Panicked", Some(("message", &payload.text()))),
            Cause::Killed => ("Killed", None),
            Cause::OwnJoin => ("OwnJoin", None),
            Cause::Io(error) => ("NotRun", Some(("error", error))),
            // The report has many lines, which the `Debug` form of a string would put into one.
            Cause::Deadlock(report) => return write!(f, "JoinError::Deadlock:\n{report}"),
        };
        let mut out = f.debug_struct(&format!("JoinError::{kind}"));
        out.field("thread", &format_args!("{}", self.0.who));
        if let Some((name, value)) = details {
            out.field(name, value);
        }
        out.finish()
    }
}

impl std::error::Error for JoinError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.io_error().map(|error| error as _)
    }
}

/// As the error of [`std::thread::JoinHandle::join`]: the panic's payload, or the `JoinError` itself where there was
/// no panic.
impl From<JoinError> for Box<dyn Any + Send> {
    fn from(error: JoinError) -> Self {
        error.try_into_panic().unwrap_or_else(|error| Box::new(error))
    }
}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        match error.0.cause {
            Cause::Io(error) => error,
            _ => io::Error::other(error.to_string()),
        }
    }
}
