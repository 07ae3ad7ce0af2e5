//! What waits on a free worker goes on while others are held up: every kind of wait that the library has, and whoever ends it.

use crate::held::{Job, Seats};
use crate::support::{FOR_EVER, LIMIT, within_limit, workers};
use greenthread::executor::{Executor, GreenExecutor, ThreadPool};
use greenthread::future::{self, FutureExt};
use greenthread::io::{PollFd, pipe, poll, wait_readable};
use greenthread::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use greenthread::os::unix::net::{UnixListener, UnixStream};
use greenthread::pool::{Group, Pool};
use greenthread::process::{Command, Stdio};
use greenthread::queue::{PriorityQueue, Queue};
use greenthread::signal::{Signal, Signals};
use greenthread::sync::{
    AsyncResult, Barrier, BoundedSemaphore, Condvar, CyclicBarrier, Event, Latch, Mutex, Once,
    OnceLock, ReentrantMutex, RwLock, Semaphore, WaitGroup, mpmc, mpsc,
};
use greenthread::thread::{self, Interval, Timer, spawn_later, spawn_local};
use greenthread::{blocking, fs, scope, select, shield, sleep, spawn, timeout, yield_now};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const MOMENT: Duration = Duration::from_millis(2);

/// What waits, and what ends that wait.
type Kind = (&'static str, fn() -> (Job, Job));

/// Nobody needs the value.
pub(crate) fn done<T>(_: T) {}

/// A job that does it.
pub(crate) fn job(f: impl FnOnce() + Send + 'static) -> Job {
    Box::new(f)
}

/// What ends by itself.
fn alone(f: impl FnOnce() + Send + 'static) -> (Job, Job) {
    (job(f), job(|| ()))
}

/// Two uses of what both share.
fn with<T: Send + Sync + 'static>(
    shared: T,
    wait: impl FnOnce(&T) + Send + 'static,
    end: impl FnOnce(&T) + Send + 'static,
) -> (Job, Job) {
    let shared = Arc::new(shared);
    let other = Arc::clone(&shared);
    (job(move || wait(&shared)), job(move || end(&other)))
}

/// `hold` takes something and gives it back when its argument returns: an OS thread has done the one, and what is returned has it do the
/// other.
pub(crate) fn held_elsewhere<T: Send + Sync + 'static>(
    shared: &Arc<T>,
    hold: impl FnOnce(&T, &dyn Fn()) + Send + 'static,
) -> impl FnOnce() + Send + 'static {
    let other = Arc::clone(shared);
    let (taken, takes) = std::sync::mpsc::channel();
    let (free, frees) = std::sync::mpsc::channel::<()>();
    drop(std::thread::spawn(move || {
        hold(&other, &|| {
            taken.send(()).unwrap();
            frees.recv().unwrap();
        });
    }));
    takes.recv().unwrap();
    move || free.send(()).unwrap()
}

pub(crate) fn hold_mutex(it: &Mutex<()>, meanwhile: &dyn Fn()) {
    let _guard = it.lock().unwrap();
    meanwhile();
}

pub(crate) fn hold_reentrant(it: &ReentrantMutex<()>, meanwhile: &dyn Fn()) {
    let _guard = it.lock();
    meanwhile();
}

/// What `hold` has taken is waited for, and given back by the end.
fn holding<T: Send + Sync + 'static>(
    shared: T,
    hold: impl FnOnce(&T, &dyn Fn()) + Send + 'static,
    wait: impl FnOnce(&T) + Send + 'static,
) -> (Job, Job) {
    let shared = Arc::new(shared);
    let end = held_elsewhere(&shared, hold);
    (job(move || wait(&shared)), job(end))
}

fn tcp_pair() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, peer)
}

fn read_one(mut from: impl Read) {
    from.read_exact(&mut [0]).unwrap();
}

const TIMES: &[Kind] = &[
    ("sleep", || alone(|| sleep(MOMENT))),
    ("sleep_until", || alone(|| thread::sleep_until(Instant::now() + MOMENT))),
    ("timeout", || alone(|| assert!(timeout(MOMENT, thread::park).is_err()))),
    ("park_timeout", || alone(|| thread::park_timeout(MOMENT))),
    ("Interval", || {
        alone(|| {
            let mut interval = Interval::new(MOMENT);
            (0..3).for_each(|_| done(interval.tick()));
        })
    }),
    ("Timer", || alone(|| assert_eq!(Timer::after(MOMENT, || 1).join().unwrap(), Some(1)))),
    ("spawn_later", || alone(|| spawn_later(MOMENT, || ()).join().unwrap())),
    ("mpmc::after", || alone(|| done(mpmc::after(MOMENT).recv().unwrap()))),
    ("mpmc::tick", || {
        alone(|| {
            let ticks = mpmc::tick(MOMENT);
            (0..3).for_each(|_| done(ticks.recv().unwrap()));
        })
    }),
    ("future::sleep", || alone(|| future::sleep(MOMENT).wait())),
    ("recv_timeout", || {
        let (send, receive) = mpsc::channel::<()>();
        alone(move || {
            assert!(receive.recv_timeout(MOMENT).is_err());
            drop(send);
        })
    }),
    ("select! with a default after a time", || {
        let (_send, receive) = mpmc::bounded::<()>(1);
        alone(move || {
            select! { recv(receive) -> _ => (), default(MOMENT) => () }
        })
    }),
    ("Event::wait_timeout", || alone(|| assert!(!Event::new().wait_timeout(MOMENT)))),
];

const SYNC: &[Kind] = &[
    ("Event", || with(Event::new(), Event::wait, Event::set)),
    ("Semaphore", || with(Semaphore::new(0), |it| it.acquire().forget(), Semaphore::release)),
    ("BoundedSemaphore", || {
        let semaphore = BoundedSemaphore::new(1);
        semaphore.acquire().forget();
        with(semaphore, |it| it.acquire().forget(), |it| it.release().unwrap())
    }),
    ("Latch", || with(Latch::new(1), Latch::wait, Latch::count_down)),
    ("WaitGroup", || {
        let group = WaitGroup::new();
        group.add(1);
        with(group, WaitGroup::wait, WaitGroup::done)
    }),
    ("AsyncResult", || with(AsyncResult::new(), |it| done(it.get()), |it| it.set(1).unwrap())),
    ("Barrier", || with(Barrier::new(2), |it| done(it.wait()), |it| done(it.wait()))),
    ("CyclicBarrier", || {
        with(CyclicBarrier::new(2), |it| done(it.wait().unwrap()), |it| done(it.wait().unwrap()))
    }),
    ("Condvar", || {
        let wait = |(is_over, changes): &(Mutex<bool>, Condvar)| {
            drop(changes.wait_while(is_over.lock().unwrap(), |over| !*over).unwrap());
        };
        with((Mutex::new(false), Condvar::new()), wait, |(is_over, changes)| {
            *is_over.lock().unwrap() = true;
            changes.notify_one();
        })
    }),
    ("Mutex", || holding(Mutex::new(()), hold_mutex, |it| drop(it.lock().unwrap()))),
    ("ReentrantMutex", || holding(ReentrantMutex::new(()), hold_reentrant, |it| drop(it.lock()))),
    ("RwLock, read", || {
        let hold = |it: &RwLock<()>, meanwhile: &dyn Fn()| {
            let _guard = it.write().unwrap();
            meanwhile();
        };
        holding(RwLock::new(()), hold, |it| drop(it.read().unwrap()))
    }),
    ("RwLock, write", || {
        let hold = |it: &RwLock<()>, meanwhile: &dyn Fn()| {
            let _guard = it.read().unwrap();
            meanwhile();
        };
        holding(RwLock::new(()), hold, |it| drop(it.write().unwrap()))
    }),
    ("Once", || {
        let hold = |it: &Once, meanwhile: &dyn Fn()| it.call_once(meanwhile);
        holding(Once::new(), hold, |it| it.call_once(|| unreachable!()))
    }),
    ("OnceLock", || {
        let hold = |it: &OnceLock<()>, meanwhile: &dyn Fn()| *it.get_or_init(meanwhile);
        holding(OnceLock::new(), hold, |it| *it.get_or_init(|| unreachable!()))
    }),
    ("a mutex that is awaited", || {
        holding(Mutex::new(()), hold_mutex, |it| drop(it.lock_async().wait().unwrap()))
    }),
];

const CHANNELS: &[Kind] = &[
    ("mpsc, empty", || {
        let (send, receive) = mpsc::channel();
        (job(move || receive.recv().unwrap()), job(move || send.send(()).unwrap()))
    }),
    ("mpsc, its senders gone", || {
        let (send, receive) = mpsc::channel::<()>();
        (job(move || assert!(receive.recv().is_err())), job(move || drop(send)))
    }),
    ("sync_channel, full", || {
        let (send, receive) = mpsc::sync_channel(1);
        send.send(1).unwrap();
        (
            job(move || send.send(2).unwrap()),
            job(move || {
                receive.recv().unwrap();
                std::mem::forget(receive);
            }),
        )
    }),
    ("mpmc, a rendezvous", || {
        let (send, receive) = mpmc::bounded(0);
        let end = move || send.send_timeout((), LIMIT).unwrap();
        (job(move || receive.recv().unwrap()), job(end))
    }),
    ("select!", || {
        let (send, receive) = mpmc::bounded(1);
        let never = mpmc::never::<()>();
        let wait = move || select! { recv(never) -> _ => unreachable!(), recv(receive) -> it => it.unwrap() };
        (job(wait), job(move || send.send(()).unwrap()))
    }),
    ("a channel that is awaited", || {
        let (send, receive) = mpmc::bounded(1);
        (job(move || receive.recv_async().wait().unwrap()), job(move || send.send(()).unwrap()))
    }),
    ("Queue, empty", || with(Queue::new(), |it| it.get().unwrap(), |it| it.put(()).unwrap())),
    ("PriorityQueue, empty", || {
        with(PriorityQueue::new(), |it| assert_eq!(it.get().unwrap(), 1), |it| it.put(1).unwrap())
    }),
    ("Queue, full", || {
        let queue = Queue::with_capacity(1);
        queue.put(1).unwrap();
        with(queue, |it| it.put(2).unwrap(), |it| done(it.get().unwrap()))
    }),
    ("Queue::join", || {
        let queue = Queue::new();
        queue.put(()).unwrap();
        with(queue, Queue::join, |it| {
            it.get().unwrap();
            it.task_done().unwrap();
        })
    }),
];

/// A green thread that waits on a free worker until it is told to end.
fn child() -> (greenthread::JoinHandle<()>, Arc<Event>) {
    let event = Arc::new(Event::new());
    let ends = Arc::clone(&event);
    (spawn(move || ends.wait()), event)
}

const ENDS: &[Kind] = &[
    ("park", || {
        let (told, tells) = std::sync::mpsc::channel();
        let wait = move || {
            told.send(thread::current()).unwrap();
            thread::park();
        };
        (job(wait), job(move || tells.recv().unwrap().unpark()))
    }),
    ("join", || {
        let event = Arc::new(Event::new());
        let ends = Arc::clone(&event);
        let wait = move || spawn(move || ends.wait()).join().unwrap();
        (job(wait), job(move || event.set()))
    }),
    ("join_timeout", || {
        alone(|| {
            let (child, event) = child();
            let child = child.join_timeout(MOMENT).unwrap_err();
            event.set();
            child.join().unwrap();
        })
    }),
    ("thread::wait, as_completed, join_all", || {
        alone(|| {
            let (first, event) = child();
            let (second, other) = child();
            event.set();
            assert_eq!(thread::wait([&first, &second], 1).0.len(), 1);
            other.set();
            assert_eq!(thread::as_completed([&first, &second]).count(), 2);
            thread::join_all([first, second]).into_iter().for_each(|end| end.unwrap());
        })
    }),
    ("a kill", || {
        alone(|| {
            let (child, _event) = child();
            child.kill();
            assert!(child.join().unwrap_err().is_killed());
        })
    }),
    ("the kill of one that is to start later", || {
        alone(|| {
            let child = spawn_later(FOR_EVER, || unreachable!());
            sleep(MOMENT);
            child.kill();
            assert!(child.join().unwrap_err().is_killed());
        })
    }),
    ("a Timer that is cancelled", || {
        alone(|| {
            let timer = Timer::after(FOR_EVER, || unreachable!());
            sleep(MOMENT);
            assert!(timer.cancel());
            assert!(timer.join().unwrap().is_none());
        })
    }),
    ("scope, group, Group, Pool", || {
        alone(|| {
            assert_eq!(scope(|s| s.spawn(|| 1).join().unwrap()), 1);
            thread::group(|group| {
                group.spawn(|| Ok::<_, ()>(()));
                Ok(())
            })
            .unwrap();
            let group = Group::new();
            drop(group.spawn(|| ()));
            group.join();
            let pool = Pool::new(1).unwrap();
            assert_eq!(pool.apply(|| 2).unwrap(), 2);
        })
    }),
    ("executors", || {
        alone(|| {
            let pool = ThreadPool::new(1).unwrap();
            assert_eq!(*pool.submit(|| 1).unwrap().result().unwrap(), 1);
            let pool = GreenExecutor::new();
            assert_eq!(*pool.submit(|| 2).unwrap().result().unwrap(), 2);
        })
    }),
    ("futures", || {
        alone(|| {
            assert_eq!(future::green(|| 1).wait().unwrap(), 1);
            assert_eq!(future::block_on(async { spawn(|| 2).await.unwrap() }), 2);
        })
    }),
    ("what is spawned", || alone(|| (0..20).for_each(|_| spawn(|| ()).join().unwrap()))),
];

const SYSTEM: &[Kind] = &[
    ("TcpStream, read", || {
        let (own, mut peer) = tcp_pair();
        (job(move || read_one(own)), job(move || peer.write_all(b"x").unwrap()))
    }),
    ("TcpStream, write", || {
        let (mut own, mut peer) = tcp_pair();
        own.set_nonblocking(true).unwrap();
        while own.write(&[0; 65536]).is_ok() {}
        own.set_nonblocking(false).unwrap();
        let end = move || {
            peer.set_nonblocking(true).unwrap();
            let end = Instant::now() + MOMENT;
            while matches!(peer.read(&mut [0; 65536]), Ok(1..)) || Instant::now() < end {}
            std::mem::forget(peer);
        };
        (job(move || assert!(own.write(&[0; 65536]).unwrap() > 0)), job(end))
    }),
    ("TcpListener", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let end = move || drop(std::net::TcpStream::connect(address).unwrap());
        (job(move || drop(listener.accept().unwrap())), job(end))
    }),
    ("TcpStream::connect", || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        alone(move || drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap()))
    }),
    ("UdpSocket", || {
        let own = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = own.local_addr().unwrap();
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        (job(move || done(own.recv(&mut [0]).unwrap())), job(move || done(peer.send_to(b"x", to))))
    }),
    ("UnixStream", || {
        let (own, peer) = UnixStream::pair().unwrap();
        (job(move || read_one(own)), job(move || done((&peer).write(b"x").unwrap())))
    }),
    ("UnixListener", || {
        let listener = UnixListener::bind_addr(
            &std::os::unix::net::SocketAddr::from_pathname(scratch("socket")).unwrap(),
        )
        .unwrap();
        let path = listener.local_addr().unwrap().as_pathname().unwrap().to_owned();
        let end = move || {
            drop(std::os::unix::net::UnixStream::connect(&path).unwrap());
            std::fs::remove_file(path).unwrap();
        };
        (job(move || drop(listener.accept().unwrap())), job(end))
    }),
    ("a pipe", || {
        let (own, mut peer) = pipe().unwrap();
        (job(move || read_one(own)), job(move || peer.write_all(b"x").unwrap()))
    }),
    ("wait_readable and poll", || {
        let (own, mut peer) = tcp_pair();
        let wait = move || {
            assert!(wait_readable(&own, None).unwrap());
            assert_eq!(poll(&mut [PollFd::readable(&own)], None).unwrap(), 1);
        };
        (job(wait), job(move || peer.write_all(b"x").unwrap()))
    }),
    ("a name", || alone(|| assert!("localhost:80".to_socket_addrs().unwrap().next().is_some()))),
    ("blocking", || alone(|| assert_eq!(blocking(|| 1), 1))),
    ("a file", || {
        alone(|| {
            let path = scratch("file");
            fs::write(&path, b"x").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"x");
            fs::remove_file(path).unwrap();
        })
    }),
    ("a process", || {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        (job(move || assert!(child.wait().unwrap().success())), job(move || drop(stdin)))
    }),
    ("a signal", || {
        let signals = Signals::new([Signal::WINCH]).unwrap();
        let end = || {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::WINCH).unwrap();
        };
        (job(move || assert_eq!(signals.wait(), Signal::WINCH)), job(end))
    }),
];

fn scratch(what: &str) -> std::path::PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("greenthread-held-{}-{number}-{what}", std::process::id()))
}

/// Who ends a wait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ender {
    OsThread,
    /// A green thread of the worker that is free.
    Free,
    /// The very green thread that holds its worker up.
    Held,
}

fn goes_on(kinds: &'static [Kind], count: usize) {
    goes_on_within(kinds, count, |wait| wait());
}

/// `around` calls what waits.
fn goes_on_within(kinds: &'static [Kind], count: usize, around: fn(Job)) {
    within_limit(move || {
        let runtime = workers(count);
        let seats = Seats::new(&runtime, count);
        let enders = [Ender::OsThread, Ender::Free, Ender::Held];
        let all = kinds.iter().flat_map(|kind| enders.map(|ender| (kind, ender)));
        for (round, ((name, make), ender)) in all.enumerate() {
            let free = round % count;
            if std::env::var_os("GREENTHREAD_TEST_TRACE").is_some() {
                eprintln!("{name} {ender:?} {count}");
            }
            let (bare, end) = make();
            let wait = move || around(bare);
            let mut end = Some(end);
            let (now, when) = std::sync::mpsc::channel::<()>();
            let mut others = (0..count).filter(|at| *at != free);
            let last = others.next_back().unwrap();
            let held: Vec<_> = others.map(|at| seats.hold(at)).collect();
            let (release, released) = std::sync::mpsc::channel::<()>();
            let ends_held = end.take_if(|_| ender == Ender::Held);
            let (begun, begins) = std::sync::mpsc::channel();
            seats.give(last, move || {
                begun.send(()).unwrap();
                if let Some(end) = ends_held {
                    when.recv().unwrap();
                    end();
                }
                assert!(released.recv().is_err());
            });
            begins.recv().unwrap();
            let (done, is_done) = std::sync::mpsc::channel();
            let ends_free = end.take_if(|_| ender == Ender::Free);
            seats.give(free, move || {
                if let Some(end) = ends_free {
                    drop(spawn_local(move || {
                        (0..3).for_each(|_| yield_now());
                        end();
                    }));
                }
                wait();
                done.send(()).unwrap();
            });
            // Most often it waits by then.
            std::thread::sleep(Duration::from_micros(300));
            match end {
                Some(end) => end(),
                None if ender == Ender::Held => now.send(()).unwrap(),
                None => {}
            }
            if is_done.recv_timeout(LIMIT / 2).is_err() {
                drop((release, held));
                panic!("{name}, ended by {ender:?}: does not go on, with {count} workers");
            }
            drop((release, held));
        }
    });
}

#[test]
fn what_waits_for_a_time() {
    [2, 4].into_iter().for_each(|count| goes_on(TIMES, count));
}

#[test]
fn what_waits_for_another_thread() {
    [2, 4].into_iter().for_each(|count| goes_on(SYNC, count));
    [2, 4].into_iter().for_each(|count| goes_on(CHANNELS, count));
}

#[test]
fn what_waits_inside_of_a_shield() {
    [SYNC, CHANNELS, ENDS].into_iter().for_each(|kinds| goes_on_within(kinds, 2, shield));
}

#[test]
fn what_waits_for_an_end() {
    [2, 4].into_iter().for_each(|count| goes_on(ENDS, count));
}

#[test]
fn what_waits_for_the_system() {
    [2, 4].into_iter().for_each(|count| goes_on(SYSTEM, count));
}
