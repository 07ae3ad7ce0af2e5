//! How fast the processor's counter runs.
#![forbid(unsafe_code)]

use super::{clock, time};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A rate that was measured over so many nanoseconds is exact enough to be kept.
const LONG: u64 = 10_000_000;
/// How many bits of the rate are behind the binary point.
const BITS: u32 = 32;

/// The values of the clock and of the counter at the first call.
fn origin() -> (u64, u64) {
    static ORIGIN: OnceLock<(u64, u64)> = OnceLock::new();
    *ORIGIN.get_or_init(|| (time::now(), clock::ticks()))
}

/// Begins to measure.
pub(crate) fn measure() {
    origin();
}

/// The number of nanoseconds in which the counter goes up by so many ticks.
#[inline]
pub(crate) fn nanos(ticks: u64) -> u64 {
    static RATE: AtomicU64 = AtomicU64::new(0);
    let mut rate = RATE.load(Ordering::Relaxed);
    if rate == 0 {
        let (nanos, passed) = measured();
        rate = ((u128::from(nanos) << BITS) / u128::from(passed.max(1))) as u64;
        if nanos >= LONG {
            RATE.store(rate, Ordering::Relaxed);
        }
    }
    ((u128::from(ticks) * u128::from(rate)) >> BITS) as u64
}

#[cold]
fn measured() -> (u64, u64) {
    let (nanos, ticks) = origin();
    (time::now().saturating_sub(nanos), clock::ticks().saturating_sub(ticks))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// The pauses of a loaded machine show in both measurements, unless they fall between the two looks.
    #[test]
    fn ticks_are_told_in_nanoseconds() {
        measure();
        std::thread::sleep(Duration::from_millis(12));
        let close = (0..1000).any(|_| {
            let (begun, since) = (clock::ticks(), Instant::now());
            std::thread::sleep(Duration::from_millis(2));
            let (ticks, passed) = (clock::ticks() - begun, since.elapsed().as_nanos() as u64);
            nanos(ticks).abs_diff(passed) < passed / 50
        });
        assert!(close);
    }
}
