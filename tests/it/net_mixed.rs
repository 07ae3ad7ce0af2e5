//! Connections that everybody uses at once, by seed: both ways, from several runtimes that come and go and from OS threads, cut
//! off by kills and timeouts, with others who only wait for the same descriptors. No byte may be lost or come twice, no wait may
//! last for ever.

use crate::support::{Random, within_limit, workers};
use greenthread::io::{ErrorKind, PipeReader, PipeWriter, wait_readable, wait_writable};
use greenthread::net::{Shutdown, TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::{JoinHandle, Runtime, sleep, timeout, yield_now};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is at this place of a stream.
fn byte_at(place: u64) -> u8 {
    (place % 251) as u8
}

/// One end of a connection.
trait End: Send + Sync {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    fn wait(&self, read: bool, timeout: Duration) -> io::Result<bool>;
    /// Nothing more is written.
    fn finish(&self);
}

macro_rules! is_end {
    ($($stream:ty),*) => {$(
        impl End for $stream {
            fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                Read::read(&mut &*self, buffer)
            }

            fn write(&self, bytes: &[u8]) -> io::Result<usize> {
                Write::write(&mut &*self, bytes)
            }

            fn wait(&self, read: bool, timeout: Duration) -> io::Result<bool> {
                let timeout = Some(timeout);
                if read { wait_readable(self, timeout) } else { wait_writable(self, timeout) }
            }

            fn finish(&self) {
                self.shutdown(Shutdown::Write).unwrap();
            }
        }
    )*};
}

is_end!(TcpStream, UnixStream);

/// Reads from one pipe and writes to another.
struct Pipes(PipeReader, Mutex<Option<Arc<PipeWriter>>>);

impl Pipes {
    fn writer(&self) -> Option<Arc<PipeWriter>> {
        self.1.lock().unwrap().clone()
    }
}

impl End for Pipes {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.writer().unwrap()).write(bytes)
    }

    fn wait(&self, read: bool, timeout: Duration) -> io::Result<bool> {
        match self.writer() {
            Some(writer) if !read => wait_writable(&*writer, Some(timeout)),
            _ => wait_readable(&self.0, Some(timeout)),
        }
    }

    fn finish(&self) {
        self.1.lock().unwrap().take();
    }
}

/// How far one end has come in one direction. One at a time goes on with it, so that each byte can be told from its place.
#[derive(Default)]
struct Way {
    place: AtomicU64,
    busy: AtomicBool,
    done: AtomicBool,
}

struct Turn<'a>(&'a Way);

impl Way {
    fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    fn turn(&self) -> Option<Turn<'_>> {
        let free = !self.is_done() && !self.busy.swap(true, Ordering::SeqCst);
        free.then(|| Turn(self)).filter(|_| !self.is_done())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::SeqCst);
    }
}

struct Connection {
    ends: [Box<dyn End>; 2],
    read: [Way; 2],
    written: [Way; 2],
    /// So much goes each way.
    length: u64,
}

impl Connection {
    fn new(random: &mut Random) -> Self {
        let ends: [Box<dyn End>; 2] = match random.below(3) {
            0 => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                [Box::new(near), Box::new(listener.accept().unwrap().0)]
            }
            1 => {
                let (near, far) = UnixStream::pair().unwrap();
                [Box::new(near), Box::new(far)]
            }
            _ => {
                let [(a, to_a), (b, to_b)] = [(); 2].map(|()| greenthread::io::pipe().unwrap());
                let end = |reader, writer| Pipes(reader, Mutex::new(Some(Arc::new(writer))));
                [Box::new(end(a, to_b)), Box::new(end(b, to_a))]
            }
        };
        let length = 100 + random.below(400_000);
        Self { ends, read: Default::default(), written: Default::default(), length }
    }

    fn is_done(&self) -> bool {
        self.read.iter().all(Way::is_done)
    }

    /// Takes part until all is done.
    fn serve(&self, seed: u64) {
        let mut random = Random(seed | 1);
        let mut buffer = vec![0; 70_000];
        while !self.is_done() {
            let side = random.below(2) as usize;
            let reads = random.below(2) == 0;
            let limit = Duration::from_micros(1 << random.below(13));
            if random.below(5) == 0 {
                let wait = || self.ends[side].wait(reads, limit).unwrap();
                let _ = if random.below(2) == 0 { timeout(limit / 2, wait) } else { Ok(wait()) };
                continue;
            }
            let way = if reads { &self.read[side] } else { &self.written[side] };
            let Some(turn) = way.turn() else {
                yield_now();
                if random.below(4) == 0 {
                    sleep(Duration::from_micros(100));
                }
                continue;
            };
            let most = match random.below(4) {
                0 => 1,
                1 => 1 + random.below(100),
                2 => 1 + random.below(5000),
                _ => 1 + random.below(70_000),
            };
            let buffer = &mut buffer[..most as usize];
            let mut step =
                || if reads { self.read(side, buffer) } else { self.write(side, buffer) };
            let outcome = match random.below(6) {
                0 => Ok(step()),
                1 => timeout(Duration::ZERO, step),
                _ => timeout(limit, step),
            };
            drop(turn);
            match outcome {
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                outcome => drop(outcome.map(Result::unwrap)),
            }
        }
    }

    fn read(&self, side: usize, buffer: &mut [u8]) -> io::Result<()> {
        let way = &self.read[side];
        let got = self.ends[side].read(buffer)?;
        let from = way.place.load(Ordering::SeqCst);
        for (byte, place) in buffer[..got].iter().zip(from..) {
            assert_eq!(*byte, byte_at(place), "at {place}");
        }
        way.place.store(from + got as u64, Ordering::SeqCst);
        if got == 0 {
            assert_eq!(from, self.length, "the end");
            way.done.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    fn write(&self, side: usize, buffer: &mut [u8]) -> io::Result<()> {
        let way = &self.written[side];
        let from = way.place.load(Ordering::SeqCst);
        let places = from..self.length.min(from + buffer.len() as u64);
        let length = places.clone().count();
        buffer.iter_mut().zip(places).for_each(|(byte, place)| *byte = byte_at(place));
        let sent = self.ends[side].write(&buffer[..length])?;
        way.place.store(from + sent as u64, Ordering::SeqCst);
        if from + sent as u64 == self.length {
            self.ends[side].finish();
            way.done.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

type Connections = Arc<[Connection]>;

/// Runtimes, one after the other, until all is done. Where they are `steady` each connection has one that stays; all others are
/// killed.
fn in_runtimes(connections: &Connections, steady: bool, seed: u64) {
    let mut random = Random(seed | 1);
    let workers_or_none = [0, 1, 2, 8][random.below(4) as usize];
    while !connections.iter().all(Connection::is_done) {
        let (all, seed) = (Arc::clone(connections), random.below(u64::MAX));
        let body = move || serve_and_kill(&all, steady, seed);
        match workers_or_none {
            0 => Runtime::new_current_thread().unwrap().run(body).unwrap(),
            count => workers(count).run(body).unwrap(),
        }
    }
}

fn serve_and_kill(connections: &Connections, steady: bool, seed: u64) {
    let mut random = Random(seed | 1);
    let start = |at: usize, random: &mut Random| {
        let (all, seed) = (Arc::clone(connections), random.below(u64::MAX));
        greenthread::spawn(move || all[at].serve(seed))
    };
    let any = |random: &mut Random| start(random.below(connections.len() as u64) as usize, random);
    let kill = |handle: JoinHandle<()>| {
        handle.kill();
        assert!(handle.join().map_or_else(|error| error.is_killed(), |()| true));
    };
    let kept = if steady { connections.len() } else { 0 };
    let kept: Vec<_> = (0..kept).map(|at| start(at, &mut random)).collect();
    let mut others: Vec<_> = (0..1 + random.below(4)).map(|_| any(&mut random)).collect();
    loop {
        sleep(Duration::from_micros(random.below(4000)));
        if kept.iter().all(JoinHandle::is_finished) {
            break;
        }
        kill(others.swap_remove(random.below(others.len() as u64) as usize));
        others.push(any(&mut random));
    }
    others.into_iter().for_each(kill);
    kept.into_iter().for_each(|handle| handle.join().unwrap());
}

#[test]
fn nothing_is_lost_between_runtimes_os_threads_kills_and_timeouts() {
    within_limit(|| {
        for seed in 1..=40 {
            let mut random = Random(seed << 32 | 0x9e37_79b9);
            let count = 1 + random.below(3);
            let connections: Connections =
                (0..count).map(|_| Connection::new(&mut random)).collect();
            let os_threads = random.below(3);
            let mut threads = Vec::new();
            for at in (0..count).cycle().take((os_threads * count) as usize) {
                let (all, seed) = (Arc::clone(&connections), random.below(u64::MAX));
                threads.push(thread::spawn(move || all[at as usize].serve(seed)));
            }
            for at in 0..1 + random.below(2) {
                let (all, seed) = (Arc::clone(&connections), random.below(u64::MAX));
                let steady = os_threads == 0 && at == 0;
                threads.push(thread::spawn(move || in_runtimes(&all, steady, seed)));
            }
            for thread in threads {
                assert!(thread.join().is_ok(), "seed {seed}");
            }
            for way in connections.iter().flat_map(|connection| &connection.read) {
                assert!(way.is_done());
            }
        }
    });
}
