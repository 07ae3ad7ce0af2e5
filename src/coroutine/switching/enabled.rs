//! The twin with the feature `watchdog`: notes for its signal handler that the stack is being switched.
#![forbid(unsafe_code)]

pub(in crate::coroutine) use crate::sys::look::set_switching;
