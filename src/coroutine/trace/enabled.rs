//! It looks at its own stack and suspends itself again. So no unwinder has to know how a suspended coroutine's registers are kept,
//! and what is looked at does not change meanwhile.

use super::super::Control;
use super::super::port::{NOTHING, Word};
use crate::stack::GUARD;
use crate::sys::unwind;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// So much of the stack must be left for a look; the unwinder takes about a third of it.
const ROOM: usize = 12 * 1024;
/// The most addresses that are written down.
const MOST: usize = 128;

/// Where a green thread is. The memory is there before the look: nothing is allocated on the stack that is looked at.
#[derive(Debug)]
pub(crate) struct Trace {
    addresses: Vec<usize>,
    used: usize,
    size: usize,
    lacks_room: bool,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { addresses: Vec::with_capacity(MOST), used: 0, size: 0, lacks_room: false }
    }

    /// The return addresses, innermost first.
    pub(crate) fn addresses(&self) -> &[usize] {
        &self.addresses
    }

    /// How many bytes of the stack are in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// How many bytes can be used, all in all.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether so little of the stack is left that it could not be looked at.
    pub(crate) fn lacks_room(&self) -> bool {
        self.lacks_room
    }

    /// Called on the stack of the green thread that is `control`; what it has resumed, if anything, is `innermost`.
    #[inline(never)]
    fn look(&mut self, control: &Control, innermost: Option<&Control>) {
        let here = MaybeUninit::<u8>::uninit();
        let here = (&raw const here).addr();
        self.addresses.clear();
        let stack = control.stack_range();
        // One that is inside a generator or a greenlet is on the stack of that.
        let inner = innermost.map_or_else(|| stack.clone(), Control::stack_range);
        self.used = if stack.contains(&here) { stack.end - here } else { 0 };
        self.size = stack.len() - GUARD;
        self.lacks_room = here.saturating_sub(inner.start + GUARD) < ROOM;
        if self.lacks_room {
            return;
        }
        let addresses = &mut self.addresses;
        unwind::addresses_on_stack(&mut |address| {
            if address != 0 {
                addresses.push(address);
            }
            address != 0 && addresses.len() < MOST
        });
    }
}

/// Called where a green thread goes on, with the word that it was resumed with: while that is the address of a [`Trace`], it looks
/// where it is and suspends itself again.
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
    // SAFETY: the address of a `Trace` that `Root::trace` borrows mutably until this green thread suspends itself; both control blocks
    // are valid, as what runs is on their stacks.
    unsafe {
        let trace = &mut *word.cast_mut().cast::<Trace>();
        trace.look(control.as_ref(), innermost.as_ref());
        control.as_ref().suspend_calm(NOTHING)
    }
}
