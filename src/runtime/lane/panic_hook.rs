//! The panic hook, which names the green thread that panics.
#![forbid(unsafe_code)]

use super::current;
use super::local::Lane;
use crate::coroutine;
use crate::runtime::task::TaskRef;
use crate::sys::thread;
use std::cell::Cell;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

thread_local! {
    /// Whether our hook runs, for platforms where std's note that a hook runs cannot be found. It has no destructor.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

fn hook(info: &PanicHookInfo<'_>, previous: &(dyn Fn(&PanicHookInfo<'_>) + Sync + Send)) {
    struct Done;
    impl Drop for Done {
        fn drop(&mut self) {
            RUNNING.set(false);
        }
    }
    RUNNING.set(true);
    let _done = Done;
    coroutine::note_panic();
    if let Some(started) = current::with_lane(Lane::caller).flatten() {
        started.with(|task: &TaskRef| {
            task.note_panic();
            // `eprintln!` would panic if standard error were a closed pipe, and a panic in here ends the process.
            let _ = writeln!(io::stderr(), "green thread '{task}' ({}):", task.id());
        });
    }
    previous(info);
}

fn put_before() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| hook(info, &*previous)));
}

/// How long an unwinding caller waits until our hook is set. That takes a moment, unless another thread is inside a
/// hook for longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sets our hook in front of the present one, once for the process.
///
/// A thread that unwinds may not set hooks, and one that is inside a hook would wait for itself. For these an OS thread
/// sets it. A caller that is inside a hook does not wait for that; others wait no longer than [`PATIENCE`], as a thread
/// inside a hook may wait for them.
pub(crate) fn install() {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if cfg!(panic = "abort") || BEGUN.swap(true, Ordering::SeqCst) {
        return;
    }
    if !coroutine::any_unwinds() {
        put_before();
        return;
    }
    let (done, is_done) = mpsc::channel::<()>();
    let set = move || {
        put_before();
        drop(done);
    };
    if thread::start("gt-panic-hook", None, set).is_err() {
        // The next call tries again.
        BEGUN.store(false, Ordering::SeqCst);
    } else if coroutine::in_panic_hook() == Some(false) {
        let _ = is_done.recv_timeout(PATIENCE);
    }
}

/// Whether the caller is inside a panic hook, whoever set it. If std's note of that cannot be found, only hooks in
/// front of which ours stands are noticed.
#[cold]
pub(crate) fn is_running() -> bool {
    coroutine::in_panic_hook().unwrap_or_else(|| RUNNING.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fault::{self, Syscall};
    use std::sync::atomic::AtomicU8;

    static SEEN: AtomicU8 = AtomicU8::new(0);

    struct InDrop;
    impl Drop for InDrop {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            SEEN.fetch_or(if is_running() { 2 } else { 4 }, Ordering::Relaxed);
        }
    }

    fn panics() -> u8 {
        SEEN.store(0, Ordering::Relaxed);
        let _ = panic::catch_unwind(|| {
            let _in_drop = InDrop;
            panic!("x")
        });
        let index = std::hint::black_box(9);
        let _ = panic::catch_unwind(|| [1, 2, 3][index]);
        SEEN.load(Ordering::Relaxed)
    }

    #[test]
    fn tells_the_hook_from_unwinding() {
        install();
        let note = |_: &PanicHookInfo<'_>| {
            SEEN.fetch_or(if is_running() { 1 } else { 8 }, Ordering::Relaxed);
        };
        // This hook replaces ours.
        let ours = panic::take_hook();
        panic::set_hook(Box::new(note));
        assert_eq!(panics(), 1 | 4);
        // Where std does not tell, only hooks are known in front of which ours stands.
        panic::set_hook(Box::new(move |info| hook(info, &note)));
        let unknown = || {
            fault::fail(Syscall::PanicCount, 0, usize::MAX, libc::ENOSYS);
            panics()
        };
        assert_eq!(std::thread::spawn(unknown).join().unwrap(), 1 | 4);
        panic::set_hook(ours);
    }
}
