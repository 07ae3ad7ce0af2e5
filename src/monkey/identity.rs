//! What a number means: the kind of the file behind it, and which one it is.
//!
//! Invariant: two descriptors with equal identities mean the same socket. Of other files that is not so: all `eventfd`s may have one
//! identity, and an inode does not tell two opens apart.

use crate::sys::bare::{self, socket_option};
use std::ffi::c_int;

/// The identity of the file behind a descriptor: its device and inode, or for a socket the kernel's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

/// The identity of a descriptor that stands for several others, which is equal to no file's.
pub(super) const SEVERAL: Identity = Identity(0, 0);

impl Identity {
    /// A place for it among so many.
    pub(super) fn place_among(self, count: usize) -> usize {
        self.1 as usize % count
    }
}

/// The identity of a socket, for which the kernel can be asked in a faster way. No file has the device zero.
pub(super) fn identity_of_socket(fd: c_int) -> Option<Identity> {
    let mut cookie = 0u64;
    // SAFETY: the option is such a number.
    if unsafe { socket_option(fd, libc::SO_COOKIE, &mut cookie) } == 0 {
        return Some(Identity(0, cookie));
    }
    examine(fd).map(|(_, identity)| identity)
}

pub(super) fn is_tcp(fd: c_int) -> bool {
    let mut protocol: c_int = 0;
    // SAFETY: the option is a number.
    let result = unsafe { socket_option(fd, libc::SO_PROTOCOL, &mut protocol) };
    result == 0 && protocol == libc::IPPROTO_TCP
}

/// The kind of file behind a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Socket,
    /// A pipe or a FIFO.
    Pipe,
    /// Something else that can be polled: a terminal, an `eventfd`, a `pidfd`, an epoll instance.
    Other,
    /// A file for which `poll` never waits, such as one on a disk, or a directory.
    Disk,
}

/// Asks the kernel what a descriptor is.
pub(super) fn examine(fd: c_int) -> Option<(FileKind, Identity)> {
    let stat = bare::stat(fd)?;
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFSOCK => FileKind::Socket,
        libc::S_IFIFO => FileKind::Pipe,
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => FileKind::Disk,
        _ => FileKind::Other,
    };
    Some((kind, Identity(stat.st_dev, stat.st_ino)))
}
