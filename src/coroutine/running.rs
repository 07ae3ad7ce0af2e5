//! What runs on each OS thread.

use super::Control;
use super::local::KeptView;
use crate::sys::panic_count::PanicCount;
use crate::sys::thread_end;
use std::cell::Cell;
use std::ptr;

/// The running coroutines of one OS thread.
#[repr(C)] // What each switch looks at comes first: no offset to be added to where the thread-local lies.
pub(super) struct Running {
    /// The coroutine that was resumed last; null outside of all coroutines. It is the innermost one, or, if that has
    /// suspended itself since, one that the innermost one has resumed. So a second resume of the same one need not
    /// write here, and nobody writes when it suspends.
    ///
    /// A coroutine that suspends or ends is the latest one at that moment, or is made so. So if the latest one is
    /// suspended, the innermost one has resumed it, and its stack has never been given back.
    ///
    /// If a region is open in it out of which it must not be switched, [`OPEN`] is added, so that one comparison tells
    /// whether it may suspend itself. A green thread never has this, as it is not checked for that.
    latest: Cell<*const Control>,
    /// The address of the C library's word for the youngest of the OS thread's thread-locals, and its value when
    /// `locals_end` was last registered: while the value is the same, `locals_end` is called before any of them is
    /// destroyed.
    youngest_at: Cell<*const usize>,
    youngest: Cell<usize>,
    /// The innermost coroutine that is a green thread; null if none is.
    pub(super) green_thread: Cell<*const Control>,
    /// Outside of green threads: the value that `local` returns.
    pub(super) kept: Cell<Option<KeptView>>,
    /// Outside of green threads: how many regions are open, counted as by `Control::regions` and
    /// `Control::regions_inside`.
    pub(super) regions: Cell<u16>,
    pub(super) regions_inside: Cell<u16>,
    /// The sum of all `outer`s of the OS thread, those of suspended green threads included; see `unwinds.rs`.
    pub(super) kept_outside: Cell<usize>,
    /// Outside of green threads: what `Control::outer` is in one.
    pub(super) outer: Cell<usize>,
    /// How many times the OS thread has begun to destroy its thread-locals: more than once if destructors use others
    /// anew.
    ends: Cell<u16>,
    /// Whether the C library's word was not found, so that each resume asks whether thread-locals are being destroyed.
    asks: Cell<bool>,
    /// With `asks`: whether they are being destroyed, or have been.
    destroying: Cell<bool>,
    /// std's count of panics, if it has been looked for.
    pub(super) count: Cell<Option<PanicCount>>,
    pub(super) looked_for_count: Cell<bool>,
}

/// What `youngest_at` points to before the word is looked for, and if it is not found.
static NOT_LOOKED_FOR: usize = 0;
/// A value that the C library's word never has.
const NONE: usize = 1;

/// See [`Running::latest`]; control blocks lie at even addresses.
const OPEN: usize = 1;

thread_local! {
    // It has no destructor, so that it can be used while the thread's other thread-locals are destroyed.
    static RUNNING: Running = const {
        Running {
            latest: Cell::new(ptr::null()),
            youngest_at: Cell::new(&raw const NOT_LOOKED_FOR),
            youngest: Cell::new(NONE),
            green_thread: Cell::new(ptr::null()),
            kept: Cell::new(None),
            regions: Cell::new(0),
            regions_inside: Cell::new(0),
            kept_outside: Cell::new(0),
            outer: Cell::new(0),
            ends: Cell::new(0),
            asks: Cell::new(false),
            destroying: Cell::new(false),
            count: Cell::new(None),
            looked_for_count: Cell::new(false),
        }
    };
}

impl Running {
    /// Whether `control` was resumed last, and no region is open in it.
    #[inline(always)]
    pub(super) fn is_latest(&self, control: *const Control) -> bool {
        ptr::eq(self.latest.get(), control)
    }

    /// Makes a green thread the latest one, or none.
    #[inline(always)]
    pub(super) fn set_green_thread(&self, control: *const Control) {
        self.latest.set(control);
        self.green_thread.set(control);
    }

    /// Makes `control` the latest one.
    ///
    /// # Safety
    /// It is null, or its control block is valid.
    #[inline]
    pub(super) unsafe fn set_latest(&self, control: *const Control) {
        let asked = !control.is_null() && !ptr::eq(control, self.green_thread.get());
        // SAFETY: as the caller promises.
        let open = asked && unsafe { (*control).regions().get() } != 0;
        self.latest.set(if open { control.wrapping_byte_add(OPEN) } else { control });
    }

    /// The innermost running coroutine, null outside all of them.
    #[inline(always)]
    pub(super) fn innermost(&self) -> *const Control {
        let latest = self.latest.get().map_addr(|address| address & !OPEN);
        if latest.is_null() || ptr::eq(latest, self.green_thread.get()) {
            return latest;
        }
        // SAFETY: the latest one runs or is suspended, so its control block is valid. (A green thread may be gone, but
        // was looked at above: those are resumed by nobody who could be asked for here.)
        unsafe {
            if (*latest).is_running_or_finished() { latest } else { (*latest).resumer().get() }
        }
    }

    /// Called when a coroutine has suspended itself that is no green thread. Its frames may be inside of thread-locals
    /// that had not been used before; from here on, the OS thread is told before these are destroyed.
    #[inline(always)]
    pub(super) fn note_locals(&self) {
        // SAFETY: it is a static or a word that is valid while the OS thread runs. Volatile, as the C library writes there.
        if unsafe { self.youngest_at.get().read_volatile() } != self.youngest.get() {
            self.note_younger();
        }
    }

    #[cold]
    #[inline(never)]
    fn note_younger(&self) {
        if self.asks.get() {
            return self.note_without_list();
        }
        if ptr::eq(self.youngest_at.get(), &raw const NOT_LOOKED_FOR) {
            match thread_end::youngest() {
                Some(at) => self.youngest_at.set(at),
                None => return self.note_without_list(),
            }
        }
        if thread_end::call_before(locals_end) {
            // SAFETY: as above.
            self.youngest.set(unsafe { self.youngest_at.get().read_volatile() });
        } else {
            self.note_without_list();
        }
    }

    /// Like [`note_locals`](Self::note_locals), if the C library's list is not found, or has no room. The value is set
    /// to one that was never seen, so that this is called whenever a coroutine has suspended itself, and none is
    /// resumed without asking.
    fn note_without_list(&self) {
        self.youngest.set(NONE);
        if !self.asks.replace(true) {
            self.destroying.set(self.green_thread.get().is_null() && thread_end::destroys_locals());
            // This is done once, for what is resumed after all destructors, for example by an exit handler.
            thread_end::call_before(locals_end);
        }
        // From here on each destructor may be that of the thread-local that this coroutine is inside of. If the C
        // library has no list to tell of each in time, nothing goes on. (If this has been so from the beginning, as the
        // stack shows nothing, each suspension takes some memory until the OS thread ends.)
        if self.destroying.get() && !thread_end::call_before(locals_end) {
            locals_end();
        }
        // SAFETY: what runs has a valid control block.
        unsafe { self.set_latest(self.innermost()) };
    }

    /// Asks whether thread-locals are being destroyed, if nothing will tell so. For use outside of green threads.
    fn ask(&self) {
        if self.asks.get() && !self.destroying.get() && thread_end::destroys_locals() {
            self.destroying.set(true);
            locals_end();
        }
    }

    /// Whether the body, which has begun or begins now, may hold something of a thread-local that is gone. In a green
    /// thread, that thread has called `exit`, and what runs there is to go on: see SOUNDNESS.
    unsafe fn is_outlived(&self, control: *const Control) -> bool {
        if self.green_thread.get().is_null() {
            self.ask();
        }
        let ends = self.ends.get();
        // SAFETY: as the caller promises.
        let control = unsafe { &*control };
        if !control.is_started() {
            control.began_at().set(ends);
            return false;
        }
        self.green_thread.get().is_null() && (control.began_at().get() != ends || ends == u16::MAX)
    }

    /// Notes that `control` is resumed, and returns it. Returns `None` if it must not be resumed, since thread-locals
    /// have been destroyed since its body began.
    ///
    /// What this returns was loaded from here, as in the fast part of [`if_open`](Self::if_open): where `control`
    /// itself comes from memory that depends on the switch before, the processor need not wait for that to find where
    /// to go.
    ///
    /// # Safety
    /// Its control block is valid.
    #[inline(always)]
    pub(super) unsafe fn make_latest(&self, control: *const Control) -> Option<*const Control> {
        let latest = self.latest.get();
        if ptr::eq(latest, control) {
            return Some(latest);
        }
        // SAFETY: as the caller promises.
        if unsafe { self.another(control) } { Some(control) } else { None }
    }

    #[cold]
    #[inline(never)]
    unsafe fn another(&self, control: *const Control) -> bool {
        // SAFETY: as the caller promises.
        unsafe {
            if self.is_outlived(control) {
                return false;
            }
            (*control).resumer().set(self.innermost());
            self.set_latest(control);
        }
        true
    }

    /// Notes that `control`, the latest one, has returned.
    ///
    /// # Safety
    /// Its control block is valid.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn has_finished(&self, control: *const Control) {
        // SAFETY: as the caller promises; the one that resumed it runs.
        unsafe { self.set_latest((*control).resumer().get()) };
    }

    /// Returns `control` if it is the innermost running coroutine and no region is open in it. It may return `None`
    /// even so.
    ///
    /// # Safety
    /// It is not that of a green thread, and its control block is valid if it is the latest one.
    #[inline(always)]
    pub(super) unsafe fn if_open(&self, control: *const Control) -> Option<*const Control> {
        let latest = self.latest.get();
        // SAFETY: as the caller promises.
        let is = ptr::eq(latest, control) && unsafe { (*latest).is_running_or_finished() };
        is.then_some(latest)
    }

    /// Returns `control` if it is the innermost running coroutine, and makes it the latest one then. See
    /// [`make_latest`](Self::make_latest) for what it returns.
    #[inline(always)]
    pub(super) fn if_innermost(&self, control: *const Control) -> Option<*const Control> {
        let latest = self.latest.get();
        if !ptr::eq(latest, control) {
            return self.is_innermost_not_latest(control).then_some(control);
        }
        // SAFETY: as in `innermost`, but that a green thread which is the latest one here is running.
        let runs = !latest.is_null() && unsafe { (*latest).is_running_or_finished() };
        runs.then_some(latest)
    }

    #[cold]
    #[inline(never)]
    fn is_innermost_not_latest(&self, control: *const Control) -> bool {
        let is = !control.is_null() && ptr::eq(control, self.innermost());
        if is {
            // SAFETY: a running coroutine's control block is valid.
            unsafe { self.set_latest(control) };
        }
        is
    }
}

/// The state of the calling OS thread; valid while that thread runs.
///
/// It may be inlined, and its address kept across a switch: a coroutine never changes its OS thread.
#[inline(always)]
pub(super) fn running() -> *const Running {
    RUNNING.with(ptr::from_ref)
}

/// Called when the OS thread is about to destroy its thread-locals. What is suspended now may be inside of one. What is
/// resumed from here on is not the latest one, so it is checked; and the greenlets of the OS thread are no longer
/// valid.
fn locals_end() {
    // SAFETY: a thread-local without a destructor.
    let running = unsafe { &*running() };
    running.youngest.set(NONE);
    running.ends.set(running.ends.get().saturating_add(1));
    running.kept.set(None);
    // SAFETY: what runs has a valid control block.
    unsafe { running.set_latest(running.innermost()) };
}

/// Whether the calling OS thread may be destroying its thread-locals, so that nothing that is suspended on it may be
/// unwound. To be asked when something is suspended on it.
#[cold]
pub(crate) fn may_destroy_locals() -> bool {
    // SAFETY: a thread-local without a destructor.
    let running = unsafe { &*running() };
    // If the C library's list is found, whatever has suspended itself here is told before the end begins.
    let known = !running.asks.get() && running.ends.get() == 0;
    !known && thread_end::destroys_locals()
}

/// The innermost running coroutine, null outside all of them.
#[inline(always)]
pub(crate) fn current() -> *const Control {
    // SAFETY: the pointer is to a thread-local without a destructor, valid while its thread runs.
    unsafe { (*running()).innermost() }
}

/// The green thread that runs on this OS thread, null outside of green threads.
#[inline(always)]
pub(super) fn green_thread() -> *const Control {
    // SAFETY: as in `current`.
    unsafe { (*running()).green_thread.get() }
}

/// Whether the caller runs in a green thread, however many coroutines deep.
#[inline(always)]
pub(crate) fn in_green_thread() -> bool {
    !green_thread().is_null()
}
