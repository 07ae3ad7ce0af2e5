//! The twin without the feature `io-uring`: each write is sent at once.
#![forbid(unsafe_code)]

pub(crate) use crate::sys::socket::send;
