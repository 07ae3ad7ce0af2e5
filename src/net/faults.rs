//! Tests in which the system calls behind sockets are made to fail.
#![forbid(unsafe_code)]

use super::{ListenOptions, Shutdown, TcpListener, TcpStream, UdpSocket};
use crate::runtime::Runtime;
use crate::sys::fault::{Syscall, fail};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Runs `body` on this OS thread, to which the plan of faults belongs: first plainly, then on a green thread.
fn both(body: fn()) {
    body();
    Runtime::new_current_thread().unwrap().run_local(body).unwrap();
}

#[test]
fn a_socket_that_cannot_be_made_is_an_error() {
    both(|| {
        for (call, errno) in [
            (Syscall::Socket, libc::EMFILE),
            (Syscall::Bind, libc::EADDRINUSE),
            (Syscall::Listen, libc::EADDRINUSE),
        ] {
            fail(call, 0, 1, errno);
            let error = TcpListener::bind("127.0.0.1:0").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for (call, errno) in [
            (Syscall::Socket, libc::ENFILE),
            (Syscall::Connect, libc::ENETUNREACH),
            (Syscall::GetSockOpt, libc::ENOBUFS),
        ] {
            fail(call, 0, 1, errno);
            match TcpStream::connect(address) {
                Err(error) => assert_eq!(error.raw_os_error(), Some(errno)),
                // The connection was established at once, so nobody asked for its outcome.
                Ok(stream) => assert!(call == Syscall::GetSockOpt && stream.take_error().is_err()),
            }
        }
        assert!(TcpStream::connect(address).is_ok(), "and nothing is left of it");
    });
}

#[test]
fn a_refused_connect_is_an_error() {
    both(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        fail(Syscall::Connect, 0, 1, libc::ECONNREFUSED);
        let refused = TcpStream::connect(listener.local_addr().unwrap()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn an_accept_that_failed_works_the_next_time() {
    both(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for errno in [libc::EMFILE, libc::ENFILE, libc::ECONNABORTED] {
            fail(Syscall::Accept, 0, 1, errno);
            assert_eq!(listener.accept().unwrap_err().raw_os_error(), Some(errno));
        }
        // A readiness that proves wrong is waited for again.
        fail(Syscall::Accept, 0, 1, libc::EAGAIN);
        assert!(listener.accept().is_ok(), "the connection is still in the backlog");
    });
}

#[test]
fn a_transfer_that_fails_loses_nothing() {
    both(|| {
        let (mut a, mut b) = pair();
        fail(Syscall::Send, 0, 1, libc::ECONNRESET);
        assert_eq!(a.write(b"x").unwrap_err().kind(), ErrorKind::ConnectionReset);
        a.write_all(b"data").unwrap();
        let mut buffer = [0; 8];
        fail(Syscall::Recv, 0, 1, libc::ETIMEDOUT);
        assert_eq!(b.read(&mut buffer).unwrap_err().kind(), ErrorKind::TimedOut);
        fail(Syscall::Recv, 0, 1, libc::EINTR);
        assert_eq!(b.read(&mut buffer).unwrap_err().kind(), ErrorKind::Interrupted);
        fail(Syscall::Recv, 0, 1, libc::EAGAIN);
        assert_eq!(b.read(&mut buffer).unwrap(), 4, "nothing was lost");
    });
}

#[test]
fn a_setting_that_fails_changes_nothing() {
    both(|| {
        let (a, _b) = pair();
        fail(Syscall::SetSockOpt, 0, 1, libc::EINVAL);
        assert!(a.set_read_timeout(Some(Duration::from_secs(1))).is_err());
        assert_eq!(a.read_timeout().unwrap(), None);
        fail(Syscall::SetSockOpt, 0, 1, libc::EINVAL);
        assert!(a.set_write_timeout(Some(Duration::from_secs(1))).is_err());
        fail(Syscall::Dup, 0, 1, libc::EMFILE);
        assert_eq!(a.try_clone().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        fail(Syscall::Shutdown, 0, 1, libc::ENOTCONN);
        assert_eq!(a.shutdown(Shutdown::Both).unwrap_err().kind(), ErrorKind::NotConnected);
        a.shutdown(Shutdown::Both).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        fail(Syscall::Dup, 0, 1, libc::EMFILE);
        assert_eq!(listener.try_clone().unwrap_err().raw_os_error(), Some(libc::EMFILE));
    });
}

#[test]
fn options_addresses_and_names_that_the_system_does_not_give_are_errors() {
    both(|| {
        let (a, _b) = pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let fails = |call, operation: &dyn Fn() -> std::io::Result<()>| {
            fail(call, 0, 1, libc::EDOM);
            assert_eq!(operation().unwrap_err().raw_os_error(), Some(libc::EDOM), "{call:?}");
            operation().unwrap();
        };
        fails(Syscall::SetSockOpt, &|| a.set_nodelay(true));
        fails(Syscall::SetSockOpt, &|| a.set_linger(None));
        fails(Syscall::SetSockOpt, &|| listener.set_ttl(9));
        fails(Syscall::SetSockOpt, &|| udp.set_broadcast(true));
        fails(Syscall::GetSockOpt, &|| a.ttl().map(drop));
        fails(Syscall::GetSockOpt, &|| listener.take_error().map(drop));
        fails(Syscall::GetName, &|| a.peer_addr().map(drop));
        fails(Syscall::GetName, &|| listener.local_addr().map(drop));
        fails(Syscall::GetName, &|| udp.local_addr().map(drop));
    });
    fail(Syscall::LookUp, 0, 1, libc::EDOM);
    let error = TcpListener::bind("localhost:0").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EDOM));
}

#[test]
fn a_wait_that_cannot_begin_is_an_error() {
    // On an OS thread `poll` fails, on a green thread the registration does.
    let (_a, mut b) = pair();
    fail(Syscall::Poll, 0, 1, libc::ENOMEM);
    assert_eq!(b.read(&mut [0]).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    let runtime = Runtime::new_current_thread().unwrap();
    runtime
        .run_local(|| {
            let (mut a, mut b) = pair();
            fail(Syscall::EpollCtl, 0, 1, libc::ENOSPC);
            assert_eq!(b.read(&mut [0]).unwrap_err().raw_os_error(), Some(libc::ENOSPC));
            a.write_all(b"x").unwrap();
            assert_eq!(b.read(&mut [0]).unwrap(), 1, "it registers when next asked");
        })
        .unwrap();
}

#[test]
fn each_step_of_listen_options_may_fail_and_the_next_address_is_tried() {
    both(|| {
        for call in [Syscall::Socket, Syscall::SetSockOpt, Syscall::Bind, Syscall::Listen] {
            fail(call, 0, 1, libc::EACCES);
            let error = ListenOptions::new().bind("127.0.0.1:0").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EACCES));
        }
        // The second address is tried.
        fail(Syscall::Bind, 0, 1, libc::EADDRINUSE);
        let both = ["127.0.0.1:0".parse().unwrap(); 2];
        ListenOptions::new().bind(&both[..]).unwrap();
    });
}

#[test]
fn datagrams_that_fail_are_errors_and_full_queues_are_waited_for() {
    both(|| {
        for call in [Syscall::Socket, Syscall::Bind] {
            fail(call, 0, 1, libc::EMFILE);
            let error = UdpSocket::bind("127.0.0.1:0").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        }
        let a = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = a.local_addr().unwrap();
        fail(Syscall::Connect, 0, 1, libc::ENETUNREACH);
        assert_eq!(a.connect(address).unwrap_err().kind(), ErrorKind::NetworkUnreachable);
        a.connect(address).unwrap();
        fail(Syscall::Send, 0, 2, libc::ENOBUFS);
        assert_eq!(a.send(b"x").unwrap_err().raw_os_error(), Some(libc::ENOBUFS));
        assert_eq!(a.send_to(b"x", address).unwrap_err().raw_os_error(), Some(libc::ENOBUFS));
        // There is no room yet. This uses a handle of its own, as the other one must not be registered yet when a
        // readiness proves wrong.
        let clone = a.try_clone().unwrap();
        fail(Syscall::Send, 0, 1, libc::EAGAIN);
        assert_eq!(clone.send(b"data").unwrap(), 4);
        let mut buffer = [0; 8];
        fail(Syscall::Recv, 0, 4, libc::ECONNREFUSED);
        for error in [
            a.recv(&mut buffer).unwrap_err(),
            a.peek(&mut buffer).unwrap_err(),
            a.recv_from(&mut buffer).unwrap_err(),
            a.peek_from(&mut buffer).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
        fail(Syscall::Recv, 0, 1, libc::EAGAIN);
        assert_eq!(a.recv_from(&mut buffer).unwrap(), (4, address), "nothing was lost");
        fail(Syscall::Dup, 0, 1, libc::EMFILE);
        assert_eq!(a.try_clone().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        fail(Syscall::SetSockOpt, 0, 1, libc::EINVAL);
        assert!(a.set_broadcast(true).is_err() && !a.broadcast().unwrap());
        fail(Syscall::GetSockOpt, 0, 1, libc::EINVAL);
        assert!(a.take_error().is_err());
    });
}
