//! Descriptors that travel with the data of a Unix socket.

use super::fault::{self, Syscall};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// How many descriptors the kernel sends at once at most.
const MAX_FDS: usize = 253;

/// Room for what else may come with the data where the user has asked for it: credentials (`SO_PASSCRED`), a pidfd
/// (`SO_PASSPIDFD`), a security label (`SO_PASSSEC`), times (`SO_TIMESTAMP`). It all comes before the descriptors.
const MORE: usize = 4096 + 512;

/// A pidfd of the sender.
const SCM_PIDFD: libc::c_int = 4;

/// Sends bytes with descriptors; never blocks. A peer that is gone is an error, not a signal.
pub(crate) fn send_fds(
    socket: BorrowedFd<'_>,
    buffer: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    fault::check(Syscall::Send)?;
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fds.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if fds.len() > MAX_FDS || !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "more than 253 descriptors cannot be sent at once",
        ));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(sendmsg(socket, &[IoSlice::new(buffer)], &mut control, flags)?)
}

/// The control data of one message.
#[repr(C, align(8))]
struct ControlData([MaybeUninit<u8>; MORE + 8 + 4 * (MAX_FDS + 1)]);

/// Receives bytes, and appends the descriptors that came with them; never blocks. Other control data is dropped, and a
/// descriptor in it closed.
pub(crate) fn recv_fds(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    fault::check(Syscall::Recv)?;
    let mut control = ControlData([const { MaybeUninit::uninit() }; _]);
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid, empty message header.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the kernel writes into the buffer, which we have exclusively, and into the control data, within their lengths.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, flags) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: recvmsg has filled the control data that the header names, which lives and is aligned for headers.
    unsafe { take_fds(&message, fds) };
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        // There is room for all that the kernel can send, so it is the table of open files that is full.
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    Ok(got)
}

/// Takes over the descriptors in control data.
///
/// # Safety
/// `message` comes from a successful `recvmsg` whose control data nobody has looked at yet, and is alive.
unsafe fn take_fds(message: &libc::msghdr, fds: &mut Vec<OwnedFd>) {
    // SAFETY: the header names control data that the kernel has filled.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null, or a header within the control data, which is aligned for it.
    while let Some(header) = unsafe { next.as_ref() } {
        let is_ours = header.cmsg_level == libc::SOL_SOCKET
            && matches!(header.cmsg_type, libc::SCM_RIGHTS | SCM_PIDFD);
        if is_ours {
            // SAFETY: `header` is one of those of the control data.
            let data: *const RawFd = unsafe { libc::CMSG_DATA(header) }.cast();
            // SAFETY: takes a length and computes with it.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            #[allow(clippy::unnecessary_cast, reason = "other C libraries have another type")]
            let length = header.cmsg_len as usize - before;
            for at in 0..length / size_of::<RawFd>() {
                // SAFETY: both kinds are arrays of descriptors, of the length that the header says.
                let raw = unsafe { data.add(at).read_unaligned() };
                // A pidfd that could not be made is a negative error.
                if raw >= 0 {
                    // SAFETY: the kernel has just made it for us.
                    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
                    if header.cmsg_type == libc::SCM_RIGHTS {
                        fds.push(fd);
                    }
                }
            }
        }
        // SAFETY: `header` is one of those of the control data of `message`.
        next = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn switch_on(socket: &UnixStream, option: libc::c_int) {
        let one: libc::c_int = 1;
        // SAFETY: the value is an int, which lives through the call.
        let done = unsafe {
            let value = (&raw const one).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, 4)
        };
        // An older system does not have each of these options.
        assert!(done == 0 || option == SO_PASSPIDFD);
    }

    const SO_PASSPIDFD: libc::c_int = 76;

    #[test]
    fn descriptors_beside_other_control_data_all_arrive_and_nothing_else_stays_open() {
        let null = File::open("/dev/null").unwrap();
        let (a, b) = UnixStream::pair().unwrap();
        for option in [libc::SO_PASSCRED, SO_PASSPIDFD, libc::SO_PASSSEC, libc::SO_TIMESTAMPNS] {
            switch_on(&b, option);
            let many: Vec<_> = (0..MAX_FDS).map(|_| null.as_fd()).collect();
            for count in [MAX_FDS, 1, 0] {
                send_fds(a.as_fd(), b"abc", &many[..count]).unwrap();
                let mut fds = Vec::new();
                let mut buffer = [0; 8];
                assert_eq!(recv_fds(b.as_fd(), &mut buffer, &mut fds).unwrap(), 3);
                assert_eq!(fds.len(), count);
            }
        }
        // Tests that run beside this one open descriptors too, so only pidfds are counted. None may be left.
        let is_pidfd = |entry: std::io::Result<std::fs::DirEntry>| {
            let target = entry.ok().and_then(|entry| std::fs::read_link(entry.path()).ok());
            target.is_some_and(|target| target.to_string_lossy().contains("pidfd"))
        };
        assert!(!std::fs::read_dir("/proc/self/fd").unwrap().any(is_pidfd));
    }
}
