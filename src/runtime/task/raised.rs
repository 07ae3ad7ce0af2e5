//! How locks tell an unwind by a kill or a timeout from one by a panic.
//!
//! std tells a destructor that an unwind is under way, but not what began it. So each payload of a kill or timeout
//! notes when it is dropped. That is where the unwind ends for good: at the thread's root, at the timeout, or with
//! somebody who caught it by std's `catch_unwind` and does not pass it on. Until then, an unwind with as many others
//! around it as the one that began with the payload is taken for that one, as it was begun or passed on. There is one
//! exception: if the panic hook has seen a panic begin at that level since, somebody keeps the payload, and what
//! unwinds is that panic. Such a panic is forgotten wherever it is seen to be over: where the thread waits, makes the
//! guard of a lock, panics anew or is killed with fewer unwinds around it.
//!
//! More cannot be known in stable Rust: an unwind that the hook does not see (one by `resume_unwind`, or with a hook
//! that replaces ours) looks the same, be it with the payload that was kept or with another; a test in
//! `sys/panic_count.rs` shows it.
#![forbid(unsafe_code)]

use super::error::{Expired, Kill};
use super::flags::{RAISED, SHIELDED};
use super::task_ref::TaskRef;
use crate::coroutine;
use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many payloads of kills and timeouts exist. While it is zero, nobody need ask what an unwind carries.
static PAYLOADS: AtomicUsize = AtomicUsize::new(0);

/// Whether a payload of a kill or a timeout exists in the process. Models do not ask this, as others run beside them in
/// the process, and a model must do the same in each run.
#[inline(always)]
pub(crate) fn any_raised() -> bool {
    cfg!(not(loom)) && PAYLOADS.load(Ordering::Relaxed) != 0
}

/// What a task notes of each payload that exists.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptPayload {
    id: u64,
    /// How many unwinds were under way when this one had begun, this one included.
    level: usize,
    /// Whether the hook has seen a panic begin at that level since.
    panicked: bool,
}

impl KeptPayload {
    /// Notes that no panic at that level, or at one further inside, is under way any more.
    fn is_over(&mut self, level: usize) {
        self.panicked &= self.level < level;
    }
}

/// A part of each payload. While it exists, the task keeps its [`KeptPayload`].
pub(super) struct Raised {
    task: TaskRef,
    id: u64,
}

impl fmt::Debug for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raised").finish_non_exhaustive()
    }
}

/// The level of the unwind that is under way in the calling thread, or that begins; the outermost level if that is not
/// known.
fn level() -> usize {
    coroutine::unwinds_and_beginning().unwrap_or(1)
}

impl TaskRef {
    /// Makes the payload with which the owner, which has been killed, will be unwound. Called by the owner only.
    #[cold]
    pub(crate) fn kill_payload(&self) -> Box<dyn Any + Send> {
        Box::new(Kill { _raised: self.raise() })
    }

    /// Makes the payload with which the owner will be unwound out of a timeout that has expired. Called by the owner
    /// only.
    #[cold]
    pub(crate) fn expired_payload(&self, id: u64) -> Box<dyn Any + Send> {
        Box::new(Expired { id, _raised: self.raise() })
    }

    fn raise(&self) -> Raised {
        let level = coroutine::unwinds().unwrap_or(0) + 1;
        let mut completion = self.header().completion.lock();
        let more = self.header().more(&mut completion);
        let id = more.raised_before;
        more.raised_before += 1;
        more.raised.iter_mut().for_each(|raised| raised.is_over(level));
        more.raised.push(KeptPayload { id, level, panicked: false });
        PAYLOADS.fetch_add(1, Ordering::Relaxed);
        self.header().flags.fetch_or(RAISED, Ordering::Relaxed);
        Raised { task: self.clone(), id }
    }

    /// Whether the owner, which unwinds, does so for a kill or a timeout, not for a panic. Called by the owner only.
    #[cold]
    pub(crate) fn is_raised(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & RAISED != 0 && {
            let level = level();
            let completion = self.header().completion.lock();
            let mut raised = completion.more.iter().flat_map(|more| &more.raised);
            raised.any(|raised| raised.level == level && !raised.panicked)
        }
    }

    /// Notes that a panic begins in the owner. Called by the owner's panic hook.
    pub(crate) fn note_panic(&self) {
        let level = level();
        self.note(|raised| {
            raised.is_over(level);
            raised.panicked |= raised.level == level;
        });
    }

    /// Notes that the owner waits or takes a lock: panics with more unwinds around them than there are now are over. Called by the
    /// owner only.
    #[inline(always)]
    pub(crate) fn note_calm(&self) {
        if self.header().flags.load(Ordering::Relaxed) & RAISED != 0 {
            let level = level();
            self.note(|raised| raised.is_over(level + 1));
        }
    }

    /// Whether the owner neither shields itself nor has caught a kill or a timeout that is kept. Called by the owner only.
    #[inline(always)]
    pub(crate) fn is_calm(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & (RAISED | SHIELDED) == 0
    }

    #[cold]
    fn note(&self, note: impl Fn(&mut KeptPayload)) {
        if self.header().flags.load(Ordering::Relaxed) & RAISED == 0 {
            return;
        }
        let mut completion = self.header().completion.lock();
        completion.more.iter_mut().flat_map(|more| &mut more.raised).for_each(note);
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        PAYLOADS.fetch_sub(1, Ordering::Relaxed);
        let header = self.task.header();
        let mut completion = header.completion.lock();
        let Some(more) = completion.more.as_mut() else { return };
        more.raised.retain(|raised| raised.id != self.id);
        if more.raised.is_empty() {
            header.flags.fetch_and(!RAISED, Ordering::Relaxed);
        }
    }
}
