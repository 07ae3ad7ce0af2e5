//! The clock: the only file of the library that asks what time it is. For simulated time this file would be replaced.

use std::time::{Duration, Instant, SystemTime};

/// The present time, on the clock that never goes back.
#[inline(always)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How much time has passed since then.
#[inline(always)]
pub(crate) fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}

/// The date, which people and other programs set.
#[allow(dead_code, reason = "profiles alone tell it")]
pub(crate) fn date() -> SystemTime {
    SystemTime::now()
}

/// A counter that goes up at a steady rate of the order of a gigahertz: on x86_64 the processor's, which is far cheaper
/// to read than the clock, elsewhere the clock itself in nanoseconds.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reading the counter has no effect on memory; every x86_64 processor has it.
    unsafe {
        std::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    super::time::now()
}
