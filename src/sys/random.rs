//! Random numbers: the only file of the library that makes them. For runs that can be repeated this file would be
//! replaced.
#![forbid(unsafe_code)]

use super::clock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the generator SplitMix64 adds for each number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Numbers for decisions, which favour no outcome. They are no secret: whoever knows some of them can compute the next.
///
/// They come from SplitMix64. The seed is the processor's counter of cycles. That grows evenly in a loop, so a mere
/// product of it would favour one outcome for thousands of rounds.
#[derive(Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self(clock::ticks())
    }

    /// The next number, below `bound`.
    #[inline(always)]
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(STEP);
        (mixed(self.0) >> 32) as usize % bound
    }
}

/// Like [`Numbers`], for several threads at once. The sequence is the same in each run.
#[derive(Debug)]
pub(crate) struct SharedNumbers(AtomicU64);

impl SharedNumbers {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(1))
    }

    pub(crate) fn next(&self) -> u64 {
        mixed(self.0.fetch_add(STEP, Ordering::Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_favoured() {
        let mut counts = [0; 5];
        for _ in 0..5000 {
            counts[Numbers::new().below(5)] += 1;
        }
        assert!(counts.iter().all(|count| (700..1300).contains(count)), "{counts:?}");
    }

    #[test]
    fn threads_share_numbers_without_a_pattern() {
        let (numbers, mut counts) = (SharedNumbers::new(), [0; 16]);
        (0..16_000).for_each(|_| counts[(numbers.next() % 16) as usize] += 1);
        assert!(counts.iter().all(|count| (700..1300).contains(count)), "{counts:?}");
    }
}
