//! Files and connections passed on by the system: every byte arrives once, whatever comes in between.

use crate::support::{FOR_EVER, Random, everywhere, within_limit, workers};
use greenthread::fs::{self, File};
use greenthread::io::{ErrorKind, Read, Write, forward, send_file};
use greenthread::net::{Shutdown, TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::{Runtime, sleep, spawn, timeout};
use rustix::fs::{OFlags, fcntl_getfl};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// More than the system buffers for a connection.
const LARGE: usize = 24 << 20;

fn large() -> &'static [u8] {
    static DATA: OnceLock<Vec<u8>> = OnceLock::new();
    DATA.get_or_init(|| {
        (0..LARGE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    })
}

/// A file that is removed in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(contents: &[u8]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("greenthread-forward-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, contents).unwrap();
        Self(path)
    }

    fn open(&self) -> File {
        File::open(&self.0).unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn connected_tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn all_of(mut from: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).unwrap();
    all
}

fn is_nonblocking(fd: impl AsFd) -> bool {
    fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

#[test]
fn a_file_and_its_ranges() {
    everywhere(|| {
        let contents = &large()[..3_000_001];
        let file = Temporary::new(contents);
        let (here, there) = connected_tcp_pair();
        let received = spawn(move || all_of(there));
        let opened = file.open();
        let mut expected = Vec::new();
        let mut send = |from: usize, to: usize, end: usize| {
            let mut range = from as u64..to as u64;
            send_file(&opened, &mut range, &here).unwrap();
            assert_eq!(range, end as u64..to as u64);
            expected.extend_from_slice(contents.get(from..end).unwrap_or_default());
        };
        send(0, 3_000_001, 3_000_001);
        send(1_000_000, 2_000_003, 2_000_003);
        send(7, 8, 8);
        send(5, 5, 5);
        send(2_999_000, 1 << 62, 3_000_001);
        send(3_000_001, 3_000_002, 3_000_001);
        send(4_000_000, 5_000_000, 4_000_000);
        drop(here);
        assert!(received.join().unwrap() == expected);
        // Backwards is empty.
        let (here, there) = UnixStream::pair().unwrap();
        #[allow(clippy::reversed_empty_ranges)]
        send_file(&opened, &mut (9..3), &here).unwrap();
        send_file(&opened, &mut (0..1000), &here).unwrap();
        assert!(!is_nonblocking(&here), "as before");
        drop(here);
        assert!(all_of(there) == contents[..1000]);
    });
}

#[test]
fn after_a_timeout_it_goes_on_where_it_was() {
    let case = || {
        let contents = large();
        let file = Temporary::new(contents);
        let opened = file.open();
        let (here, there) = connected_tcp_pair();
        let mut range = 0..LARGE as u64;
        // Nobody reads.
        let cut = timeout(Duration::from_millis(30), || send_file(&opened, &mut range, &here));
        assert!(cut.is_err() && range.end == LARGE as u64);
        assert!((1..LARGE as u64).contains(&range.start));
        assert!(!is_nonblocking(&here), "as before");
        here.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
        let error = send_file(&opened, &mut range, &here).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        here.set_write_timeout(None).unwrap();
        here.set_nonblocking(true).unwrap();
        let error = send_file(&opened, &mut range, &here).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(is_nonblocking(&here), "as the user asked");
        here.set_nonblocking(false).unwrap();
        assert!(!range.is_empty() && !is_nonblocking(&here));
        let received = spawn(move || all_of(there));
        send_file(&opened, &mut range, &here).unwrap();
        assert!(range.is_empty());
        drop(here);
        assert!(received.join().unwrap() == contents);
    };
    for count in [1, 2] {
        within_limit(move || workers(count).run(case).unwrap());
    }
    within_limit(move || Runtime::new_current_thread().unwrap().run_local(case).unwrap());
}

#[test]
fn a_kill_in_the_middle() {
    everywhere(|| {
        let contents = large();
        let file = Temporary::new(contents);
        let opened = file.open();
        let (here, mut there) = UnixStream::pair().unwrap();
        let other = here.try_clone().unwrap();
        let sender =
            spawn(move || send_file(&opened, &mut (0..LARGE as u64), &here).map(|()| here));
        there.read_exact(&mut [0]).unwrap();
        assert!(sender.kill_and_wait(FOR_EVER));
        assert!(sender.join().unwrap_err().is_killed());
        assert!(!is_nonblocking(&other));
        // What has been sent is whole.
        drop(other);
        let rest = all_of(there);
        assert!(rest.len() < LARGE && rest == contents[1..=rest.len()]);
    });
}

#[test]
fn a_file_that_becomes_shorter() {
    everywhere(|| {
        let contents = large();
        let file = Temporary::new(contents);
        let opened = file.open();
        let (here, mut there) = connected_tcp_pair();
        let sender = spawn(move || {
            let mut range = 0..LARGE as u64;
            send_file(&opened, &mut range, &here).map(|()| range)
        });
        there.read_exact(&mut [0]).unwrap();
        std::fs::OpenOptions::new().write(true).open(&file.0).unwrap().set_len(100).unwrap();
        let received = all_of(there);
        let left = sender.join().unwrap().unwrap();
        assert_eq!(left, received.len() as u64 + 1..LARGE as u64);
        assert!(!left.is_empty(), "it says so");
        // What the file has lost meanwhile may be zeros.
        assert!(received.iter().zip(&contents[1..]).all(|(got, was)| got == was || *got == 0));
    });
}

#[test]
fn what_cannot_be_sent() {
    everywhere(|| {
        let file = Temporary::new(b"some text");
        let (here, there) = UnixStream::pair().unwrap();
        // Neither in a cache nor of a known length.
        send_file(&File::open("/proc/self/stat").unwrap(), &mut (0..u64::MAX), &here).unwrap();
        let folder = File::open(std::env::temp_dir()).unwrap();
        let error = send_file(&folder, &mut (0..10), &here).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        let unreadable = fs::OpenOptions::new().write(true).open(&file.0).unwrap();
        assert!(send_file(&unreadable, &mut (0..10), &here).is_err());
        assert!(send_file(&file.open(), &mut (u64::MAX - 5..u64::MAX), &here).is_err());
        here.shutdown(Shutdown::Write).unwrap();
        let text = all_of(&there);
        assert!(text.starts_with(std::process::id().to_string().as_bytes()));
        let error = send_file(&file.open(), &mut (0..5), &here).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_socket_that_others_have_keeps_its_mode() {
    everywhere(|| {
        let contents = large();
        let file = Temporary::new(contents);
        let (here, there) = connected_tcp_pair();
        // Code that knows nothing of this library reads from it, and expects to block.
        let mut outside = std::net::TcpStream::from(here.try_clone().unwrap());
        let reader = std::thread::spawn(move || {
            let mut byte = [0];
            outside.read_exact(&mut byte).map(|()| byte[0])
        });
        let opened = file.open();
        let sender = spawn(move || {
            let mut range = 0..LARGE as u64;
            send_file(&opened, &mut range, &here).unwrap();
            here.shutdown(Shutdown::Write).unwrap();
            assert!(!is_nonblocking(&here));
        });
        sleep(Duration::from_millis(5));
        assert!(!sender.is_finished());
        assert!(all_of(&there) == contents);
        sender.join().unwrap();
        (&there).write_all(&[7]).unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), 7);
    });
}

/// Writes in pieces of all sizes, now and then with a pause.
fn write_in_pieces(mut to: impl Write, contents: &[u8]) {
    let (mut random, mut at) = (Random(99), 0);
    while at < contents.len() {
        let most = [10, 8192, 300_000][random.below(3) as usize];
        let size = 1 + random.below(most) as usize;
        let end = contents.len().min(at + size);
        to.write_all(&contents[at..end]).unwrap();
        at = end;
        if random.below(20) == 0 {
            sleep(Duration::from_micros(300));
        }
    }
}

#[test]
fn connections_are_passed_on() {
    everywhere(|| {
        let contents = &large()[..6_000_000];
        let passed: Vec<_> = (0..4)
            .map(|_| {
                let ((source, from), (to, sink)) =
                    (connected_tcp_pair(), UnixStream::pair().unwrap());
                let (from, to) = (Arc::new(from), Arc::new(to));
                let (answered, asked) = (from.clone(), to.clone());
                let up = spawn(move || {
                    let count = forward(&*from, &*to).unwrap();
                    to.shutdown(Shutdown::Write).unwrap();
                    count
                });
                let down = spawn(move || {
                    let count = forward(&*asked, &*answered).unwrap();
                    answered.shutdown(Shutdown::Write).unwrap();
                    assert!(!is_nonblocking(&*asked) && !is_nonblocking(&*answered));
                    count
                });
                let asking = spawn(move || {
                    write_in_pieces(&source, contents);
                    source.shutdown(Shutdown::Write).unwrap();
                    all_of(source)
                });
                let answering = spawn(move || {
                    let all = all_of(&sink);
                    write_in_pieces(sink, contents);
                    all
                });
                (up, down, asking, answering)
            })
            .collect();
        for (up, down, asking, answering) in passed {
            assert!(asking.join().unwrap() == contents);
            assert!(answering.join().unwrap() == contents);
            assert_eq!((up.join().unwrap(), down.join().unwrap()), (6_000_000, 6_000_000));
        }
    });
}

#[test]
fn a_forward_that_is_cut_short_loses_little_and_muddles_nothing() {
    everywhere(|| {
        let contents = large();
        for kill in [false, true] {
            let ((source, from), (to, mut sink)) = (connected_tcp_pair(), connected_tcp_pair());
            let asking = spawn(move || {
                // Fails when the other end goes.
                let _ = (&source).write_all(contents);
            });
            let others = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let passing = spawn(move || {
                if kill {
                    return forward(&from, &to).map(|_| ());
                }
                to.set_write_timeout(Some(Duration::from_millis(20)))?;
                forward(&from, &to).map(|_| ())
            });
            // Nobody reads on: everything is full soon.
            sink.read_exact(&mut [0]).unwrap();
            if kill {
                sleep(Duration::from_millis(20));
                passing.kill();
                assert!(passing.join().unwrap_err().is_killed());
            } else {
                let error = passing.join().unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
            assert!(!is_nonblocking(&others.0) && !is_nonblocking(&others.1));
            drop(others);
            let rest = all_of(sink);
            assert!(rest.len() < LARGE && rest == contents[1..=rest.len()]);
            asking.join().unwrap();
        }
        // A pipe with rests in it is not used again.
        let ((source, from), (to, sink)) = (connected_tcp_pair(), connected_tcp_pair());
        let asking = spawn(move || (&source).write_all(contents).unwrap());
        let reading = spawn(move || all_of(sink));
        assert_eq!(forward(&from, &to).unwrap(), LARGE as u64);
        drop(to);
        assert!(reading.join().unwrap() == contents);
        asking.join().unwrap();
    });
}

#[test]
fn a_target_that_has_gone_ends_a_forward() {
    everywhere(|| {
        let ((source, from), (to, sink)) = (connected_tcp_pair(), connected_tcp_pair());
        drop(sink);
        let asking = spawn(move || {
            let chunk = vec![1; 100_000];
            while (&source).write_all(&chunk).is_ok() {}
        });
        let error = forward(&from, &to).unwrap_err();
        let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(gone.contains(&error.kind()), "{error}");
        drop((from, to));
        asking.join().unwrap();
    });
}
