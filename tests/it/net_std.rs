//! What std documents of its TCP types, on ours: each case on a green thread and on an OS thread.

use crate::support::everywhere;
use greenthread::net::{ListenOptions, Shutdown, SocketAddr, TcpListener, TcpStream};
use greenthread::os::linux::net::TcpStreamExt;
use greenthread::{sleep, spawn};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Loopback addresses of both kinds, as far as the machine has them.
fn each_loopback(mut case: impl FnMut(TcpListener, SocketAddr)) {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        match TcpListener::bind(address) {
            Ok(listener) => {
                let address = listener.local_addr().unwrap();
                case(listener, address);
            }
            Err(error) => {
                assert_eq!((address, error.kind()), ("[::1]:0", ErrorKind::AddrNotAvailable))
            }
        }
    }
}

/// The connecting end, then the accepted one.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

macro_rules! cases {
    ($($(#[$meta:meta])* fn $name:ident() $body:block)*) => {
        $(#[test] $(#[$meta])* fn $name() { everywhere(|| $body) })*
    };
}

cases! {
    fn bind_errors() {
        assert_eq!(TcpListener::bind("1.1.1.1:9999").unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(TcpListener::bind(&[][..]).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(TcpListener::bind("no port").unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    fn double_bind() {
        each_loopback(|_listener, address| {
            assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
        });
    }

    fn connect_errors() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(TcpStream::connect(free).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(TcpStream::connect(&[][..]).unwrap_err().kind(), ErrorKind::InvalidInput);
        let timeout = Duration::from_secs(30);
        let error = TcpStream::connect_timeout(&free, timeout).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpStream::connect_timeout(&free, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // The second address works.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let both = [free, listener.local_addr().unwrap()];
        TcpStream::connect(&both[..]).unwrap();
    }

    fn connect_and_talk() {
        each_loopback(|listener, address| {
            let server = spawn(move || {
                let (mut stream, from) = listener.accept().unwrap();
                assert_eq!(stream.peer_addr().unwrap(), from);
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                (from, byte)
            });
            let mut stream = TcpStream::connect(address).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
            stream.write_all(&[144]).unwrap();
            let (from, byte) = server.join().unwrap();
            assert_eq!((from, byte), (stream.local_addr().unwrap(), [144]));
        });
    }

    fn read_at_the_end() {
        let (client, mut server) = pair();
        drop(client);
        for _ in 0..2 {
            assert_eq!(server.read(&mut [0]).unwrap(), 0);
        }
        let mut vectored = [0];
        assert_eq!(server.read_vectored(&mut [IoSliceMut::new(&mut vectored)]).unwrap(), 0);
        assert_eq!(server.peek(&mut [0]).unwrap(), 0);
    }

    fn write_after_the_peer_closed() {
        let (mut client, server) = pair();
        drop(server);
        let error = loop {
            if let Err(error) = client.write(&[0; 100]) {
                break error;
            }
        };
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::ConnectionAborted];
        assert!(kinds.contains(&error.kind()), "{error}");
    }

    fn partial_read() {
        let (mut client, mut server) = pair();
        client.write_all(&[1, 2]).unwrap();
        let mut byte = [0];
        assert_eq!((server.read(&mut byte).unwrap(), byte), (1, [1]));
        assert_eq!((server.read(&mut byte).unwrap(), byte), (1, [2]));
    }

    fn connections_interleaved() {
        each_loopback(|listener, address| {
            let server = spawn(move || {
                let handles: Vec<_> = listener.incoming().take(10).map(|stream| {
                    let mut stream = stream.unwrap();
                    spawn(move || {
                        let mut byte = [0];
                        stream.read_exact(&mut byte).unwrap();
                        usize::from(byte[0])
                    })
                }).collect();
                handles.into_iter().map(|handle| handle.join().unwrap()).sum::<usize>()
            });
            fn nest(address: SocketAddr, left: u8) {
                let mut stream = TcpStream::connect(address).unwrap();
                if left > 0 { nest(address, left - 1) }
                stream.write_all(&[left]).unwrap();
            }
            nest(address, 9);
            assert_eq!(server.join().unwrap(), 45);
        });
    }

    fn clones_of_streams() {
        let (client, mut server) = pair();
        let mut clone = client.try_clone().unwrap();
        let (told, tell) = mpsc::channel();
        // One reads from a clone while the other writes to the original.
        let reader = spawn(move || {
            told.send(()).unwrap();
            let mut text = [0; 4];
            clone.read_exact(&mut text).unwrap();
            clone.write_all(b"!").unwrap();
            text
        });
        while tell.try_recv().is_err() { sleep(Duration::from_millis(1)) }
        (&client).write_all(b"ping").unwrap();
        let mut text = [0; 4];
        server.read_exact(&mut text).unwrap();
        server.write_all(b"pong").unwrap();
        assert_eq!(&reader.join().unwrap(), b"pong");
        drop(client);
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).unwrap();
        assert_eq!((&text, &rest[..]), (b"ping", &b"!"[..]));
    }

    fn two_clones_read() {
        let (mut client, server) = pair();
        let handles: Vec<_> = (0..2).map(|_| {
            let mut clone = server.try_clone().unwrap();
            spawn(move || {
                let mut byte = [0];
                clone.read_exact(&mut byte).unwrap();
                byte[0]
            })
        }).collect();
        client.write_all(&[1]).unwrap();
        sleep(Duration::from_millis(2));
        client.write_all(&[2]).unwrap();
        let sum: u8 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
        assert_eq!(sum, 3);
    }

    fn clones_of_listeners() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clone = listener.try_clone().unwrap();
        let handles = [listener, clone].map(|own| spawn(move || drop(own.accept().unwrap())));
        for _ in 0..2 {
            TcpStream::connect(address).unwrap();
        }
        for handle in handles {
            handle.join().unwrap();
        }
    }

    fn shutdown_ends_both_ways() {
        let (mut client, mut server) = pair();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(client.write(&[0]).is_err());
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        server.write_all(&[1]).unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        client.shutdown(Shutdown::Read).unwrap();
        assert_eq!(client.read(&mut byte).unwrap(), 0);
        let clone = client.try_clone().unwrap();
        let _ = client.shutdown(Shutdown::Both);
        assert!((&clone).write(&[0]).is_err());
        assert_eq!((&clone).read(&mut byte).unwrap(), 0);
        drop((client, clone));
        assert_eq!(server.read(&mut byte).unwrap(), 0);
    }

    fn shutdown_wakes_a_reader() {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (client, _server) = pair();
            let client = Arc::new(client);
            let inside = Arc::clone(&client);
            let reader = spawn(move || (&*inside).read(&mut [0]).unwrap());
            let clone = client.try_clone().unwrap();
            let mut in_clone = clone.try_clone().unwrap();
            let thread = std::thread::spawn(move || in_clone.read(&mut [0]).unwrap());
            sleep(Duration::from_millis(3));
            client.shutdown(how).unwrap();
            assert_eq!(reader.join().unwrap(), 0);
            assert_eq!(thread.join().unwrap(), 0);
        }
    }

    fn timeouts_are_kept_and_zero_is_refused() {
        let (stream, _peer) = pair();
        assert_eq!((stream.read_timeout().unwrap(), stream.write_timeout().unwrap()), (None, None));
        let some = Some(Duration::from_millis(410));
        stream.set_read_timeout(some).unwrap();
        stream.set_write_timeout(some).unwrap();
        let (read, write) = (stream.read_timeout().unwrap(), stream.write_timeout().unwrap());
        assert!(read >= some && write >= some);
        for zero in [stream.set_read_timeout(Some(Duration::ZERO)), stream.set_write_timeout(Some(Duration::ZERO))] {
            assert_eq!(zero.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        stream.set_read_timeout(Some(Duration::MAX)).unwrap();
        stream.set_read_timeout(None).unwrap();
        assert_eq!(stream.read_timeout().unwrap(), None);
    }

    fn reads_and_writes_time_out() {
        let (mut stream, mut peer) = pair();
        let timeout = Duration::from_millis(20);
        stream.set_read_timeout(Some(timeout)).unwrap();
        stream.set_write_timeout(Some(timeout)).unwrap();
        let expected = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        let before = Instant::now();
        let error = stream.read(&mut [0; 10]).unwrap_err();
        assert!(expected.contains(&error.kind()) && before.elapsed() >= timeout, "{error}");
        let error = stream.peek(&mut [0; 10]).unwrap_err();
        assert!(expected.contains(&error.kind()), "{error}");
        // A clone has them too.
        let error = stream.try_clone().unwrap().read(&mut [0; 10]).unwrap_err();
        assert!(expected.contains(&error.kind()), "{error}");
        let error = loop {
            if let Err(error) = stream.write(&[0; 100_000]) { break error }
        };
        assert!(expected.contains(&error.kind()), "{error}");
        peer.write_all(b"hello").unwrap();
        let mut text = [0; 5];
        stream.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
        drop(peer);
        // Not a timeout, but the end or the reset that the unread data causes.
        match stream.read(&mut text) {
            Ok(0) => {}
            other => assert_eq!(other.unwrap_err().kind(), ErrorKind::ConnectionReset),
        }
    }

    fn a_timeout_of_one_direction_is_none_of_the_other() {
        let brief = Some(Duration::from_millis(1));
        let (mut stream, mut peer) = pair();
        stream.set_write_timeout(brief).unwrap();
        peer.set_read_timeout(brief).unwrap();
        let late = spawn(move || {
            sleep(Duration::from_millis(10));
            peer.write_all(b"late").unwrap();
            peer
        });
        let mut text = [0; 4];
        stream.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"late");
        // More than fits, to one who reads late.
        let mut peer = late.join().unwrap();
        let reader = spawn(move || {
            sleep(Duration::from_millis(10));
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all.len()
        });
        peer.write_all(&vec![0; 10_000_000]).unwrap();
        drop(peer);
        assert_eq!(reader.join().unwrap(), 10_000_000);
    }

    fn options_that_are_set_are_told() {
        let (stream, _peer) = pair();
        assert!(!stream.nodelay().unwrap());
        stream.set_nodelay(true).unwrap();
        assert!(stream.nodelay().unwrap());
        stream.set_nodelay(false).unwrap();
        assert!(!stream.nodelay().unwrap());
        stream.set_ttl(100).unwrap();
        assert_eq!(stream.ttl().unwrap(), 100);
        assert!(stream.take_error().unwrap().is_none());
        assert_eq!(stream.linger().unwrap(), None);
        assert_eq!(stream.keepalive().unwrap(), None);
        stream.set_keepalive(Some(Duration::from_secs(77))).unwrap();
        assert_eq!(stream.keepalive().unwrap(), Some(Duration::from_secs(77)));
        assert!(stream.set_keepalive(Some(Duration::ZERO)).is_err());
        stream.set_keepalive(None).unwrap();
        assert_eq!(stream.keepalive().unwrap(), None);
        stream.set_quickack(false).unwrap();
        assert!(!stream.quickack().unwrap());
        stream.set_quickack(true).unwrap();
        assert!(stream.quickack().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_ttl(99).unwrap();
        assert_eq!(listener.ttl().unwrap(), 99);
        assert!(listener.take_error().unwrap().is_none());
    }

    fn in_nonblocking_mode_nothing_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(server.peek(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        while server.write(&[0; 100_000]).map_err(|error| assert_eq!(error.kind(), ErrorKind::WouldBlock)).is_ok() {}
        client.write_all(&[1]).unwrap();
        let mut byte = [0];
        while server.read(&mut byte).is_err() { sleep(Duration::from_millis(1)) }
        server.set_nonblocking(false).unwrap();
        client.write_all(&[2]).unwrap();
        server.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [2]);
    }

    fn peek_takes_nothing() {
        let (mut client, mut server) = pair();
        client.write_all(&[1, 3, 3, 7]).unwrap();
        let mut buffer = [0; 10];
        while server.peek(&mut buffer).unwrap() < 4 {}
        assert_eq!(server.peek(&mut buffer).unwrap(), 4);
        assert_eq!((server.read(&mut buffer).unwrap(), &buffer[..4]), (4, &[1, 3, 3, 7][..]));
        server.set_nonblocking(true).unwrap();
        assert_eq!(server.peek(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    fn vectored_calls_fill_one_buffer_after_the_other() {
        let (mut client, mut server) = pair();
        let wrote = client.write_vectored(&[IoSlice::new(&[]), IoSlice::new(&[10]), IoSlice::new(&[11, 12])]);
        assert_eq!(wrote.unwrap(), 3);
        let (mut a, mut b, mut c) = ([], [0], [0; 5]);
        let mut pieces = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b), IoSliceMut::new(&mut c)];
        assert_eq!(server.read_vectored(&mut pieces).unwrap(), 3);
        assert_eq!((b, &c[..2]), ([10], &[11, 12][..]));
        // More pieces than the kernel takes in one call.
        let many: Vec<_> = (0..3000).map(|_| IoSlice::new(&[7])).collect();
        let sent = client.write_vectored(&many).unwrap();
        let mut back = vec![0; sent];
        server.read_exact(&mut back).unwrap();
        assert!(sent > 0 && back.iter().all(|&byte| byte == 7));
    }

    fn connect_timeout_connects_or_gives_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        TcpStream::connect_timeout(&address, Duration::from_secs(30)).unwrap();
        // A full backlog answers nothing.
        let full = socket_with_backlog_of_one();
        let address = full.local_addr().unwrap();
        let mut held = Vec::new();
        let error = loop {
            match TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
            assert!(held.len() < 1000);
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    fn listen_options() {
        let options = ListenOptions::new().backlog(0).reuse_port(true);
        let first = options.bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let error = ListenOptions::new().bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let second = options.bind(address).unwrap();
        // Whichever gets it.
        let acceptors = [first, second].map(|listener| {
            listener.set_nonblocking(true).unwrap();
            listener
        });
        let _client = TcpStream::connect(address).unwrap();
        while !acceptors.iter().any(|listener| listener.accept().is_ok()) {
            sleep(Duration::from_millis(1));
        }
        if let Ok(both) = ListenOptions::new().only_v6(false).bind("[::]:0") {
            let port = both.local_addr().unwrap().port();
            TcpStream::connect(("127.0.0.1", port)).unwrap();
            let only = ListenOptions::new().only_v6(true).bind("[::]:0").unwrap();
            let port = only.local_addr().unwrap().port();
            let error = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
    }

    fn debug_shows_the_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(format!("{listener:?}").contains(&format!("addr: {address}")));
        let stream = TcpStream::connect(address).unwrap();
        let text = format!("{stream:?}");
        assert!(text.contains(&format!("peer: {address}")), "{text}");
    }

    fn to_and_from_std() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let ours = TcpListener::from(listener);
        assert_eq!(ours.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the mode is kept");
        ours.set_nonblocking(false).unwrap();
        let address = ours.local_addr().unwrap();
        let theirs = std::net::TcpListener::from(ours);
        // It blocks as std's do: nobody has connected yet.
        let thread = std::thread::spawn(move || {
            let stream = theirs.accept().unwrap().0;
            (theirs, stream)
        });
        sleep(Duration::from_millis(2));
        let client = TcpStream::connect(address).unwrap();
        while !thread.is_finished() { sleep(Duration::from_millis(1)) }
        let (theirs, server) = thread.join().unwrap();
        let ours = TcpListener::from(OwnedFd::from(theirs));
        let second = TcpStream::connect(address).unwrap();
        drop((ours.accept().unwrap(), second));

        server.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut server = TcpStream::from(server);
        assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "the timeout is kept");
        let mut client = std::net::TcpStream::from(client);
        client.write_all(b"std").unwrap();
        let mut text = [0; 3];
        server.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"std");
        // Through a bare descriptor, registered or not.
        let fd = server.as_raw_fd();
        let raw = server.into_raw_fd();
        assert_eq!(fd, raw);
        // SAFETY: `into_raw_fd` has just given the descriptor up.
        let mut again = unsafe { TcpStream::from_raw_fd(raw) };
        client.write_all(b"raw").unwrap();
        again.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"raw");
        again.set_nonblocking(true).unwrap();
        let mut std_again = std::net::TcpStream::from(again);
        assert_eq!(std_again.read(&mut text).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    fn a_listener_whose_duplicate_outside_blocks() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let outside = std::net::TcpListener::from(listener.try_clone().unwrap());
        outside.set_nonblocking(false).unwrap();
        let neighbour = spawn(|| sleep(Duration::from_millis(1)));
        let accepting = spawn(move || drop(listener.accept().unwrap()));
        neighbour.join().unwrap();
        TcpStream::connect(address).unwrap();
        accepting.join().unwrap();
        drop(outside);
    }

    fn by_reference_and_by_incoming() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(move || {
            let mut all = String::new();
            for stream in listener.into_incoming().take(3) {
                (&stream.unwrap()).read_to_string(&mut all).unwrap();
            }
            all
        });
        for text in ["a", "b", "c"] {
            let stream = TcpStream::connect(address).unwrap();
            (&stream).write_all(text.as_bytes()).unwrap();
            (&stream).flush().unwrap();
        }
        assert_eq!(server.join().unwrap(), "abc");
    }
}

fn socket_with_backlog_of_one() -> std::net::TcpListener {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    socket.into()
}
