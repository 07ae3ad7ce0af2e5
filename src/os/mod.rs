//! What std's traits of the operating system ask for.
//!
//! Invariant: the only `unsafe` is that of `FromRawFd`, whose one method std declares unsafe.

mod fd;
