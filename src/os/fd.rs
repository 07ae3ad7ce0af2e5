//! Sockets from raw descriptors.

use super::unix::net::{UnixDatagram, UnixListener, UnixStream};
use crate::fs::File;
use crate::io::{PipeReader, PipeWriter};
use crate::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

macro_rules! from_raw_fd {
    ($($type:ty),*) => {$(
        impl FromRawFd for $type {
            unsafe fn from_raw_fd(fd: RawFd) -> Self {
                // SAFETY: the caller owns the descriptor and gives it up, as the trait asks.
                unsafe { OwnedFd::from_raw_fd(fd) }.into()
            }
        }
    )*};
}

from_raw_fd!(
    File,
    PipeReader,
    PipeWriter,
    TcpListener,
    TcpStream,
    UdpSocket,
    UnixDatagram,
    UnixListener,
    UnixStream
);
