//! Nobody looks.
#![forbid(unsafe_code)]

#[inline(always)]
pub(in crate::coroutine) fn set_switching(_: bool) {}
