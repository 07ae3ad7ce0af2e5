//! Each system call below a Unix socket, made to fail.
#![forbid(unsafe_code)]

use super::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use crate::net::Shutdown;
use crate::runtime::Runtime;
use crate::sys::fault::{Syscall, fail};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Runs on this OS thread, whose plan of faults it is, first plainly and then on a green thread.
fn both(body: fn()) {
    body();
    Runtime::new_current_thread().unwrap().run_local(body).unwrap();
}

fn name() -> SocketAddr {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("greenthread-faults-{}-{number}", std::process::id());
    SocketAddr::from_abstract_name(name).unwrap()
}

/// `operation` fails as planned, and the next time it succeeds.
fn fails_once<T>(call: Syscall, errno: i32, mut operation: impl FnMut() -> io::Result<T>) -> T {
    fail(call, 0, 1, errno);
    match operation() {
        Err(error) => assert_eq!(error.raw_os_error(), Some(errno)),
        Ok(_) => panic!("{call:?} was not made to fail"),
    }
    operation().unwrap()
}

#[test]
fn a_unix_socket_that_cannot_be_made_is_an_error() {
    both(|| {
        for call in [Syscall::Socket, Syscall::Bind, Syscall::Listen, Syscall::Fcntl] {
            fails_once(call, libc::EACCES, || UnixListener::bind_addr(&name()));
        }
        for call in [Syscall::Socket, Syscall::Bind] {
            fails_once(call, libc::EACCES, || UnixDatagram::bind_addr(&name()));
        }
        fails_once(Syscall::Socket, libc::EMFILE, UnixStream::pair);
        fails_once(Syscall::Socket, libc::EMFILE, UnixDatagram::pair);
        let address = name();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let connect = || UnixStream::connect_addr(&address);
        fails_once(Syscall::Socket, libc::ENFILE, connect);
        fails_once(Syscall::Connect, libc::ECONNREFUSED, connect);
        // A full backlog is waited for.
        fail(Syscall::Connect, 0, 3, libc::EAGAIN);
        let _stream = connect().unwrap();
        for errno in [libc::EMFILE, libc::ENFILE, libc::ECONNABORTED] {
            fails_once(Syscall::Accept, errno, || listener.accept());
            drop(connect().unwrap());
        }
        fails_once(Syscall::Dup, libc::EMFILE, || listener.try_clone());
        fails_once(Syscall::GetSockOpt, libc::ENOBUFS, || listener.take_error());
    });
}

#[test]
fn streams_report_each_error_once_and_lose_nothing() {
    both(|| {
        let (a, b) = UnixStream::pair().unwrap();
        fails_once(Syscall::Send, libc::EPIPE, || (&a).write(b"data"));
        let mut buffer = [0; 8];
        fail(Syscall::Recv, 0, 1, libc::EAGAIN);
        assert_eq!((&b).read(&mut buffer[..1]).unwrap(), 1, "it is waited for again");
        assert_eq!(fails_once(Syscall::Recv, libc::EINTR, || (&b).read(&mut buffer)), 3);
        let mut fds = Vec::new();
        fails_once(Syscall::Send, libc::EMFILE, || a.send_fds(b"x", &[a.as_fd()]));
        fails_once(Syscall::Recv, libc::EIO, || b.recv_fds(&mut buffer, &mut fds));
        assert_eq!(fds.len(), 1);
        let second = Some(Duration::from_secs(1));
        fails_once(Syscall::SetSockOpt, libc::EDOM, || a.set_read_timeout(second));
        fails_once(Syscall::SetSockOpt, libc::EDOM, || a.set_write_timeout(second));
        fails_once(Syscall::GetSockOpt, libc::ENOBUFS, || a.take_error());
        fails_once(Syscall::Dup, libc::EMFILE, || a.try_clone());
        fails_once(Syscall::Shutdown, libc::ENOTCONN, || a.shutdown(Shutdown::Both));
        assert_eq!((&b).read(&mut buffer).unwrap(), 0);
        let error = (&b).write(&buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn datagrams_report_each_error_once_and_lose_nothing() {
    both(|| {
        let address = name();
        let (a, b) = (UnixDatagram::unbound().unwrap(), UnixDatagram::bind_addr(&address).unwrap());
        fails_once(Syscall::Connect, libc::ECONNREFUSED, || a.connect_addr(&address));
        fails_once(Syscall::Send, libc::ENOBUFS, || a.send(b"one"));
        fails_once(Syscall::Send, libc::ENOBUFS, || a.send_to_addr(b"two", &address));
        // A full queue is waited for.
        fail(Syscall::Send, 0, 3, libc::EAGAIN);
        assert_eq!(a.send_to_addr(b"three", &address).unwrap(), 5);
        let mut buffer = [0; 8];
        fails_once(Syscall::Recv, libc::EIO, || b.recv(&mut buffer));
        assert_eq!(fails_once(Syscall::Recv, libc::EIO, || b.recv_from(&mut buffer)).0, 3);
        // A readiness that proves wrong: whether it is the end is asked, and that may fail too.
        fail(Syscall::Recv, 0, 1, libc::EAGAIN);
        fail(Syscall::Poll, 0, 1, libc::ENOMEM);
        assert_eq!(b.recv(&mut buffer).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
        assert_eq!(b.recv(&mut buffer).unwrap(), 5, "nothing was lost");
        fails_once(Syscall::Dup, libc::EMFILE, || a.try_clone());
        fails_once(Syscall::Shutdown, libc::ENOTCONN, || b.shutdown(Shutdown::Read));
        assert_eq!(b.recv(&mut buffer).unwrap(), 0);
    });
}
