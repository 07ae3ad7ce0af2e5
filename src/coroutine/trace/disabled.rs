//! The twin without the feature `inspect`: nobody asks where a green thread is.

use super::super::Control;
use super::super::port::Word;
use std::ptr::NonNull;

/// Returns at once.
///
/// # Safety
/// This one has no conditions; its twin has.
#[inline(always)]
pub(in crate::coroutine) unsafe fn answer(_: NonNull<Control>, _: *const Control, _: Word) {}
