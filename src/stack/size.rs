//! How large a stack is.
#![forbid(unsafe_code)]

use crate::sys::memory::page_size;
use std::io;

/// How many bytes below each stack fault. It is more than one page, because C code without stack probes can step over
/// one.
pub(crate) const GUARD: usize = 16 * 1024;

/// How many usable bytes a stack has by default.
///
/// With its guard a stack takes 196 KiB of address space: 49 pages. An odd number of pages spreads the hot top lines of
/// neighbouring stacks over the sets of the processor's caches, and a stride of this size costs about 390 bytes of page
/// tables for each stack, so that a million blocked threads stay below 4.7 KB each.
///
/// In programs that are not optimized each move of a value has a place of its own in the frame: to send 32 KiB through
/// a channel takes most of a MiB there. So stacks are larger in these; again with an odd number of pages.
const DEFAULT_USABLE: usize = if cfg!(debug_assertions) { 4100 * 1024 } else { 180 * 1024 };

/// The smallest stack: room for a panic with a backtrace in an optimized program.
const MIN_USABLE: usize = 32 * 1024;

/// The largest stack that makes sense in a 47-bit address space shared by many.
const MAX_USABLE: usize = 1 << 40;

/// A checked stack size, rounded up to whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StackSize {
    usable: usize,
}

impl Default for StackSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl StackSize {
    pub(super) const DEFAULT: Self = Self { usable: DEFAULT_USABLE };

    /// Checks a size asked for by a user.
    ///
    /// # Errors
    /// `InvalidInput` for zero and for more than 1 TiB. Sizes below 32 KiB are raised to that.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        if bytes == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a stack size of zero bytes: leave it unset for the default",
            ));
        }
        if bytes > MAX_USABLE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a stack size of {bytes} bytes is beyond the largest, {MAX_USABLE} bytes (1 TiB)"
                ),
            ));
        }
        Ok(Self { usable: bytes.max(MIN_USABLE).next_multiple_of(page_size()) })
    }

    pub(crate) fn usable(self) -> usize {
        self.usable
    }

    /// The address space of one stack with its guard.
    pub(crate) fn stride(self) -> usize {
        self.usable + GUARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_rounds() {
        assert_eq!(StackSize::new(0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(StackSize::new(usize::MAX).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(StackSize::new(1).unwrap().usable(), MIN_USABLE);
        assert_eq!(StackSize::new(100_001).unwrap().usable() % page_size(), 0);
        assert!(StackSize::default().usable() >= 64 * 1024);
    }
}
