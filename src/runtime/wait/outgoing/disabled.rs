//! Each is sent at once.
#![forbid(unsafe_code)]

pub(crate) use crate::sys::socket::send;
