//! What std documents of its Unix sockets, on ours: each case on green threads and on an OS thread.

use crate::support::{everywhere, within_limit, workers};
use greenthread::net::Shutdown;
use greenthread::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use greenthread::{sleep, spawn, yield_now};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net as std_net;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A path that nothing else uses; what is there is removed at the end.
struct TempPath(PathBuf);

impl TempPath {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("greenthread-unix-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl AsRef<std::path::Path> for TempPath {
    fn as_ref(&self) -> &std::path::Path {
        &self.0
    }
}

fn abstract_name() -> SocketAddr {
    let path = TempPath::new();
    SocketAddr::from_abstract_name(path.0.as_os_str().as_encoded_bytes()).unwrap()
}

macro_rules! cases {
    ($(fn $name:ident() $body:block)*) => {
        $(#[test] fn $name() { everywhere(|| $body) })*
    };
}

cases! {
    fn listen_connect_and_talk() {
        let path = TempPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path.0));
        let server = spawn(move || {
            let (mut stream, from) = listener.accept().unwrap();
            assert!(from.is_unnamed());
            let mut text = [0; 5];
            stream.read_exact(&mut text).unwrap();
            stream.write_all(&text).unwrap();
            text
        });
        let mut stream = UnixStream::connect(&path).unwrap();
        assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path.0));
        assert!(stream.local_addr().unwrap().is_unnamed());
        stream.write_all(b"hello").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), &server.join().unwrap()), ("hello", b"hello"));
    }

    fn errors_of_paths() {
        let path = TempPath::new();
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let long = "x".repeat(200);
        for path in [long.as_str(), "a\0b", "\0abstract"] {
            assert_eq!(UnixListener::bind(path).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(UnixStream::connect(path).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(UnixDatagram::bind(path).unwrap_err().kind(), ErrorKind::InvalidInput);
            let socket = UnixDatagram::unbound().unwrap();
            assert_eq!(socket.connect(path).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(socket.send_to(b"x", path).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }

    fn abstract_names() {
        let name = abstract_name();
        let listener = UnixListener::bind_addr(&name).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.as_abstract_name(), name.as_abstract_name());
        assert_eq!(UnixListener::bind_addr(&name).unwrap_err().kind(), ErrorKind::AddrInUse);
        let client = UnixStream::connect_addr(&name).unwrap();
        assert_eq!(client.peer_addr().unwrap().as_abstract_name(), name.as_abstract_name());
        drop(listener.accept().unwrap());
        drop(listener);
        assert_eq!(UnixStream::connect_addr(&name).unwrap_err().kind(), ErrorKind::ConnectionRefused);

        let receiver = UnixDatagram::bind_addr(&name).unwrap();
        let other = abstract_name();
        let sender = UnixDatagram::bind_addr(&other).unwrap();
        sender.send_to_addr(b"to", &name).unwrap();
        let (size, from) = receiver.recv_from(&mut [0; 8]).unwrap();
        assert_eq!((size, from.as_abstract_name()), (2, other.as_abstract_name()));
        receiver.connect_addr(&from).unwrap();
        assert_eq!(receiver.peer_addr().unwrap().as_abstract_name(), other.as_abstract_name());
        receiver.send(b"back").unwrap();
        assert_eq!(sender.recv(&mut [0; 8]).unwrap(), 4);
    }

    fn incoming_accepts_one_connection_after_the_other() {
        let path = TempPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.incoming().size_hint().0, usize::MAX);
        let server = spawn(move || {
            let mut all = String::new();
            for stream in (&listener).into_iter().take(3) {
                (&stream.unwrap()).read_to_string(&mut all).unwrap();
            }
            all
        });
        for text in ["a", "b", "c"] {
            let stream = UnixStream::connect(&path).unwrap();
            (&stream).write_all(text.as_bytes()).unwrap();
            (&stream).flush().unwrap();
        }
        assert_eq!(server.join().unwrap(), "abc");
    }

    fn a_full_backlog_makes_connect_wait() {
        use socket2::{Domain, SockAddr, Socket, Type};
        let path = TempPath::new();
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let listener = UnixListener::from(OwnedFd::from(socket));
        let connected = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..5).map(|_| {
            let (path, connected) = (path.0.clone(), Arc::clone(&connected));
            spawn(move || {
                let stream = UnixStream::connect(path).unwrap();
                connected.fetch_add(1, Ordering::SeqCst);
                stream
            })
        }).collect();
        sleep(Duration::from_millis(5));
        assert!(connected.load(Ordering::SeqCst) < 5);
        let _accepted: Vec<_> = listener.incoming().take(5).map(Result::unwrap).collect();
        clients.into_iter().for_each(|client| drop(client.join().unwrap()));
    }

    fn half_close_and_the_end() {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        a.write_all(b"last").unwrap();
        a.shutdown(Shutdown::Write).unwrap();
        assert_eq!(a.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut text = String::new();
        b.read_to_string(&mut text).unwrap();
        assert_eq!(text, "last");
        b.write_all(b"other way").unwrap();
        drop(b);
        a.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), a.read(&mut [0]).unwrap()), ("lastother way", 0));
        assert_eq!((&a).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    fn shutdown_wakes_a_reader() {
        let (a, b) = UnixStream::pair().unwrap();
        let (a, reading) = (Arc::new(a), b.try_clone().unwrap());
        let reader = spawn(move || (&reading).read(&mut [0]).unwrap());
        let inside = Arc::clone(&a);
        let other = spawn(move || (&*inside).read(&mut [0]).unwrap());
        sleep(Duration::from_millis(2));
        b.shutdown(Shutdown::Both).unwrap();
        assert_eq!((reader.join().unwrap(), other.join().unwrap()), (0, 0));
    }

    fn megabytes_both_ways() {
        let (a, b) = UnixStream::pair().unwrap();
        let ends: Vec<_> = [a, b].into_iter().map(|stream| spawn(move || {
            let stream = Arc::new(stream);
            let writing = Arc::clone(&stream);
            let writer = spawn(move || {
                (&*writing).write_all(&vec![7; 2 << 20]).unwrap();
                writing.shutdown(Shutdown::Write).unwrap();
            });
            let mut all = Vec::new();
            (&*stream).read_to_end(&mut all).unwrap();
            writer.join().unwrap();
            assert!(all.iter().all(|&byte| byte == 7));
            all.len()
        })).collect();
        for end in ends {
            assert_eq!(end.join().unwrap(), 2 << 20);
        }
    }

    fn several_buffers_at_once_are_written_and_read_in_order() {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        let sent = a.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"c")]);
        assert_eq!(sent.unwrap(), 3);
        let (mut one, mut rest) = ([0; 1], [0; 9]);
        let mut pieces = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut rest)];
        assert_eq!(b.read_vectored(&mut pieces).unwrap(), 3);
        assert_eq!((&one, &rest[..2]), (b"a", &b"bc"[..]));
    }

    fn timeouts_of_streams() {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        assert_eq!((a.read_timeout().unwrap(), a.write_timeout().unwrap()), (None, None));
        let timeout = Some(Duration::from_millis(20));
        a.set_read_timeout(timeout).unwrap();
        a.set_write_timeout(timeout).unwrap();
        assert_eq!((a.read_timeout().unwrap(), a.write_timeout().unwrap()), (timeout, timeout));
        assert_eq!(a.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
        let begin = Instant::now();
        assert_eq!(a.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(begin.elapsed() >= Duration::from_millis(20));
        // A stalled peer.
        let error = loop {
            if let Err(error) = a.write(&[0; 100_000]) { break error }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        b.write_all(b"x").unwrap();
        assert_eq!(a.read(&mut [0; 2]).unwrap(), 1);
    }

    fn nonblocking_streams() {
        let path = TempPath::new();
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        assert!(listener.take_error().unwrap().is_none());
        let mut client = UnixStream::connect(&path).unwrap();
        let mut server = listener.try_clone().unwrap().accept().unwrap().0;
        server.set_nonblocking(true).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        server.set_nonblocking(false).unwrap();
        client.write_all(b"x").unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 1);
        assert!(client.take_error().unwrap().is_none());
    }

    fn descriptors_travel() {
        let (a, b) = UnixStream::pair().unwrap();
        let ends: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
        let fds: Vec<_> = ends.iter().map(|(_, far)| far.as_fd()).collect();
        let receiver = spawn(move || {
            let (mut buffer, mut fds) = ([0; 16], Vec::new());
            let size = b.recv_fds(&mut buffer, &mut fds).unwrap();
            (buffer[..size].to_vec(), fds, b)
        });
        assert_eq!(a.send_fds(b"three", &fds).unwrap(), 5);
        let (text, fds, b) = receiver.join().unwrap();
        assert_eq!((&*text, fds.len()), (&b"three"[..], 3));
        for (at, ((near, far), fd)) in ends.into_iter().zip(fds).enumerate() {
            drop(far);
            (&near).write_all(&[at as u8]).unwrap();
            let mut byte = [9];
            UnixStream::from(fd).read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], at as u8);
            assert_eq!((&near).read(&mut byte).unwrap(), 0, "the last end is closed");
        }
        // Bytes without descriptors, and the other way round.
        a.send_fds(b"none", &[]).unwrap();
        let mut fds = Vec::new();
        assert_eq!((b.recv_fds(&mut [0; 8], &mut fds).unwrap(), fds.len()), (4, 0));
        assert_eq!(a.send_fds(b"", &[b.as_fd()]).unwrap_err().kind(), ErrorKind::InvalidInput);
        let many = vec![b.as_fd(); 254];
        assert_eq!(a.send_fds(b"x", &many).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(a.send_fds(b"x", &many[..253]).unwrap(), 1);
        assert_eq!((b.recv_fds(&mut [0; 8], &mut fds).unwrap(), fds.len()), (1, 253));
        // A plain read does not hand them out.
        a.send_fds(b"y", &[a.as_fd()]).unwrap();
        assert_eq!((&b).read(&mut [0; 8]).unwrap(), 1);
        drop(a);
        assert_eq!(b.recv_fds(&mut [0; 8], &mut fds).unwrap(), 0, "the end");

        let (a, b) = UnixDatagram::pair().unwrap();
        a.send_fds(b"", &[b.as_fd()]).unwrap();
        fds.clear();
        assert_eq!((b.recv_fds(&mut [0; 8], &mut fds).unwrap(), fds.len()), (0, 1));
    }

    fn datagrams_come_whole_with_the_path_they_are_from() {
        let (first, second) = (TempPath::new(), TempPath::new());
        let a = UnixDatagram::bind(&first).unwrap();
        let b = UnixDatagram::bind(&second).unwrap();
        assert_eq!(UnixDatagram::bind(&first).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(a.local_addr().unwrap().as_pathname(), Some(&*first.0));
        assert!(a.peer_addr().is_err());
        assert_eq!(a.send_to(b"hello", &second).unwrap(), 5);
        let mut buffer = [0; 10];
        let (size, from) = b.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..size], from.as_pathname()), (&b"hello"[..], Some(&*first.0)));
        let unbound = UnixDatagram::unbound().unwrap();
        unbound.connect(&first).unwrap();
        assert_eq!(unbound.peer_addr().unwrap().as_pathname(), Some(&*first.0));
        unbound.send(b"anonymous").unwrap();
        let (size, from) = a.recv_from(&mut buffer).unwrap();
        assert!(size == 9 && from.is_unnamed());
        assert_eq!(unbound.send_to(b"x", TempPath::new()).unwrap_err().kind(), ErrorKind::NotFound);
        drop(a);
        assert_eq!(unbound.send(b"x").unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    fn datagram_pairs() {
        let (a, b) = UnixDatagram::pair().unwrap();
        a.send(b"long one").unwrap();
        a.send(b"").unwrap();
        let mut buffer = [0; 4];
        assert_eq!(b.recv(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer, b"long");
        assert_eq!(b.recv(&mut buffer).unwrap(), 0);
        let clone = b.try_clone().unwrap();
        let reader = spawn(move || clone.recv(&mut [0; 8]).unwrap());
        yield_now();
        a.send(b"x").unwrap();
        assert_eq!(reader.join().unwrap(), 1);
        a.shutdown(Shutdown::Write).unwrap();
        assert_eq!(a.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(a.take_error().unwrap().is_none());
        let clone = b.try_clone().unwrap();
        let reader = spawn(move || clone.recv(&mut [0; 8]).unwrap());
        sleep(Duration::from_millis(2));
        b.shutdown(Shutdown::Read).unwrap();
        assert_eq!((reader.join().unwrap(), b.recv(&mut buffer).unwrap()), (0, 0));
        assert!(b.recv_from(&mut buffer).unwrap().1.is_unnamed());
        b.set_nonblocking(true).unwrap();
        assert_eq!(b.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    fn a_full_queue_makes_the_sender_wait() {
        let path = TempPath::new();
        let receiver = UnixDatagram::bind(&path).unwrap();
        // Connected: the system tells when there is room. Not connected: the sender tries again.
        for connected in [true, false] {
            let sender = UnixDatagram::unbound().unwrap();
            if connected { sender.connect(&path).unwrap() }
            let target = path.0.clone();
            let send = move |i: u32| {
                let bytes = i.to_le_bytes();
                if connected { sender.send(&bytes) } else { sender.send_to(&bytes, &target) }
            };
            let sender = spawn(move || for i in 0..500 { assert_eq!(send(i).unwrap(), 4) });
            sleep(Duration::from_millis(2));
            assert!(!sender.is_finished(), "the queue holds fewer");
            for i in 0..500u32 {
                let mut bytes = [0; 8];
                assert_eq!(receiver.recv(&mut bytes).unwrap(), 4);
                assert_eq!(bytes[..4], i.to_le_bytes());
            }
            sender.join().unwrap();
        }
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_write_timeout(Some(Duration::from_millis(5))).unwrap();
        let error = loop {
            if let Err(error) = sender.send_to(b"x", &path) { break error }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        sender.set_write_timeout(None).unwrap();
        sender.set_nonblocking(true).unwrap();
        assert_eq!(sender.send_to(b"x", &path).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    fn to_and_from_std() {
        let path = TempPath::new();
        let listener = std_net::UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = UnixListener::from(listener);
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the mode is kept");
        listener.set_nonblocking(false).unwrap();
        let client = std_net::UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let client = UnixStream::from(client);
        assert_eq!((&client).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let std_listener = std_net::UnixListener::from(listener);
        // It blocks as std's do.
        let server = std_listener.accept().unwrap().0;
        let raw = UnixStream::from(server).into_raw_fd();
        // SAFETY: `into_raw_fd` has just given the descriptor up.
        let server = unsafe { UnixStream::from_raw_fd(raw) };
        (&server).write_all(b"std").unwrap();
        let mut client = std_net::UnixStream::from(client);
        let mut text = [0; 3];
        client.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"std");
        assert!(format!("{server:?}").contains(&format!("fd: {}", server.as_raw_fd())));
        // SAFETY: as above.
        let again = unsafe { UnixListener::from_raw_fd(OwnedFd::from(std_listener).into_raw_fd()) };
        assert_eq!(again.as_fd().as_raw_fd(), again.as_raw_fd());

        let (a, b) = UnixDatagram::pair().unwrap();
        let a = UnixDatagram::from(OwnedFd::from(std_net::UnixDatagram::from(a)));
        a.send(b"x").unwrap();
        // SAFETY: as above.
        let b = unsafe { UnixDatagram::from_raw_fd(b.into_raw_fd()) };
        assert_eq!(b.recv(&mut [0; 2]).unwrap(), 1);
    }
}

#[test]
fn hundreds_of_connections_on_several_workers() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let path = TempPath::new();
            let listener = UnixListener::bind(&path).unwrap();
            let path = path.0.clone();
            workers(count)
                .run(move || {
                    let server = spawn(move || {
                        let streams = listener.incoming().take(300).map(|stream| {
                            spawn(move || {
                                let stream = stream.unwrap();
                                std::io::copy(&mut &stream, &mut &stream).unwrap()
                            })
                        });
                        let streams: Vec<_> = streams.collect();
                        streams.into_iter().map(|stream| stream.join().unwrap()).sum::<u64>()
                    });
                    let clients = (0..300u32).map(|i| {
                        let path = path.clone();
                        spawn(move || {
                            let mut stream = UnixStream::connect(path).unwrap();
                            for round in 0..5u32 {
                                let text = [i.to_le_bytes(), round.to_le_bytes()].concat();
                                stream.write_all(&text).unwrap();
                                let mut back = [0; 8];
                                stream.read_exact(&mut back).unwrap();
                                assert_eq!(back[..], text);
                            }
                        })
                    });
                    let clients: Vec<_> = clients.collect();
                    clients.into_iter().for_each(|client| client.join().unwrap());
                    assert_eq!(server.join().unwrap(), 300 * 5 * 8);
                })
                .unwrap();
        }
    });
}
