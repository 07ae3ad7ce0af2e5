//! Which groups of functions are patched.

use super::hook::Interposed;
use crate::coroutine;
use crate::runtime::{park, patched};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

/// A group of functions that can be patched by itself, by [`patch`].
///
/// # Examples
/// An event loop of another library on a green thread:
/// ```
/// use greenthread::monkey::{self, Patch};
///
/// // SAFETY: this program does nothing that the Safety section of `patch_all` forbids.
/// unsafe { monkey::patch(Patch::Epoll) };
/// assert!(monkey::is_patched(Patch::Epoll) && !monkey::is_patched(Patch::Time));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Patch {
    /// Reading, writing, connecting and closing: sockets, pipes, and other descriptors that can be polled.
    Socket,
    /// Sleeps.
    Time,
    /// Looking up names.
    Dns,
    /// The system call by which std's locks wait.
    Futex,
    /// Waiting for child processes and for OS threads.
    Process,
    /// `poll` and `select`.
    Poll,
    /// `epoll_wait`. It is not among [`patch_all`], as it is called by event loops, which mostly have an OS thread of
    /// their own.
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
    /// How many calls the calling thread is inside of in which patched functions block. A signal handler counts as
    /// [`HANDLER`].
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

/// Runs `call` so that patched functions block in it, on a green thread too, as a wait must not suspend it half way.
pub(super) fn blocking_here<T>(call: impl FnOnce() -> T) -> T {
    BLOCKS.set(BLOCKS.get().wrapping_add(1));
    let result = call();
    BLOCKS.set(BLOCKS.get().wrapping_sub(1));
    result
}

/// Whether the calling OS thread may run green threads, so that a patched call may suspend. Most do not.
#[inline(always)]
pub(crate) fn is_worker() -> bool {
    patched::is_worker()
}

/// Whether a call of this group suspends, here and now, instead of blocking.
#[inline(always)]
pub(crate) fn is_on(patch: Patch) -> bool {
    is_patched(patch) && suspends_here()
}

/// Whether a patched call suspends, here and now, instead of blocking.
///
/// It blocks in exit handlers, in a panic hook, where no green thread is suspended, and in a signal handler; also in a
/// destructor of an unwind whose count cannot be taken along (`coroutine/unwinds.rs`).
#[inline(always)]
pub(crate) fn suspends_here() -> bool {
    park::is_green() && coroutine::unwinds().is_some() && BLOCKS.get() == 0
}

/// All functions that stand in for one of the C library.
pub(super) fn interposed() -> impl Iterator<Item = &'static Interposed> {
    [
        super::close::INTERPOSED,
        super::connection::INTERPOSED,
        super::file::INTERPOSED,
        super::names::INTERPOSED,
        super::poll::INTERPOSED,
        super::select::INTERPOSED,
        super::epoll::INTERPOSED,
        super::process::INTERPOSED,
        super::signal::INTERPOSED,
        super::socket::INTERPOSED,
        super::time::INTERPOSED,
        super::futex::INTERPOSED,
    ]
    .into_iter()
    .flatten()
}

/// Patches one group of functions. Calling it again does nothing. It cannot be undone, as green threads may be waiting
/// in patched functions by then.
///
/// # Panics
/// If the program reaches functions of that name other than this library's. This happens if the library is part of a
/// shared library that was loaded after the C library.
///
/// # Safety
/// As for [`patch_all`].
///
/// # Examples
/// Sleeps only, and nothing else:
/// ```
/// use greenthread::monkey::{self, Patch};
/// use std::time::Duration;
///
/// // SAFETY: this program does nothing that the Safety section of `patch_all` forbids.
/// unsafe { monkey::patch(Patch::Time) };
/// assert!(monkey::is_patched(Patch::Time) && !monkey::is_patched(Patch::Futex));
/// greenthread::spawn(|| std::thread::sleep(Duration::from_millis(1))).join().unwrap();
/// ```
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
        patched::let_go_by(super::table::let_go);
    }
}

/// Patches all groups except [`Patch::Epoll`]. Call it first in `main`. See [the module](super) for what works from
/// then on. As gevent's `monkey.patch_all`.
///
/// # Examples
/// ```
/// use std::{sync::Mutex, thread::sleep, time::Duration};
///
/// // SAFETY: this program does nothing that the Safety section forbids.
/// unsafe { greenthread::monkey::patch_all() };
/// static SUM: Mutex<u32> = Mutex::new(0);
/// let runtime = greenthread::Runtime::builder().workers(1).build()?;
/// let adders = (0..10).map(|_| {
///     runtime.spawn(|| {
///         // std's sleep lets the others run while this one holds std's lock, for which they wait.
///         let mut sum = SUM.lock().unwrap();
///         sleep(Duration::from_millis(1));
///         *sum += 1;
///     })
/// });
/// greenthread::join_all(adders.collect::<Vec<_>>());
/// assert_eq!(*SUM.lock().unwrap(), 10);
/// let report = greenthread::monkey::report();
/// let sleeps = report.used.iter().find(|used| used.name == "clock_nanosleep").unwrap();
/// assert_eq!(sleeps.waits, 10);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// As [`patch`].
///
/// # Safety
/// From now on, a call that used to block the OS thread lets other green threads of the same OS thread run meanwhile.
/// Code breaks if its own `unsafe` relies on being alone on its OS thread during such a call. On green threads, do not
/// let a patched call happen
///
/// - inside a callback while somebody keeps a pointer for it in a thread-local: `scoped_tls`'s `set`, `rustls` or `openssl`
///   callbacks that rely on this;
/// - inside rayon, if several green threads of the worker use it: all that wait for its pool do so by one latch in a
///   thread-local, while their jobs lie on their stacks, and it may wait for a lock before. Call it in
///   [`blocking`](crate::blocking()), which has an OS thread for each call;
/// - between the filling and the use of a cache or buffer in a thread-local, such as `errno`-like variables of C
///   libraries (OpenSSL's error queue: read it right after the call that failed);
/// - inside a C++ `catch` block, as the exceptions that are being handled are a list of the OS thread;
/// - while you hold a lock of the C library's (`flockfile`, a `pthread_mutex`) that other green threads of the worker
///   want: they would block the OS thread, and the holder would never go on;
/// - inside the global allocator: if it waits for a lock of std's there, it is suspended in the middle of an allocation
///   of this library.
///
/// And everywhere in the process,
///
/// - a signal handler must return. If it is left by `siglongjmp`, it counts as running for ever, and on its OS thread
///   everything blocks from then on;
/// - `longjmp` must stay on the stack of one green thread, and must not jump over a call of this library's that has not
///   returned;
/// - `pthread_cancel` must not be used on an OS thread that runs green threads: it would unwind whichever one runs at
///   that moment.
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
    /// Patches looking up names.
    patch_dns: Dns;
    /// Patches the system call by which std's locks wait.
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
#[inline]
pub fn is_patched(patch: Patch) -> bool {
    PATCHED.load(Ordering::Relaxed) & patch.bit() != 0
}
