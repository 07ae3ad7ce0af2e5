//! Sockets whose waits are short are waited for by what is known of them. What changes behind that knowledge is noticed.

use crate::children::in_child;
use crate::{on, until_waits_exceed, waits};
use greenthread::spawn;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Two ends of a connection, the first of which has been waited for a few times, never for long.
fn brisk_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut b, _) = listener.accept().unwrap();
    for _ in 0..5 {
        let before = waits("recv");
        let reader = spawn(move || {
            // Has room for more than will come, so that the socket is known to be empty then.
            let got = a.read(&mut [0; 10]).unwrap();
            (a, got)
        });
        until_waits_exceed("recv", before);
        b.write_all(b"abc").unwrap();
        let got;
        (a, got) = reader.join().unwrap();
        assert_eq!(got, 3);
    }
    (a, b)
}

/// Reads a byte that comes after the wait has begun.
fn reads(mut a: TcpStream, b: &mut TcpStream) -> TcpStream {
    let before = waits("recv");
    let reader = spawn(move || {
        a.read_exact(&mut [0; 1]).unwrap();
        a
    });
    until_waits_exceed("recv", before);
    b.write_all(b"x").unwrap();
    reader.join().unwrap()
}

#[test]
fn a_limit_that_is_set_between_two_waits_holds_for_the_second() {
    on(1, || {
        let fastest = (0..20)
            .map(|_| {
                let (a, _b) = brisk_pair();
                // By a copy of the number.
                a.try_clone().unwrap().set_read_timeout(Some(Duration::from_millis(2))).unwrap();
                let began = Instant::now();
                assert_eq!((&a).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
                began.elapsed()
            })
            .min();
        assert!(fastest.unwrap() < Duration::from_millis(80), "{fastest:?}");
        // And one that is taken away holds no more.
        let (a, mut b) = brisk_pair();
        a.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        assert_eq!((&a).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        a.set_read_timeout(None).unwrap();
        let late = spawn(move || {
            std::thread::sleep(Duration::from_millis(120));
            b.write_all(b"x").unwrap();
        });
        (&a).read_exact(&mut [0; 1]).unwrap();
        late.join().unwrap();
    });
}

#[test]
fn a_limit_longer_than_a_glance_is_not_forgotten() {
    on(1, || {
        let (a, mut b) = brisk_pair();
        a.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        let a = reads(a, &mut b);
        let began = Instant::now();
        assert_eq!((&a).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
    });
}

#[test]
fn what_is_made_non_blocking_between_two_waits_does_not_wait() {
    on(1, || {
        let (a, mut b) = brisk_pair();
        let copy = a.try_clone().unwrap();
        copy.set_nonblocking(true).unwrap();
        let before = waits("recv");
        assert_eq!((&a).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(waits("recv"), before);
        copy.set_nonblocking(false).unwrap();
        drop(reads(a, &mut b));
    });
}

#[test]
fn a_number_that_is_closed_behind_the_librarys_back_means_what_it_is_used_for_next() {
    for workers in [1, 2] {
        on(workers, || {
            let mut used_again = 0;
            for _ in 0..5 {
                let (a, _b) = brisk_pair();
                let fd = a.into_raw_fd();
                // SAFETY: the number is ours; a system call that nothing stands in for, as `fclose` makes one.
                unsafe { close_past_us(fd) };
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (mut peer, _) = listener.accept().unwrap();
                let again = [listener.as_raw_fd(), other.as_raw_fd(), peer.as_raw_fd()];
                let other = if again.contains(&fd) {
                    other
                } else {
                    // SAFETY: both are open or free numbers of this test's.
                    let copy = unsafe { libc::fcntl(other.as_raw_fd(), libc::F_DUPFD_CLOEXEC, fd) };
                    assert!(copy >= 0);
                    // SAFETY: made just now.
                    TcpStream::from(unsafe {
                        <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(copy)
                    })
                };
                used_again += usize::from(other.as_raw_fd() == fd);
                drop(reads(other, &mut peer));
            }
            assert!(used_again > 0);
        });
    }
}

/// Closes a number by `fclose`, which the C library does by a system call of its own.
unsafe fn close_past_us(fd: i32) {
    // SAFETY: the caller's number, which the file takes over.
    unsafe {
        let file = libc::fdopen(fd, c"r".as_ptr());
        assert!(!file.is_null());
        assert_eq!(libc::fclose(file), 0);
    }
}

#[test]
fn bytes_that_nothing_announces_are_found() {
    // Alone, as nothing is relied on in a process in which many numbers were closed behind the library's back.
    let outcome = in_child("glances::bytes_that_nothing_announces_are_found", find_unannounced);
    outcome.works();
}

fn find_unannounced() {
    on(1, || {
        let (a, mut b) = brisk_pair();
        // So few are not announced.
        let least: libc::c_int = 8;
        // SAFETY: the option is a number.
        let set = unsafe {
            libc::setsockopt(
                a.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVLOWAT,
                (&raw const least).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        assert_eq!(set, 0);
        let before = waits("recv");
        let reader = spawn(move || {
            let mut buffer = [0; 10];
            (&a).read(&mut buffer).unwrap()
        });
        until_waits_exceed("recv", before);
        b.write_all(b"abc").unwrap();
        assert_eq!(reader.join().unwrap(), 3);
    });
}
