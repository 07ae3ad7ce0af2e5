//! A table by which a debugger finds green threads, in a live process or in a core file; `inspect/gdb.py` reads it.
//! Nothing in the library does.
//!
//! Invariant: the table agrees with how things lie in memory, and a block of places is in its list before a task has a
//! place in it.

use super::header::Header;
use super::meta::Meta;
use super::park_word::{PARKED, STATE};
use super::reason::Reason;
use super::roll::Place;
use crate::coroutine::Control;
use crate::util::lock::Mutex;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A text, as an address and a length.
#[repr(C)]
struct Text(*const u8, usize);

/// A block of places, with a link to the block that was made before.
#[repr(C)]
struct PlaceBlock {
    before: *const PlaceBlock,
    places: *const Place,
    count: usize,
}

/// All that a debugger has to know. The fields are in this order, and each has eight bytes.
#[repr(C)]
struct DebuggerTable {
    /// Changes whenever the meaning of the other fields does.
    version: u64,
    /// The block that was made last.
    blocks: AtomicPtr<PlaceBlock>,
    place_size: usize,
    place_word: usize,
    id: usize,
    meta: usize,
    control: usize,
    park: usize,
    reason: usize,
    name: usize,
    raw: usize,
    raw_size: usize,
    park_mask: u64,
    parked: u64,
    reason_count: usize,
    reasons: *const Text,
}

// SAFETY: the addresses in it are those of what is never freed nor changed; only a debugger follows them, and it stops the process.
unsafe impl Sync for DebuggerTable {}

#[repr(transparent)]
#[allow(dead_code, reason = "a debugger reads it")]
struct Reasons([Text; Reason::ALL.len()]);

// SAFETY: as above.
unsafe impl Sync for Reasons {}

static REASONS: Reasons = {
    let mut texts = [const { Text(ptr::null(), 0) }; Reason::ALL.len()];
    let mut at = 0;
    while at < texts.len() {
        let text = Reason::ALL[at].text();
        texts[at] = Text(text.as_ptr(), text.len());
        at += 1;
    }
    Reasons(texts)
};

#[used]
static GREENTHREAD_DEBUGGER_TABLE: DebuggerTable = DebuggerTable {
    version: 1,
    blocks: AtomicPtr::new(ptr::null_mut()),
    place_size: size_of::<Place>(),
    place_word: Place::WORD,
    id: offset_of!(Header, id),
    meta: offset_of!(Header, meta),
    control: offset_of!(Header, control),
    park: offset_of!(Header, park),
    reason: offset_of!(Header, reason),
    name: offset_of!(Meta, name),
    raw: Control::RAW,
    raw_size: Control::RAW_SIZE,
    park_mask: STATE,
    parked: PARKED,
    reason_count: Reason::ALL.len(),
    reasons: (&raw const REASONS).cast(),
};

/// Lets a debugger find the tasks that will have places in this block.
pub(super) fn tell(places: &'static [Place]) {
    static LAST: Mutex<()> = Mutex::new(());
    let _one_at_a_time = LAST.lock();
    let blocks = &GREENTHREAD_DEBUGGER_TABLE.blocks;
    let before = blocks.load(Ordering::Relaxed).cast_const();
    let block = PlaceBlock { before, places: places.as_ptr(), count: places.len() };
    blocks.store(Box::into_raw(Box::new(block)), Ordering::Release);
}
