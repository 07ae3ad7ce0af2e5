//! The clock: the one place of the library that asks what time it is. Whoever wants other time to pass in it replaces this file.

use std::time::{Duration, Instant, SystemTime};

/// Now, on the clock that never goes back.
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

/// A counter of the processor that goes up at some steady rate of the order of a gigahertz; far cheaper than the clock.
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
