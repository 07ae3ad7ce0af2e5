//! The unwinds of each stack: std's count of panics follows the stack that unwinds.
//!
//! Code that leaves a stack by a switch takes its count along and leaves zero; code that comes back puts its own into
//! place. So a stack begins with zero, and `std::thread::panicking()` speaks of the calling coroutine only. Where
//! nobody unwinds, a switch costs one look at std's count.
//!
//! ```text
//!   green thread, 1 unwind ──resume──▶ generator, begins with 0 ──suspends the green thread──▶ the hub, 0
//!        1 kept on its stack,             what it has by then is
//!        and added to `outer`             kept on its stack
//! ```
//!
//! A generator in a destructor begins with zero, yet an unwind out of it would end the process. So what is checked
//! before an unwind begins is [`unwinds`]: the caller's own, and those of all that wait for it inside its green thread.
//!
//! If a coroutine is resumed in a panic hook, the hook counts as very many unwinds around it, by which it is recognized
//! there.
//!
//! If std's count cannot be found (see `sys/panic_count.rs`), it remains that of the OS thread, and `unwinds` does not
//! know the number while it is not zero.

use super::Control;
use super::running::{Running, green_thread, running};
use crate::sys::panic_count::{PanicCount, Unwinds};
use std::cell::Cell;

/// What a panic hook around a coroutine adds to the unwinds there.
const HOOK: usize = 1 << 24;

/// The calling OS thread's count, looked up at the first call. To be called while the caller is panicking.
#[cold]
fn count(running: &Running) -> Option<PanicCount> {
    if !running.looked_for_count.get() {
        running.count.set(PanicCount::of_this_thread());
        running.looked_for_count.set(true);
    }
    running.count.get()
}

/// The state of the calling OS thread.
#[inline(always)]
fn here<'a>() -> &'a Running {
    // SAFETY: a thread-local without a destructor, valid while its thread runs; the reference does not leave this module,
    // and coroutines stay on their OS thread.
    unsafe { &*running() }
}

/// How many unwinds wait for what runs in the caller's green thread, or in its OS thread outside of green threads.
fn outer<'a>() -> &'a Cell<usize> {
    // SAFETY: a running green thread's control block is valid; the callers are done with it before anything can switch.
    unsafe { green_thread().as_ref() }.map_or(&here().outer, Control::outer)
}

/// Calls `switch`, which suspends the calling coroutine, and keeps the coroutine's unwinds with it.
#[inline(always)]
pub(super) fn suspending<R>(switch: impl FnOnce() -> R) -> R {
    if std::thread::panicking() { keep(switch) } else { switch() }
}

/// Calls `switch`, which runs another coroutine inside the caller's, and keeps the caller's unwinds with the caller.
#[inline(always)]
pub(super) fn resuming<R>(switch: impl FnOnce() -> R) -> R {
    if std::thread::panicking() { keep_outside(switch) } else { switch() }
}

#[cold]
#[inline(never)]
fn keep<R>(switch: impl FnOnce() -> R) -> R {
    let Some(count) = count(here()) else { return switch() };
    let own = count.get();
    count.set(Unwinds::default());
    let result = switch();
    count.set(own);
    result
}

#[cold]
#[inline(never)]
fn keep_outside<R>(switch: impl FnOnce() -> R) -> R {
    let Some(count) = count(here()) else { return switch() };
    let Unwinds { count, in_hook } = count.get();
    let own = count + if in_hook { HOOK } else { 0 };
    let change = |by: usize| {
        let (around, kept) = (outer(), &here().kept_outside);
        around.set(around.get().wrapping_add(by));
        kept.set(kept.get().wrapping_add(by));
    };
    change(own);
    let result = keep(switch);
    change(own.wrapping_neg());
    result
}

/// The unwinds of the calling stack, put aside until the value is dropped.
#[derive(Debug)]
pub(super) struct Aside(Unwinds);

/// For a caller that is about to run green threads on its stack: its unwinds are not theirs.
pub(super) fn put_aside() -> Aside {
    if !std::thread::panicking() {
        return Aside(Unwinds::default());
    }
    let Some(count) = count(here()) else { return Aside(Unwinds::default()) };
    let own = count.get();
    count.set(Unwinds::default());
    Aside(own)
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.0.count != 0
            && let Some(count) = here().count.get()
        {
            // This may be dropped by an unwind that has begun since.
            let since = count.get();
            count.set(Unwinds { count: self.0.count + since.count, in_hook: self.0.in_hook });
        }
    }
}

/// How many unwinds are under way in the caller's green thread, or in its OS thread outside of green threads, around
/// what runs now: each frame that they pass through is in the middle of one of its destructors. `None` if that is not
/// known, and in a panic hook: std loses count if anything unwinds out of one or inside one.
///
/// An unwind may begin if this number is the same as when the frame began that will catch it.
#[inline(always)]
pub(crate) fn unwinds() -> Option<usize> {
    if !std::thread::panicking() && here().kept_outside.get() == 0 {
        return Some(0);
    }
    unwinds_slowly()
}

#[cold]
#[inline(never)]
fn unwinds_slowly() -> Option<usize> {
    let own = if std::thread::panicking() { count(here())?.get() } else { Unwinds::default() };
    if own.in_hook { None } else { Some(own.count + outer().get()) }
}

/// Like [`unwinds`], but in a panic hook it returns the number with the unwind that begins.
#[cold]
pub(crate) fn unwinds_and_beginning() -> Option<usize> {
    let own = if std::thread::panicking() { count(here())?.get().count } else { 0 };
    Some(own + outer().get())
}

/// How many unwinds are under way on the calling stack itself. If only std's answer is known, one or none.
#[inline(always)]
pub(crate) fn own_unwinds() -> usize {
    #[cold]
    #[inline(never)]
    fn slowly() -> usize {
        count(here()).map_or(1, |count| count.get().count)
    }
    if std::thread::panicking() { slowly() } else { 0 }
}

/// Whether anything may unwind around what runs now, or a panic hook may run. If not, [`in_panic_hook`] need not be
/// asked.
#[inline(always)]
pub(crate) fn any_unwinds() -> bool {
    std::thread::panicking() || here().kept_outside.get() != 0
}

/// Whether a panic hook runs on the calling stack or around it, whoever set it. `None` if that is not known.
#[cold]
pub(crate) fn in_panic_hook() -> Option<bool> {
    let own = std::thread::panicking() && count(here())?.get().in_hook;
    Some(own || outer().get() >= HOOK)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestThread;
    use super::super::{Coroutine, Description, Progress, suspend};
    use super::*;
    use crate::stack::{Stack, StackSize};
    use crate::sys::fault::{self, Syscall};
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    struct OnDrop<F: FnMut()>(F);

    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    fn while_unwinding(inside: impl FnMut()) {
        let _: Result<(), _> = catch_unwind(AssertUnwindSafe(|| {
            let _inside = OnDrop(inside);
            resume_unwind(Box::new(()))
        }));
    }

    fn coroutine(body: impl FnOnce() + 'static) -> Coroutine {
        let stack = Stack::acquire(StackSize::default()).unwrap();
        Coroutine::new(stack, Description::NONE, body)
    }

    fn state() -> (usize, Option<usize>) {
        (own_unwinds(), unwinds())
    }

    #[test]
    fn each_stack_has_its_own_and_knows_of_those_around_it() {
        let inner = || {
            assert!(!std::thread::panicking());
            let begin = unwinds().unwrap();
            while_unwinding(|| {
                assert_eq!(state(), (1, Some(begin + 1)));
                suspend();
                assert_eq!(own_unwinds(), 1);
                while_unwinding(|| assert_eq!(own_unwinds(), 2));
            });
            assert!(!std::thread::panicking());
        };
        let check = move || {
            assert_eq!(state(), (0, Some(0)));
            // The coroutines are suspended by an unwind and resumed in one, also by code that does not unwind, and the
            // other way round.
            let (one, other) = (coroutine(inner), coroutine(inner));
            assert_eq!(one.resume(), Ok(Progress::Suspended));
            assert_eq!(state(), (0, Some(0)));
            while_unwinding(|| {
                assert_eq!(state(), (1, Some(1)));
                while_unwinding(|| {
                    assert_eq!(state(), (2, Some(2)));
                    assert_eq!(one.resume(), Ok(Progress::Finished));
                    assert_eq!(other.resume(), Ok(Progress::Suspended));
                    assert_eq!(state(), (2, Some(2)));
                });
                assert_eq!(state(), (1, Some(1)));
            });
            assert_eq!(other.resume(), Ok(Progress::Finished));
            assert_eq!(state(), (0, Some(0)));
        };
        check();
        let (green, neighbour) = (TestThread::new(check), TestThread::new(inner));
        neighbour.resume();
        assert_eq!(green.resume(), Progress::Finished);
        assert_eq!(neighbour.resume(), Progress::Finished);
        assert_eq!(state(), (0, Some(0)));
    }

    #[test]
    fn what_a_suspended_green_thread_waits_inside_of_is_its_own() {
        let green = TestThread::new(|| {
            let this = super::super::This::innermost();
            while_unwinding(|| {
                let generator = coroutine(move || {
                    assert_eq!(state(), (0, Some(1)));
                    this.suspend_with_inner().unwrap();
                    assert_eq!(state(), (0, Some(1)));
                });
                assert_eq!(generator.resume(), Ok(Progress::Finished));
            });
        });
        assert_eq!(green.resume(), Progress::Suspended);
        assert_eq!(state(), (0, Some(0)));
        let neighbour = TestThread::new(|| assert_eq!(state(), (0, Some(0))));
        assert_eq!(neighbour.resume(), Progress::Finished);
        assert_eq!(green.resume(), Progress::Finished);
    }

    #[test]
    fn a_leaked_stack_leaves_no_trace_of_its_unwinds() {
        let leaked = coroutine(|| while_unwinding(suspend));
        leaked.resume().unwrap();
        drop(leaked);
        assert_eq!(state(), (0, Some(0)));
        while_unwinding(|| assert_eq!(state(), (1, Some(1))));
        assert!(!std::thread::panicking());
    }

    #[test]
    fn where_the_count_is_not_found_nobody_knows_of_unwinds() {
        std::thread::spawn(|| {
            fault::fail(Syscall::PanicCount, 0, usize::MAX, libc::ENOSYS);
            let unwinding = coroutine(|| while_unwinding(suspend));
            unwinding.resume().unwrap();
            assert!(std::thread::panicking(), "the OS thread's");
            assert_eq!((unwinds(), own_unwinds(), in_panic_hook()), (None, 1, None));
            unwinding.resume().unwrap();
            assert_eq!(state(), (0, Some(0)));
        })
        .join()
        .unwrap();
    }
}
