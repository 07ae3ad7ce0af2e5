//! A worker that is held up, by what computes or blocks its OS thread, holds up only what runs on it.

use crate::support::{within_limit, workers};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::thread::{spawn_later, spawn_local};
use greenthread::{Runtime, yield_now};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A green thread on each worker that runs what it is given.
pub(crate) struct Seats(Vec<greenthread::sync::mpsc::Sender<Job>>);

impl Seats {
    pub(crate) fn new(runtime: &Runtime, workers: usize) -> Self {
        let mut seats = HashMap::<ThreadId, _>::new();
        let (found, finds) = mpsc::channel();
        // More are spawned until there is one on each.
        while seats.len() < workers {
            let (give, jobs) = greenthread::sync::mpsc::channel::<Job>();
            let found = found.clone();
            drop(runtime.spawn(move || {
                found.send(std::thread::current().id()).unwrap();
                for job in jobs {
                    job();
                }
            }));
            seats.insert(finds.recv().unwrap(), give);
        }
        Self(seats.into_values().collect())
    }

    pub(crate) fn give(&self, at: usize, job: impl FnOnce() + Send + 'static) {
        self.0[at].send(Box::new(job)).unwrap();
    }

    /// Has a job done there and returns what it returns.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        at: usize,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (done, value) = mpsc::channel();
        self.give(at, move || done.send(job()).unwrap());
        value.recv().unwrap()
    }

    /// Holds that worker up until what is returned is dropped.
    pub(crate) fn hold(&self, at: usize) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        self.give(at, move || {
            begun.send(()).unwrap();
            let _ = released.recv();
        });
        begins.recv().unwrap();
        release
    }
}

fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, peer)
}

/// Waits for something to read in vain, so that the worker it runs on has been told of the socket.
fn wait_in_vain(stream: &TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let error = { stream }.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(None).unwrap();
}

fn read_one(mut stream: &TcpStream) -> u8 {
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    byte[0]
}

/// More than fits between the two.
const MUCH: usize = 32 << 20;

#[test]
fn a_reader_gets_its_data_though_the_worker_that_knew_the_socket_first_is_held() {
    within_limit(|| {
        let runtime = workers(2);
        let seats = Seats::new(&runtime, 2);
        let (stream, mut peer) = pair();
        for round in 0..20 {
            let (first, second) = (round % 2, 1 - round % 2);
            let own = stream.try_clone().unwrap();
            let held = seats.run(first, move || {
                wait_in_vain(&own);
                own
            });
            let release = seats.hold(first);
            let (got, gets) = mpsc::channel();
            seats.give(second, move || got.send(read_one(&held)).unwrap());
            peer.write_all(&[round as u8]).unwrap();
            assert_eq!(gets.recv().unwrap(), round as u8);
            drop(release);
        }
    });
}

/// The same registration serves both, until the worker of one of them is held.
#[test]
fn a_reader_and_a_writer_on_different_workers_do_not_need_each_others() {
    within_limit(|| {
        let runtime = workers(2);
        let seats = Seats::new(&runtime, 2);
        for held in [0, 1] {
            let (stream, mut peer) = pair();
            let stream = Arc::new(stream);
            let (reader, writer) = (held, 1 - held);
            // Both have waited: the reader first, or the writer first.
            let own = Arc::clone(&stream);
            seats.run(reader, move || wait_in_vain(&own));
            let (wrote, writes) = mpsc::channel();
            let own = Arc::clone(&stream);
            seats.give(writer, move || wrote.send((&*own).write_all(&vec![7; MUCH])).unwrap());
            let release = seats.hold(held);
            let mut all = vec![0; MUCH];
            peer.read_exact(&mut all).unwrap();
            writes.recv().unwrap().unwrap();
            drop(release);
            // And the other way round.
            let release = seats.hold(writer);
            let (got, gets) = mpsc::channel();
            let own = Arc::clone(&stream);
            seats.give(reader, move || got.send(read_one(&own)).unwrap());
            peer.write_all(b"r").unwrap();
            assert_eq!(gets.recv().unwrap(), b'r');
            drop(release);
        }
    });
}

/// Workers let a socket go that they need no longer, and learn of it again.
#[test]
fn a_socket_that_goes_from_worker_to_worker_loses_nothing() {
    const ROUNDS: usize = 3000;
    within_limit(|| {
        let runtime = workers(4);
        let seats = Seats::new(&runtime, 4);
        let (stream, mut peer) = pair();
        let stream = Arc::new(stream);
        let mut random = crate::support::Random(29);
        for round in 0..ROUNDS {
            let stays = random.below(4) as usize;
            let own = Arc::clone(&stream);
            let (got, gets) = mpsc::channel();
            let reads = random.below(20) as usize + 1;
            seats.give(stays, move || {
                for _ in 0..reads {
                    got.send(read_one(&own)).unwrap();
                }
            });
            for _ in 0..reads {
                peer.write_all(&[round as u8]).unwrap();
                assert_eq!(gets.recv().unwrap(), round as u8);
            }
            if gets.recv().is_ok() {
                unreachable!("it reads no more");
            }
        }
    });
}

/// Several of different workers wait for the same listener: each worker that is not held is told.
#[test]
fn acceptors_on_several_workers_do_not_need_each_others() {
    within_limit(|| {
        let runtime = workers(2);
        let seats = Seats::new(&runtime, 2);
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        for held in [0, 1, 0, 1] {
            let (accepted, accepts) = mpsc::channel();
            for at in [0, 1] {
                let (listener, accepted) = (Arc::clone(&listener), accepted.clone());
                seats.give(at, move || {
                    // Beside the seat, which goes on.
                    let accept = move || {
                        drop(listener.accept().unwrap());
                        accepted.send(()).unwrap();
                    };
                    drop(spawn_local(accept));
                    for _ in 0..10 {
                        yield_now();
                    }
                });
            }
            let release = seats.hold(held);
            let first = std::net::TcpStream::connect(address).unwrap();
            let second = std::net::TcpStream::connect(address).unwrap();
            // One of the two may be on the held worker.
            accepts.recv().unwrap();
            drop(release);
            accepts.recv().unwrap();
            drop((first, second));
        }
    });
}

/// They have not started, so they are not of that worker.
#[test]
fn what_is_to_start_later_starts_though_the_worker_that_keeps_it_is_held() {
    within_limit(|| {
        let runtime = workers(2);
        let seats = Seats::new(&runtime, 2);
        for held in [0, 1, 0, 1] {
            let later = seats.run(held, || {
                let one = |i: u64| spawn_later(Duration::from_millis(30 + i), move || i);
                let all: Vec<_> = (0..64).map(one).collect();
                // They are taken in meanwhile, some here.
                for _ in 0..200 {
                    yield_now();
                }
                all
            });
            let release = seats.hold(held);
            for (i, one) in later.into_iter().enumerate() {
                assert_eq!(one.join().unwrap(), i as u64);
            }
            drop(release);
        }
    });
}

/// A worker that was woken for what is new may have to run something else first, which then holds it up.
#[test]
fn what_is_new_starts_though_the_worker_that_was_woken_for_it_is_held() {
    within_limit(|| {
        for count in [2, 4] {
            let runtime = workers(count);
            let seats = Seats::new(&runtime, count);
            for round in 0..200 {
                let (release, released) = mpsc::channel::<()>();
                // Most often all workers sleep by then, and none comes by.
                std::thread::sleep(Duration::from_millis(1));
                let new = runtime.spawn(move || round);
                seats.give(round % count, move || assert!(released.recv().is_err()));
                assert_eq!(new.join().unwrap(), round);
                drop(release);
            }
        }
    });
}

#[test]
fn what_is_new_starts_while_all_workers_but_one_are_held() {
    within_limit(|| {
        let runtime = workers(4);
        let seats = Seats::new(&runtime, 4);
        for round in 0..40 {
            let held: Vec<_> = (0..3).map(|i| seats.hold((round + i) % 4)).collect();
            let handles: Vec<_> = (0..20).map(|i| runtime.spawn(move || i)).collect();
            for (i, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.join().unwrap(), i);
            }
            drop(held);
        }
    });
}
