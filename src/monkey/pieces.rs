//! The list of pieces of memory that is passed to a vectored call.

use libc::{c_int, iovec, size_t};

/// How many pieces the kernel takes in one call at most.
const MOST: usize = libc::UIO_MAXIOV as usize;

/// A copy of the list, not of the memory.
pub(super) struct Pieces(Vec<iovec>);

impl Pieces {
    /// # Safety
    /// `list` points to `count` valid entries.
    pub(super) unsafe fn of(list: *const iovec, count: size_t) -> Self {
        if list.is_null() {
            return Self(Vec::new());
        }
        // SAFETY: as the caller promises.
        Self(unsafe { std::slice::from_raw_parts(list, count.min(MOST)) }.to_vec())
    }

    /// Like [`of`](Self::of), for calls whose count is an `int`.
    ///
    /// # Safety
    /// As above, unless `count` is negative.
    pub(super) unsafe fn of_int(list: *const iovec, count: c_int) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self::of(list, usize::try_from(count).unwrap_or(0)) }
    }

    /// How many bytes they have together.
    pub(super) fn len(&self) -> usize {
        self.0.iter().fold(0, |sum, piece| sum.saturating_add(piece.iov_len))
    }

    /// What is left after the first `done` bytes.
    pub(super) fn after(&self, mut done: usize) -> Vec<iovec> {
        let mut rest = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            if done >= piece.iov_len {
                done -= piece.iov_len;
                continue;
            }
            rest.push(iovec {
                iov_base: piece.iov_base.wrapping_byte_add(done),
                iov_len: piece.iov_len - done,
            });
            done = 0;
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_begins_in_the_middle_of_a_piece() {
        let mut memory = [0u8; 10];
        let piece = |memory: &mut [u8]| iovec {
            iov_base: memory.as_mut_ptr().cast(),
            iov_len: memory.len(),
        };
        let (first, second) = memory.split_at_mut(4);
        let list = [piece(first), piece(&mut []), piece(second)];
        // SAFETY: a valid list.
        let pieces = unsafe { Pieces::of(list.as_ptr(), list.len()) };
        assert_eq!(pieces.len(), 10);
        let lengths =
            |done| pieces.after(done).iter().map(|piece| piece.iov_len).collect::<Vec<_>>();
        assert_eq!(lengths(0), [4, 6]);
        assert_eq!(lengths(3), [1, 6]);
        assert_eq!(lengths(4), [6]);
        assert_eq!(lengths(9), [1]);
        assert!(lengths(10).is_empty());
        assert_eq!(pieces.after(5)[0].iov_base.addr(), list[2].iov_base.addr() + 1);
    }
}
