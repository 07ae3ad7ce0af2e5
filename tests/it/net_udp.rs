//! What std documents of its UDP socket, on ours: each case on a green thread and on an OS thread.

use crate::support::{LIMIT, everywhere, within_limit, workers};
use greenthread::net::{
    Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use greenthread::{Runtime, sleep, spawn, yield_now};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Two sockets connected to each other.
fn pair() -> (UdpSocket, UdpSocket) {
    let ((a, a_address), (b, b_address)) = (socket(), socket());
    a.connect(b_address).unwrap();
    b.connect(a_address).unwrap();
    (a, b)
}

macro_rules! cases {
    ($(fn $name:ident() $body:block)*) => {
        $(#[test] fn $name() { everywhere(|| $body) })*
    };
}

cases! {
    fn bind_errors() {
        assert_eq!(UdpSocket::bind("1.1.1.1:9999").unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(UdpSocket::bind(&[][..]).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UdpSocket::bind("no port").unwrap_err().kind(), ErrorKind::InvalidInput);
        let (_first, address) = socket();
        assert_eq!(UdpSocket::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
        // The second address works.
        let both = ["1.1.1.1:9999".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
        assert!(UdpSocket::bind(&both[..]).unwrap().local_addr().unwrap().ip().is_loopback());
    }

    fn send_to_and_receive() {
        for ip in ["127.0.0.1", "::1"] {
            let Ok(a) = UdpSocket::bind((ip, 0)) else {
                assert_eq!(ip, "::1");
                continue;
            };
            let b = UdpSocket::bind((ip, 0)).unwrap();
            let (from, to) = (a.local_addr().unwrap(), b.local_addr().unwrap());
            let sender = spawn(move || a.send_to(&[99], to).unwrap());
            let mut buffer = [0; 2];
            assert_eq!(b.recv_from(&mut buffer).unwrap(), (1, from));
            assert_eq!((buffer[0], sender.join().unwrap()), (99, 1));
        }
    }

    fn connected_ones_hear_their_peer_only() {
        let (a, b) = pair();
        assert_eq!(a.peer_addr().unwrap(), b.local_addr().unwrap());
        assert_eq!(a.send(b"hello").unwrap(), 5);
        let mut buffer = [0; 10];
        assert_eq!(b.recv(&mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"hello");
        // Another sender is not heard.
        let (stranger, _) = socket();
        stranger.send_to(b"stranger", b.local_addr().unwrap()).unwrap();
        a.send(b"friend").unwrap();
        let size = b.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..size], b"friend");
        // Connected elsewhere, then to nobody.
        let (nobody, address) = socket();
        drop(nobody);
        a.connect(address).unwrap();
        a.send(b"x").unwrap();
        assert_eq!(a.recv(&mut buffer).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    fn not_connected() {
        let (a, _) = socket();
        assert_eq!(a.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        assert!(a.send(b"x").is_err());
        let nowhere: &[SocketAddr] = &[];
        assert_eq!(a.send_to(b"x", nowhere).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(a.connect(nowhere).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    fn datagrams_keep_their_bounds() {
        let (a, b) = pair();
        a.send(b"").unwrap();
        a.send(b"long one").unwrap();
        a.send(b"last").unwrap();
        let mut buffer = [0; 4];
        assert_eq!(b.recv(&mut buffer).unwrap(), 0);
        assert_eq!(b.recv(&mut buffer).unwrap(), 4, "what does not fit is lost");
        assert_eq!(&buffer, b"long");
        assert_eq!(b.recv(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer, b"last");
        let error = a.send(&vec![0; 100_000]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    }

    fn peeking_takes_nothing() {
        let (a, b) = pair();
        let from = a.local_addr().unwrap();
        a.send(b"peek").unwrap();
        let mut buffer = [0; 10];
        assert_eq!(b.peek_from(&mut buffer).unwrap(), (4, from));
        assert_eq!(b.peek(&mut buffer).unwrap(), 4);
        assert_eq!(b.recv_from(&mut buffer).unwrap(), (4, from));
        b.set_nonblocking(true).unwrap();
        for error in [b.peek(&mut buffer).unwrap_err(), b.peek_from(&mut buffer).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    }

    fn clones_share_the_socket() {
        let (a, b) = pair();
        let clone = b.try_clone().unwrap();
        let reader = spawn(move || {
            let mut buffer = [0; 8];
            let size = clone.recv(&mut buffer).unwrap();
            clone.send(&buffer[..size]).unwrap();
        });
        a.send(b"ping").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(a.recv(&mut buffer).unwrap(), 4);
        reader.join().unwrap();
        // Closing one handle leaves the other one.
        a.send(b"more").unwrap();
        assert_eq!(b.recv(&mut buffer).unwrap(), 4);
    }

    fn two_read_one_socket() {
        let (a, b) = pair();
        let b = Arc::new(b);
        let readers: Vec<_> = (0..2).map(|_| {
            let b = Arc::clone(&b);
            spawn(move || {
                let mut byte = [0];
                b.recv(&mut byte).unwrap();
                byte[0]
            })
        }).collect();
        a.send(&[1]).unwrap();
        sleep(Duration::from_millis(2));
        a.send(&[2]).unwrap();
        assert_eq!(readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u8>(), 3);
    }

    fn timeouts_end_waits_and_lose_no_datagram() {
        let (a, b) = pair();
        assert_eq!((a.read_timeout().unwrap(), a.write_timeout().unwrap()), (None, None));
        let timeout = Some(Duration::from_millis(20));
        a.set_read_timeout(timeout).unwrap();
        a.set_write_timeout(timeout).unwrap();
        assert_eq!((a.read_timeout().unwrap(), a.write_timeout().unwrap()), (timeout, timeout));
        assert_eq!(a.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(a.set_write_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
        let begin = Instant::now();
        let mut buffer = [0; 4];
        assert_eq!(a.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(a.recv_from(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(begin.elapsed() >= Duration::from_millis(40));
        b.send(b"late").unwrap();
        assert_eq!(a.recv(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer, b"late");
        a.set_read_timeout(None).unwrap();
        assert_eq!(a.read_timeout().unwrap(), None);
    }

    fn options_read_back_as_they_were_set() {
        let (a, _) = socket();
        assert!(!a.broadcast().unwrap());
        a.set_broadcast(true).unwrap();
        assert!(a.broadcast().unwrap());
        a.set_ttl(100).unwrap();
        assert_eq!(a.ttl().unwrap(), 100);
        a.set_multicast_loop_v4(false).unwrap();
        assert!(!a.multicast_loop_v4().unwrap());
        a.set_multicast_ttl_v4(7).unwrap();
        assert_eq!(a.multicast_ttl_v4().unwrap(), 7);
        assert!(a.take_error().unwrap().is_none());
        if let Ok(v6) = UdpSocket::bind("[::1]:0") {
            v6.set_multicast_loop_v6(false).unwrap();
            assert!(!v6.multicast_loop_v6().unwrap());
            // No such group: it is the system that refuses.
            assert!(v6.join_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
            assert!(v6.leave_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
        }
    }

    fn multicast_on_the_loopback() {
        let group = Ipv4Addr::new(224, 0, 0, 251);
        let receiver = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        let port = receiver.local_addr().unwrap().port();
        receiver.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        let sender = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        let sender = UdpSocket::from(OwnedFd::from(sender));
        sender.send_to(b"all", (group, port)).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 3);
        receiver.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        let error = receiver.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    }

    fn a_nonblocking_socket_waits_for_nothing() {
        let (a, b) = pair();
        b.set_nonblocking(true).unwrap();
        assert_eq!(b.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(b.recv_from(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        a.send(&[1]).unwrap();
        while b.recv(&mut [0]).is_err() { sleep(Duration::from_millis(1)) }
        b.set_nonblocking(false).unwrap();
        a.send(&[2]).unwrap();
        let mut byte = [0];
        b.recv(&mut byte).unwrap();
        assert_eq!(byte, [2]);
    }

    fn to_and_from_std() {
        let (a, b) = pair();
        a.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let text = format!("{a:?}");
        assert!(text.contains(&a.local_addr().unwrap().to_string()), "{text}");
        let std = std::net::UdpSocket::from(a);
        assert_eq!(std.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let a = UdpSocket::from(std);
        assert_eq!(a.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "the timeout is kept");
        let fd = a.as_raw_fd();
        assert_eq!(a.as_fd().as_raw_fd(), fd);
        let raw = a.into_raw_fd();
        assert_eq!(fd, raw);
        // SAFETY: `into_raw_fd` has just given the descriptor up.
        let a = unsafe { UdpSocket::from_raw_fd(raw) };
        a.set_nonblocking(true).unwrap();
        let a = UdpSocket::from(OwnedFd::from(a));
        assert_eq!(a.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        a.set_nonblocking(false).unwrap();
        b.send(b"x").unwrap();
        a.set_read_timeout(None).unwrap();
        assert_eq!(a.recv(&mut [0]).unwrap(), 1);
    }

    fn addresses_of_every_kind() {
        let (a, to) = socket();
        let SocketAddr::V4(v4) = to else { unreachable!() };
        let (host, port) = ("127.0.0.1", to.port());
        let sent = [
            a.send_to(b"x", to),
            a.send_to(b"x", v4),
            a.send_to(b"x", (to.ip(), port)),
            a.send_to(b"x", (Ipv4Addr::LOCALHOST, port)),
            a.send_to(b"x", (host, port)),
            a.send_to(b"x", (host.to_string(), port)),
            a.send_to(b"x", format!("{host}:{port}")),
            a.send_to(b"x", &*format!("{host}:{port}")),
            a.send_to(b"x", &[to][..]),
            a.send_to(b"x", [to].first().unwrap()),
        ];
        assert!(sent.iter().all(|sent| *sent.as_ref().unwrap() == 1));
        for _ in 0..sent.len() {
            assert_eq!(a.recv(&mut [0; 2]).unwrap(), 1);
        }
        // Names too, as std finds them.
        let ours: Vec<_> = ("localhost", 80).to_socket_addrs().unwrap().collect();
        let theirs: Vec<_> = std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 80)).unwrap().collect();
        assert_eq!(ours, theirs);
        assert_eq!("localhost:80".to_socket_addrs().unwrap().collect::<Vec<_>>(), theirs);
        for wrong in ["localhost", "localhost:http", "localhost:99999"] {
            assert_eq!(wrong.to_socket_addrs().unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert!("a name with spaces:80".to_socket_addrs().is_err());
        assert!(UdpSocket::bind("a name with spaces:80").is_err());
    }
}

/// One server, many clients, on several workers: each gets its own answers.
#[test]
fn many_clients_of_one_socket() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            runtime
                .run(|| {
                    let (server, address) = socket();
                    let server = Arc::new(server);
                    let (ended, end) = mpsc::channel::<()>();
                    for _ in 0..4 {
                        let (server, ended) = (Arc::clone(&server), ended.clone());
                        spawn(move || {
                            let mut buffer = [0; 64];
                            loop {
                                let (size, from) = server.recv_from(&mut buffer).unwrap();
                                if size == 0 {
                                    // One goodbye ends all.
                                    server.send_to(&[], server.local_addr().unwrap()).unwrap();
                                    return drop(ended);
                                }
                                server.send_to(&buffer[..size], from).unwrap();
                            }
                        });
                    }
                    drop(ended);
                    let clients: Vec<_> = (0..50u32)
                        .map(|i| {
                            spawn(move || {
                                let (client, _) = socket();
                                client.connect(address).unwrap();
                                for round in 0..20u32 {
                                    let text = [i.to_le_bytes(), round.to_le_bytes()].concat();
                                    client.send(&text).unwrap();
                                    let mut back = [0; 64];
                                    let size = client.recv(&mut back).unwrap();
                                    assert_eq!(&back[..size], text);
                                }
                            })
                        })
                        .collect();
                    clients.into_iter().for_each(|client| client.join().unwrap());
                    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[], address).unwrap();
                    while end.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                        sleep(Duration::from_millis(1));
                    }
                })
                .unwrap();
        }
    });
}

#[test]
fn a_killed_receiver_leaves_the_datagram() {
    within_limit(|| {
        let runtime = Runtime::new_current_thread().unwrap();
        runtime
            .run_local(|| {
                let (a, b) = pair();
                let b = Arc::new(b);
                let inside = Arc::clone(&b);
                let receiver = spawn(move || inside.recv(&mut [0; 8]).map(drop));
                yield_now();
                receiver.kill();
                assert!(receiver.join().unwrap_err().is_killed());
                a.send(b"kept").unwrap();
                let late = greenthread::timeout(LIMIT, || b.recv(&mut [0; 8]));
                assert_eq!(late.unwrap().unwrap(), 4);
                let none = greenthread::timeout(Duration::from_millis(5), || {
                    b.recv(&mut [0; 8]).map(drop)
                });
                assert!(none.is_err());
            })
            .unwrap();
    });
}

/// While a name is looked up the worker runs others; an address needs no look-up.
#[test]
fn names_do_not_hold_up_the_worker() {
    within_limit(|| {
        let runtime = Runtime::new_current_thread().unwrap();
        runtime
            .run_local(|| {
                let neighbour = spawn(|| ());
                let address = "127.0.0.1:80".to_socket_addrs().unwrap().next().unwrap();
                assert_eq!(("127.0.0.1", 80).to_socket_addrs().unwrap().next(), Some(address));
                assert!(!neighbour.is_finished());
                // Not after the first look-up perhaps, if that was quick.
                while !neighbour.is_finished() {
                    assert!("localhost:80".to_socket_addrs().unwrap().next().is_some());
                }
                let neighbour = spawn(|| ());
                while !neighbour.is_finished() {
                    drop(UdpSocket::bind("localhost:0").unwrap());
                }
                let listener = TcpListener::bind("localhost:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                TcpStream::connect(("localhost", port)).unwrap();
            })
            .unwrap();
    });
}

/// Look-ups inside blocking code inside look-ups' own callers, more at once than any pool has threads: none waits for itself.
#[test]
fn names_inside_blocking_code() {
    within_limit(|| {
        workers(2)
            .run(|| {
                let look_up = || "localhost:80".to_socket_addrs().unwrap().count();
                let expected = look_up();
                let nested = move || {
                    greenthread::blocking(move || {
                        // Green threads again, on a thread of the pool.
                        let inner = Runtime::new_current_thread().unwrap();
                        inner.run(move || greenthread::blocking(look_up)).unwrap()
                    })
                };
                let all: Vec<_> = (0..300).map(|_| spawn(nested)).collect();
                for one in all {
                    assert_eq!(one.join().unwrap(), expected);
                }
            })
            .unwrap();
    });
}
