//! The twin with the feature `io-uring`: the writes in it leave by one system call.
#![forbid(unsafe_code)]

pub(crate) use crate::sys::outbox::Outbox;
