//! Tests in which the waits of all types last, time out or are killed at random; at the end nothing is lost.
#![forbid(unsafe_code)]

use super::select::{self, Order, Otherwise, RecvFrom};
use super::{
    Arc, Barrier, BoundedSemaphore, Condvar, CyclicBarrier, Event, Mutex, RwLock, Semaphore, mpmc,
};
use crate::queue::Queue;
use crate::runtime::Runtime;
use crate::sys::fault::{self, Syscall};
use crate::thread::{sleep, timeout, yield_now};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn brief(&mut self) -> Duration {
        Duration::from_micros(self.below(300))
    }
}

/// Runs `body` on green threads of two runtimes, of which one is dropped half-way: that kills its green threads.
fn survive(workers: usize, body: impl Fn(&mut Random) + Clone + Send + 'static) {
    fault::fail(Syscall::Park, 0, usize::MAX, 1);
    let runtime = || Runtime::builder().workers(workers).build().unwrap();
    for seed in 1..4 {
        let (doomed, rest) = (runtime(), runtime());
        let work = |i: u64, rounds: u64| {
            let body = body.clone();
            move || {
                let mut random = Random(seed * 1000 + i);
                for _ in 0..rounds {
                    body(&mut random);
                    if random.below(3) == 0 {
                        yield_now();
                    }
                }
            }
        };
        for i in 0..12 {
            doomed.spawn(work(i, u64::MAX));
        }
        let handles: Vec<_> = (12..24).map(|i| rest.spawn(work(i, 60))).collect();
        sleep(Duration::from_millis(4));
        drop(doomed);
        for handle in handles {
            handle.join().unwrap();
        }
    }
    fault::fail(Syscall::Park, 0, 0, 1);
}

#[derive(Default)]
struct Counts {
    came: AtomicU64,
    went: AtomicU64,
}

impl Counts {
    fn left(&self) -> u64 {
        self.came.load(Ordering::SeqCst) - self.went.load(Ordering::SeqCst)
    }
}

#[test]
fn items_of_channels_survive_kills_and_timeouts() {
    for (workers, capacity) in [(1, Some(0)), (2, Some(0)), (1, Some(2)), (2, Some(2)), (2, None)] {
        let counts = Arc::new(Counts::default());
        let (sender, receiver) = match capacity {
            Some(capacity) => mpmc::bounded(capacity),
            None => mpmc::unbounded(),
        };
        let (to, from, seen) = (sender.clone(), receiver.clone(), Arc::clone(&counts));
        survive(workers, move |random| {
            let brief = random.brief();
            match random.below(6) {
                0..3 => {
                    if to.send_timeout((), brief).is_ok() {
                        seen.came.fetch_add(1, Ordering::SeqCst);
                    }
                }
                3 => {
                    if from.try_recv().is_ok() {
                        seen.went.fetch_add(1, Ordering::SeqCst);
                    }
                }
                _ => {
                    if from.recv_timeout(brief).is_ok() {
                        seen.went.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        });
        drop(sender);
        assert_eq!(receiver.iter().count() as u64, counts.left(), "{workers} {capacity:?}");
    }
}

#[test]
fn items_of_queues_survive_kills_and_timeouts() {
    for workers in [1, 2] {
        let counts = Arc::new(Counts::default());
        let queue = Arc::new(Queue::with_capacity(2));
        let (used, seen) = (Arc::clone(&queue), Arc::clone(&counts));
        survive(workers, move |random| {
            let brief = random.brief();
            if random.below(2) == 0 {
                if used.put_timeout((), brief).is_ok() {
                    seen.came.fetch_add(1, Ordering::SeqCst);
                }
            } else if used.get_timeout(brief).is_ok() {
                seen.went.fetch_add(1, Ordering::SeqCst);
                used.task_done().unwrap();
            }
        });
        assert_eq!((queue.len() as u64, queue.unfinished() as u64), (counts.left(), counts.left()));
        queue.shutdown();
        while queue.get().is_ok() {
            queue.task_done().unwrap();
        }
        assert!(queue.join_timeout(LONG));
    }
}

#[test]
fn permits_and_locks_survive_kills_and_timeouts() {
    for workers in [1, 2] {
        let semaphore = Arc::new(Semaphore::new(3));
        let mutex = Arc::new(Mutex::new(0u64));
        let lock = Arc::new(RwLock::new(0u64));
        let bounded = Arc::new(BoundedSemaphore::new(3));
        let used =
            (Arc::clone(&semaphore), Arc::clone(&mutex), Arc::clone(&lock), Arc::clone(&bounded));
        survive(workers, move |random| {
            let (semaphore, mutex, lock, bounded) = &used;
            let brief = random.brief();
            match random.below(9) {
                0 => drop(semaphore.acquire_timeout(brief)),
                1 => {
                    let _permit = semaphore.acquire();
                    yield_now();
                }
                2 => drop(mutex.lock_timeout(brief)),
                3 => {
                    let mut guard = mutex.lock().unwrap();
                    let before = *guard;
                    yield_now();
                    *guard = before + 1;
                }
                4 => drop(lock.write_timeout(brief).map(|mut guard| *guard += 1)),
                5 => {
                    let guard = lock.read().unwrap();
                    let before = *guard;
                    yield_now();
                    assert_eq!(*guard, before);
                }
                6 => drop(lock.read_timeout(brief)),
                7 => drop(bounded.acquire_timeout(brief)),
                _ if bounded.acquire_timeout(brief).map(|permit| permit.forget()).is_some() => {
                    bounded.release().expect("what was taken fits");
                }
                _ => {}
            }
        });
        assert_eq!((semaphore.available(), bounded.available()), (3, 3));
        assert!(bounded.release().is_err() && bounded.acquire_timeout(Duration::ZERO).is_some());
        assert!(
            semaphore.acquire_timeout(Duration::ZERO).is_some(),
            "nobody is in the list any more"
        );
        drop(mutex.lock_timeout(LONG).expect("free, and not poisoned"));
        drop(lock.write_timeout(LONG).expect("free, and not poisoned"));
    }
}

#[test]
fn conditions_events_and_barriers() {
    for workers in [1, 2] {
        let stack = Arc::new((Mutex::new(0u64), Condvar::new(), Counts::default()));
        let event = Arc::new(Event::new());
        let barrier = Arc::new(CyclicBarrier::new(3));
        let plain = Arc::new(Barrier::new(3));
        let used =
            (Arc::clone(&stack), Arc::clone(&event), Arc::clone(&barrier), Arc::clone(&plain));
        survive(workers, move |random| {
            let (stack, event, barrier, plain) = &used;
            let brief = random.brief();
            match random.below(8) {
                0 | 1 => {
                    *stack.0.lock().unwrap() += 1;
                    stack.2.came.fetch_add(1, Ordering::SeqCst);
                    stack.1.notify_one();
                }
                2 => {
                    let guard = stack.0.lock().unwrap();
                    let (mut guard, _) =
                        stack.1.wait_timeout_while(guard, brief, |count| *count == 0).unwrap();
                    if *guard > 0 {
                        *guard -= 1;
                        stack.2.went.fetch_add(1, Ordering::SeqCst);
                    }
                }
                3 => event.set(),
                4 => event.clear(),
                5 => drop(event.wait_timeout(brief)),
                6 => drop(timeout(brief, || plain.wait())),
                _ => {
                    if barrier.wait_timeout(brief).is_err() {
                        barrier.reset();
                    }
                }
            }
        });
        assert_eq!(*stack.0.lock().unwrap(), stack.2.left());
        event.set();
        assert!(event.wait_timeout(LONG));
        assert_eq!(barrier.n_waiting(), 0, "those that gave up have left");
        barrier.reset();
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let three: Vec<_> = (0..3)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                let plain = Arc::clone(&plain);
                runtime.spawn(move || {
                    let leads = timeout(LONG, || plain.wait().is_leader()).expect("all three came");
                    (barrier.wait_timeout(LONG).unwrap(), leads)
                })
            })
            .collect();
        let ends: Vec<_> = three.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(ends.iter().filter(|(_, leads)| *leads).count(), 1);
        let mut places: Vec<_> = ends.into_iter().map(|(place, _)| place).collect();
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2]);
    }
}

/// An item goes to and fro between two channels so that one of them always has it. `select!` never reports that none
/// has.
#[test]
fn a_select_never_misses_what_moves_from_arm_to_arm() {
    for (workers, capacity) in [(1, None), (2, None), (2, Some(3)), (8, Some(3))] {
        fault::fail(Syscall::Park, 0, usize::MAX, 1);
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let make = || capacity.map_or_else(mpmc::unbounded, mpmc::bounded);
        let ((into_a, a), (into_b, b)) = (make(), make());
        into_a.send(0u8).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let mover = {
            let over = Arc::clone(&over);
            let (into_a, a, into_b, b) = (into_a.clone(), a.clone(), into_b.clone(), b.clone());
            runtime.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    into_b.send(0u8).unwrap();
                    a.recv().unwrap();
                    yield_now();
                    into_a.send(0u8).unwrap();
                    b.recv().unwrap();
                    yield_now();
                }
            })
        };
        let looker = runtime.spawn(move || {
            for round in 0..2_000 {
                let patience = Duration::from_micros(round % 2);
                let (mut from_a, mut from_b) = (
                    a.use_a_receiver_of_greenthread_sync(),
                    b.use_a_receiver_of_greenthread_sync(),
                );
                let won = select::wait(
                    &mut [(0, &mut from_a), (1, &mut from_b)],
                    Order::Fair,
                    Otherwise::After(patience),
                );
                match won {
                    0 => into_a.send(from_a.finish().unwrap()).unwrap(),
                    1 => into_b.send(from_b.finish().unwrap()).unwrap(),
                    _ => panic!("one of them has it"),
                }
            }
        });
        looker.join().unwrap();
        over.store(true, Ordering::SeqCst);
        mover.join().unwrap();
        fault::fail(Syscall::Park, 0, 0, 1);
    }
}
