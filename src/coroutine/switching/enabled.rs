//! The watchdog does not look while the stack changes.
#![forbid(unsafe_code)]

pub(in crate::coroutine) use crate::sys::look::set_switching;
