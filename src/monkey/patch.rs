//! What is switched on.

use super::hook::Interposed;
use crate::runtime::{park, reactor};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

/// A group of functions that can be patched by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Patch {
    /// Sockets, pipes and what else is read and written; `close`.
    Socket,
    /// Sleeps.
    Time,
    /// Looking up names.
    Dns,
    /// What std's locks wait by.
    Futex,
    /// Waiting for child processes and for OS threads.
    Process,
    /// `poll` and `select`.
    Poll,
    /// `epoll_wait`. Not among [`patch_all`]: who calls that is an event loop, which mostly has an OS thread of its own.
    Epoll,
}

impl Patch {
    pub(super) const ALL: [Self; 7] =
        [Self::Socket, Self::Time, Self::Dns, Self::Futex, Self::Process, Self::Poll, Self::Epoll];

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

static PATCHED: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// Of how many things the calling thread is inside of in which patched functions block; signal handlers count as [`HANDLER`].
    static BLOCKS: Cell<u32> = const { Cell::new(0) };
}

const HANDLER: u32 = 1 << 16;

/// Runs a signal handler, in which patched functions block.
#[inline]
pub(super) fn in_handler(handler: impl FnOnce()) {
    BLOCKS.set(BLOCKS.get().wrapping_add(HANDLER));
    handler();
    BLOCKS.set(BLOCKS.get().wrapping_sub(HANDLER));
}

/// Whether the calling thread runs a signal handler, and so may be anywhere in this library's own code.
#[inline]
pub(super) fn is_in_handler() -> bool {
    BLOCKS.get() >= HANDLER
}

/// Runs `call`, in which patched functions block, also on a green thread: what it is inside of must not be left.
pub(super) fn blocking_here<T>(call: impl FnOnce() -> T) -> T {
    BLOCKS.set(BLOCKS.get().wrapping_add(1));
    let result = call();
    BLOCKS.set(BLOCKS.get().wrapping_sub(1));
    result
}

/// Whether a call of this group, here and now, suspends instead of blocking.
///
/// Not while the caller unwinds: a destructor may run below frames that must not be left, and not in exit handlers or a
/// panic hook, where no green thread is suspended, nor in a signal handler.
#[inline(always)]
pub(crate) fn is_on(patch: Patch) -> bool {
    PATCHED.load(Ordering::Relaxed) & patch.bit() != 0
        && park::is_green()
        && !std::thread::panicking()
        && BLOCKS.get() == 0
}

/// Everything that stands in for something.
pub(super) fn interposed() -> impl Iterator<Item = &'static Interposed> {
    [
        super::close::INTERPOSED,
        super::connection::INTERPOSED,
        super::file::INTERPOSED,
        super::names::INTERPOSED,
        super::poll::INTERPOSED,
        super::process::INTERPOSED,
        super::signal::INTERPOSED,
        super::socket::INTERPOSED,
        super::time::INTERPOSED,
        super::futex::INTERPOSED,
    ]
    .into_iter()
    .flatten()
}

/// Patches one group. Calling it again does nothing; there is no way back, as others may be waiting by then.
///
/// # Panics
/// Where the functions of this library are not those that the program reaches: it is part of a shared library that was
/// loaded after the C library.
///
/// # Safety
/// As for [`patch_all`].
pub unsafe fn patch(patch: Patch) {
    for Interposed { hook, ours } in interposed() {
        hook.resolve();
        let reached = hook.reached();
        assert!(
            reached.is_null() || reached.cast_const().cast() == *ours,
            "greenthread::monkey cannot patch `{}`: the program reaches another function of that name. \
             Link greenthread into the executable itself",
            hook.name(),
        );
    }
    if patch == Patch::Futex {
        super::bound::prepare();
    }
    if PATCHED.fetch_or(patch.bit(), Ordering::SeqCst) == 0 {
        super::signal::prepare();
        reactor::let_go_by(super::table::let_go);
    }
}

/// Patches everything but [`Patch::Epoll`]. Call it first in `main`. See [the module](super) for what works from then on.
///
/// ```
/// // SAFETY: this program uses nothing of the kinds that Safety names.
/// unsafe { greenthread::monkey::patch_all() };
/// assert!(greenthread::monkey::is_patched(greenthread::monkey::Patch::Time));
/// let began = std::time::Instant::now();
/// let sleeper = || std::thread::sleep(std::time::Duration::from_millis(50));
/// let runtime = greenthread::Runtime::builder().workers(1).build()?;
/// let sleepers: Vec<_> = (0..100).map(|_| runtime.spawn(sleeper)).collect();
/// greenthread::join_all(sleepers);
/// assert!(began.elapsed() < std::time::Duration::from_secs(4), "a hundred at once on one OS thread");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// As [`patch`].
///
/// # Safety
/// From now on, calls that used to block the OS thread let other green threads of the same OS thread run meanwhile. Code whose
/// own `unsafe` relies on being alone on its OS thread during such a call breaks. On green threads, do not let a patched call
/// happen
///
/// - inside a callback for which somebody keeps a pointer in a thread-local: `scoped_tls`'s `set`, a job of rayon's while its
///   worker waits for another (its latch lies on the stack), `rustls` or `openssl` callbacks that rely on this;
/// - between the filling and the use of a cache or buffer in a thread-local, such as `errno`-like variables of C libraries
///   (OpenSSL's error queue: read it right after the call that failed);
/// - inside a C++ `catch` block, as the exceptions that are being handled are a list of the OS thread;
/// - while a lock of the C library's (`flockfile`, a `pthread_mutex`) is held that neighbours want: they block the OS thread, and
///   then its holder never goes on;
/// - inside the global allocator: one that waits for a lock of std's would be left in the middle of an allocation of this library.
///
/// And anywhere in the process
///
/// - a signal handler returns. One that is left by `siglongjmp` counts as running for ever: on its OS thread everything blocks from
///   then on;
/// - `longjmp` stays on the stack of one green thread, and jumps over no call of this library's that goes on;
/// - `pthread_cancel` strikes no OS thread that runs green threads: it unwinds whatever runs there at that moment.
pub unsafe fn patch_all() {
    for group in Patch::ALL {
        if group != Patch::Epoll {
            // SAFETY: as the caller promises.
            unsafe { patch(group) };
        }
    }
}

macro_rules! one_group {
    ($($(#[$doc:meta])* $name:ident: $group:ident;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Panics
            /// As [`patch`].
            ///
            /// # Safety
            /// As for [`patch_all`].
            pub unsafe fn $name() {
                // SAFETY: as the caller promises.
                unsafe { patch(Patch::$group) };
            }
        )*
    };
}

one_group! {
    /// Patches sockets, pipes, `read`, `write` and `close`.
    patch_socket: Socket;
    /// Patches sleeps.
    patch_time: Time;
    /// Patches the looking up of names.
    patch_dns: Dns;
    /// Patches what std's locks wait by.
    patch_futex: Futex;
    /// Patches waiting for child processes and for OS threads.
    patch_process: Process;
    /// Patches `poll` and `select`.
    patch_poll: Poll;
}

pub(super) fn is_any_patched() -> bool {
    PATCHED.load(Ordering::Relaxed) != 0
}

/// Whether a group has been patched.
pub fn is_patched(patch: Patch) -> bool {
    PATCHED.load(Ordering::Relaxed) & patch.bit() != 0
}
