//! The end of an OS thread: whether its thread-locals are being destroyed, and how to do something after that.
//!
//! The C library destroys thread-locals, the youngest first, and tells nobody before it begins: a thread-local of ours
//! would have to be younger than all others to hear of it in time. But a function of the C library that calls the
//! destructors is on the stack exactly while they run, whether the thread returned or `exit` was called. It is found
//! once: it is on an OS thread's stack in a destructor, and is not there otherwise.
//!
//! To walk the stack is too slow for what happens often. But the C library keeps a list of what it has to destroy, and
//! destroys the youngest first: whoever has registered something after all others hears of the end before any of those
//! is destroyed. The beginning of the list is found by an experiment ([`youngest`]), so that one look says whether
//! anything younger has been added. Where it is not found (a later C library, or another one), the stack is walked
//! after all. Where that shows nothing either, every moment counts as the end.

use super::fault::{self, Syscall};
use super::panic_count::{MOST_BYTES, blocks_of_this_thread, read, words};
use super::unwind::functions_on_stack;
use std::ffi::c_void;
use std::sync::{Mutex, OnceLock};

/// Where a thread that is started for this writes down the functions on its stack while its thread-locals are
/// destroyed.
static IN_DESTRUCTOR: Mutex<Vec<usize>> = Mutex::new(Vec::new());

struct DestructorProbe;

impl Drop for DestructorProbe {
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

/// The start address of the function that calls the destructors of thread-locals. `None` where it cannot be found: for
/// ever, or while no OS thread can be made.
fn destroyer() -> Option<usize> {
    thread_local! {
        static PROBE: DestructorProbe = const { DestructorProbe };
    }
    static FOUND: OnceLock<Option<usize>> = OnceLock::new();
    if fault::check(Syscall::Destroyer).is_err() {
        return None;
    }
    if let Some(found) = FOUND.get() {
        return *found;
    }
    let probe = || {
        PROBE.with(|_| ());
        functions()
    };
    let outside = std::thread::Builder::new().spawn(probe).ok()?.join().ok()?;
    let inside = IN_DESTRUCTOR.lock().map(|found| found.clone()).unwrap_or_default();
    // The outermost one, as those further inside belong to our own destructor.
    *FOUND.get_or_init(|| inside.into_iter().rev().find(|at| *at != 0 && !outside.contains(at)))
}

/// Whether the calling OS thread is destroying its thread-locals, so that some of them may be gone, because the thread
/// ends or has called `exit`. Walks the stack, which takes some ten nanoseconds for each function on it. Where that
/// does not tell, the answer is yes.
#[cold]
pub(crate) fn destroys_locals() -> bool {
    let Some(destroyer) = destroyer() else { return true };
    let mut found = false;
    functions_on_stack(&mut |start| {
        found |= start == destroyer;
        start != destroyer
    });
    found
}

/// How many rounds over the values of a thread the C library makes at most. In the last one nearly everything else is
/// done.
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

/// Has `call` called when the calling OS thread has destroyed its thread-locals. Each thread can have one such
/// function; a second one is ignored. Where the system has no room for it nothing is called, and what the function was
/// to free stays.
pub(crate) fn call(call: fn()) {
    arm(Box::new(AtEnd { call, rounds: 0 }));
}

/// Has `call` called before any thread-local of the calling OS thread that has been used by now is destroyed. `false`
/// where there is no memory, or where the C library has no such list.
pub(crate) fn call_before(call: fn()) -> bool {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            fn __cxa_thread_atexit_impl(
                destructor: unsafe extern "C" fn(*mut c_void),
                object: *mut c_void,
                library: *const c_void,
            ) -> libc::c_int;
            static __dso_handle: u8;
        }

        unsafe extern "C" fn run(call: *mut c_void) {
            // SAFETY: it is the function that was registered below.
            let call = unsafe { std::mem::transmute::<*mut c_void, fn()>(call) };
            call();
        }

        // SAFETY: `run` has the right type, and takes what it is given here. The library is our own, so it stays loaded.
        unsafe {
            __cxa_thread_atexit_impl(run, call as *mut c_void, (&raw const __dso_handle).cast())
                == 0
        }
    }
    #[cfg(not(target_env = "gnu"))]
    {
        let _ = call;
        false
    }
}

/// The address of the beginning of the C library's list of what the calling OS thread has to destroy. The word there
/// changes whenever a thread-local with a destructor is used for the first time. Valid while the OS thread runs. `None`
/// where it is not found.
#[cold]
pub(crate) fn youngest() -> Option<*const usize> {
    /// Which program or library it belongs to, and the offset in that one's thread-local block.
    static PLACE: OnceLock<Option<(usize, usize)>> = OnceLock::new();
    if fault::check(Syscall::LocalsList).is_err() {
        return None;
    }
    let (module, offset) = (*PLACE.get_or_init(search))?;
    let block = blocks_of_this_thread().into_iter().find(|block| block.module == module)?;
    Some(std::ptr::with_exposed_provenance(block.start + offset))
}

/// Adds entries that do nothing to the calling thread's list, and finds the word that changes each time and is the
/// address of what was added.
fn search() -> Option<(usize, usize)> {
    fn nothing() {}
    // One address for all: the compiler may give a function several.
    let nothing: fn() = std::hint::black_box(nothing);
    let blocks = blocks_of_this_thread();
    let bytes: usize = blocks.iter().map(|block| block.bytes).sum();
    if bytes > MOST_BYTES {
        return None;
    }
    let mut seen: Vec<(usize, usize)> = words(&blocks).map(|at| (at, read(at))).collect();
    for _ in 0..4 {
        if !call_before(nothing) {
            return None;
        }
        seen.retain_mut(|(at, before)| {
            let now = read(*at);
            now != std::mem::replace(before, now) && holds(now, nothing as usize)
        });
    }
    let &[(head, _)] = &seen[..] else { return None };
    let block = blocks.iter().find(|b| (b.start..b.start + b.bytes).contains(&head))?;
    Some((block.module, head - block.start))
}

/// Whether the second word at an address is `object`. An entry of the list is a function, an object, and more. The
/// address may not be mapped, so the system is asked to read it.
fn holds(address: usize, object: usize) -> bool {
    let mut words = [0usize; 2];
    let bytes = size_of_val(&words);
    let local = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: bytes };
    let remote = libc::iovec {
        iov_base: std::ptr::without_provenance_mut::<c_void>(address),
        iov_len: bytes,
    };
    // SAFETY: `local` is ours to write; what cannot be read at `remote`, which is in this process, is an error.
    let got = unsafe {
        if fault::check(Syscall::LocalsList).is_err() {
            return false;
        }
        libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0)
    };
    got == bytes as isize && words[1] == object
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

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_is_registered_last_is_called_before_any_thread_local_is_destroyed() {
        static CALLED: AtomicU32 = AtomicU32::new(0);
        struct Younger;
        impl Drop for Younger {
            fn drop(&mut self) {
                assert_eq!(CALLED.load(Ordering::SeqCst), 1);
            }
        }
        thread_local! {
            static YOUNGER: Younger = const { Younger };
        }
        fn call() {
            CALLED.fetch_add(1, Ordering::SeqCst);
        }
        std::thread::spawn(|| {
            let youngest = super::youngest().expect("the C library's list");
            // SAFETY: valid while the OS thread runs.
            let now = || unsafe { youngest.read_volatile() };
            let before = now();
            assert!(super::call_before(call));
            let mine = now();
            assert_ne!(mine, before);
            LAST.with(|last| last.set(1));
            assert_eq!(now(), mine, "it has no destructor");
            YOUNGER.with(|_| ());
            assert_ne!(now(), mine);
            assert!(super::call_before(call));
        })
        .join()
        .unwrap();
        assert_eq!(CALLED.load(Ordering::SeqCst), 2);
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
        assert!(super::destroyer().is_some());
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
