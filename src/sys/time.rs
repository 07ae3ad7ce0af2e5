//! The monotonic clock as one number.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// A counter of the processor that goes up at some steady rate of the order of a gigahertz; far cheaper than the clock.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reading the counter has no effect on memory; every x86_64 processor has it.
    unsafe {
        std::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    now()
}

/// Nanoseconds of an instant since the first use of the library; instants before that count as zero and instants
/// more than 500 years ahead as 500 years.
pub(crate) fn nanos(instant: Instant) -> u64 {
    let nanos = instant.saturating_duration_since(origin()).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// Nanoseconds now, on the scale of [`nanos`].
pub(crate) fn now() -> u64 {
    nanos(Instant::now())
}

/// The instant `after` from now, or `None` where it is too far ahead for the clock: for ever.
pub(crate) fn deadline_after(after: Duration) -> Option<Instant> {
    Instant::now().checked_add(after)
}
