//! Servers: begin, bound, count, stop.

use crate::support::{FOR_EVER, LIMIT, OnDrop, until, within_limit, workers};
use greenthread::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use greenthread::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use greenthread::server::{DatagramServer, DatagramSocket, Listener, Stats, StreamServer};
use greenthread::sync::{Event, mpmc};
use greenthread::thread::spawn_local;
use greenthread::{Runtime, shield, sleep, spawn, yield_now};
use socket2::SockRef;
use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// On a runtime with a fixed order, with one, two and eight workers, and from a plain OS thread.
fn everywhere(case: fn()) {
    within_limit(move || Runtime::new_current_thread().unwrap().run_local(case).unwrap());
    for count in [1, 2, 8] {
        within_limit(move || workers(count).run(case).unwrap());
    }
    within_limit(case);
}

fn echo(mut stream: TcpStream, _: SocketAddr) -> io::Result<()> {
    let mut buffer = [0; 100];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            got => stream.write_all(&buffer[..got])?,
        }
    }
}

fn connect(server: &StreamServer) -> TcpStream {
    TcpStream::connect(server.local_addr().unwrap()).unwrap()
}

/// Whether the peer answers a byte with the same.
fn is_echoed(stream: &mut TcpStream) -> bool {
    let mut byte = [7];
    stream.write_all(&byte).is_ok() && stream.read_exact(&mut byte).is_ok() && byte == [7]
}

/// Whether the connection has ended.
fn has_ended(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

fn is_refused(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return true };
    // A connection that the kernel still took ends at once; one that an acceptor still took, on its way out, is served.
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    match stream.read(&mut [0]) {
        Ok(got) => got == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn serves_counts_and_stops() {
    everywhere(|| {
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
        let mut early = connect(&server);
        assert_eq!(server.stats(), Stats::default(), "it listens but does not accept yet");
        server.start().unwrap();
        server.start().unwrap();
        assert!(is_echoed(&mut early));
        let address = server.local_addr().unwrap();
        let clients: Vec<_> = (0..50)
            .map(|_| {
                spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    assert!((0..10).all(|_| is_echoed(&mut stream)));
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        until(|| server.stats().live == 1);
        let stats = server.stats();
        assert_eq!((stats.accepted, stats.finished), (51, 50));
        assert_eq!((stats.panicked, stats.killed, stats.accept_errors), (0, 0, 0));
        drop(early);
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!((server.stats().live, server.stats().finished), (0, 51));
        assert!(is_refused(server.local_addr().unwrap()));
        assert_eq!(server.start().unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(server.stop(LIMIT), 0, "for the second time");
    });
}

#[test]
fn a_full_pool_leaves_clients_in_the_backlog() {
    everywhere(|| {
        static INSIDE: AtomicUsize = AtomicUsize::new(0);
        let handler = |stream: TcpStream, peer| {
            assert!(INSIDE.fetch_add(1, Ordering::SeqCst) < 3);
            let result = echo(stream, peer);
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            result
        };
        let server = StreamServer::builder().max_handlers(3).bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        let mut clients: VecDeque<_> = (0..10).map(|_| connect(&server)).collect();
        for stream in clients.iter_mut().take(3) {
            assert!(is_echoed(stream));
        }
        while clients.len() > 3 {
            clients[3].write_all(&[7]).unwrap();
            sleep(Duration::from_millis(2));
            assert_eq!(server.stats().live, 3);
            clients.pop_front();
            let mut byte = [0];
            clients[2].read_exact(&mut byte).unwrap();
            assert_eq!(byte, [7]);
        }
        clients.clear();
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!((server.stats().finished, INSIDE.load(Ordering::SeqCst)), (10, 0));
    });
}

#[test]
fn a_panic_ends_its_own_connection_only() {
    everywhere(|| {
        let handler = |mut stream: TcpStream, peer| {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            assert_ne!(byte, *b"p", "a panic that the test wants");
            echo(stream, peer)
        };
        // Also with a limit: what panicked must leave its place.
        let builder = StreamServer::builder().max_handlers(2).name("panicky");
        let server = builder.bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        for _ in 0..5 {
            let mut stream = connect(&server);
            stream.write_all(b"p").unwrap();
            assert!(has_ended(&mut stream));
        }
        let mut stream = connect(&server);
        stream.write_all(b"x").unwrap();
        assert!(is_echoed(&mut stream));
        drop(stream);
        server.stop(LIMIT);
        let stats = server.stats();
        assert_eq!((stats.panicked, stats.finished, stats.killed), (5, 1, 0));
    });
}

#[test]
fn stop_waits_then_kills() {
    everywhere(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&dropped);
        let handler = move |mut stream: TcpStream, _| {
            let _count = OnDrop(|| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            stream.write_all(&byte).unwrap();
            if byte == *b"s" {
                sleep(FOR_EVER);
            }
            let _ = stream.read(&mut byte);
        };
        let server = StreamServer::bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        let mut clients: Vec<_> = (0..6).map(|_| connect(&server)).collect();
        for (at, stream) in clients.iter_mut().enumerate() {
            stream.write_all(if at < 4 { b"s" } else { b"q" }).unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
        drop(clients.split_off(4));
        until(|| server.stats().live == 4);
        assert_eq!(server.stop(Duration::from_millis(20)), 4);
        let stats = server.stats();
        assert_eq!((stats.live, stats.killed, stats.finished), (0, 4, 2));
        assert_eq!(dropped.load(Ordering::SeqCst), 6);
        assert!(clients.iter_mut().all(has_ended));
        // Whoever ends within the grace is not killed, and what is not accepted yet never is.
        let server = StreamServer::builder().max_handlers(1).bind("127.0.0.1:0", echo).unwrap();
        server.start().unwrap();
        let mut stream = connect(&server);
        assert!(is_echoed(&mut stream));
        let mut late = connect(&server);
        let leaving = spawn(move || {
            assert!(has_ended(&mut late));
            assert!(is_echoed(&mut stream));
        });
        assert_eq!(server.stop(FOR_EVER), 0);
        leaving.join().unwrap();
        assert_eq!((server.stats().accepted, server.stats().finished), (1, 1));
    });
}

#[test]
fn handlers_stop_their_server() {
    /// A server whose handlers stop it when they are told so, with the grace that is sent to them.
    fn stoppable() -> Arc<StreamServer> {
        let slot: Arc<OnceLock<Arc<StreamServer>>> = Arc::default();
        let servers = Arc::clone(&slot);
        let handler = move |mut stream: TcpStream, _| {
            let mut seconds = [0];
            stream.read_exact(&mut seconds).unwrap();
            let killed = servers.get().unwrap().stop(Duration::from_secs(seconds[0].into()));
            // It lives on, and can wait.
            sleep(Duration::from_millis(1));
            stream.write_all(&[killed as u8]).unwrap();
        };
        let server = Arc::new(StreamServer::bind("127.0.0.1:0", handler).unwrap());
        assert!(slot.set(Arc::clone(&server)).is_ok());
        server.start().unwrap();
        server
    }
    everywhere(|| {
        // The second has said nothing and is killed.
        let server = stoppable();
        let (mut one, mut other) = (connect(&server), connect(&server));
        until(|| server.stats().accepted == 2);
        one.write_all(&[0]).unwrap();
        let mut killed = Vec::new();
        one.read_to_end(&mut killed).unwrap();
        assert_eq!(killed, [1]);
        assert!(has_ended(&mut other));
        until(|| server.stats().live == 0);
        assert_eq!((server.stats().finished, server.stats().killed), (1, 1));
        // Two that stop it at once do not wait for each other.
        let server = stoppable();
        let mut clients = [connect(&server), connect(&server)];
        until(|| server.stats().accepted == 2);
        for stream in &mut clients {
            stream.write_all(&[255]).unwrap();
        }
        for mut stream in clients {
            let mut killed = Vec::new();
            stream.read_to_end(&mut killed).unwrap();
            assert_eq!(killed, [0]);
        }
        server.serve_forever().unwrap_err();
    });
}

#[test]
fn serving_for_ever_ends_with_stop() {
    everywhere(|| {
        let server = Arc::new(StreamServer::bind("127.0.0.1:0", echo).unwrap());
        let (serving, threads) = (Arc::clone(&server), Arc::clone(&server));
        let green = spawn(move || serving.serve_forever());
        let thread = std::thread::spawn(move || threads.serve_forever());
        let mut stream = connect(&server);
        assert!(is_echoed(&mut stream));
        drop(stream);
        server.stop(LIMIT);
        until(|| thread.is_finished());
        // One has started it. The other may have come when it was stopped already, and is told so.
        let ends = [green.join().unwrap(), thread.join().unwrap()];
        assert!(ends.iter().any(Result::is_ok), "{ends:?}");
        for error in ends.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::NotConnected);
        }
    });
}

#[test]
fn a_killed_wait_closes_the_server() {
    everywhere(|| {
        let server = Arc::new(StreamServer::bind("127.0.0.1:0", echo).unwrap());
        let serving = Arc::clone(&server);
        let green = spawn(move || serving.serve_forever());
        let mut stream = connect(&server);
        assert!(is_echoed(&mut stream));
        green.kill();
        assert!(green.join().unwrap_err().is_killed());
        until(|| is_refused(server.local_addr().unwrap()));
        assert!(is_echoed(&mut stream), "what was accepted goes on");
    });
}

#[test]
fn dropping_closes_and_lets_handlers_go_on() {
    everywhere(|| {
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        let mut stream = connect(&server);
        assert!(is_echoed(&mut stream));
        drop(server);
        until(|| is_refused(address));
        assert!(is_echoed(&mut stream));
        // One that was never started listens no longer either, and one that was forgotten harms nobody.
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
        let address = server.local_addr().unwrap();
        drop(server);
        assert!(is_refused(address));
        let forgotten = std::thread::spawn(|| {
            let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
            server.start().unwrap();
            let mut stream = connect(&server);
            std::mem::forget(server);
            is_echoed(&mut stream)
        });
        assert!(forgotten.join().unwrap());
    });
}

#[test]
fn it_ends_with_its_runtime() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            let server = Arc::new(StreamServer::bind("127.0.0.1:0", echo).unwrap());
            let serving = Arc::clone(&server);
            runtime.spawn(move || serving.start().unwrap()).join().unwrap();
            let mut stream = connect(&server);
            assert!(is_echoed(&mut stream));
            let waiting = Arc::clone(&server);
            let waiting = std::thread::spawn(move || waiting.serve_forever());
            drop(runtime);
            assert!(has_ended(&mut stream));
            // It was started before the runtime ended, or is told that it cannot be any more.
            let _ = waiting.join().unwrap();
            assert_eq!((server.stop(FOR_EVER), server.stats().killed), (0, 1));
        }
    });
}

/// A listener that fails as told before it accepts.
struct Flaky {
    inner: TcpListener,
    errors: Mutex<VecDeque<i32>>,
}

impl Flaky {
    fn new(errors: impl IntoIterator<Item = i32>) -> Self {
        let inner = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { inner, errors: Mutex::new(errors.into_iter().collect()) }
    }
}

impl Listener for Flaky {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let error = self.errors.lock().unwrap().pop_front();
        match error {
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => self.inner.accept(),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

#[test]
fn accepts_that_fail_are_tried_again_unless_they_never_work() {
    everywhere(|| {
        // Four thousand at once, if each took the shortest pause, would take forty seconds.
        let gone = [libc::ECONNABORTED, libc::EINTR, libc::EPROTO, libc::EPERM].repeat(1000);
        let server = StreamServer::new(Flaky::new(gone), echo);
        let begin = Instant::now();
        server.start().unwrap();
        until(|| server.stats().accept_errors == 4000);
        assert!(begin.elapsed() < Duration::from_secs(40));
        let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        assert!(is_echoed(&mut stream));
        // Shortages are met with pauses: 10, 20, 40 and 80 ms.
        let full = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
        let server = StreamServer::new(Flaky::new(full), echo);
        let begin = Instant::now();
        server.start().unwrap();
        let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        assert!(is_echoed(&mut stream));
        assert!(begin.elapsed() >= Duration::from_millis(150));
        assert_eq!(server.stats().accept_errors, 4);
        // What never works again is said.
        let server = StreamServer::new(Flaky::new([libc::EMFILE, libc::ENOTSOCK]), echo);
        let error = server.serve_forever().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
        assert_eq!(server.stop(LIMIT), 0);
        // So is a stack size that there is not.
        let server = StreamServer::builder().stack_size(0).bind("127.0.0.1:0", echo).unwrap();
        let _client = connect(&server);
        assert_eq!(server.serve_forever().unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!((server.stats().accepted, server.stats().killed), (1, 1));
    });
}

#[test]
fn several_listeners_share_an_address() {
    everywhere(|| {
        let builder = StreamServer::builder().listeners(4).max_handlers(6);
        let server = builder.bind("127.0.0.1:0", echo).unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        let clients: Vec<_> = (0..100)
            .map(|_| spawn(move || is_echoed(&mut TcpStream::connect(address).unwrap())))
            .collect();
        assert!(clients.into_iter().all(|client| client.join().unwrap()));
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!(server.stats().finished, 100);
    });
}

/// A name in the file system for a socket, gone when this is dropped.
struct Path(std::path::PathBuf);

impl Path {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("greenthread-{}-{next}", std::process::id())))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn unix_streams_are_served() {
    everywhere(|| {
        let path = Path::new();
        let listener = UnixListener::bind(&path.0).unwrap();
        let server = StreamServer::new(listener, |stream: UnixStream, _| {
            io::copy(&mut &stream, &mut &stream)
        });
        assert_eq!(server.local_addr().unwrap().as_pathname(), Some(&*path.0));
        server.start().unwrap();
        let mut stream = UnixStream::connect(&path.0).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!((&reply, server.stats().live), (b"hello", 1));
        drop(stream);
        assert_eq!(server.stop(LIMIT), 0);
        assert!(UnixStream::connect(&path.0).is_err());
    });
}

#[test]
fn a_datagram_server_answers_within_its_limit_and_survives_panics() {
    everywhere(|| {
        let handler = |socket: &UdpSocket, data: Vec<u8>, peer| {
            assert_ne!(data, b"panic", "a panic that the test wants");
            if data == b"stay" {
                sleep(FOR_EVER);
            }
            socket.send_to(&data, peer)
        };
        let server = DatagramServer::builder().max_handlers(2).name("datagrams");
        let server = server.build(UdpSocket::bind("127.0.0.1:0").unwrap(), handler);
        server.start().unwrap();
        let address = server.local_addr().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ask = |data: &[u8]| {
            client.send_to(data, address).unwrap();
            let mut reply = vec![0; 70_000];
            let (size, peer) = client.recv_from(&mut reply).unwrap();
            assert!(peer == address && &reply[..size] == data);
        };
        ask(b"");
        ask(&[7; 65_507]);
        client.send_to(b"panic", address).unwrap();
        client.send_to(b"stay", address).unwrap();
        until(|| server.stats().panicked == 1 && server.stats().live == 1);
        ask(b"one place is left");
        client.send_to(b"stay", address).unwrap();
        until(|| server.stats().live == 2);
        client.send_to(b"waits in the buffer", address).unwrap();
        sleep(Duration::from_millis(2));
        assert_eq!(server.stats().accepted, 6);
        assert_eq!(server.stop(Duration::ZERO), 2);
        let stats = server.stats();
        assert_eq!((stats.finished, stats.panicked, stats.killed, stats.live), (3, 1, 2, 0));
        assert_eq!(server.serve_forever().unwrap_err().kind(), ErrorKind::NotConnected);
        // The address is free again.
        drop(UdpSocket::bind(address).unwrap());
    });
}

#[test]
fn unix_datagrams_are_served() {
    everywhere(|| {
        let (path, own) = (Path::new(), Path::new());
        let server = DatagramServer::new(
            UnixDatagram::bind(&path.0).unwrap(),
            |socket: &UnixDatagram, data, peer| {
                socket.send_to(&data, peer.as_pathname().unwrap()).unwrap();
            },
        );
        server.start().unwrap();
        let client = UnixDatagram::bind(&own.0).unwrap();
        client.send_to(b"hello", &path.0).unwrap();
        let mut reply = [0; 10];
        let (size, _) = DatagramSocket::recv_from(&client, &mut reply).unwrap();
        assert_eq!(&reply[..size], b"hello");
        drop(server);
        until(|| client.send_to(b"hello", &path.0).is_err());
    });
}

#[test]
fn each_worker_serves_connections_of_its_own() {
    static SERVED: Mutex<Vec<(ThreadId, u16)>> = Mutex::new(Vec::new());
    const CLIENTS: usize = 200;
    let case = |threads: usize| {
        SERVED.lock().unwrap().clear();
        let handler = |mut stream: TcpStream, peer: SocketAddr| {
            // Everything that the connection needs begins where it was accepted, and stays.
            let thread = std::thread::current().id();
            let shared = Rc::new(Cell::new(0u64));
            let other = Rc::clone(&shared);
            spawn_local(move || {
                yield_now();
                assert_eq!(std::thread::current().id(), thread);
                other.set(1);
            })
            .join()
            .unwrap();
            assert_eq!(shared.get(), 1);
            SERVED.lock().unwrap().push((thread, peer.port()));
            let mut byte = [0];
            while stream.read(&mut byte)? > 0 {
                stream.write_all(&byte)?;
                assert_eq!(std::thread::current().id(), thread);
            }
            io::Result::Ok(())
        };
        let server = StreamServer::builder().per_worker().bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        let mut streams: Vec<_> = (0..CLIENTS).map(|_| connect(&server)).collect();
        assert!(streams.iter_mut().all(is_echoed));
        drop(streams);
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!((server.stats().finished, server.stats().panicked), (CLIENTS as u64, 0));
        let served = std::mem::take(&mut *SERVED.lock().unwrap());
        assert_eq!(served.len(), CLIENTS);
        let used: HashSet<_> = served.iter().map(|(thread, _)| *thread).collect();
        // That one of so many gets none of two hundred does not happen.
        assert_eq!(used.len(), threads);
    };
    within_limit(move || {
        Runtime::new_current_thread().unwrap().run_local(move || case(1)).unwrap();
        for count in [1, 2, 8] {
            workers(count).run(move || case(count)).unwrap();
        }
    });
}

#[test]
fn each_worker_serves_datagrams_of_its_own() {
    static SERVED: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());
    const CLIENTS: usize = 200;
    let case = |threads: usize, sockets: Option<usize>| {
        SERVED.lock().unwrap().clear();
        let handler = |socket: &UdpSocket, data: Vec<u8>, peer| {
            let thread = std::thread::current().id();
            yield_now();
            // Where it stays, what is not `Send` may be shared.
            let other = spawn_local(move || std::thread::current().id()).join().unwrap();
            assert_eq!((other, std::thread::current().id()), (thread, thread));
            SERVED.lock().unwrap().push(thread);
            socket.send_to(&data, peer)
        };
        let mut builder = DatagramServer::builder().max_handlers(16).per_worker();
        if let Some(count) = sockets {
            builder = builder.sockets(count);
        }
        let server = builder.bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        for number in 0..CLIENTS {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.send_to(&number.to_le_bytes(), server.local_addr().unwrap()).unwrap();
            let mut reply = [0; 8];
            assert_eq!(client.recv_from(&mut reply).unwrap().1, server.local_addr().unwrap());
            assert_eq!(number.to_le_bytes(), reply);
        }
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!((server.stats().finished, server.stats().panicked), (CLIENTS as u64, 0));
        let served = std::mem::take(&mut *SERVED.lock().unwrap());
        assert_eq!(served.len(), CLIENTS);
        assert_eq!(served.into_iter().collect::<HashSet<_>>().len(), threads);
    };
    within_limit(move || {
        Runtime::new_current_thread().unwrap().run_local(move || case(1, None)).unwrap();
        for count in [1, 2, 8] {
            workers(count).run(move || case(count, None)).unwrap();
        }
        workers(4).run(move || case(2, Some(2))).unwrap();
    });
}

#[test]
fn acceptors_that_never_began_end_with_their_runtime() {
    within_limit(|| {
        let runtime = workers(3);
        let (taken, free) = (Arc::new(Barrier::new(3)), Arc::new(AtomicBool::new(false)));
        // Two workers are taken up, so that their acceptors cannot begin; the third may not take them.
        for _ in 0..2 {
            let (taken, free) = (Arc::clone(&taken), Arc::clone(&free));
            runtime.spawn(move || {
                taken.wait();
                while !free.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            });
        }
        taken.wait();
        let start = || {
            let server = StreamServer::builder().per_worker().bind("127.0.0.1:0", echo).unwrap();
            server.start().unwrap();
            server
        };
        let server = runtime.spawn(start).join().unwrap();
        let ending = std::thread::spawn(move || drop(runtime));
        std::thread::sleep(Duration::from_millis(50));
        free.store(true, Ordering::SeqCst);
        ending.join().unwrap();
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!(server.start().unwrap_err().kind(), ErrorKind::NotConnected);
        assert!(is_refused(server.local_addr().unwrap()));
    });
}

#[test]
fn a_servers_green_threads_have_its_name() {
    everywhere(|| {
        let names = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&names);
        let handler = move |_: TcpStream, _| {
            seen.lock().unwrap().push(greenthread::current().name().map(str::to_string));
        };
        let server = StreamServer::builder().name("web").bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        assert!(has_ended(&mut connect(&server)));
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!(*names.lock().unwrap(), [Some("web handler".to_string())]);
    });
}

#[test]
fn a_backlog_has_its_length() {
    let server = StreamServer::builder().backlog(1).bind("127.0.0.1:0", echo).unwrap();
    let address = server.local_addr().unwrap();
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let clients: Vec<_> = (0..5).map(connect).collect();
    // The kernel takes one more than it is told.
    assert!(clients.iter().any(|client| client.is_err()), "nobody takes them");
}

/// What an acceptor that cannot be interrupted takes after `stop` is not begun any more.
#[test]
fn what_is_accepted_too_late_is_dropped() {
    struct Late {
        inner: TcpListener,
        accepts: Arc<Event>,
        go: Arc<Event>,
    }
    impl Listener for Late {
        type Stream = TcpStream;
        type Addr = SocketAddr;

        fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            shield(|| {
                self.accepts.set();
                self.go.wait();
                self.inner.accept()
            })
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            self.inner.local_addr()
        }
    }
    everywhere(|| {
        let (accepts, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let inner = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = Late { inner, accepts: Arc::clone(&accepts), go: Arc::clone(&go) };
        let server = Arc::new(StreamServer::new(listener, |_, _| panic!("it was too late")));
        let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        server.start().unwrap();
        accepts.wait();
        let stopped = Arc::clone(&server);
        let stopper = spawn(move || stopped.stop(LIMIT));
        until(|| server.start().is_err());
        go.set();
        assert_eq!(stopper.join().unwrap(), 0);
        assert!(has_ended(&mut client));
        assert_eq!(server.stats(), Stats::default());
    });
}

/// A mode that somebody else has asked for does not make a server ask again and again.
#[test]
fn sockets_in_nonblocking_mode_are_waited_for() {
    everywhere(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let server = StreamServer::new(TcpListener::from(listener), echo);
        server.start().unwrap();
        let name = Path::new();
        let socket = UnixDatagram::bind(&name.0).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (send, receive) = mpmc::unbounded();
        let datagrams =
            DatagramServer::new(socket, move |_, data: Vec<u8>, _| send.send(data).unwrap());
        datagrams.start().unwrap();
        sleep(Duration::from_millis(20));
        assert!(is_echoed(&mut connect(&server)));
        UnixDatagram::unbound().unwrap().send_to(b"hello", &name.0).unwrap();
        assert_eq!(receive.recv().unwrap(), b"hello");
        assert_eq!((server.stats().accept_errors, datagrams.stats().accept_errors), (0, 0));
    });
}

/// Asks each connection for a header before it is accepted.
struct Proxied(TcpListener);

impl Listener for Proxied {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (mut stream, peer) = self.0.accept()?;
        let mut header = [0; 5];
        stream.read_exact(&mut header)?;
        match &header {
            b"PROXY" => Ok((stream, peer)),
            b"PANIC" => panic!("a header that nobody has thought of"),
            b"FATAL" => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            b"BLOCK" => Err(ErrorKind::WouldBlock.into()),
            _ => Err(io::Error::new(ErrorKind::InvalidInput, "no header")),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

fn ask(address: SocketAddr, header: &[u8]) -> io::Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(header)?;
    stream.shutdown(Shutdown::Write)?;
    stream.read(&mut [0])
}

#[test]
fn what_one_client_does_wrong_ends_no_server() {
    everywhere(|| {
        let listener = Proxied(TcpListener::bind("127.0.0.1:0").unwrap());
        let server = StreamServer::new(listener, |_, _| ());
        server.start().unwrap();
        let address = server.local_addr().unwrap();
        for header in [b"GET /".as_slice(), b"PRO", b"BLOCK", b"PROXY"].into_iter().cycle().take(40)
        {
            let _ = ask(address, header);
        }
        until(|| server.stats().finished == 10);
        assert_eq!(server.stats().accept_errors, 30);
    });
}

#[test]
fn whoever_serves_for_ever_learns_why_it_ends() {
    everywhere(|| {
        for (header, kind) in [(b"PANIC", ErrorKind::Other), (b"FATAL", ErrorKind::InvalidInput)] {
            let listener = Proxied(TcpListener::bind("127.0.0.1:0").unwrap());
            let server = Arc::new(StreamServer::new(listener, |_, _| ()));
            let address = server.local_addr().unwrap();
            let serving = Arc::clone(&server);
            let serving = spawn(move || serving.serve_forever());
            let _ = ask(address, b"PROXY");
            let _ = ask(address, header);
            assert_eq!(serving.join().unwrap().unwrap_err().kind(), kind);
            assert_eq!(server.start().unwrap_err().kind(), ErrorKind::NotConnected);
            assert_eq!(server.stop(LIMIT), 0);
        }
        // A socket that is shut down gives nothing for ever.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let clone = socket.try_clone().unwrap();
        let server = Arc::new(DatagramServer::new(socket, |_, _, _| panic!("of nobody")));
        let serving = Arc::clone(&server);
        let serving = spawn(move || serving.serve_forever());
        let _ = SockRef::from(&clone).shutdown(Shutdown::Both);
        assert_eq!(serving.join().unwrap().unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn datagrams_arrive_whole() {
    everywhere(|| {
        let name = Path::new();
        let (send, receive) = mpmc::unbounded();
        let socket = UnixDatagram::bind(&name.0).unwrap();
        let server =
            DatagramServer::new(socket, move |_, data: Vec<u8>, _| send.send(data).unwrap());
        server.start().unwrap();
        let client = UnixDatagram::unbound().unwrap();
        for size in [0, 100_000, 1, 65_536, 150_000, 65_537] {
            client.send_to(&vec![size as u8; size], &name.0).unwrap();
            assert!(receive.recv().unwrap() == vec![size as u8; size], "{size}");
        }
    });
}
