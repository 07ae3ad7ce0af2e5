//! How many stacks the process may have. They are counted before they are made.
//!
//! When mappings or address space run out, `malloc` fails everywhere, so it would be too late to find out then. If the
//! guards cost no mappings and there is no `RLIMIT_AS`, the number of stacks has no bound and nothing is counted.
#![forbid(unsafe_code)]

use super::size::StackSize;
use crate::sys::limits;
use crate::sys::memory::{GuardKind, guard_kind};
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many mappings are left to the rest of the program: libraries, malloc arenas, OS threads.
const SPARE_MAPPINGS: usize = 2048;

#[derive(Debug)]
struct Limits {
    /// How many stacks `vm.max_map_count` allows, if each needs mappings of its own.
    stacks: Option<u64>,
    /// How many bytes `RLIMIT_AS` leaves for stacks.
    bytes: Option<u64>,
}

static LIMITS: OnceLock<Limits> = OnceLock::new();
static STACKS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn limits() -> &'static Limits {
    LIMITS.get_or_init(|| Limits {
        stacks: (guard_kind() == GuardKind::Protected).then(|| {
            let free = limits::max_map_count().saturating_sub(limits::map_count() + SPARE_MAPPINGS);
            free as u64 / 2
        }),
        // A part is left for malloc.
        bytes: limits::address_space_limit()
            .map(|limit| limit.saturating_sub(limits::address_space_used()) / 8 * 7),
    })
}

/// A stack that has been counted. Its owner calls [`Reservation::release`] when the stack is not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    bytes: u64,
}

impl Reservation {
    /// A reservation for which nothing is counted, as nothing has a bound.
    pub(crate) const NONE: Self = Self { bytes: 0 };

    pub(crate) fn release(self) {
        if self.bytes != 0 {
            STACKS.fetch_sub(1, Ordering::Relaxed);
            BYTES.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// Counts one stack.
///
/// # Errors
/// `OutOfMemory`, with the name of the limit, if there is no room for another stack.
#[inline]
pub(crate) fn reserve(size: StackSize) -> io::Result<Reservation> {
    let limits = limits();
    if limits.stacks.is_none() && limits.bytes.is_none() {
        return Ok(Reservation::NONE);
    }
    reserve_counted(limits, size)
}

#[cold]
fn reserve_counted(limits: &Limits, size: StackSize) -> io::Result<Reservation> {
    let reservation = Reservation { bytes: size.stride() as u64 };
    let stacks = STACKS.fetch_add(1, Ordering::Relaxed) + 1;
    let bytes = BYTES.fetch_add(reservation.bytes, Ordering::Relaxed) + reservation.bytes;
    let error = if limits.stacks.is_some_and(|most| stacks > most) {
        format!(
            "no more than {} green threads fit below vm.max_map_count = {}: each stack takes two mappings here. \
             `sysctl vm.max_map_count=...` raises that",
            stacks - 1,
            limits::max_map_count()
        )
    } else if limits.bytes.is_some_and(|most| bytes > most) {
        format!(
            "no room for another stack of {} bytes below RLIMIT_AS = {} bytes: green threads hold {} already. \
             A smaller `stack_size` lets more of them in",
            size.usable(),
            limits::address_space_limit().unwrap_or(0),
            bytes - reservation.bytes
        )
    } else {
        return Ok(reservation);
    };
    reservation.release();
    Err(io::Error::new(io::ErrorKind::OutOfMemory, error))
}

/// Counts address space that a thread leaves mapped because live frames remain in it.
pub(super) fn leaked(bytes: usize) {
    if LIMITS.get().is_some_and(|limits| limits.bytes.is_some()) {
        BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Finds out which limit a mapping has met that failed. This takes long if there are many mappings, as they are
/// counted.
#[cold]
pub(crate) fn explain(error: io::Error) -> io::Error {
    if error.raw_os_error().is_none() {
        return error;
    }
    let address_space = limits::address_space_limit()
        .map_or_else(|| "unlimited".to_string(), |limit| format!("{limit} bytes"));
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        format!(
            "no memory for a green thread's stack ({error}): {} of vm.max_map_count = {} mappings in use, \
             RLIMIT_AS {address_space}, {} bytes of address space in use",
            limits::map_count(),
            limits::max_map_count(),
            limits::address_space_used()
        ),
    )
}
