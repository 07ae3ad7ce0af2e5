//! On which workers green threads start. A started one never moves, so this decides for good.
//!
//! `PLACEMENT_ROUNDS=20 cargo test --test it placement -- --nocapture --test-threads 1` repeats each case so many times and prints
//! how much of its share the fullest worker had, in the median and at most.

use crate::support::{Random, until, within_limit, workers};
use greenthread::net::{SocketAddr, TcpListener, TcpStream};
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

    /// How many hundredths of its share the fullest of so many workers has.
    fn fullest(&self, workers: usize) -> usize {
        100 * self.all().max().unwrap_or(0) * workers / self.len()
    }

    /// The same of so many that have been started, when they are all there; ends them.
    fn fullest_of(&self, workers: usize, handles: Vec<JoinHandle<()>>) -> usize {
        until(|| self.len() == MANY);
        let fullest = self.fullest(workers);
        end(handles);
        fullest
    }
}

/// What a green thread does before it waits.
fn wait_at_once() {}

fn do_a_little() {
    for _ in 0..3 {
        yield_now();
        sleep(Duration::from_micros(50));
    }
}

fn compute_a_little() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(50) {}
}

const WORK: [(&str, fn()); 3] = [
    ("wait at once", wait_at_once),
    ("do a little", do_a_little),
    ("compute a little", compute_a_little),
];

/// How many there are in each test; with as many connections as any limit of open files allows.
const MANY: usize = 1000;
const CONNECTIONS: usize = 200;

fn rounds() -> usize {
    std::env::var("PLACEMENT_ROUNDS").map_or(1, |text| text.parse().unwrap())
}

/// For 2, 4 and 8 workers and each kind of work: no worker has a fifth more than its share, which with two is 60 %. `case` returns
/// how much the [fullest](Places::fullest) has.
#[track_caller]
fn each(name: &str, case: impl Fn(&Runtime, usize, fn()) -> usize + Clone + Send + 'static) {
    let mut uneven = Vec::new();
    for count in [2, 4, 8] {
        for (what, work) in WORK {
            let round = || {
                let case = case.clone();
                within_limit(move || case(&workers(count), count, work))
            };
            let mut all: Vec<usize> = (0..rounds()).map(|_| round()).collect();
            all.sort();
            let (median, most) = (all[all.len() / 2], all[all.len() - 1]);
            let row = format!(
                "{name}, {what}, {count} workers: {median} % of its share, at most {most} %"
            );
            println!("{row}");
            if most > 120 {
                uneven.push(row);
            }
        }
    }
    assert!(uneven.is_empty(), "{uneven:#?}");
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
    each("spawned from outside", |runtime, count, work| {
        let places = Places::default();
        let handles: Vec<_> = (0..MANY).map(|_| runtime.spawn(stay(&places, work))).collect();
        places.fullest_of(count, handles)
    });
}

#[test]
fn what_several_os_threads_spawn_is_spread() {
    each("spawned by four OS threads", |runtime, count, work| {
        let places = Places::default();
        let spawn_some =
            || -> Vec<_> { (0..MANY / 4).map(|_| runtime.spawn(stay(&places, work))).collect() };
        let handles: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(spawn_some)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        places.fullest_of(count, handles)
    });
}

#[test]
fn what_a_green_thread_spawns_is_spread() {
    each("spawned by a green thread", |runtime, count, work| {
        let places = Places::default();
        let inside = places.clone();
        let spawn_all = move || (0..MANY).map(|_| spawn(stay(&inside, work))).collect::<Vec<_>>();
        let handles = runtime.spawn(spawn_all).join().unwrap();
        places.fullest_of(count, handles)
    });
}

#[test]
fn what_comes_one_after_the_other_is_spread() {
    each("one after the other", |runtime, count, work| {
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
        places.fullest_of(count, handles)
    });
}

/// A server whose handlers do their work and stay until they are sent something.
fn serve(runtime: &Runtime, places: &Places, work: fn()) -> StreamServer<TcpListener> {
    let places = places.clone();
    let start = move || {
        let handler = move |mut stream: TcpStream, _| {
            work();
            let _here = places.enter();
            let _ = stream.read(&mut [0]);
        };
        let server = StreamServer::new(TcpListener::bind("127.0.0.1:0").unwrap(), handler);
        server.start().unwrap();
        server
    };
    runtime.spawn(start).join().unwrap()
}

fn connect(to: SocketAddr, many: usize) -> Vec<std::net::TcpStream> {
    (0..many).map(|_| std::net::TcpStream::connect(to).unwrap()).collect()
}

/// Has the handlers of these end.
fn dismiss(clients: impl IntoIterator<Item = std::net::TcpStream>) {
    for mut client in clients {
        let _ = client.write_all(b"x");
    }
}

#[test]
fn connections_are_spread() {
    each("connections of a server", |runtime, count, work| {
        let places = Places::default();
        let server = serve(runtime, &places, work);
        let clients = connect(server.local_addr().unwrap(), CONNECTIONS);
        until(|| places.len() == CONNECTIONS);
        let fullest = places.fullest(count);
        dismiss(clients);
        assert_eq!(server.stop(Duration::from_secs(60)), 0);
        fullest
    });
}

#[test]
fn what_is_spawned_for_each_accepted_connection_is_spread() {
    each("spawned for each that is accepted", |runtime, count, work| {
        let places = Places::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inside = places.clone();
        let accept_all = move || -> Vec<_> {
            let one = |_| {
                let (mut stream, _) = listener.accept().unwrap();
                let places = inside.clone();
                spawn(move || {
                    work();
                    let _here = places.enter();
                    let _ = stream.read(&mut [0]);
                })
            };
            (0..CONNECTIONS).map(one).collect()
        };
        let acceptor = runtime.spawn(accept_all);
        let clients = connect(address, CONNECTIONS);
        until(|| places.len() == CONNECTIONS);
        let fullest = places.fullest(count);
        dismiss(clients);
        greenthread::thread::join_all(acceptor.join().unwrap());
        fullest
    });
}

/// Each time a fifth of them ends, whichever they are, and as many come.
#[test]
fn where_they_come_and_go_the_spread_stays() {
    each("some end and others come", |runtime, count, work| {
        let (places, mut random) = (Places::default(), Random(7));
        let mut handles: Vec<_> = (0..MANY).map(|_| runtime.spawn(stay(&places, work))).collect();
        until(|| places.len() == MANY);
        for _ in 0..10 {
            let gone = (0..MANY / 5)
                .map(|_| handles.swap_remove(random.below(handles.len() as u64) as usize));
            end(gone.collect());
            handles.extend((0..MANY / 5).map(|_| runtime.spawn(stay(&places, work))));
            until(|| places.len() == MANY);
        }
        places.fullest_of(count, handles)
    });
}

#[test]
fn where_connections_come_and_go_the_spread_stays() {
    each("connections end and others come", |runtime, count, work| {
        let (places, mut random) = (Places::default(), Random(7));
        let server = serve(runtime, &places, work);
        let address = server.local_addr().unwrap();
        let mut clients = connect(address, CONNECTIONS);
        until(|| places.len() == CONNECTIONS);
        for _ in 0..5 {
            let gone: Vec<_> = (0..CONNECTIONS / 5)
                .map(|_| clients.swap_remove(random.below(clients.len() as u64) as usize))
                .collect();
            dismiss(gone);
            until(|| places.len() == clients.len());
            clients.extend(connect(address, CONNECTIONS / 5));
            until(|| places.len() == CONNECTIONS);
        }
        let fullest = places.fullest(count);
        dismiss(clients);
        assert_eq!(server.stop(Duration::from_secs(60)), 0);
        fullest
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
                (0..count * 20).map(|_| runtime.spawn(stay(&places, wait_at_once))).collect();
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
        let handles: Vec<_> =
            (0..MANY).map(|_| runtime.spawn(stay(&places, wait_at_once))).collect();
        until(|| places.len() == MANY);
        drop(go);
        assert!(!hog.join().unwrap());
        end(handles);
    });
}
