//! The control block at the top of a coroutine's stack.

use super::local::Kept;
use super::port::Word;
use super::storage::Storage;
use super::switching::set_switching;
use super::unwinds;
use crate::stack::Stack;
use corosensei::stack::StackPointer;
use corosensei::{Coroutine as Raw, Yielder};
use std::cell::{Cell, OnceCell, UnsafeCell};
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::offset_of;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

/// What the layer above keeps for a green thread.
pub(super) type Local = Option<Kept>;

type RawCoroutine = Raw<Word, Word, (), StackSpan>;

/// What a running body uses to suspend itself.
pub(super) type RawYielder = Yielder<Word, Word>;

/// How many bytes there are from the control block to the stack's top. They have room for it, and are such that it
/// begins 16 bytes behind the start of a cache line, so that corosensei's two words just below it share that line.
const SPAN: usize = (size_of::<Control>() + 16).next_multiple_of(64) - 16;

/// The part of a stack that corosensei may use. It owns nothing; the [`Stack`] in the control block does.
#[derive(Debug)]
pub(super) struct StackSpan {
    base: StackPointer,
    limit: StackPointer,
    /// Keeps corosensei's coroutine from being taken for unaliased while it is resumed: code that runs on it reads from
    /// it that it runs, so corosensei's note of that must reach memory before the switch.
    _aliased: PhantomPinned,
}

// SAFETY: both addresses come from a `Stack`, which has a guard at its limit and far more usable bytes than the
// smallest size corosensei allows; `below_control` aligns the base to 16 bytes.
unsafe impl corosensei::stack::Stack for StackSpan {
    #[inline(always)]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline(always)]
    fn limit(&self) -> StackPointer {
        self.limit
    }
}

impl StackSpan {
    #[inline(always)]
    pub(super) fn below_control(stack: &Stack) -> Self {
        let base = ((stack.top().as_ptr() as usize) & !63) - SPAN;
        // A `Stack` lies high above address zero.
        let base = StackPointer::new(base).unwrap_or(StackPointer::MAX);
        Self { base, limit: stack.limit().addr(), _aliased: PhantomPinned }
    }

    /// Where the control block is put: just above the base.
    #[inline(always)]
    pub(super) fn control(&self) -> NonNull<Control> {
        let at = ptr::with_exposed_provenance_mut(self.base.get());
        // SAFETY: a stack's base is not zero.
        unsafe { NonNull::new_unchecked(at) }
    }
}

/// Writes a description of a coroutine's owner piece by piece.
type Write = fn(owner: *const (), out: &mut dyn FnMut(&[u8]));

/// What the overflow report says of a coroutine, and a word that identifies its owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Description {
    /// Writes a description of `owner` piece by piece; runs in signal context, on the faulting thread.
    pub(crate) write: Option<Write>,
    /// A word that the layer above chooses.
    pub(crate) owner: *const (),
}

impl Description {
    #[cfg(test)]
    pub(crate) const NONE: Self = Self { write: None, owner: ptr::null() };
}

/// State of a coroutine at the top of its own stack. All of it is used by the coroutine's OS thread only.
#[repr(C)]
pub(crate) struct Control {
    // Hot: touched at every switch.
    raw: UnsafeCell<RawCoroutine>,
    /// Set when the body begins, read at each suspend.
    yielder: Cell<*const RawYielder>,
    // Cold: touched when the coroutine begins, ends, or is inspected.
    description: Description,
    /// What the layer above keeps for a green thread (its greenlets); unused in other coroutines.
    local: UnsafeCell<Local>,
    /// The values that users keep for a green thread; unused in other coroutines.
    storage: OnceCell<Box<Storage>>,
    stack: Stack,
    /// The coroutine that resumed this one last; it has a meaning while this one runs or is the latest one that did. A
    /// green thread has none: there this is a note of the layer above, which is null while the green thread runs.
    resumer: Cell<*const Control>,
    finished: Cell<bool>,
    /// In a green thread: whether nothing is kept for it any more.
    closed: Cell<bool>,
    /// How many regions are open in this very coroutine, out of which it must not be switched.
    regions: Cell<u16>,
    /// In a green thread: how many regions are open in all coroutines that run inside it, itself included.
    regions_inside: Cell<u16>,
    /// [`Running::ends`](super::running::Running::ends) when the body began; unused in green threads.
    began_at: Cell<u16>,
    /// In a green thread: the unwinds of its coroutines that wait for the one that runs; see `unwinds.rs`.
    outer: Cell<usize>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("stack", &self.stack)
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}

impl Control {
    /// The offset of corosensei's own part, for debuggers.
    pub(crate) const RAW: usize = offset_of!(Self, raw);
    pub(crate) const RAW_SIZE: usize = size_of::<RawCoroutine>();

    #[inline(always)]
    pub(super) fn new(raw: RawCoroutine, description: Description, stack: Stack) -> Self {
        Self {
            raw: UnsafeCell::new(raw),
            yielder: Cell::new(ptr::null()),
            description,
            local: UnsafeCell::new(None),
            storage: OnceCell::new(),
            stack,
            resumer: Cell::new(ptr::null()),
            finished: Cell::new(false),
            closed: Cell::new(false),
            regions: Cell::new(0),
            regions_inside: Cell::new(0),
            began_at: Cell::new(0),
            outer: Cell::new(0),
        }
    }

    /// # Safety
    /// No other reference to the raw coroutine exists: the caller is `resume`, and the coroutine is not running.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn raw(&self) -> &mut RawCoroutine {
        // SAFETY: as the caller promises.
        unsafe { &mut *self.raw.get() }
    }

    /// corosensei clears the saved stack pointer while the body runs and leaves it cleared when it returns.
    #[inline(always)]
    pub(super) fn is_running_or_finished(&self) -> bool {
        // SAFETY: a read of one word that only this OS thread writes.
        unsafe { (*self.raw.get()).done() }
    }

    pub(super) fn is_started(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.raw.get()).started() }
    }

    #[cfg(test)]
    pub(super) fn is_finished(&self) -> bool {
        self.finished.get()
    }

    #[inline(always)]
    pub(super) fn set_finished(&self) {
        self.finished.set(true);
    }

    /// Whether no frame of the body is on the stack.
    #[inline(always)]
    pub(super) fn is_disposable(&self) -> bool {
        self.finished.get() || !self.is_started()
    }

    #[inline(always)]
    pub(super) fn set_yielder(&self, yielder: *const RawYielder) {
        self.yielder.set(yielder);
    }

    /// Suspends the coroutine with a word. Returns the word with which it is resumed.
    ///
    /// # Safety
    /// The caller runs in it, or in one inside it: its body has begun and has not returned. And it is the one whose `resume`
    /// is to return.
    #[inline(always)]
    pub(super) unsafe fn suspend(&self, word: Word) -> Word {
        // SAFETY: as the caller promises.
        unwinds::suspending(|| unsafe { self.suspend_calm(word) })
    }

    /// As [`suspend`](Self::suspend), for a caller that has just seen that it does not unwind.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub(super) unsafe fn suspend_calm(&self, word: Word) -> Word {
        set_switching(true);
        // SAFETY: set when the body began; corosensei keeps the yielder at the stack's base until the body returns.
        let word = unsafe { &*self.yielder.get() }.suspend(word);
        set_switching(false);
        word
    }

    /// Calls `f` on the stack from which this coroutine was resumed, below the frames that wait there.
    ///
    /// # Safety
    /// The caller runs in it, or in one inside it. Until `f` has returned or unwound, none of these is suspended.
    #[inline]
    pub(super) unsafe fn call_below<R>(&self, f: impl FnOnce() -> R) -> R {
        /// A closure that is called on this OS thread, whatever it captures.
        struct Here<F>(F);
        // SAFETY: corosensei calls it on this OS thread. It requires `Send` to keep out yielders of coroutines that are
        // left meanwhile; that none of these is used is what the caller of `call_below` promises.
        unsafe impl<F> Send for Here<F> {}
        impl<F> Here<F> {
            fn call<R>(self) -> std::thread::Result<R>
            where
                F: FnOnce() -> R,
            {
                set_switching(false);
                let result = catch_unwind(AssertUnwindSafe(self.0));
                set_switching(true);
                result
            }
        }
        let here = Here(f);
        set_switching(true);
        // SAFETY: set when the body began; corosensei keeps the yielder at the stack's base until the body returns, which has not
        // happened, as the caller runs in it.
        let result = unsafe { &*self.yielder.get() }.on_parent_stack(move || here.call());
        set_switching(false);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// The word that the owner asked to be kept.
    #[inline(always)]
    pub(crate) fn owner(&self) -> *const () {
        self.description.owner
    }

    /// What the layer above keeps for a green thread.
    #[inline(always)]
    pub(super) fn local(&self) -> &UnsafeCell<Local> {
        &self.local
    }

    #[inline(always)]
    pub(super) fn storage(&self) -> &OnceCell<Box<Storage>> {
        &self.storage
    }

    #[inline(always)]
    pub(super) fn resumer(&self) -> &Cell<*const Control> {
        &self.resumer
    }

    /// In a green thread: a note of the layer above while it is suspended, which is null again before it goes on.
    #[inline]
    pub(crate) fn note(&self) -> *const () {
        self.resumer.get().cast()
    }

    /// See [`note`](Self::note).
    #[inline]
    pub(crate) fn set_note(&self, note: *const ()) {
        self.resumer.set(note.cast());
    }

    /// The addresses of its stack.
    pub(crate) fn stack_range(&self) -> Range<usize> {
        self.stack.limit().addr().get()..self.stack.top().addr().get()
    }

    #[inline(always)]
    pub(super) fn regions(&self) -> &Cell<u16> {
        &self.regions
    }

    #[inline(always)]
    pub(super) fn regions_inside(&self) -> &Cell<u16> {
        &self.regions_inside
    }

    #[inline]
    pub(super) fn closed(&self) -> &Cell<bool> {
        &self.closed
    }

    pub(super) fn began_at(&self) -> &Cell<u16> {
        &self.began_at
    }

    #[inline(always)]
    pub(super) fn outer(&self) -> &Cell<usize> {
        &self.outer
    }

    /// Takes a control block off its stack: drops an unstarted body, returns the stack.
    ///
    /// # Safety
    /// The block is disposable, valid, and not used again.
    #[inline(always)]
    pub(super) unsafe fn take(at: NonNull<Self>) -> Stack {
        // SAFETY: as the caller promises; the block is moved out, so its fields are dropped exactly once.
        let Self { raw, stack, .. } = unsafe { at.as_ptr().read() };
        // Drops a body that never ran, before the stack on which it lies is given back.
        drop(raw);
        stack
    }

    /// Writes the description of the coroutine whose stack ends at `top`, for the overflow report.
    ///
    /// # Safety
    /// The stack is that of a running coroutine of this OS thread.
    pub(crate) unsafe fn describe(top: usize, out: &mut dyn FnMut(&[u8])) {
        let at = ((top & !63) - SPAN) as *const Self;
        // SAFETY: every running coroutine's control block is at this place of its stack.
        let description = unsafe { (*at).description };
        if let Some(write) = description.write {
            write(description.owner, out);
        }
    }
}
