//! Signal handlers. A signal interrupts its thread anywhere, even in the middle of an allocation or of taking a lock of
//! this library. So nothing that a handler calls may suspend, and our functions may take no lock when a handler calls
//! them.
//!
//! The kernel does not tell whether a handler runs. So, once something is patched, the kernel is given [`on_signal`] in
//! place of each handler; it notes that a handler runs, and calls that handler. A program that asks which handler is
//! set gets its own.

use super::hook::{Hook, Interposed};
use super::patch::{in_handler, is_any_patched};
use crate::sys::bare::{add_to_set, set_errno};
use libc::{c_int, c_void, sighandler_t, siginfo_t};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

unsafe extern "C" {
    /// The C library's `sigaction`, by another name for which nobody stands in.
    fn __sigaction(signal: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int;
}

static SIGACTION: Hook = Hook::new(c"sigaction");
static SIGNAL: Hook = Hook::new(c"signal");

/// All functions of this file.
pub(super) static INTERPOSED: &[Interposed] = &[
    Interposed { hook: &SIGACTION, ours: sigaction as *const () },
    Interposed { hook: &SIGNAL, ours: signal as *const () },
];

/// A handler of the program, in place of which the kernel calls [`on_signal`].
struct Handler {
    function: AtomicUsize,
    /// `SA_SIGINFO`, if it was set with that.
    info: AtomicI32,
}

const SIGNALS: usize = 65;

static HANDLERS: [Handler; SIGNALS] =
    [const { Handler { function: AtomicUsize::new(0), info: AtomicI32::new(0) } }; SIGNALS];

fn handler_of(signal: c_int) -> Option<&'static Handler> {
    HANDLERS.get(usize::try_from(signal).ok()?)
}

fn ours() -> sighandler_t {
    on_signal as *const () as sighandler_t
}

/// The handler that the kernel calls.
unsafe extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(handler) = handler_of(signal) else { return };
    let function = handler.function.load(Ordering::Acquire);
    // SAFETY: the program gave this function as a handler of the form that its flags name. One argument is passed in the same
    // way whether others follow or not.
    in_handler(|| unsafe {
        if handler.info.load(Ordering::Relaxed) != 0 {
            let handler: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                std::mem::transmute::<usize, _>(function);
            handler(signal, info, context);
        } else {
            let handler: unsafe extern "C" fn(c_int) = std::mem::transmute::<usize, _>(function);
            handler(signal);
        }
    });
}

/// Sets an action, with [`on_signal`] in place of its handler.
///
/// # Safety
/// As `sigaction`.
unsafe fn set(signal: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int {
    let Some(handler) = handler_of(signal) else {
        // SAFETY: as the caller promises. A number that is none is an error.
        return unsafe { __sigaction(signal, new, old) };
    };
    let before = handler.function.load(Ordering::Acquire);
    let before_info = handler.info.load(Ordering::Relaxed);
    // SAFETY: the caller's pointer is null or valid.
    let mut given = unsafe { new.as_ref() }.copied();
    if let Some(action) = &mut given
        && !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
        && action.sa_sigaction != ours()
    {
        handler.info.store(action.sa_flags & libc::SA_SIGINFO, Ordering::Relaxed);
        handler.function.store(action.sa_sigaction, Ordering::Release);
        action.sa_sigaction = ours();
        action.sa_flags |= libc::SA_SIGINFO;
    }
    let new = given.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: a valid action, and the caller's pointer.
    let result = unsafe { __sigaction(signal, new, old) };
    // SAFETY: the caller's pointer is null or valid, and was filled if the call succeeded.
    if let Some(old) = unsafe { old.as_mut() }.filter(|_| result == 0)
        && old.sa_sigaction == ours()
    {
        old.sa_sigaction = before;
        old.sa_flags = old.sa_flags & !libc::SA_SIGINFO | before_info;
    }
    result
}

/// Puts [`on_signal`] in place of the handlers that are there already.
pub(super) fn prepare() {
    for signal in 1..SIGNALS as c_int {
        // SAFETY: all-zero is a valid action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: asks for the action.
        let known = unsafe { __sigaction(signal, ptr::null(), &mut action) } == 0;
        if known && !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
            // SAFETY: it is the action that was there.
            unsafe { set(signal, &action, ptr::null_mut()) };
        }
    }
}

/// Stands in for `sigaction`.
///
/// # Safety
/// As the C library's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaction(
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { if is_any_patched() { set(signal, new, old) } else { __sigaction(signal, new, old) } }
}

/// Stands in for `signal`, which is `sigaction` with `SA_RESTART`.
///
/// # Safety
/// As the C library's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    if handler == libc::SIG_ERR {
        set_errno(libc::EINVAL);
        return libc::SIG_ERR;
    }
    // SAFETY: all-zero is a valid action, here and for the old one.
    let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut old = new;
    new.sa_sigaction = handler;
    new.sa_flags = libc::SA_RESTART;
    // `signal` blocks no other signals in the handler. A number that is no signal's is refused by `sigaction`.
    add_to_set(&mut new.sa_mask, signal);
    // SAFETY: both are valid; the handler is the caller's.
    if unsafe { sigaction(signal, &new, &mut old) } != 0 {
        return libc::SIG_ERR;
    }
    old.sa_sigaction
}
