//! The report of a stack overflow.
//!
//! The fault handler runs on the alternate stack and decides by the address alone: inside the guard of a registered
//! arena it is an overflow of ours, everything else goes to the handler that was there before (std's own, for OS
//! threads). It reads only atomics, and the control block at the top of the faulting stack, which its thread has just
//! used.

use super::size::GUARD;
use crate::sys::signal;
use crate::util::lock::Mutex;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Writes what overflowed, given the usable bytes of the stack and the address just above its highest byte. Runs in
/// signal context.
pub(crate) type DescribeOverflow = fn(size: usize, top: usize);

/// An arena as the handler sees it. Entries are never freed; those of unmapped arenas are used again.
#[derive(Debug)]
struct ArenaEntry {
    start: AtomicUsize,
    /// Zero while the entry is free.
    len: AtomicUsize,
    stride: AtomicUsize,
    next: *const ArenaEntry,
}

// SAFETY: `next` is written before the entry is published and never after; everything else is atomic.
unsafe impl Sync for ArenaEntry {}

static ENTRIES: AtomicPtr<ArenaEntry> = AtomicPtr::new(ptr::null_mut());
static DESCRIBE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The place of an arena in the handler's list.
#[derive(Debug)]
pub(super) struct ArenaRegistration(&'static ArenaEntry);

const CLAIMED: usize = 1;

fn entries() -> impl Iterator<Item = &'static ArenaEntry> {
    let mut at = ENTRIES.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: the list holds leaked entries only, so a non-null pointer in it is valid for ever.
        let entry = unsafe { at.as_ref() }?;
        at = entry.next;
        Some(entry)
    })
}

pub(super) fn register(start: usize, len: usize, stride: usize) -> ArenaRegistration {
    let reused = entries().find(|entry| {
        entry.len.load(Ordering::Relaxed) == 0
            && entry.len.compare_exchange(0, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    });
    let entry = reused.unwrap_or_else(|| {
        let entry = Box::leak(Box::new(ArenaEntry {
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(CLAIMED),
            stride: AtomicUsize::new(1),
            next: ptr::null(),
        }));
        let entry: *mut ArenaEntry = entry;
        let mut head = ENTRIES.load(Ordering::Acquire);
        loop {
            // SAFETY: the entry was leaked just above and is not published yet, so nobody else refers to it.
            unsafe { (*entry).next = head };
            match ENTRIES.compare_exchange(head, entry, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: the entry is leaked, and from now on only shared.
                Ok(_) => break unsafe { &*entry },
                Err(now) => head = now,
            }
        }
    });
    entry.start.store(start, Ordering::Relaxed);
    entry.stride.store(stride, Ordering::Relaxed);
    entry.len.store(len, Ordering::Release);
    ArenaRegistration(entry)
}

pub(super) fn unregister(registration: ArenaRegistration) {
    registration.0.len.store(0, Ordering::Release);
}

/// The stack whose guard holds `address`, by its lowest address and the one just above its highest byte.
fn overflowed_stack(address: usize) -> Option<(usize, usize)> {
    entries().find_map(|entry| {
        let len = entry.len.load(Ordering::Acquire);
        let offset = address.wrapping_sub(entry.start.load(Ordering::Relaxed));
        let stride = entry.stride.load(Ordering::Relaxed);
        (offset < len && offset % stride < GUARD).then(|| {
            let limit = address - offset % stride;
            (limit, limit + stride)
        })
    })
}

/// Installs the fault handler, once for the process. `describe` writes what overflowed.
///
/// # Errors
/// The error of sigaction. The guards protect memory without the handler too; only the report is missing then.
pub(crate) fn install(describe: DescribeOverflow) -> io::Result<()> {
    static ONCE: Mutex<bool> = Mutex::new(false);
    let mut installed = ONCE.lock();
    if !*installed {
        DESCRIBE.store(describe as *mut (), Ordering::Release);
        signal::install_fault_handler(claims)?;
        *installed = true;
    }
    Ok(())
}

fn claims(address: usize) -> bool {
    let Some((limit, top)) = overflowed_stack(address) else { return false };
    let describe = DESCRIBE.load(Ordering::Acquire);
    if !describe.is_null() {
        // SAFETY: the only value ever stored is a `DescribeOverflow`, and function pointers and data pointers are the same
        // size on the targets the crate builds for.
        unsafe {
            std::mem::transmute::<*mut (), DescribeOverflow>(describe)(top - limit - GUARD, top)
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_guards_by_address_and_reuses_entries() {
        let base = 0x10_0000_0000_0000; // no address of this process
        let registration = register(base, 0x80000, 0x20000);
        assert_eq!(overflowed_stack(base), Some((base, base + 0x20000)));
        assert_eq!(
            overflowed_stack(base + 0x20000 + GUARD - 1),
            Some((base + 0x20000, base + 0x40000))
        );
        assert_eq!(overflowed_stack(base + GUARD), None);
        assert_eq!(overflowed_stack(base + 0x80000), None);
        assert_eq!(overflowed_stack(base - 1), None);
        unregister(registration);
        assert_eq!(overflowed_stack(base), None);
    }
}
