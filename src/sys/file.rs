//! Descriptors as files.
#![forbid(unsafe_code)]

use super::fault::{self, Call};
use rustix::fs::{FileType, fstat};
use std::io;
use std::os::fd::BorrowedFd;

/// As `read(2)`.
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    fault::check(Call::Recv)?;
    Ok(rustix::io::read(fd, buffer)?)
}

/// Whether reading may have to wait for a disk, which no readiness tells of.
pub(crate) fn is_on_disk(fd: BorrowedFd<'_>) -> bool {
    fstat(fd).is_ok_and(|stat| {
        matches!(
            FileType::from_raw_mode(stat.st_mode),
            FileType::RegularFile | FileType::BlockDevice
        )
    })
}
