//! Transfers on a socket that never block, whatever the mode of the socket.
//!
//! `MSG_DONTWAIT` holds for one call, so `O_NONBLOCK` need not be set on a connection: that would be shared with every
//! duplicate of the descriptor, in other processes too, and some of those may expect to block.

use super::fault::{self, Syscall};
use super::net::address::Address;
use rustix::net;
use socket2::SockRef;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd};

fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// How to receive, besides not blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    Consume,
    Peek,
    /// Consume, and return the size of the whole datagram, of which perhaps only a part fitted.
    WithSize,
}

impl Take {
    fn flags(self) -> libc::c_int {
        libc::MSG_DONTWAIT
            | match self {
                Self::Consume => 0,
                Self::Peek => libc::MSG_PEEK,
                Self::WithSize => libc::MSG_TRUNC,
            }
    }
}

/// As `recv(2)`.
#[inline]
pub(crate) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8], take: Take) -> io::Result<usize> {
    fault::check(Syscall::Recv)?;
    let flags = net::RecvFlags::from_bits_retain(take.flags() as u32);
    Ok(net::recv(fd, buffer, flags)?.0)
}

/// The size of the next datagram, which stays where it is.
pub(crate) fn next_size(fd: BorrowedFd<'_>) -> io::Result<usize> {
    fault::check(Syscall::Recv)?;
    let flags = net::RecvFlags::DONTWAIT | net::RecvFlags::PEEK | net::RecvFlags::TRUNC;
    // The buffer is empty, so the second number is the whole size.
    Ok(net::recv(fd, &mut [0; 0], flags)?.1)
}

/// As `send(2)`; a peer that is gone is an error, not a signal.
#[inline]
pub(crate) fn send(fd: BorrowedFd<'_>, buffer: &[u8]) -> io::Result<usize> {
    fault::check(Syscall::Send)?;
    Ok(net::send(fd, buffer, net::SendFlags::DONTWAIT | net::SendFlags::NOSIGNAL)?)
}

/// As `recvfrom(2)`.
pub(crate) fn recv_from(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    take: Take,
) -> io::Result<(usize, Address)> {
    fault::check(Syscall::Recv)?;
    // SAFETY: initialized bytes may be seen as perhaps uninitialized ones as long as nothing makes them so, and receiving
    // only writes bytes.
    let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
    SockRef::from(&fd).recv_from_with_flags(buffer, take.flags())
}

/// As `sendto(2)`; a peer that is gone is an error, not a signal.
pub(crate) fn send_to(fd: BorrowedFd<'_>, buffer: &[u8], to: &Address) -> io::Result<usize> {
    fault::check(Syscall::Send)?;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    SockRef::from(&fd).send_to_with_flags(buffer, to, flags)
}

/// How many pieces the kernel takes in one call at most.
pub(crate) const MAX_PIECES: usize = libc::UIO_MAXIOV as usize;

/// As `readv(2)`.
pub(crate) fn recv_vectored(
    fd: BorrowedFd<'_>,
    buffers: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    fault::check(Syscall::Recv)?;
    // SAFETY: all-zero is a valid, empty message header.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = buffers.as_mut_ptr().cast();
    message.msg_iovlen = buffers.len().min(MAX_PIECES) as _;
    // SAFETY: `IoSliceMut` has the layout of `iovec`; the kernel writes into the slices, which we have exclusively.
    count(unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, libc::MSG_DONTWAIT) })
}

/// Several pieces of up to so many bytes in all are copied into one: that costs less than what the kernel does for
/// pieces.
const SMALL: usize = 512;

/// As `writev(2)`; a peer that is gone is an error, not a signal.
pub(crate) fn send_vectored(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    let pieces = &buffers[..buffers.len().min(MAX_PIECES)];
    if let [one] = pieces {
        return send(fd, one);
    }
    if (1..=SMALL).contains(&pieces.iter().map(|piece| piece.len()).fold(0, usize::saturating_add))
    {
        let (mut all, mut length) = ([0; SMALL], 0);
        for piece in pieces {
            all[length..][..piece.len()].copy_from_slice(piece);
            length += piece.len();
        }
        return send(fd, &all[..length]);
    }
    fault::check(Syscall::Send)?;
    // SAFETY: all-zero is a valid, empty message header.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = buffers.as_ptr().cast_mut().cast();
    message.msg_iovlen = buffers.len().min(MAX_PIECES) as _;
    // SAFETY: `IoSlice` has the layout of `iovec`; sendmsg only reads what it is given.
    count(unsafe {
        libc::sendmsg(fd.as_raw_fd(), &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    })
}

/// As `shutdown(2)`.
pub(crate) fn shut_down(fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
    fault::check(Syscall::Shutdown)?;
    SockRef::from(&fd).shutdown(how)
}

/// Whether closing this socket may take time (`SO_LINGER`).
pub(crate) fn lingers(fd: BorrowedFd<'_>) -> bool {
    let linger = fault::check(Syscall::GetLinger).and_then(|()| SockRef::from(&fd).linger());
    linger.is_ok_and(|linger| linger.is_some_and(|time| !time.is_zero()))
}

/// The error that a socket has met since it was last asked.
pub(crate) fn take_error(fd: BorrowedFd<'_>) -> io::Result<Option<io::Error>> {
    fault::check(Syscall::GetSockOpt)?;
    SockRef::from(&fd).take_error()
}

/// Whether `O_NONBLOCK` is set.
pub(crate) fn is_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    fault::check(Syscall::Fcntl)?;
    // SAFETY: F_GETFL only reads the descriptor's flags.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 { Err(io::Error::last_os_error()) } else { Ok(flags & libc::O_NONBLOCK != 0) }
}

/// Sets or clears `O_NONBLOCK`, for every duplicate of the descriptor.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    fault::check(Syscall::Fcntl)?;
    Ok(rustix::io::ioctl_fionbio(fd, nonblocking)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn never_block_and_fail_when_told() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut buffer = [0; 8];
        let empty = recv(a.as_fd(), &mut buffer, Take::Consume).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(
            send_vectored(b.as_fd(), &[IoSlice::new(b"ab"), IoSlice::new(b"c")]).unwrap(),
            3
        );
        assert_eq!(recv(a.as_fd(), &mut buffer, Take::Peek).unwrap(), 3);
        assert_eq!(send_vectored(b.as_fd(), &[IoSlice::new(b"")]).unwrap(), 0);
        let (mut one, mut rest) = ([0; 1], [0; 9]);
        let mut pieces = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut rest)];
        assert_eq!(recv_vectored(a.as_fd(), &mut pieces).unwrap(), 3);
        assert_eq!((&one, &rest[..2]), (b"a", &b"bc"[..]));
        for size in [1, SMALL / 2, SMALL / 2 + 1] {
            let (first, second) = (vec![b'x'; size], vec![b'y'; size]);
            let pieces = [IoSlice::new(&first), IoSlice::new(b""), IoSlice::new(&second)];
            assert_eq!(send_vectored(b.as_fd(), &pieces).unwrap(), 2 * size);
            let mut got = vec![0; 2 * size + 1];
            assert_eq!(recv(a.as_fd(), &mut got, Take::Consume).unwrap(), 2 * size);
            assert!(got[..size] == first && got[size..2 * size] == second);
        }
        assert!(!is_nonblocking(a.as_fd()).unwrap());
        fault::fail(Syscall::Recv, 0, 2, libc::ECONNRESET);
        assert!(recv(a.as_fd(), &mut buffer, Take::Consume).is_err());
        assert!(recv_vectored(a.as_fd(), &mut []).is_err());
        fault::fail(Syscall::Send, 0, 2, libc::EPIPE);
        assert!(send(a.as_fd(), b"x").is_err());
        assert!(send_vectored(a.as_fd(), &[]).is_err());
        fault::fail(Syscall::Fcntl, 0, 1, libc::EBADF);
        assert!(is_nonblocking(a.as_fd()).is_err());
        drop(a);
        assert_eq!(send(b.as_fd(), b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
