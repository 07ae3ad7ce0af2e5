//! Values addressed by small reusable keys that carry a generation.
#![forbid(unsafe_code)]

/// Where a value sits in a [`Slab`]; stale keys find nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlabKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl SlabKey {
    /// The key as one word, for places that carry a number only.
    pub(crate) fn to_usize(self) -> usize {
        (self.generation as usize) << 32 | self.index as usize
    }

    pub(crate) fn from_usize(word: usize) -> Self {
        Self { index: word as u32, generation: (word >> 32) as u32 }
    }
}

#[derive(Debug)]
struct SlabSlot<T> {
    generation: u32,
    value: Option<T>,
}

/// A vector with holes: insertion returns a key, removal makes the key stale.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<SlabSlot<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, value: T) -> SlabKey {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.value = Some(value);
            return SlabKey { index, generation: slot.generation };
        }
        let index = u32::try_from(self.slots.len()).expect("more than u32::MAX entries");
        self.slots.push(SlabSlot { generation: 0, value: Some(value) });
        SlabKey { index, generation: 0 }
    }

    pub(crate) fn get(&self, key: SlabKey) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation { slot.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, key: SlabKey) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation { slot.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: SlabKey) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        // 31 bits, so that a key's word never reaches the values a caller may reserve at the top.
        slot.generation = (slot.generation + 1) & 0x7fff_ffff;
        self.free.push(key.index);
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlabKey, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let key = SlabKey { index: index as u32, generation: slot.generation };
            Some((key, slot.value.as_ref()?))
        })
    }

    pub(crate) fn drain(&mut self) -> Vec<T> {
        let mut out = Vec::with_capacity(self.len());
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some(value) = slot.value.take() {
                slot.generation = (slot.generation + 1) & 0x7fff_ffff;
                self.free.push(index as u32);
                out.push(value);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Slab, SlabKey};

    #[test]
    fn stale_keys_find_nothing() {
        let mut slab = Slab::new();
        let a = slab.insert("a");
        let b = slab.insert("b");
        assert_eq!(slab.remove(a), Some("a"));
        let c = slab.insert("c");
        assert_eq!((c.index, slab.get(a)), (a.index, None));
        assert_eq!(slab.remove(a), None);
        assert_eq!((slab.get(b), slab.get(c), slab.len()), (Some(&"b"), Some(&"c"), 2));
        assert_eq!(SlabKey::from_usize(c.to_usize()), c);
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(c, &"c"), (b, &"b")]);
        assert_eq!(slab.drain(), ["c", "b"]);
        assert_eq!((slab.get(b), slab.len()), (None, 0));
    }
}
