//! A thread as its users see it.
#![forbid(unsafe_code)]

use super::TaskRef;
use std::fmt;
use std::num::NonZeroU64;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A green thread, or an OS thread that uses this library, as [`std::thread::Thread`].
#[derive(Clone, PartialEq, Eq)]
pub struct Thread(TaskRef);

/// Tells threads apart within the process, as [`std::thread::ThreadId`]; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(NonZeroU64);

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

    /// Its id.
    pub fn id(&self) -> ThreadId {
        ThreadId(NonZeroU64::new(self.0.id()).expect("numbers begin at one"))
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// Lets its [`park`](crate::thread::park) return, now or when it is next called, as [`std::thread::Thread::unpark`].
    pub fn unpark(&self) {
        self.0.give_permit();
    }

    /// The value of a label that it, or one that it descends from, was given by
    /// [`Builder::label`](crate::Builder::label).
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0.heritage()?.label(key)
    }

    /// All of its labels, the inherited ones first.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.0.heritage().map_or(&[][..], |heritage| &heritage.labels);
        labels.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether it is a daemon: [`run`](crate::run) does not wait for it, see
    /// [`Builder::daemon`](crate::Builder::daemon).
    pub fn is_daemon(&self) -> bool {
        self.0.is_daemon()
    }

    /// Whether it is a green thread, rather than an OS thread.
    pub fn is_green(&self) -> bool {
        self.0.is_green()
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("id", &self.id()).field("name", &self.name()).finish()
    }
}
