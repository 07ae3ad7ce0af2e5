//! The end of an OS thread: whether its thread-locals are being destroyed, and something to do after that.
//!
//! The C library destroys thread-locals, the youngest first, and tells nobody before it begins: a thread-local of ours would
//! have to be younger than all others to hear of it in time. But a function of the C library that calls the destructors is on
//! the stack exactly while they run, be it because the thread returned or because `exit` was called. What one OS thread sees
//! in a destructor, and does not see otherwise, says once which function that is.

use super::unwind::functions_on_stack;
use std::ffi::c_void;
use std::sync::{Mutex, OnceLock};

/// Where a probing thread leaves what is on its stack while its thread-locals are destroyed.
static IN_DESTRUCTOR: Mutex<Vec<usize>> = Mutex::new(Vec::new());

struct Probe;

impl Drop for Probe {
    fn drop(&mut self) {
        if let Ok(mut found) = IN_DESTRUCTOR.lock() {
            *found = functions();
        }
    }
}

fn functions() -> Vec<usize> {
    let mut found = Vec::with_capacity(128);
    functions_on_stack(&mut |start| {
        found.push(start);
        found.len() < 128
    });
    found
}

/// Start address of the function that calls the destructors of thread-locals; zero where it cannot be found out.
fn destroyer() -> usize {
    thread_local! {
        static PROBE: Probe = const { Probe };
    }
    static FOUND: OnceLock<usize> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let probe = || {
            PROBE.with(|_| ());
            functions()
        };
        let Ok(Ok(outside)) = std::thread::Builder::new().spawn(probe).map(|probe| probe.join())
        else {
            return 0;
        };
        let inside = IN_DESTRUCTOR.lock().map(|found| found.clone()).unwrap_or_default();
        // The outermost one: those inside of it are our own destructor's.
        inside.into_iter().rev().find(|at| *at != 0 && !outside.contains(at)).unwrap_or(0)
    })
}

/// Whether the calling OS thread is destroying its thread-locals, so that some of them may be gone: it ends, or has called
/// `exit`. Walks the stack, some ten nanoseconds for each function on it.
#[cold]
pub(crate) fn destroys_locals() -> bool {
    let destroyer = destroyer();
    let mut found = false;
    functions_on_stack(&mut |start| {
        let is = start == destroyer && start != 0;
        found |= is;
        !is
    });
    found
}

/// How often the C library asks, in the worst case; the last time nearly everything else is done.
const ROUNDS: usize = 4;

struct AtEnd {
    call: fn(),
    rounds: usize,
}

unsafe extern "C" fn run(at_end: *mut c_void) {
    let at_end = at_end.cast::<AtEnd>();
    // SAFETY: `arm` has put a box of this type there, and the C library has cleared the value before it calls this.
    let mut own = unsafe { Box::from_raw(at_end) };
    own.rounds += 1;
    if own.rounds < ROUNDS {
        arm(own);
    } else {
        (own.call)();
    }
}

fn key() -> Option<libc::pthread_key_t> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is written to, and the destructor has the right type.
        (unsafe { libc::pthread_key_create(&raw mut key, Some(run)) } == 0).then_some(key)
    })
}

fn arm(at_end: Box<AtEnd>) {
    let Some(key) = key() else { return };
    // SAFETY: the key was made, and is never deleted.
    let before = unsafe { libc::pthread_getspecific(key) };
    if before.is_null() {
        let at_end = Box::into_raw(at_end);
        // SAFETY: as above.
        if unsafe { libc::pthread_setspecific(key, at_end.cast_const().cast()) } != 0 {
            // SAFETY: just made, and given to nobody.
            drop(unsafe { Box::from_raw(at_end) });
        }
    }
}

/// Has `call` called when the calling OS thread has destroyed its thread-locals. Once for each thread: a second one is not
/// called. Where the system has no room for that, nothing is called, and what it was to free stays.
pub(crate) fn call(call: fn()) {
    arm(Box::new(AtEnd { call, rounds: 0 }));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::mem::ManuallyDrop;
    use std::sync::atomic::{AtomicU32, Ordering};

    static SEEN: AtomicU32 = AtomicU32::new(0);

    struct Old;

    impl Drop for Old {
        fn drop(&mut self) {
            LAST.with(|last| last.set(7));
            super::call(|| SEEN.store(LAST.with(|last| last.get()), Ordering::SeqCst));
        }
    }

    thread_local! {
        static OLD: Old = const { Old };
        static LAST: ManuallyDrop<Cell<u32>> = const { ManuallyDrop::new(Cell::new(0)) };
    }

    static DESTROYS: AtomicU32 = AtomicU32::new(0);

    struct Asks;

    impl Drop for Asks {
        fn drop(&mut self) {
            DESTROYS.fetch_add(if super::destroys_locals() { 1 } else { 100 }, Ordering::SeqCst);
        }
    }

    thread_local! {
        static ASKS: Asks = const { Asks };
    }

    #[test]
    fn it_is_known_whether_thread_locals_are_being_destroyed() {
        assert!(super::destroyer() != 0);
        assert!(!super::destroys_locals());
        for _ in 0..2 {
            let thread = std::thread::spawn(|| {
                ASKS.with(|_| ());
                super::destroys_locals()
            });
            assert!(!thread.join().unwrap());
        }
        assert_eq!(DESTROYS.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn it_is_called_after_the_thread_locals_have_been_destroyed() {
        std::thread::spawn(|| OLD.with(|_| ())).join().unwrap();
        assert_eq!(SEEN.load(Ordering::SeqCst), 7);
    }
}
