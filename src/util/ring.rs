//! A growing first-in first-out ring for one owner.
//!
//! A run queue holds pointers to scattered stacks, so what it costs is cache misses; the ring keeps the pointers
//! themselves dense and lets the owner look a few places ahead to prefetch.
#![forbid(unsafe_code)]

/// First-in first-out queue of small copyable values with a power-of-two capacity.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    slots: Box<[Option<T>]>,
    head: usize,
    len: usize,
}

impl<T: Copy> Ring<T> {
    /// An empty ring with room for at least `capacity` values.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.next_power_of_two().max(2);
        Self { slots: vec![None; capacity].into_boxed_slice(), head: 0, len: 0 }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn index(&self, offset: usize) -> usize {
        self.head.wrapping_add(offset) & (self.slots.len() - 1)
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, value: T) {
        if self.len == self.slots.len() {
            self.grow();
        }
        let at = self.index(self.len);
        self.slots[at] = Some(value);
        self.len += 1;
    }

    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let at = self.index(0);
        let value = self.slots[at];
        self.head = self.index(1);
        self.len -= 1;
        value
    }

    /// The value `offset` places behind the front, without removing it.
    #[inline(always)]
    pub(crate) fn peek(&self, offset: usize) -> Option<T> {
        if offset < self.len { self.slots[self.index(offset)] } else { None }
    }

    #[cold]
    fn grow(&mut self) {
        let mut bigger = Vec::with_capacity(self.slots.len() * 2);
        bigger.extend((0..self.len).map(|i| self.slots[self.index(i)]));
        bigger.resize(self.slots.len() * 2, None);
        self.slots = bigger.into_boxed_slice();
        self.head = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn keeps_order_across_growth_and_wrap() {
        let mut ring = Ring::with_capacity(2);
        let (mut put, mut got) = (0u32, 0u32);
        for round in 0..200 {
            for _ in 0..(round % 7) + 1 {
                ring.push(put);
                put += 1;
            }
            assert_eq!(ring.peek(0), Some(got));
            for _ in 0..(round % 5) + 1 {
                if let Some(value) = ring.pop() {
                    assert_eq!(value, got);
                    got += 1;
                }
            }
        }
        while let Some(value) = ring.pop() {
            assert_eq!(value, got);
            got += 1;
        }
        assert_eq!((got, ring.len(), ring.peek(0)), (put, 0, None));
    }
}
