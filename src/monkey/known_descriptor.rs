//! A descriptor that is or has been waited for: its registration, whether its number has been closed, and what its last waits have
//! shown.
//!
//! Invariant: once it is closed no wait begins or goes on, and nothing stays registered for its number.

use super::identity::{Identity, SEVERAL, identity_of_socket};
use crate::runtime::reactor::Source;
use crate::sync::Mutex as GreenMutex;
use crate::sys::poll::{PollFd, PollFlags, gather_into};
use crate::sys::process::PerProcess;
use crate::util::lock::Mutex;
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

/// States of a [`KnownDescriptor`], besides the number by which it was closed. `OPEN`: it has not been closed.
/// `LOOK_AGAIN`: something that it cannot be told from has been closed, so those who wait look again.
const OPEN: c_int = -1;
const LOOK_AGAIN: c_int = -2;

/// The locks of [`KnownDescriptor::alone`], which sockets share by their identities.
#[derive(Debug, Default)]
struct SocketLocks([Mutex<()>; 16]);

static ALONE: PerProcess<SocketLocks> = PerProcess::new();

/// A descriptor that is, or has been, waited for.
#[derive(Debug)]
pub(super) struct KnownDescriptor {
    pub(super) source: Arc<Source>,
    pub(super) identity: Identity,
    /// [`OPEN`], [`LOOK_AGAIN`], or the number that callers know, after it has been closed.
    closed: AtomicI32,
    /// If the last wait for something to read was short, the value of [`LIMITS`] then; else [`NOT_BRISK`].
    brisk: AtomicU32,
    /// Whether a read that gets less than it asked for has left nothing.
    pub(super) runs_empty: AtomicBool,
    /// Held by the one who waits for a connection on this listener, so that each connection wakes only one.
    pub(super) accepting: GreenMutex<()>,
    /// The descriptor that is registered instead of the caller's, and is open until the registration has ended.
    own: Option<OwnedFd>,
}

impl Drop for KnownDescriptor {
    fn drop(&mut self) {
        // This comes before `own` is closed.
        self.source.unbind();
    }
}

impl KnownDescriptor {
    pub(super) fn new(fd: c_int, identity: Identity, own: Option<OwnedFd>) -> Arc<Self> {
        let registered = own.as_ref().map_or(fd, AsRawFd::as_raw_fd);
        Arc::new(Self {
            source: Source::new(registered),
            identity,
            closed: AtomicI32::new(OPEN),
            brisk: AtomicU32::new(NOT_BRISK),
            runs_empty: AtomicBool::new(false),
            accepting: GreenMutex::new(()),
            own,
        })
    }

    /// An entry for a descriptor that stands for several.
    pub(super) fn of_several(own: OwnedFd) -> Arc<Self> {
        Self::new(own.as_raw_fd(), SEVERAL, Some(own))
    }

    /// Adds descriptors to the one that [`of_several`](Self::of_several) was given.
    pub(super) fn gather(&self, fds: &[PollFd<'_>], wanted: &[PollFlags]) -> io::Result<()> {
        match &self.own {
            Some(own) => gather_into(own.as_fd(), fds, wanted),
            None => Ok(()),
        }
    }

    /// Whether the number is that of the descriptor which is registered instead of the caller's.
    pub(super) fn is_own(&self, fd: c_int) -> bool {
        self.own.as_ref().is_some_and(|own| own.as_raw_fd() == fd)
    }

    /// Whether a number means the socket of this entry now.
    pub(super) fn is_of(&self, fd: c_int) -> bool {
        identity_of_socket(fd) == Some(self.identity)
    }

    /// Calls `look_and_take` for one caller at a time among those who use this socket, by whatever numbers. So what it
    /// finds is still there when it takes it. It must not wait.
    pub(super) fn alone<T>(&self, look_and_take: impl FnOnce() -> T) -> T {
        let locks = &ALONE.get(SocketLocks::default).0;
        let _alone = locks[self.identity.place_among(locks.len())].lock();
        look_and_take()
    }

    /// Whether the wait must end, as the number has been closed or is to be looked at again.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) != OPEN
    }

    /// The number that has been closed; `None` if it is open, or is to be looked at again.
    pub(super) fn closed_number(&self) -> Option<c_int> {
        Some(self.closed.load(Ordering::Acquire)).filter(|number| *number >= 0)
    }

    /// Whether the last wait for something to read was short, and the socket's timeouts have not changed since.
    pub(super) fn is_brisk(&self) -> bool {
        self.brisk.load(Ordering::Relaxed) == self.limits() && has_seen_few_strangers()
    }

    /// Notes whether waits are short; `limits` is the value of [`limits`](Self::limits) from before the timeouts were
    /// read.
    pub(super) fn set_brisk(&self, limits: Option<u32>) {
        let brisk = limits.unwrap_or(NOT_BRISK);
        if self.brisk.load(Ordering::Relaxed) != brisk {
            self.brisk.store(brisk, Ordering::Relaxed);
        }
    }

    /// A number that changes whenever the timeouts of this socket are changed. (It may change with those of another
    /// socket too.)
    pub(super) fn limits(&self) -> u32 {
        limits_of(self.identity).load(Ordering::Relaxed)
    }

    /// Whether a read that gets less than it asked for has left nothing. That does not hold for datagrams, nor for a
    /// Unix stream, where bytes that came with a descriptor are read separately.
    pub(super) fn runs_empty(&self) -> bool {
        self.runs_empty.load(Ordering::Relaxed)
    }

    /// Notes that such a read has left something, as on a socket whose records the kernel deciphers.
    #[cold]
    pub(super) fn does_not_run_empty(&self) {
        self.runs_empty.store(false, Ordering::Relaxed);
    }

    /// The number has been closed, or is about to be: all waits end, and none begins. Nothing stays registered for a
    /// number that may soon mean something else.
    pub(super) fn close(&self, number: c_int) {
        self.closed.store(number, Ordering::Release);
        self.source.retire();
        self.source.wake_all();
    }

    /// Ends all waits, so that those who wait look at the number again.
    pub(super) fn look_again(&self) {
        let _ =
            self.closed.compare_exchange(OPEN, LOOK_AGAIN, Ordering::Release, Ordering::Relaxed);
        self.source.wake_all();
    }
}

const NOT_BRISK: u32 = 0;

/// Counts changes of sockets' timeouts, by the sockets' identities. Never equal to [`NOT_BRISK`].
static LIMITS: [AtomicU32; 256] = [const { AtomicU32::new(1) }; 256];

fn limits_of(identity: Identity) -> &'static AtomicU32 {
    &LIMITS[identity.place_among(LIMITS.len())]
}

/// To be called when the timeouts of a socket are about to be changed, by this number or a duplicate.
pub(super) fn limits_change(fd: c_int) {
    if let Some(identity) = identity_of_socket(fd) {
        limits_of(identity).fetch_add(2, Ordering::Relaxed);
    }
}

/// How often a number was found to mean another socket than before: the former one was closed past the patched
/// functions, for example by `fclose`.
static STRANGERS: AtomicU32 = AtomicU32::new(0);

/// If that happens more often than this, the kernel is always asked.
const FEW: u32 = 16;

fn has_seen_few_strangers() -> bool {
    STRANGERS.load(Ordering::Relaxed) < FEW
}

/// Notes that a number was found to mean another socket than before.
pub(super) fn note_stranger() {
    if has_seen_few_strangers() {
        STRANGERS.fetch_add(1, Ordering::Relaxed);
    }
}
