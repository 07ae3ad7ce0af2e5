//! How connections begin and what is left of a wait when its descriptor or its time ends.

use crate::{join_all, on, until_waits_exceed, waits};
use greenthread::spawn;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Runs `case` beside a green thread of the same worker, which must have had its turn meanwhile.
fn beside<T>(case: impl FnOnce() -> T) -> T {
    let (over, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (end, count) = (Arc::clone(&over), Arc::clone(&turns));
    let neighbour = spawn(move || {
        while !end.load(Ordering::Relaxed) {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let before = turns.load(Ordering::Relaxed);
    let result = case();
    let after = turns.load(Ordering::Relaxed);
    over.store(true, Ordering::Relaxed);
    neighbour.join().unwrap();
    assert!(after > before + 1, "the worker was held");
    result
}

/// A listener whose queue is full: one that connects to it gets no answer.
fn full() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: takes numbers only. The queue becomes the shortest one.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
    }
    (listener, address, waiting)
}

fn set_timeout(fd: i32, option: i32, millis: i64) {
    let time = libc::timeval { tv_sec: 0, tv_usec: millis * 1000 };
    // SAFETY: the option takes two numbers.
    let result = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            option,
            (&raw const time).cast(),
            size_of_val(&time) as u32,
        )
    };
    assert_eq!(result, 0);
}

#[test]
fn a_connection_that_gets_no_answer_times_out_and_holds_nobody() {
    on(1, || {
        let (_listener, address, _waiting) = full();
        let error = beside(|| TcpStream::connect_timeout(&address, Duration::from_millis(50)));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::TimedOut);
        // The same by the socket's own limit, with a `connect` that blocks.
        let SocketAddr::V4(v4) = address else { unreachable!("bound to IPv4") };
        // SAFETY: takes numbers only.
        let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
        set_timeout(fd, libc::SO_SNDTIMEO, 50);
        let name = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: v4.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
            sin_zero: [0; 8],
        };
        let result = beside(|| {
            // SAFETY: the name is valid, and that is its length.
            unsafe { libc::connect(fd, (&raw const name).cast(), size_of_val(&name) as u32) }
        });
        assert_eq!(result, -1);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EINPROGRESS));
        // SAFETY: reads the flags of a descriptor; then closes it.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        assert_eq!(flags & libc::O_NONBLOCK, 0, "the flag is as it was");
        // SAFETY: it is ours.
        unsafe { libc::close(fd) };
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    on(1, || {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_listener_with_a_limit_in_time_gives_up() {
    on(1, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_timeout(listener.as_raw_fd(), libc::SO_RCVTIMEO, 20);
        let both: Vec<_> = (0..2)
            .map(|_| {
                let own = listener.try_clone().unwrap();
                spawn(move || own.accept().unwrap_err().kind())
            })
            .collect();
        assert_eq!(join_all(both), [ErrorKind::WouldBlock; 2]);
    });
}

/// The kernel has no `accept` that does not wait. If the number came to mean the one that nobody connects to, between the look for a
/// connection and the taking of it, the worker would wait there for ever.
#[test]
fn a_number_that_becomes_another_listener_while_it_is_accepted_from_holds_nobody() {
    let storm = std::env::var("GREENTHREAD_STORM").ok().and_then(|text| text.parse().ok());
    let wanted: usize = storm.unwrap_or(300);
    on(1, move || {
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (busy, idle) = (bind(), bind());
        let address = busy.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (ends, stops) = (Arc::clone(&over), Arc::clone(&over));
        // SAFETY: a copy of a number.
        let number = unsafe { libc::fcntl(busy.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 900) };
        assert!(number >= 900);
        let swaps = std::thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                for listener in [&idle, &busy] {
                    // SAFETY: the number is this test's own.
                    assert_eq!(unsafe { libc::dup2(listener.as_raw_fd(), number) }, number);
                }
            }
            busy
        });
        let connects = std::thread::spawn(move || {
            while !stops.load(Ordering::SeqCst) {
                let _ = TcpStream::connect_timeout(&address, Duration::from_millis(20));
            }
        });
        let mut accepted = 0;
        while accepted < wanted {
            let none = std::ptr::null_mut();
            // SAFETY: without a place for an address.
            let got = unsafe { libc::accept(number, none, none.cast()) };
            if got >= 0 {
                // SAFETY: it is ours.
                unsafe { libc::close(got) };
                accepted += 1;
            }
        }
        over.store(true, Ordering::SeqCst);
        let busy = swaps.join().unwrap();
        // So that nobody waits for room there.
        drop(busy);
        connects.join().unwrap();
        // SAFETY: the number is this test's own.
        unsafe { libc::close(number) };
    });
}

#[test]
fn a_listener_that_an_os_thread_accepts_from_too_gives_each_connection_to_one() {
    const WANTED: usize = 200;
    on(2, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Who accepts has counted that first, so that as many wait as there will be connections.
        let accept = |listener: TcpListener| {
            let taken = Arc::clone(&taken);
            move || {
                while taken.fetch_add(1, Ordering::SeqCst) < WANTED {
                    assert_eq!(listener.accept().unwrap().0.read(&mut [0]).unwrap(), 1);
                }
            }
        };
        let os_thread = std::thread::spawn(accept(listener.try_clone().unwrap()));
        let green = spawn(accept(listener));
        let makes = Arc::clone(&made);
        let client = std::thread::spawn(move || {
            while makes.fetch_add(1, Ordering::SeqCst) < WANTED {
                TcpStream::connect(address).unwrap().write_all(b"x").unwrap();
            }
        });
        client.join().unwrap();
        os_thread.join().unwrap();
        green.join().unwrap();
    });
}

#[test]
fn closing_a_listener_ends_all_who_accept_even_if_the_number_is_used_again() {
    for workers in [1, 2] {
        on(workers, || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let fd = listener.as_raw_fd();
            let before = waits("accept4");
            let begun = Arc::new(AtomicUsize::new(0));
            let acceptors: Vec<_> = (0..3)
                .map(|_| {
                    let begun = Arc::clone(&begun);
                    spawn(move || {
                        begun.fetch_add(1, Ordering::SeqCst);
                        // SAFETY: without a place for an address.
                        let got = unsafe {
                            libc::accept4(fd, std::ptr::null_mut(), std::ptr::null_mut(), 0)
                        };
                        (got, std::io::Error::last_os_error().raw_os_error())
                    })
                })
                .collect();
            until_waits_exceed("accept4", before);
            // The others wait for their turn; one that came later would get what the number means then.
            while begun.load(Ordering::SeqCst) < 3 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(50));
            drop(listener);
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            let _client = TcpStream::connect(other.local_addr().unwrap()).unwrap();
            assert_eq!(join_all(acceptors), [(-1, Some(libc::EBADF)); 3]);
            other.accept().unwrap();
        });
    }
}

#[test]
fn a_duplicate_is_read_when_the_original_is_closed() {
    on(1, || {
        let (a, mut peer) = UnixStream::pair().unwrap();
        let mut copy = a.try_clone().unwrap();
        let before = waits("recv");
        let reader = spawn(move || {
            let mut byte = [0];
            copy.read_exact(&mut byte).unwrap();
            byte[0]
        });
        until_waits_exceed("recv", before);
        drop(a);
        std::thread::sleep(Duration::from_millis(2));
        peer.write_all(b"d").unwrap();
        assert_eq!(reader.join().unwrap(), b'd');
    });
}

#[test]
fn what_the_kernel_never_waits_for_is_not_waited_for() {
    on(1, || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut byte = [0u8; 1];
        for flags in [libc::MSG_ERRQUEUE, libc::MSG_DONTWAIT] {
            // SAFETY: a buffer of one byte.
            let got = unsafe { libc::recv(socket.as_raw_fd(), byte.as_mut_ptr().cast(), 1, flags) };
            let error = std::io::Error::last_os_error();
            assert_eq!((got, error.kind()), (-1, ErrorKind::WouldBlock));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_peer, _) = listener.accept().unwrap();
        // SAFETY: as above.
        let got =
            unsafe { libc::recv(stream.as_raw_fd(), byte.as_mut_ptr().cast(), 1, libc::MSG_OOB) };
        assert_eq!(got, -1, "no urgent data, as the kernel says at once");
    });
}

#[test]
fn a_datagram_that_finds_no_room_is_sent_when_there_is_some() {
    for workers in [1, 2] {
        on(workers, || {
            let path =
                std::env::temp_dir().join(format!("greenthread-room-{}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            let receiver = UnixDatagram::bind(&path).unwrap();
            // One fills the queue, another one, whom nobody tells of the room, waits for it.
            let filler = UnixDatagram::unbound().unwrap();
            filler.set_nonblocking(true).unwrap();
            let mut sent = 0;
            while filler.send_to(b"x", &path).is_ok() {
                sent += 1;
            }
            let to = path.clone();
            let sender = spawn(move || UnixDatagram::unbound().unwrap().send_to(b"last", to));
            std::thread::sleep(Duration::from_millis(5));
            let mut buffer = [0; 10];
            for _ in 0..sent {
                assert_eq!(receiver.recv(&mut buffer).unwrap(), 1);
            }
            assert_eq!(receiver.recv(&mut buffer).unwrap(), 4);
            assert_eq!(sender.join().unwrap().unwrap(), 4);
            std::fs::remove_file(&path).unwrap();
        });
    }
}

#[test]
fn a_socket_that_patched_code_has_waited_for_becomes_one_of_this_library() {
    on(1, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let before = waits("recv");
        let reader = spawn(move || {
            stream.read_exact(&mut [0; 1]).unwrap();
            stream
        });
        until_waits_exceed("recv", before);
        peer.write_all(b"1").unwrap();
        let stream = reader.join().unwrap();
        let mut stream = greenthread::net::TcpStream::from(std::os::fd::OwnedFd::from(stream));
        let reader = spawn(move || stream.read_exact(&mut [0; 1]));
        std::thread::sleep(Duration::from_millis(2));
        peer.write_all(b"2").unwrap();
        reader.join().unwrap().unwrap();
    });
}
