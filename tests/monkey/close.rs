//! Numbers that are closed while others wait for them.

use crate::{on, until_waits_exceed, waits};
use greenthread::spawn;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;

fn read_raw(fd: i32) -> Result<isize, i32> {
    let mut byte = [0u8; 1];
    // SAFETY: the buffer has room for one byte.
    let got = unsafe { libc::read(fd, byte.as_mut_ptr().cast(), 1) };
    if got < 0 { Err(std::io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(got) }
}

#[test]
fn closing_ends_the_waits_even_if_the_number_is_used_again() {
    for workers in [1, 2] {
        on(workers, || {
            let mut used_again = 0;
            for _ in 0..50 {
                let (a, _peer) = UnixStream::pair().unwrap();
                let fd = a.as_raw_fd();
                let before = waits("read");
                let reader = spawn(move || read_raw(fd));
                until_waits_exceed("read", before);
                drop(a);
                // The lowest free number is used again at once, unless another test was faster.
                let (b, mut b_peer) = UnixStream::pair().unwrap();
                assert_eq!(reader.join().unwrap(), Err(libc::EBADF));
                if b.as_raw_fd() != fd && b_peer.as_raw_fd() != fd {
                    continue;
                }
                used_again += 1;
                let next = spawn(move || read_raw(fd));
                greenthread::yield_now();
                if b.as_raw_fd() == fd {
                    b_peer.write_all(b"x").unwrap();
                } else {
                    (&b).write_all(b"x").unwrap();
                }
                assert_eq!(next.join().unwrap(), Ok(1));
            }
            assert!(used_again > 0);
        });
    }
}

#[test]
fn a_copy_in_a_child_does_not_keep_a_closed_number_registered() {
    on(1, || {
        let (a, mut peer) = UnixStream::pair().unwrap();
        let fd = a.as_raw_fd();
        // The child inherits a duplicate of the socket as its standard input.
        let copy = a.try_clone().unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("100")
            .stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(copy)))
            .spawn()
            .unwrap();
        let before = waits("read");
        let reader = spawn(move || read_raw(fd));
        until_waits_exceed("read", before);
        drop(a);
        assert_eq!(reader.join().unwrap(), Err(libc::EBADF));
        let (b, mut b_peer) = UnixStream::pair().unwrap();
        let mut next = UnixStream::from(std::os::fd::OwnedFd::from(b));
        let reader = spawn(move || {
            let mut byte = [0];
            next.read_exact(&mut byte).unwrap();
            byte[0]
        });
        peer.write_all(b"for the old one").unwrap();
        greenthread::yield_now();
        b_peer.write_all(b"n").unwrap();
        assert_eq!(reader.join().unwrap(), b'n');
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn a_number_that_is_replaced_by_dup2_ends_its_waits() {
    on(1, || {
        let (a, _peer) = UnixStream::pair().unwrap();
        let (b, mut b_peer) = UnixStream::pair().unwrap();
        let fd = a.into_raw_fd();
        let before = waits("read");
        let reader = spawn(move || read_raw(fd));
        until_waits_exceed("read", before);
        // SAFETY: both are open, and `fd` is ours.
        assert_eq!(unsafe { libc::dup2(b.as_raw_fd(), fd) }, fd);
        assert_eq!(reader.join().unwrap(), Err(libc::EBADF));
        b_peer.write_all(b"y").unwrap();
        assert_eq!(read_raw(fd), Ok(1));
        // SAFETY: the number is ours.
        drop(unsafe { UnixStream::from_raw_fd(fd) });
    });
}

/// Waits for something to read from a number, each time in another way, until it is closed.
fn wait_in_the_manner(which: usize, fd: i32) -> (isize, Option<i32>) {
    let entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut byte = [0u8; 4];
    // SAFETY: the buffer has four bytes, the entries are valid, the set has room for the number.
    let result = unsafe {
        match which {
            0 => libc::read(fd, byte.as_mut_ptr().cast(), 4),
            1 => libc::recv(fd, byte.as_mut_ptr().cast(), 4, libc::MSG_WAITALL),
            2 => libc::poll(&mut { entry }, 1, -1) as isize,
            3 => {
                let mut two = [entry, libc::pollfd { events: libc::POLLPRI, ..entry }];
                libc::poll(two.as_mut_ptr(), 2, -1) as isize
            }
            _ => {
                let mut set: libc::fd_set = std::mem::zeroed();
                libc::FD_SET(fd, &mut set);
                let none = std::ptr::null_mut();
                libc::select(fd + 1, &mut set, none, none, std::ptr::null_mut()) as isize
            }
        }
    };
    (result, std::io::Error::last_os_error().raw_os_error())
}

#[test]
fn who_waits_in_any_manner_is_told_that_the_number_is_closed() {
    for workers in [1, 2, 4] {
        on(workers, || {
            for (which, name) in ["read", "recv", "poll", "poll", "select"].into_iter().enumerate()
            {
                for _ in 0..10 {
                    let (a, _peer) = UnixStream::pair().unwrap();
                    let fd = a.as_raw_fd();
                    let before = waits(name);
                    let waiter = spawn(move || wait_in_the_manner(which, fd));
                    until_waits_exceed(name, before);
                    drop(a);
                    let (result, errno) = waiter.join().unwrap();
                    let is_told = if name == "poll" {
                        result > 0
                    } else {
                        result == -1 && errno == Some(libc::EBADF)
                    };
                    assert!(is_told, "{name}: {result}, {errno:?}");
                }
            }
        });
    }
}
