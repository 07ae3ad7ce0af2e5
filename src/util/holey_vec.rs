//! Values in numbered places, for callers that keep the number themselves.
//!
//! A [`Slab`](super::slab::Slab) is the same for keys that may be stale: each of its places has a generation, which is
//! looked at. A caller of this one knows in another way whether the number is still that of its value.
#![forbid(unsafe_code)]

/// A vector with holes, which are filled first.
#[derive(Debug)]
pub(crate) struct HoleyVec<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for HoleyVec<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> HoleyVec<T> {
    /// The place that the next value will have.
    pub(crate) fn next(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.places.len() as u32)
    }

    /// Puts a value in, and returns its place, which is what [`next`](Self::next) has said.
    #[inline]
    pub(crate) fn add(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = Some(value);
                place
            }
            None => {
                self.places.push(Some(value));
                (self.places.len() - 1) as u32
            }
        }
    }

    /// Frees a place that is known to be taken: a single store, which looks at nothing.
    #[inline]
    pub(crate) fn free(&mut self, place: u32) {
        self.places[place as usize] = None;
        self.free.push(place);
    }

    /// Takes out the value at a place, if there is one.
    pub(crate) fn take(&mut self, place: u32) -> Option<T> {
        let value = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(value)
    }

    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_ref()
    }

    /// The values from a place on, with their places.
    pub(crate) fn iter_from(&self, place: usize) -> impl Iterator<Item = (usize, &T)> {
        let rest = self.places.iter().enumerate().skip(place);
        rest.filter_map(|(at, value)| value.as_ref().map(|value| (at, value)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a place is in memory, for a prefetch.
    #[inline]
    pub(crate) fn address(&self, place: u32) -> *const Option<T> {
        self.places.as_ptr().wrapping_add(place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::HoleyVec;

    #[test]
    fn holes_are_filled_first() {
        let mut places = HoleyVec::default();
        assert_eq!(['a', 'b', 'c'].map(|value| places.add(value)), [0, 1, 2]);
        assert_eq!((places.take(1), places.take(1), places.take(9)), (Some('b'), None, None));
        places.free(0);
        assert_eq!(
            (places.len(), places.next(), places.get(0), places.get(2)),
            (1, 0, None, Some(&'c'))
        );
        assert_eq!((places.add('d'), places.add('e'), places.add('f')), (0, 1, 3));
        assert_eq!(places.iter().collect::<String>(), "decf");
        assert_eq!(places.iter_from(2).collect::<Vec<_>>(), [(2, &'c'), (3, &'f')]);
    }
}
