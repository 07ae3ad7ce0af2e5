//! A function that stands in for one of the C library's: its name, the address of the C library's own, and how it was
//! used.

use super::patch::blocking_here;
use crate::sys::{clock, linker};
use std::backtrace::Backtrace;
use std::ffi::{CStr, c_void};
use std::fmt;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::time::Duration;

/// How long a patched call may hold its worker before the report counts it.
pub(super) const LONG: Duration = Duration::from_millis(10);

/// The state of a function that stands in for one of the C library's. Each has a static of this type, see
/// [`interpose`].
pub(super) struct Hook {
    symbol: &'static CStr,
    /// The C library's own, once it has been looked up.
    real: AtomicPtr<c_void>,
    /// Whether `real` is not the C library's own, because a library that was loaded before it stands in for that
    /// function too.
    is_of_others: AtomicBool,
    /// Calls by green threads after patching.
    calls: AtomicU64,
    /// How many of these calls suspended their green thread.
    waits: AtomicU64,
    /// How many of them held their worker for longer than [`LONG`].
    holds: AtomicU64,
    /// The duration of the longest of these holds, in nanoseconds.
    longest: AtomicU64,
    /// Where the first of these holds was called.
    culprit: OnceLock<Backtrace>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Hook {
    pub(super) const fn new(symbol: &'static CStr) -> Self {
        Self {
            symbol,
            real: AtomicPtr::new(ptr::null_mut()),
            is_of_others: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            holds: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            culprit: OnceLock::new(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.symbol.to_str().unwrap_or("?")
    }

    /// The C library's function; null before [`resolve`](Self::resolve), and where the C library has none of that name.
    #[inline(always)]
    pub(super) fn real(&self) -> *mut c_void {
        self.real.load(Ordering::Relaxed)
    }

    /// Looks up the C library's function. Of some functions it has several versions; they behave alike.
    pub(super) fn resolve(&self) {
        let found = linker::next(self.symbol);
        self.is_of_others.store(!linker::is_of_c_library(found), Ordering::Relaxed);
        self.real.store(found, Ordering::Relaxed);
    }

    /// Whether [`real`](Self::real) is, or will be, not the C library's but that of another library that stands in for
    /// it.
    #[inline(always)]
    pub(super) fn is_of_others(&self) -> bool {
        self.is_of_others.load(Ordering::Relaxed)
    }

    /// Looks up the C library's function where no system call can replace it. Ends the process if there is none. By
    /// then the program's `main` runs.
    pub(super) fn resolve_or_abort(&self) {
        self.resolve();
        if self.real().is_null() {
            crate::sys::report(format_args!("the C library has no function `{}`", self.name()));
            std::process::abort();
        }
    }

    /// The function that a caller anywhere in the process reaches by this name.
    pub(super) fn reached(&self) -> *mut c_void {
        linker::reached(self.symbol)
    }

    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes a call that may hold the worker, and notes it if it took long.
    ///
    /// Everything that waits in here blocks, the capture of the backtrace included: the caller may be in the middle of
    /// taking a lock of parking_lot's.
    pub(super) fn holding<T>(&self, call: impl FnOnce() -> T) -> T {
        blocking_here(|| {
            let began = clock::now();
            let result = call();
            self.note_hold(clock::since(began));
            result
        })
    }

    /// Notes that the calling green thread has held its worker for so long.
    fn note_hold(&self, held: Duration) {
        if held < LONG {
            return;
        }
        self.holds.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(held.as_nanos()).unwrap_or(u64::MAX);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
        let _ = self.culprit.set(Backtrace::force_capture());
    }

    pub(super) fn usage(&self) -> Usage<'_> {
        Usage {
            calls: self.calls.load(Ordering::Relaxed),
            waits: self.waits.load(Ordering::Relaxed),
            holds: self.holds.load(Ordering::Relaxed),
            longest: Duration::from_nanos(self.longest.load(Ordering::Relaxed)),
            culprit: self.culprit.get(),
        }
    }
}

/// The counters of a [`Hook`] at one time.
pub(super) struct Usage<'a> {
    pub(super) calls: u64,
    pub(super) waits: u64,
    pub(super) holds: u64,
    pub(super) longest: Duration,
    pub(super) culprit: Option<&'a Backtrace>,
}

/// A hook, and the function that callers must reach by its name if the hook is to work.
#[derive(Debug)]
pub(super) struct Interposed {
    pub(super) hook: &'static Hook,
    pub(super) ours: *const (),
}

// SAFETY: the pointer is the address of a function and is only compared.
unsafe impl Sync for Interposed {}

/// Defines functions that stand in for the C library's of the same names.
///
/// Each definition names the [`Patch`](super::Patch) that switches the function on. `bare` says how to do it by system
/// calls alone; this is used before the C library's own function has been looked up, so that it works while the
/// program's allocator starts. `green` says what to do on a green thread, and names the [`Hook`]. Optional parts say
/// what to do first and last on every thread once the function is patched.
///
/// On a thread that runs no green threads a call costs little more than the C library's own: it looks for that, and
/// jumps to the C library's function. The rest is in functions of their own, so that this one needs no frame. A
/// function with a `last` part has a frame, and one return more. After a system call that costs much, as the processor
/// has forgotten by then where to return. So such a function may say how to do what the C library's does (`same`); that
/// is done instead, unless another library stands in for the C library's function.
///
/// Every function is `unsafe` with the C library's own contract, on which its expressions rely: pointers are valid for
/// what the function does with them, until it returns. While a green thread waits in one, it has not returned.
macro_rules! interpose {
    ($($patch:ident fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $result:ty {
        $(first if $is_first:expr => $first:expr;)?
        bare $bare:expr;
        $(same $same:expr;)?
        green |$hook:ident| $green:expr;
        $(last if $is_last:expr => $last:expr;)?
    })*) => {
        #[allow(non_upper_case_globals)]
        mod hooks {
            use crate::monkey::hook::Hook;
            $(pub(super) static $name: Hook = Hook::new(
                match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!("a name with a zero in it"),
                },
            );)*
        }

        /// All functions of the file that uses this macro.
        pub(super) static INTERPOSED: &[crate::monkey::hook::Interposed] = &[
            $(crate::monkey::hook::Interposed { hook: &hooks::$name, ours: $name as *const () },)*
        ];

        $(
            #[doc = concat!("Stands in for `", stringify!($name), "`.")]
            ///
            /// # Safety
            /// As the C library's function.
            #[unsafe(no_mangle)]
            #[allow(unused_unsafe, clippy::too_many_arguments, clippy::let_unit_value, clippy::let_and_return)]
            unsafe extern "C" fn $name($($arg: $type),*) -> $result {
                if crate::monkey::is_worker() $(|| $is_first)? {
                    // SAFETY: the caller keeps the C library's contract.
                    return unsafe { whole::$name($($arg),*) };
                }
                let result = $(if !hooks::$name.is_of_others() {
                    // SAFETY: as above.
                    unsafe { $same }
                } else)? {
                    // SAFETY: as above.
                    unsafe { original::$name($($arg),*) }
                };
                $(if $is_last { $last })?
                result
            }
        )*

        /// The whole work of a call, on any thread.
        mod whole {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[inline(never)]
                #[allow(unused_unsafe, clippy::too_many_arguments, clippy::let_unit_value, clippy::let_and_return)]
                pub(super) unsafe extern "C" fn $name($($arg: $type),*) -> $result {
                    if !crate::monkey::is_patched(crate::monkey::Patch::$patch) {
                        // SAFETY: the caller keeps the C library's contract.
                        return unsafe { original::$name($($arg),*) };
                    }
                    $(if $is_first { $first })?
                    let result = if crate::monkey::suspends_here() {
                        let $hook = &hooks::$name;
                        $hook.count_call();
                        // SAFETY: the caller keeps the C library's contract.
                        unsafe { $green }
                    } else {
                        // SAFETY: as above.
                        unsafe { original::$name($($arg),*) }
                    };
                    $(if $is_last { $last })?
                    result
                }
            )*
        }

        /// The calls that are made by system calls alone.
        mod bare {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[cold]
                #[inline(never)]
                #[allow(unused_unsafe, clippy::too_many_arguments)]
                pub(super) unsafe extern "C" fn $name($($arg: $type),*) -> $result {
                    // SAFETY: the caller keeps the C library's contract.
                    unsafe { $bare }
                }
            )*
        }

        /// The C library's own functions.
        pub(super) mod original {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[doc = concat!("The C library's own `", stringify!($name), "`, which blocks the OS thread.")]
                ///
                /// # Safety
                /// As the C library's function.
                #[inline]
                #[allow(unused_unsafe, clippy::too_many_arguments)]
                pub unsafe fn $name($($arg: $type),*) -> $result {
                    let real = hooks::$name.real();
                    if real.is_null() {
                        // SAFETY: the caller keeps the C library's contract.
                        return unsafe { bare::$name($($arg),*) };
                    }
                    // SAFETY: it is the C library's function of that name, which has this type.
                    let real: unsafe extern "C" fn($($type),*) -> $result = unsafe { std::mem::transmute(real) };
                    // SAFETY: the caller keeps its contract.
                    unsafe { real($($arg),*) }
                }
            )*
        }
    };
}
pub(super) use interpose;
