//! The twin with the feature `inspect`. A green thread looks at its own stack and then suspends itself again. So no
//! unwinder has to know where a suspended coroutine's registers are, and what is looked at does not change meanwhile.

use super::super::port::{NOTHING, Word};
use super::super::resuming::switch_to;
use super::super::{Control, Root};
use super::tracer::Tracer;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

impl Root {
    /// Has a suspended green thread find out where it is. It does not go on.
    ///
    /// # Safety
    /// As for [`resume`](Self::resume); and the green thread has been resumed before.
    pub(crate) unsafe fn trace(&self, control: NonNull<Control>, tracer: &mut Tracer) {
        self.running().set_green_thread(control.as_ptr());
        let word = std::ptr::from_mut(tracer).cast_const().cast();
        // SAFETY: as the caller promises. It suspends itself again before anything else, see [`answer`].
        unsafe { switch_to(control.as_ptr(), word) };
        self.leave();
    }
}

/// Called where a green thread goes on, with the word with which it was resumed. While that is the address of a
/// [`Tracer`], the green thread finds out where it is and suspends itself again.
///
/// # Safety
/// `control` is that of the green thread that has just been resumed, and the caller runs on it, or on `innermost` inside of it; a word
/// that is not null comes from [`Root::trace`](super::super::Root::trace).
#[inline(always)]
pub(in crate::coroutine) unsafe fn answer(
    control: NonNull<Control>,
    innermost: *const Control,
    word: Word,
) {
    let mut word = word;
    while !word.is_null() {
        // SAFETY: as the caller promises.
        word = unsafe { look(control, innermost, word) };
    }
}

/// # Safety
/// As for [`answer`].
#[cold]
#[inline(never)]
unsafe fn look(control: NonNull<Control>, innermost: *const Control, word: Word) -> Word {
    let here = MaybeUninit::<usize>::uninit();
    let here = (&raw const here).addr();
    // SAFETY: the address of a `Tracer` that `Root::trace` borrows mutably until this green thread suspends itself; both control blocks
    // are valid, as what runs is on their stacks.
    unsafe {
        let tracer = &mut *word.cast_mut().cast::<Tracer>();
        let stack = control.as_ref().stack_range();
        let inner = innermost.as_ref().map_or_else(|| stack.clone(), Control::stack_range);
        tracer.look(here, stack, inner);
        control.as_ref().suspend_calm(NOTHING)
    }
}
