//! Places in a stream where the system ends a read although there is more: what is behind them must not be waited for.

use crate::support::{everywhere, until};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::{sleep, spawn};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Reads what `send` sends on `from`, all of which is there, and known to be, before the first read of it.
fn everything_is_read<S>(mut to: S, from: impl Write, send: impl FnOnce(), expected: &'static str)
where
    S: Read + Send + 'static,
{
    let mut from = from;
    let (first, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (got_first, may_go_on) = (Arc::clone(&first), Arc::clone(&sent));
    let reader = spawn(move || {
        let mut buffer = [0; 64];
        assert_eq!(to.read(&mut buffer).unwrap(), 1);
        got_first.store(true, Ordering::SeqCst);
        until(|| may_go_on.load(Ordering::SeqCst));
        let mut all = String::new();
        while all.len() < expected.len() {
            let got = to.read(&mut buffer).unwrap();
            all.push_str(std::str::from_utf8(&buffer[..got]).unwrap());
        }
        assert_eq!(all, expected);
    });
    // The reader waits, and so is registered.
    sleep(Duration::from_millis(5));
    from.write_all(b"!").unwrap();
    until(|| first.load(Ordering::SeqCst));
    send();
    // The hub learns of it.
    sleep(Duration::from_millis(5));
    sent.store(true, Ordering::SeqCst);
    reader.join().unwrap();
}

#[test]
fn what_is_behind_urgent_data_is_read() {
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let from = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (to, _) = listener.accept().unwrap();
        let urgently = || {
            (&from).write_all(b"before").unwrap();
            send(&from, b"x", SendFlags::OOB).unwrap();
            (&from).write_all(b"behind").unwrap();
        };
        everything_is_read(to, &from, urgently, "beforebehind");
    });
}

#[test]
fn what_comes_behind_descriptors_is_read() {
    everywhere(|| {
        let (from, to) = UnixStream::pair().unwrap();
        let with_descriptors = || {
            from.send_fds(b"with", &[from.as_fd()]).unwrap();
            (&from).write_all(b"without").unwrap();
        };
        everything_is_read(to, &from, with_descriptors, "withwithout");
    });
}

/// std has no type for these, so they are used as streams.
#[test]
fn what_comes_behind_a_packet_is_read() {
    everywhere(|| {
        let (unix, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (from, to) = socketpair(unix, kind, SocketFlags::CLOEXEC, None).unwrap();
        let (from, to) = (UnixStream::from(from), UnixStream::from(to));
        let packets = || {
            (&from).write_all(b"one").unwrap();
            (&from).write_all(b"two").unwrap();
        };
        everything_is_read(to, &from, packets, "onetwo");
    });
}
