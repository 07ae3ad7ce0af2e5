//! Sockets from raw descriptors.

use crate::net::{TcpListener, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

impl FromRawFd for TcpStream {
    unsafe fn from_raw_fd(fd: RawFd) -> Self {
        // SAFETY: the caller owns the descriptor and gives it up, as the trait asks.
        unsafe { OwnedFd::from_raw_fd(fd) }.into()
    }
}

impl FromRawFd for TcpListener {
    unsafe fn from_raw_fd(fd: RawFd) -> Self {
        // SAFETY: the caller owns the descriptor and gives it up, as the trait asks.
        unsafe { OwnedFd::from_raw_fd(fd) }.into()
    }
}
