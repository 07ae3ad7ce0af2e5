//! A thread, green or not, as users see it.
#![forbid(unsafe_code)]

use super::TaskRef;
use std::fmt;
use std::num::NonZeroU64;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A handle to a green thread, or to an OS thread that uses this library, as [`std::thread::Thread`]. It neither waits for the
/// thread nor keeps it running. No method suspends.
///
/// # Examples
/// ```
/// use greenthread::{Builder, thread};
/// let sleeper = Builder::new().name("sleeper".into()).label("request", "17").spawn(thread::park)?;
/// let thread = sleeper.thread().clone();
/// assert_eq!((thread.name(), thread.label("request")), (Some("sleeper"), Some("17")));
/// assert!(thread.is_green() && !thread.is_daemon() && !thread.state().is_finished());
/// thread.unpark();
/// sleeper.join().unwrap();
/// assert_eq!(thread.state(), thread::ThreadState::Returned);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Thread(TaskRef);

/// The number of a thread, as [`std::thread::ThreadId`]; a process gives out each only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(NonZeroU64);

/// The state of a green thread: how far it has come, or how it ended; see
/// [`JoinHandle::state`](crate::JoinHandle::state).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ThreadState {
    /// It was made by [`Builder::start_paused`](crate::Builder::start_paused) and has not been started.
    Paused,
    /// It has not ended, and may not have begun either.
    Alive,
    /// It returned a value.
    Returned,
    /// It panicked.
    Panicked,
    /// It was killed, for example by the end of its runtime.
    Killed,
    /// It could not run; for example, there was no memory for its stack.
    NotRun,
}

impl ThreadState {
    /// Whether it has ended, in any way.
    #[must_use]
    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Paused | Self::Alive)
    }
}

impl UnwindSafe for Thread {}
impl RefUnwindSafe for Thread {}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Thread {
    pub(crate) fn new(task: TaskRef) -> Self {
        Self(task)
    }

    #[inline]
    pub(crate) fn task(&self) -> &TaskRef {
        &self.0
    }

    #[inline]
    pub(super) fn into_task(self) -> TaskRef {
        self.0
    }

    /// Its id. It has one whether or not it has a name.
    ///
    /// # Examples
    /// To find somebody again, or to tell whether it is the caller:
    /// ```
    /// use greenthread::{current, spawn};
    ///
    /// let handle = spawn(|| current().id());
    /// let id = handle.thread().id();
    /// assert_eq!(handle.join().unwrap(), id);
    /// assert_ne!(id, current().id());
    /// ```
    #[doc(alias("ident", "get_ident"))]
    #[must_use]
    pub fn id(&self) -> ThreadId {
        ThreadId(NonZeroU64::new(self.0.id()).expect("numbers begin at one"))
    }

    /// Its name, if it was given one, as [`std::thread::Thread::name`]. Its [`Display`](Thread#impl-Display-for-Thread) always
    /// gives a name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// Makes its [`park`](crate::thread::park) return, now or when it next calls that, as [`std::thread::Thread::unpark`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::{spawn, thread};
    ///
    /// let waits = spawn(|| {
    ///     thread::park();
    ///     "woken"
    /// });
    /// waits.thread().unpark();
    /// assert_eq!(waits.join().unwrap(), "woken");
    /// ```
    pub fn unpark(&self) {
        self.0.give_permit();
    }

    /// The value of a label that it was given by [`Builder::label`](crate::Builder::label), or inherited.
    ///
    /// # Examples
    /// Set where a request comes in, and found in all that is spawned for it; [`labels`](Self::labels) gives all of
    /// them:
    /// ```
    /// use greenthread::{Builder, current, spawn};
    ///
    /// let handler = Builder::new().label("request", "17").spawn(|| {
    ///     let query = spawn(|| current().label("request").map(str::to_owned));
    ///     query.join().unwrap()
    /// })?;
    /// assert_eq!(handler.thread().labels().collect::<Vec<_>>(), [("request", "17")]);
    /// assert_eq!(handler.join().unwrap().as_deref(), Some("17"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0.heritage()?.label(key)
    }

    /// All of its labels, the inherited ones first.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.0.heritage().map_or(&[][..], |heritage| &heritage.labels);
        labels.iter().map(|(key, value)| (&**key, &**value))
    }

    /// How far it has come, and how it ended. An OS thread is always [`Alive`](ThreadState::Alive).
    ///
    /// # Examples
    /// ```
    /// use greenthread::{spawn, thread::ThreadState};
    ///
    /// let handle = spawn(|| panic!("no luck"));
    /// let thread = handle.thread().clone();
    /// assert!(handle.join().is_err());
    /// assert_eq!(thread.state(), ThreadState::Panicked);
    /// assert!(thread.state().is_finished());
    /// ```
    #[must_use]
    pub fn state(&self) -> ThreadState {
        self.0.state()
    }

    /// Whether it is a [daemon](crate::Builder::daemon), for which [`run`](crate::run) does not wait.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.0.is_daemon()
    }

    /// Whether it is a green thread, rather than an OS thread.
    ///
    /// # Examples
    /// For code that has to know whether it blocks the thread that it waits on:
    /// ```
    /// use greenthread::{blocking, current, spawn};
    ///
    /// assert!(spawn(|| current().is_green()).join().unwrap());
    /// assert!(!spawn(|| blocking(|| current().is_green())).join().unwrap());
    /// ```
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.0.is_green()
    }
}

/// Its name; where it has none, one made of its [`id`](Thread::id), such as `green-17`, by which reports call it too.
///
/// # Examples
/// ```
/// let unnamed = greenthread::spawn(|| greenthread::current().to_string());
/// assert_eq!(unnamed.thread().to_string(), format!("green-{}", unnamed.id()));
/// assert_eq!(unnamed.thread().to_string(), unnamed.join().unwrap());
/// ```
impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("id", &self.id()).field("name", &self.name()).finish()
    }
}
