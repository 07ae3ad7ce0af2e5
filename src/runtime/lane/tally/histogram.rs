//! Counts of values by their magnitude.
#![forbid(unsafe_code)]

use super::enabled::Count;
use serde::Serialize;

/// Values counted by powers of two.
///
/// # Examples
/// ```
/// let runtime = greenthread::Runtime::builder().workers(1).build()?;
/// runtime.run(greenthread::yield_now).unwrap();
/// let metrics = runtime.metrics();
/// let latency = &metrics.workers[0].latency;
/// println!("{} looks, half of them below {} ns", latency.count(), latency.quantile(0.5));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Histogram {
    /// How many values there were of each magnitude: first those that are 0, then those that are 1, then those below 4,
    /// below 8, below 16 and so on. The last also counts all that are larger.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Histogram {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The mean of all values; zero if there are none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let count = self.count();
        if count == 0 { 0.0 } else { self.sum as f64 / count as f64 }
    }

    /// A power of two that this part of the values, given between 0 and 1, is below; zero if there are no values.
    #[must_use]
    pub fn quantile(&self, part: f64) -> u64 {
        let rank = (self.count() as f64 * part.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (below, count) in self.buckets() {
            seen += count;
            if seen >= rank {
                return below;
            }
        }
        0
    }

    /// Each power of two, with how many values were below it and not below the one before.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().enumerate().map(|(at, &count)| (1 << at, count))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, count)| *own += count);
        self.sum += other.sum;
    }
}

/// A histogram that one thread writes.
#[derive(Debug)]
pub(super) struct Log2<const N: usize> {
    counts: [Count; N],
    sum: Count,
}

impl<const N: usize> Default for Log2<N> {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| Count::default()), sum: Count::default() }
    }
}

impl<const N: usize> Log2<N> {
    #[inline]
    pub(super) fn note(&self, value: u64) {
        let bits = (u64::BITS - value.leading_zeros()) as usize;
        self.counts[bits.min(N - 1)].add(1);
        self.sum.add(value);
    }

    pub(super) fn read(&self) -> Histogram {
        Histogram { counts: self.counts.iter().map(Count::get).collect(), sum: self.sum.get() }
    }

    pub(super) fn reset(&self) {
        self.counts.iter().for_each(Count::reset);
        self.sum.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_by_powers_of_two() {
        let own = Log2::<6>::default();
        for value in [0, 1, 2, 3, 4, 7, 8, 1000] {
            own.note(value);
        }
        let seen = own.read();
        assert_eq!((seen.counts.as_slice(), seen.sum), (&[1, 1, 2, 2, 1, 1][..], 1025));
        assert_eq!((seen.count(), seen.mean()), (8, 1025.0 / 8.0));
        let quantiles = [0.0, 0.5, 0.75, 0.76, 1.0].map(|part| seen.quantile(part));
        assert_eq!(quantiles, [1, 4, 8, 16, 32]);
        let mut twice = seen.clone();
        twice.add(&seen);
        assert_eq!((twice.count(), twice.sum), (16, 2050));
        own.reset();
        assert_eq!((own.read().count(), own.read().quantile(0.5)), (0, 0));
    }
}
