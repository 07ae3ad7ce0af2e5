//! Random programs against a model, by seed: green threads that spawn, lock, send, select, time out, kill, panic, catch, unwind
//! by hand, replace the panic hook and wait in destructors. Whatever they do, what is counted is conserved: each item that was
//! sent is received, dropped or still there, each lock and permit is free at the end, everything ends, and nothing aborts.
//!
//! `GREENTHREAD_PROPERTY_SEED` is the first seed, `GREENTHREAD_PROPERTY_SECONDS` how long to go on. Repeatable by seed, up to
//! the scheduling of the workers.

#[path = "it/support.rs"]
#[allow(dead_code)]
mod support;

use greenthread::queue::{PriorityQueue, Queue};
use greenthread::sync::{Arc, Condvar, Event, Mutex, RwLock, Semaphore, mpmc};
use greenthread::{JoinHandle, Runtime, select, shield, sleep, spawn, thread, timeout, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{LIMIT, OnDrop, Random, workers};

/// Steps of one green thread.
const STEPS: u64 = 12;
/// Green threads that a program begins with.
const ROOTS: u64 = 24;
/// How deep they spawn.
const DEPTH: u64 = 2;
const PERMITS: usize = 3;

/// What a program's panics carry.
struct Planned;

/// All that the green threads of a program share.
#[derive(Debug)]
struct World {
    mutex: Mutex<u64>,
    changed: Condvar,
    rwlock: RwLock<u64>,
    permits: Semaphore,
    event: Event,
    /// Green threads whose body has begun and not ended.
    bodies: AtomicUsize,
    ends: [(mpmc::Sender<Number>, mpmc::Receiver<Number>); 3],
    queue: Queue<Number>,
    ranked: PriorityQueue<Number>,
    numbers: Arc<AtomicUsize>,
}

/// An item of channels and queues. It is counted while it lives, and its destructor may wait.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number(u64, Living);

#[derive(Debug)]
struct Living(Arc<AtomicUsize>);

impl PartialEq for Living {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Living {}

impl PartialOrd for Living {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Living {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        // The order of items lets others run.
        yield_now();
        std::cmp::Ordering::Equal
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl World {
    fn new() -> Self {
        Self {
            mutex: Mutex::new(0),
            changed: Condvar::new(),
            rwlock: RwLock::new(0),
            permits: Semaphore::new(PERMITS),
            event: Event::new(),
            bodies: AtomicUsize::new(0),
            ends: [mpmc::bounded(0), mpmc::bounded(2), mpmc::unbounded()],
            queue: Queue::with_capacity(3),
            ranked: PriorityQueue::new(),
            numbers: Arc::default(),
        }
    }

    fn number(&self, random: &mut Random) -> Number {
        self.numbers.fetch_add(1, Ordering::SeqCst);
        Number(random.below(100), Living(Arc::clone(&self.numbers)))
    }

    /// Nobody is left who does anything.
    fn check(&self, seed: u64) {
        let free = "whoever held it has ended";
        // A planned panic may have poisoned them; that is all it may do.
        assert!(!matches!(self.mutex.try_lock(), Err(error) if is_busy(&error)), "{free}: {seed}");
        assert!(
            !matches!(self.rwlock.try_write(), Err(error) if is_busy(&error)),
            "{free}: {seed}"
        );
        assert_eq!(self.permits.available(), PERMITS, "{free}: {seed}");
        assert_eq!(self.bodies.load(Ordering::SeqCst), 0, "seed {seed}");
        let in_channels: usize = self.ends.iter().map(|(_, receiver)| receiver.len()).sum();
        let there = in_channels + self.queue.len() + self.ranked.len();
        assert_eq!(self.numbers.load(Ordering::SeqCst), there, "items of seed {seed}");
        assert!(self.queue.unfinished() >= self.queue.len(), "seed {seed}");
        self.ends.iter().for_each(|(_, receiver)| receiver.try_iter().for_each(drop));
        self.queue.shutdown_now();
        self.ranked.shutdown_now();
        assert_eq!(self.numbers.load(Ordering::SeqCst), 0, "items of seed {seed}");
    }
}

fn is_busy<T>(error: &greenthread::sync::TryLockError<T>) -> bool {
    matches!(error, greenthread::sync::TryLockError::WouldBlock)
}

fn brief(random: &mut Random) -> Duration {
    Duration::from_micros(random.below(300))
}

/// Steps of one body. What it holds is dropped by whatever ends it.
fn steps(world: &Arc<World>, random: &mut Random, depth: u64) {
    for _ in 0..1 + random.below(STEPS) {
        step(world, random, depth);
    }
}

fn step(world: &Arc<World>, random: &mut Random, depth: u64) {
    let pause = brief(random);
    let which = random.below(3) as usize;
    match random.below(26) {
        0 => yield_now(),
        1 => sleep(pause),
        2 => {
            if let Ok(mut count) = world.mutex.lock() {
                *count += 1;
                yield_now();
            }
            world.changed.notify_one();
        }
        3 => {
            if let Ok(count) = world.mutex.lock() {
                drop(world.changed.wait_timeout(count, pause));
            }
        }
        4 => drop(world.rwlock.read().map(|_guard| yield_now())),
        5 => drop(world.rwlock.write().map(|mut guard| *guard += 1)),
        6 => {
            let _permit = world.permits.acquire_timeout(pause);
            yield_now();
        }
        7 => drop(world.ends[which].0.send_timeout(world.number(random), pause)),
        8 => drop(world.ends[which].1.recv_timeout(pause)),
        9 | 10 => {
            let mut item = Some(world.number(random));
            let [(_, a), (into_b, b), (into_c, _)] = &world.ends;
            select! {
                recv(a) -> got => drop(got),
                recv(b) -> got => drop(got),
                send_from(into_b, item) -> sent => drop(sent),
                send(into_c, world.number(random)) -> sent => drop(sent),
                event(world.event) => {}
                default(pause) => {}
            }
        }
        11 => drop(world.queue.put_timeout(world.number(random), pause)),
        12 => drop(world.queue.get_timeout(pause).map(|_item| world.queue.task_done())),
        13 => drop(world.ranked.put(world.number(random))),
        14 => drop(world.ranked.try_get()),
        15 => world.event.set(),
        16 => world.event.clear(),
        17 => drop(timeout(pause, || {
            // Ends by the timeout, or a kill.
            let _slow = OnDrop(|| shield(|| sleep(Duration::from_micros(50))));
            sleep(Duration::from_secs(1000));
        })),
        18 => drop(catch_unwind(AssertUnwindSafe(|| {
            let _waits = OnDrop(yield_now);
            panic_any(Planned);
        }))),
        19 => drop(catch_unwind(AssertUnwindSafe(|| {
            let _waits = OnDrop(yield_now);
            // The hook does not see this one.
            resume_unwind(Box::new(Planned));
        }))),
        20 => drop(greenthread::catch_unwind(AssertUnwindSafe(|| steps_few(world, random, depth)))),
        21 => thread::park_timeout(pause),
        22 => {
            let mut list = mpmc::Select::new();
            for (_, receiver) in &world.ends {
                list.recv(receiver);
            }
            if let Ok(operation) = list.select_timeout(pause) {
                let index = operation.index();
                drop(operation.recv(&world.ends[index].1));
            }
        }
        23 => {
            let mut list = mpmc::Select::new();
            for (sender, receiver) in &world.ends[..2] {
                list.recv(receiver);
                list.send(sender);
            }
            let _ = list.ready_timeout(pause);
        }
        _ if depth > 0 => {
            let child = start(world, random.below(u64::MAX) | 1, depth - 1);
            match random.below(4) {
                0 => child.kill(),
                1 => {
                    child.thread().unpark();
                    drop(child.join());
                }
                2 => drop(child.join_timeout(pause)),
                _ => {}
            }
        }
        _ => {}
    }
}

fn steps_few(world: &Arc<World>, random: &mut Random, depth: u64) {
    for _ in 0..2 {
        step(world, random, depth.min(1));
    }
    if random.below(3) == 0 {
        panic_any(Planned);
    }
}

fn start(world: &Arc<World>, seed: u64, depth: u64) -> JoinHandle<()> {
    let world = Arc::clone(world);
    spawn(move || {
        world.bodies.fetch_add(1, Ordering::SeqCst);
        let _counted = OnDrop(|| {
            world.bodies.fetch_sub(1, Ordering::SeqCst);
        });
        let random = &mut Random(seed);
        let waits = random.below(3) == 0;
        let _last = OnDrop(|| {
            if waits {
                yield_now();
            }
        });
        steps(&world, random, depth);
    })
}

/// One program, on one runtime.
fn program(runtime: &Runtime, seed: u64) {
    let world = Arc::new(World::new());
    let within = Arc::clone(&world);
    runtime
        .run(move || {
            let random = &mut Random(seed);
            let roots: Vec<_> =
                (0..ROOTS).map(|_| start(&within, random.below(u64::MAX) | 1, DEPTH)).collect();
            for root in &roots {
                match random.below(6) {
                    0 => root.kill(),
                    1 => yield_now(),
                    _ => {}
                }
            }
            for root in roots {
                if let Err(error) = root.join() {
                    assert!(error.is_killed() || error.is_panic(), "{error:?}");
                    if error.is_panic() {
                        let planned = error.into_panic().is::<Planned>();
                        assert!(planned, "a panic that nobody planned: seed {seed}");
                    }
                }
            }
        })
        .unwrap();
    // `run` has waited for all of its descendants.
    world.check(seed);
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().expect("a number"))
}

/// Ends the process, with the seed, if a program does not end in time: nothing else could end it.
fn watch(current: &'static AtomicU64) {
    std::thread::spawn(move || {
        let mut seen = (current.load(Ordering::SeqCst), Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let seed = current.load(Ordering::SeqCst);
            if seed != seen.0 {
                seen = (seed, Instant::now());
            } else if seen.1.elapsed() > LIMIT {
                eprintln!("the program of seed {seed} hangs");
                std::process::exit(1);
            }
        }
    });
}

#[test]
fn random_programs_conserve_what_is_counted() {
    static CURRENT: AtomicU64 = AtomicU64::new(0);
    let first = from_environment("GREENTHREAD_PROPERTY_SEED", 1);
    let seconds = from_environment("GREENTHREAD_PROPERTY_SECONDS", 3);
    let until = Instant::now() + Duration::from_secs(seconds);
    // What is planned is not printed; now and then the hook is set anew, as programs do.
    let quiet = || {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Planned>() {
                before(info);
            }
        }));
    };
    // After the library's own, which says who panicked.
    drop(workers(1));
    quiet();
    thread::set_uncaught_hook(Box::new(|_, error| drop(error)));
    CURRENT.store(first, Ordering::SeqCst);
    watch(&CURRENT);
    for seed in first.. {
        CURRENT.store(seed, Ordering::SeqCst);
        if seed % 64 == 0 {
            quiet();
        }
        let runtime = match seed % 4 {
            0 => Runtime::new_current_thread().unwrap(),
            count @ 1..3 => workers(count as usize),
            _ => workers(4),
        };
        program(&runtime, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        drop(runtime);
        if Instant::now() > until {
            println!("the programs of seeds {first} to {seed} are clean");
            return;
        }
    }
}
