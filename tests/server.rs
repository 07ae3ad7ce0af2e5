//! A server under load, then with faults: nothing is lost, nothing hangs, and the memory comes back. In a process of its
//! own, because it lowers the limit of open files and measures the memory; one part after the other.

use greenthread::io::PollFd;
use greenthread::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use greenthread::os::unix::net::UnixStream;
use greenthread::server::StreamServer;
use greenthread::{JoinHandle, Runtime, sleep, spawn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long any part may take before it counts as a hang.
const LIMIT: Duration = Duration::from_secs(120);
const FOR_EVER: Duration = Duration::from_secs(100_000);

#[track_caller]
fn until(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "what was waited for did not come");
        sleep(Duration::from_millis(5));
    }
}

fn echo(mut stream: TcpStream, _: SocketAddr) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            got => stream.write_all(&buffer[..got])?,
        }
    }
}

fn exchange(stream: &mut TcpStream, number: usize) -> io::Result<()> {
    let message = [number.to_le_bytes(); 8].concat();
    stream.write_all(&message)?;
    let mut back = [0; 64];
    stream.read_exact(&mut back)?;
    assert_eq!(message, back);
    Ok(())
}

fn join_all<T>(handles: Vec<JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}

/// Bytes of data in memory, page tables included.
fn in_memory() -> u64 {
    // A debug build's stack has 4 MiB of addresses, and so page tables of its own, which stay while any stack of its arena lives.
    let tables = if cfg!(debug_assertions) { 0 } else { status("VmPTE:") };
    status("RssAnon:") + tables
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

/// Ten thousand connect at once, or as many as there may be open files for both ends.
fn storm() {
    let count = ((file_limit() - 200) / 2).min(10_000) as usize;
    let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
    server.start().unwrap();
    let address = server.local_addr().unwrap();
    let clients = (0..count).map(|number| {
        spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            exchange(&mut stream, number).unwrap();
            stream
        })
    });
    let mut streams = join_all(clients.collect());
    assert_eq!(server.stats().live, count as u64);
    for (number, stream) in streams.iter_mut().enumerate() {
        exchange(stream, number).unwrap();
    }
    drop(streams);
    assert_eq!(server.stop(LIMIT), 0);
    let stats = server.stats();
    assert_eq!((stats.finished, stats.accepted), (count as u64, count as u64));
}

/// Ten connections, no more at once than a warm worker has stacks for.
fn few() {
    let server = StreamServer::bind("127.0.0.1:0", echo).unwrap();
    server.start().unwrap();
    for number in 0..10 {
        exchange(&mut TcpStream::connect(server.local_addr().unwrap()).unwrap(), number).unwrap();
    }
    assert_eq!(server.stop(LIMIT), 0);
}

/// Half of the clients go with a reset, at any point, with data under way in both directions.
fn resets() {
    let server = StreamServer::builder().max_handlers(400).bind("127.0.0.1:0", echo).unwrap();
    server.start().unwrap();
    let address = server.local_addr().unwrap();
    let clients = (0..1000).map(|number| {
        spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            if number % 2 == 0 {
                // Closing with this time of zero is a reset.
                stream.set_linger(Some(Duration::ZERO)).unwrap();
                for _ in 0..number % 5 {
                    exchange(&mut stream, number).unwrap();
                }
                let _ = stream.write(&[0; 300][..number % 300]);
            } else {
                (0..20).for_each(|_| exchange(&mut stream, number).unwrap());
            }
        })
    });
    join_all(clients.collect());
    assert_eq!(server.stop(LIMIT), 0);
    let stats = server.stats();
    assert_eq!((stats.panicked, stats.killed, stats.live), (0, 0, 0));
    // A reset may come before the connection was accepted.
    assert!((500..=1000).contains(&stats.finished), "{stats:?}");
}

/// Clients that do not read what they asked for hold up nobody else, and get all of it in the end.
fn slow_readers() {
    /// More than the system buffers for a connection.
    const SIZE: usize = 20 << 20;
    let server = StreamServer::bind("127.0.0.1:0", |mut stream: TcpStream, peer| {
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        if kind == *b"e" {
            return echo(stream, peer);
        }
        let chunk = vec![kind[0]; 64 * 1024];
        (0..SIZE / chunk.len()).try_for_each(|_| stream.write_all(&chunk))
    })
    .unwrap();
    server.start().unwrap();
    let address = server.local_addr().unwrap();
    let mut slow: Vec<_> = (0..10u8)
        .map(|kind| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&[kind]).unwrap();
            stream.read_exact(&mut [0; 10]).unwrap();
            stream
        })
        .collect();
    let quick = (0..300).map(|number| {
        spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"e").unwrap();
            (0..20).for_each(|_| exchange(&mut stream, number).unwrap());
        })
    });
    join_all(quick.collect());
    until(|| server.stats().finished >= 300);
    assert_eq!(server.stats().live, 10, "nobody's buffers hold so much");
    let rest = slow.drain(..).zip(0u8..).map(|(mut stream, kind)| {
        spawn(move || {
            let (mut chunk, mut got) = (vec![0; 50_000], 10);
            loop {
                match stream.read(&mut chunk).unwrap() {
                    0 => break got,
                    n => {
                        assert!(chunk[..n] == vec![kind; n]);
                        got += n;
                    }
                }
            }
        })
    });
    assert!(join_all(rest.collect()).iter().all(|got| *got == SIZE));
    assert_eq!(server.stop(LIMIT), 0);
}

/// While it lives hardly any descriptor can be had.
struct Full {
    before: Rlimit,
    _fill: Vec<std::fs::File>,
}

impl Full {
    fn but_for(spare: u64) -> Self {
        let before = getrlimit(Resource::Nofile);
        // The limit is on the numbers of descriptors: those below the highest that is in use are taken first.
        let open = || std::fs::File::open("/dev/null").unwrap();
        let highest = open_descriptors().into_iter().max().unwrap();
        let mut fill = vec![open()];
        while fill[fill.len() - 1].as_raw_fd() < highest {
            fill.push(open());
        }
        let next = fill[fill.len() - 1].as_raw_fd() as u64 + 1;
        let limit = Rlimit { current: Some(next + spare), ..before };
        setrlimit(Resource::Nofile, limit).unwrap();
        Self { before, _fill: fill }
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

fn open_descriptors() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    entries.filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().ok()).collect()
}

/// Whatever needs a descriptor says so where none is left, keeps none, and works again afterwards.
fn everything_without_descriptors() {
    let (a, b) = UnixStream::pair().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let (idle_reader, _idle_writer) = greenthread::io::pipe().unwrap();
    // So that threads of the pool, and what they have open, are there before and after.
    let _ = "localhost:1".to_socket_addrs();
    let _ = greenthread::fs::metadata("/");
    let run = |works: bool| {
        let outcomes = [
            ("connect", TcpStream::connect(address).map(drop)),
            ("connect by name", TcpStream::connect(("localhost", address.port())).map(drop)),
            ("listen", TcpListener::bind("127.0.0.1:0").map(drop)),
            ("udp", UdpSocket::bind("127.0.0.1:0").map(drop)),
            ("clone", client.try_clone().map(drop)),
            ("clone of a pipe", idle_reader.try_clone().map(drop)),
            ("pipe", greenthread::io::pipe().map(drop)),
            ("pair", UnixStream::pair().map(drop)),
            ("file", greenthread::fs::File::open("/dev/null").map(drop)),
            ("directory", greenthread::fs::read_dir("/").map(drop)),
            (
                "poll",
                greenthread::io::poll(
                    &mut [PollFd::readable(&idle_reader)],
                    Some(Duration::from_millis(1)),
                )
                .map(drop),
            ),
        ];
        for (what, outcome) in outcomes {
            match outcome {
                Ok(()) => assert!(works, "{what} needs no descriptor?"),
                Err(error) => assert!(!works, "{what}: {error}"),
            }
        }
    };
    run(true);
    let server = listener.accept().unwrap().0;
    while listener.set_nonblocking(true).is_ok() && listener.accept().is_ok() {}
    listener.set_nonblocking(false).unwrap();
    let _waiting = std::net::TcpStream::connect(address).unwrap();
    a.send_fds(b"three", &[a.as_fd(), b.as_fd(), b.as_fd()]).unwrap();
    let before = open_descriptors();
    let full = Full::but_for(0);
    run(false);
    assert_eq!(listener.accept().unwrap_err().raw_os_error(), Some(libc::EMFILE));
    // What was sent here is lost, as there is no room for it, and nothing of it is left behind.
    let mut fds = Vec::new();
    let error = b.recv_fds(&mut [0; 16], &mut fds).unwrap_err();
    assert_eq!((error.raw_os_error(), fds.len()), (Some(libc::EMFILE), 0));
    // What needs none goes on; where it would need a pipe or so, it copies.
    let passing = spawn(move || greenthread::io::forward(&server, &a));
    let sent = vec![7; 200_000];
    let data = sent.clone();
    let writing = spawn(move || client.write_all(&data).map(|()| client));
    let mut got = vec![0; sent.len()];
    (&b).read_exact(&mut got).unwrap();
    assert!(got == sent);
    let client = writing.join().unwrap().unwrap();
    drop(full);
    assert_eq!(open_descriptors(), before);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(passing.join().unwrap().unwrap(), 200_000);
    assert!(listener.accept().is_ok(), "it has waited in the backlog");
    assert!(TcpStream::connect(("localhost", address.port())).is_ok());
}

/// No descriptor is left for most of the clients: they wait in the backlog, and every one of them is served in the end.
fn no_descriptors_left() {
    let server = Arc::new(StreamServer::bind("127.0.0.1:0", echo).unwrap());
    let mut streams: Vec<_> =
        (0..100).map(|_| TcpStream::connect(server.local_addr().unwrap()).unwrap()).collect();
    let full = Full::but_for(10);
    server.start().unwrap();
    until(|| server.stats().accept_errors >= 3);
    let got_in = server.stats().live;
    assert!((1..100).contains(&got_in), "{got_in}");
    // Those that came in are served while the others wait.
    for (number, stream) in streams.iter_mut().enumerate() {
        // In the order in which they came, each of them until it leaves.
        exchange(stream, number).unwrap();
        if number as u64 + 5 >= got_in {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
    drop(full);
    let mut late = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    exchange(&mut late, 7).unwrap();
    drop((streams, late));
    assert_eq!(server.stop(LIMIT), 0);
    let stats = server.stats();
    assert_eq!((stats.finished, stats.accepted), (101, 101));
}

/// Handlers that are killed while they wait, compute or write give everything back.
fn killed_in_the_middle() {
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Held;
    impl Drop for Held {
        fn drop(&mut self) {
            sleep(Duration::from_millis(1));
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    BEGUN.store(0, Ordering::SeqCst);
    DROPPED.store(0, Ordering::SeqCst);
    let server = StreamServer::bind("127.0.0.1:0", |mut stream: TcpStream, _| {
        let _held = Held;
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        BEGUN.fetch_add(1, Ordering::SeqCst);
        match kind[0] % 3 {
            0 => sleep(FOR_EVER),
            1 => loop {
                greenthread::yield_now();
            },
            _ => loop {
                stream.write_all(&[0; 10_000])?;
            },
        }
        io::Result::Ok(())
    })
    .unwrap();
    server.start().unwrap();
    let mut streams: Vec<_> = (0..200u8)
        .map(|kind| {
            let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            stream.write_all(&[kind]).unwrap();
            stream
        })
        .collect();
    until(|| BEGUN.load(Ordering::SeqCst) == 200);
    assert_eq!(server.stop(Duration::from_millis(10)), 200);
    assert_eq!((server.stats().killed, DROPPED.load(Ordering::SeqCst)), (200, 200));
    for stream in &mut streams {
        let _ = io::copy(stream, &mut io::sink());
    }
}

/// Idle workers give the memory of stacks back after a while, address space and page tables too, but for some that stay
/// warm. What malloc keeps of what was freed is given back here, since that is malloc's.
fn has_come_back(before: u64, workers: u64) -> bool {
    // SAFETY: takes malloc's own locks, and touches only what is free.
    unsafe { libc::malloc_trim(0) };
    in_memory() < before + SPARE + workers * WARM
}

/// Capacity for the most connections that there were, a few dozen bytes for each.
const SPARE: u64 = 2 << 20;
/// 256 stacks of a worker, of which two to four pages were used; up to eight where a kill unwound it in a debug build.
const WARM: u64 = 8 << 20;

#[test]
fn a_server_survives_load_and_then_faults() {
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for workers in [1, 2] {
            let runtime = Runtime::builder().workers(workers as usize).build().unwrap();
            // What a process takes once and keeps is not counted: its code, the first thread of everything.
            runtime.spawn(few).join().unwrap();
            let before = in_memory();
            runtime.spawn(storm).join().unwrap();
            let during = in_memory();
            let parts = [
                resets,
                slow_readers,
                no_descriptors_left,
                everything_without_descriptors,
                killed_in_the_middle,
            ];
            for part in parts {
                runtime.spawn(part).join().unwrap();
            }
            let end = Instant::now() + LIMIT;
            let in_time = loop {
                let in_time = Instant::now() < end;
                if has_come_back(before, workers) || !in_time {
                    break in_time;
                }
                sleep(Duration::from_millis(5));
            };
            let (now, tables) = (in_memory(), status("VmPTE:"));
            let told = format!(
                "{workers} workers: {before} B, up to {during} B, {now} B in the end, {tables} B of them page tables"
            );
            assert!(in_time, "{told}");
            println!("{told}");
        }
        let _ = done.send(());
    });
    match finished.recv_timeout(10 * LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap(),
    }
}
