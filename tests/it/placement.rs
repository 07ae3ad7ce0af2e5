//! On which workers green threads start. A started one never moves, so this decides for good.

use crate::support::{until, within_limit, workers};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::server::StreamServer;
use greenthread::thread::park;
use greenthread::{JoinHandle, Runtime, sleep, spawn, yield_now};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Those that live, by worker. Without a lock: on a loaded machine one would hold the workers up.
#[derive(Clone)]
struct Places(Arc<Vec<AtomicUsize>>);

static WORKERS_SEEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static WORKER: usize = WORKERS_SEEN.fetch_add(1, Ordering::SeqCst);
}

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new((0..4096).map(|_| AtomicUsize::new(0)).collect()))
    }
}

impl Places {
    /// The calling green thread lives here until what is returned is dropped.
    fn enter(&self) -> impl Drop + use<> {
        struct Leave(Places, usize);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.0[self.1].fetch_sub(1, Ordering::SeqCst);
            }
        }
        let here = WORKER.with(|number| number % 4096);
        self.0[here].fetch_add(1, Ordering::SeqCst);
        Leave(self.clone(), here)
    }

    fn all(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|count| count.load(Ordering::SeqCst))
    }

    fn len(&self) -> usize {
        self.all().sum()
    }

    /// No worker has a fifth more than its share: with two that is 60 %.
    #[track_caller]
    fn assert_even(&self, workers: usize, what: &str) {
        let places: Vec<usize> = self.all().filter(|count| *count != 0).collect();
        let (all, most) = (places.iter().sum::<usize>(), *places.iter().max().unwrap());
        let percent = 100 * most * workers / all;
        println!("{what}, {workers} workers: the fullest has {percent} % of its share");
        assert!(percent <= 120, "{what}, {workers} workers: {places:?}");
    }
}

/// What a green thread does before it waits.
fn block() {}

fn do_a_little() {
    for _ in 0..3 {
        yield_now();
        sleep(Duration::from_micros(50));
    }
}

fn compute() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(50) {}
}

const WORK: [(&str, fn()); 3] =
    [("block", block), ("do a little", do_a_little), ("compute", compute)];

/// How many there are in each test; with as many connections as any limit of open files allows.
const MANY: usize = 1000;
const CONNECTIONS: usize = 200;

fn rounds() -> usize {
    std::env::var("PLACEMENT_ROUNDS").map_or(1, |text| text.parse().unwrap())
}

/// For 2, 4 and 8 workers and each kind of work.
fn each(case: impl Fn(&Runtime, usize, &str, fn()) + Send + Sync + 'static) {
    within_limit(move || {
        for _ in 0..rounds() {
            for count in [2, 4, 8] {
                for (what, work) in WORK {
                    let runtime = workers(count);
                    case(&runtime, count, what, work);
                }
            }
        }
    });
}

/// The body of one that does its work and then stays.
fn stay(places: &Places, work: fn()) -> impl FnOnce() + Send + use<> {
    let places = places.clone();
    move || {
        work();
        let _here = places.enter();
        park();
    }
}

fn end(handles: Vec<JoinHandle<()>>) {
    greenthread::thread::kill_all(&handles);
    greenthread::thread::join_all(handles);
}

#[test]
fn what_is_spawned_from_outside_is_spread() {
    each(|runtime, count, what, work| {
        let places = Places::default();
        let handles: Vec<_> = (0..MANY).map(|_| runtime.spawn(stay(&places, work))).collect();
        until(|| places.len() == MANY);
        places.assert_even(count, what);
        end(handles);
    });
}

#[test]
fn what_a_green_thread_spawns_is_spread() {
    each(|runtime, count, what, work| {
        let places = Places::default();
        let inside = places.clone();
        let spawn_all = move || (0..MANY).map(|_| spawn(stay(&inside, work))).collect::<Vec<_>>();
        let handles = runtime.spawn(spawn_all).join().unwrap();
        until(|| places.len() == MANY);
        places.assert_even(count, what);
        end(handles);
    });
}

#[test]
fn what_comes_one_after_the_other_is_spread() {
    each(|runtime, count, what, work| {
        let places = Places::default();
        let inside = places.clone();
        let spawn_all = move || {
            let one = |_| {
                let handle = spawn(stay(&inside, work));
                yield_now();
                handle
            };
            (0..MANY).map(one).collect::<Vec<_>>()
        };
        let handles = runtime.spawn(spawn_all).join().unwrap();
        until(|| places.len() == MANY);
        places.assert_even(count, what);
        end(handles);
    });
}

#[test]
fn connections_are_spread() {
    each(|runtime, count, what, work| {
        let places = Places::default();
        let inside = places.clone();
        let server = runtime.spawn(move || {
            let handler = move |mut stream: TcpStream, _| {
                work();
                let _here = inside.enter();
                let _ = stream.read(&mut [0]);
            };
            let server = StreamServer::new(TcpListener::bind("127.0.0.1:0").unwrap(), handler);
            server.start().unwrap();
            server
        });
        let server = server.join().unwrap();
        let address = server.local_addr().unwrap();
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        until(|| places.len() == CONNECTIONS);
        places.assert_even(count, what);
        for mut client in clients {
            let _ = client.write_all(b"x");
        }
        assert_eq!(server.stop(Duration::from_secs(60)), 0);
    });
}

/// Each time a fifth of them ends, whichever they are, and as many come.
#[test]
fn where_they_come_and_go_the_spread_stays() {
    each(|runtime, count, what, work| {
        let (places, mut seed) = (Places::default(), 7u64);
        let mut handles: Vec<_> = (0..MANY).map(|_| runtime.spawn(stay(&places, work))).collect();
        until(|| places.len() == MANY);
        for _ in 0..10 {
            let gone = (0..MANY / 5).map(|_| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                handles.swap_remove((seed >> 33) as usize % handles.len())
            });
            end(gone.collect());
            handles.extend((0..MANY / 5).map(|_| runtime.spawn(stay(&places, work))));
            until(|| places.len() == MANY);
        }
        places.assert_even(count, what);
        end(handles);
    });
}

/// What is queued behind one that does not let its worker turn is started by others, whatever they have to do themselves.
#[test]
fn what_lies_behind_a_hog_is_rescued() {
    within_limit(|| {
        for count in [2, 4] {
            let runtime = workers(count);
            let places = Places::default();
            // So that each worker has more than the hog's.
            let sleepers: Vec<_> =
                (0..count * 20).map(|_| runtime.spawn(stay(&places, block))).collect();
            until(|| places.len() == count * 20);
            let ended = Arc::new(AtomicUsize::new(0));
            let inside = Arc::clone(&ended);
            let hog = runtime.spawn(move || {
                for _ in 0..100 {
                    let ended = Arc::clone(&inside);
                    drop(spawn(move || ended.fetch_add(1, Ordering::SeqCst)));
                }
                while inside.load(Ordering::SeqCst) < 100 {
                    std::hint::spin_loop();
                }
            });
            hog.join().unwrap();
            end(sleepers);
        }
    });
}

/// Nothing new is left with a worker that is held up, for however long it has the least to do.
#[test]
fn a_worker_that_is_held_up_is_given_nothing() {
    within_limit(|| {
        let runtime = workers(2);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let hog = runtime.spawn(move || wait.recv().is_ok());
        for i in 0..2000 {
            assert_eq!(runtime.spawn(move || i).join().unwrap(), i);
        }
        let places = Places::default();
        let handles: Vec<_> = (0..MANY).map(|_| runtime.spawn(stay(&places, block))).collect();
        until(|| places.len() == MANY);
        drop(go);
        assert!(!hog.join().unwrap());
        end(handles);
    });
}
