//! Writes leave by one system call.
#![forbid(unsafe_code)]

pub(crate) use crate::sys::outbox::Outbox;
