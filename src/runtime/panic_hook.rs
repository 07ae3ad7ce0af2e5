//! The panic hook: naming the green thread that panics, and knowing whether a hook runs.
//!
//! std keeps "inside the panic hook" by OS thread and aborts when another panic begins there meanwhile. So a green
//! thread must not be suspended inside the hook: it blocks its worker instead. std does not tell whether a hook runs,
//! and a program may replace the hook at any time. But a function of std that calls hooks is on the stack exactly while
//! one runs: unwinding begins when it has been left. Two panics of our own, by the two ways a panic can begin, find
//! out once which function that is.
#![forbid(unsafe_code)]

use super::task::{TaskRef, current};
use crate::sys::unwind::functions_on_stack;
use std::cell::RefCell;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Start address of a function that is on the stack whenever a panic hook runs; zero while it is not known.
static HOOK_CALLER: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Where our hook leaves what it saw of a panic that only wants to find out.
    static PROBE: RefCell<Option<Vec<usize>>> = const { RefCell::new(None) };
}

fn functions() -> Vec<usize> {
    let mut found = Vec::with_capacity(128);
    functions_on_stack(&mut |start| {
        found.push(start);
        found.len() < 128
    });
    found
}

/// What was on the stack inside the hook of the panic that `begin` begins.
fn probe(begin: fn()) -> Vec<usize> {
    PROBE.set(Some(Vec::new()));
    let _ = panic::catch_unwind(AssertUnwindSafe(begin));
    PROBE.take().unwrap_or_default()
}

fn find_hook_caller() {
    let outside = probe(|| PROBE.set(Some(functions())));
    let by_payload = probe(|| panic::panic_any(()));
    let by_message = probe(|| panic!("a panic of the library's own, caught at once"));
    // The outermost function that both ways pass through and that is not there otherwise.
    let common = by_message
        .iter()
        .rev()
        .find(|start| **start != 0 && by_payload.contains(start) && !outside.contains(start));
    HOOK_CALLER.store(common.copied().unwrap_or(0), Ordering::Relaxed);
}

fn hook(info: &PanicHookInfo<'_>, previous: &(dyn Fn(&PanicHookInfo<'_>) + Sync + Send)) {
    let probing = PROBE.try_with(|probe| {
        let mut probe = probe.borrow_mut();
        if let Some(seen) = probe.as_mut() {
            *seen = functions();
        }
        probe.is_some()
    });
    if probing == Ok(true) {
        return;
    }
    if let Some(started) = current::with_hub(|hub| hub.current()).flatten() {
        started.with(|task: &TaskRef| {
            task.set_unwinding(true);
            let name = task.name().unwrap_or("<unnamed>");
            // `eprintln` would panic where standard error is a closed pipe, and a panic in here ends the process.
            let _ = writeln!(io::stderr(), "green thread '{name}' ({}):", task.id());
        });
    }
    previous(info);
}

/// Puts our hook before the present one, once for the process. Does nothing on a thread that unwinds, where hooks cannot be
/// set: the next call makes up for that, of which there is one wherever green threads begin to run.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    if cfg!(panic = "abort") || std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| hook(info, &*previous)));
        find_hook_caller();
    });
}

/// Whether the calling thread is inside a panic hook, whoever set it. Called while a panic is under way.
#[cold]
pub(crate) fn is_running() -> bool {
    let caller = HOOK_CALLER.load(Ordering::Relaxed);
    if caller == 0 {
        return false;
    }
    let mut found = false;
    functions_on_stack(&mut |start| {
        found |= start == caller;
        !found
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU8;

    #[test]
    fn tells_the_hook_from_unwinding() {
        static SEEN: AtomicU8 = AtomicU8::new(0);
        struct InDrop;
        impl Drop for InDrop {
            fn drop(&mut self) {
                assert!(std::thread::panicking());
                SEEN.fetch_or(if is_running() { 2 } else { 4 }, Ordering::Relaxed);
            }
        }
        install();
        assert!(HOOK_CALLER.load(Ordering::Relaxed) != 0);
        // A hook that replaces ours.
        let ours = panic::take_hook();
        panic::set_hook(Box::new(|_| {
            SEEN.fetch_or(if is_running() { 1 } else { 8 }, Ordering::Relaxed);
        }));
        let _ = panic::catch_unwind(|| {
            let _in_drop = InDrop;
            panic!("x")
        });
        let index = std::hint::black_box(9);
        let _ = panic::catch_unwind(|| [1, 2, 3][index]);
        panic::set_hook(ours);
        assert_eq!(SEEN.load(Ordering::Relaxed), 1 | 4);
        assert!(!is_running());
    }
}
