//! What one of several that wait will take is not kept from the others by the one that was woken for it, where its worker is held up.

use crate::held::{Job, Seats};
use crate::held_waits::{MOMENT, done, held_elsewhere, hold_mutex, hold_reentrant, job};
use crate::support::{FOR_EVER, LIMIT, within_limit, workers};
use greenthread::queue::{PriorityQueue, Queue};
use greenthread::sync::{Condvar, Mutex, ReentrantMutex, mpmc};
use greenthread::thread::spawn_local;
use greenthread::{select, shield, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What waits, twice, for what is there once; and what brings that.
pub(crate) type Single = (&'static str, fn() -> (Job, Job, Job));

pub(crate) fn twice(
    take: impl Fn() + Clone + Send + 'static,
    bring: impl FnOnce() + Send + 'static,
) -> (Job, Job, Job) {
    let other = take.clone();
    (job(take), job(other), job(bring))
}

/// Two uses of what all share, of which one is what waits.
pub(crate) fn of<T: Send + Sync + 'static>(
    shared: T,
    take: fn(&T),
    bring: impl FnOnce(&T) + Send + 'static,
) -> (Job, Job, Job) {
    let shared = Arc::new(shared);
    let other = Arc::clone(&shared);
    twice(move || take(&shared), move || bring(&other))
}

/// What `hold` has taken is waited for, and given back by what brings it.
pub(crate) fn locked<T: Send + Sync + 'static>(
    shared: T,
    hold: impl FnOnce(&T, &dyn Fn()) + Send + 'static,
    take: fn(&T),
) -> (Job, Job, Job) {
    let shared = Arc::new(shared);
    let bring = held_elsewhere(&shared, hold);
    twice(move || take(&shared), bring)
}

const SINGLE: &[Single] = &[
    ("Mutex", || locked(Mutex::new(()), hold_mutex, |it| drop(it.lock().unwrap()))),
    ("ReentrantMutex", || locked(ReentrantMutex::new(()), hold_reentrant, |it| drop(it.lock()))),
    ("a mutex that condition variables give back", || {
        type Shared = (Mutex<()>, Condvar);
        let hold = |(mutex, changed): &Shared, meanwhile: &dyn Fn()| {
            let _guard = mutex.lock().unwrap();
            changed.notify_all();
            meanwhile();
        };
        let take = |(mutex, changed): &Shared| {
            drop(changed.wait_timeout(mutex.lock().unwrap(), MOMENT).unwrap());
        };
        locked((Mutex::new(()), Condvar::new()), hold, take)
    }),
    ("mpmc, an item", || {
        let (send, receive) = mpmc::unbounded();
        twice(move || receive.recv().unwrap(), move || send.send(()).unwrap())
    }),
    ("mpmc, an item, with a time limit", || {
        let (send, receive) = mpmc::bounded(2);
        twice(move || receive.recv_timeout(FOR_EVER).unwrap(), move || send.send(()).unwrap())
    }),
    ("mpmc, room", || {
        let (send, receive) = mpmc::bounded(1);
        send.send(()).unwrap();
        let bring = move || {
            receive.recv().unwrap();
            std::mem::forget(receive);
        };
        twice(move || send.send(()).unwrap(), bring)
    }),
    ("select!", || {
        let (send, receive) = mpmc::bounded(1);
        let never = mpmc::never::<()>();
        let take = move || select! { recv(never) -> _ => unreachable!(), recv(receive) -> it => it.unwrap() };
        twice(take, move || send.send(()).unwrap())
    }),
    ("select! and recv", || {
        let (send, receive) = mpmc::bounded(1);
        let (silent, never) = mpmc::unbounded::<()>();
        std::mem::forget(silent);
        let from = receive.clone();
        let take = move || select! { recv(never) -> _ => unreachable!(), recv(receive) -> it => it.unwrap() };
        (job(take), job(move || from.recv().unwrap()), job(move || send.send(()).unwrap()))
    }),
    ("recv and select!", || {
        let (send, receive) = mpmc::bounded(1);
        let (silent, never) = mpmc::unbounded::<()>();
        std::mem::forget(silent);
        let from = receive.clone();
        let take = move || select! { recv(never) -> _ => unreachable!(), recv(receive) -> it => it.unwrap() };
        (job(move || from.recv().unwrap()), job(take), job(move || send.send(()).unwrap()))
    }),
    ("Queue, an item", || of(Queue::new(), |it| it.get().unwrap(), |it| it.put(()).unwrap())),
    ("Queue, room", || {
        let queue = Queue::with_capacity(1);
        queue.put(1).unwrap();
        of(queue, |it| it.put(2).unwrap(), |it| done(it.get().unwrap()))
    }),
    ("PriorityQueue", || {
        of(PriorityQueue::new(), |it| assert_eq!(it.get().unwrap(), 1), |it| it.put(1).unwrap())
    }),
];

/// Has a job done on a worker by a green thread of its own, and returns when that waits. The flag is set when it is done.
pub(crate) fn begin(seats: &Seats, at: usize, wait: Job) -> Arc<AtomicBool> {
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let begun = Arc::new(AtomicBool::new(false));
    seats.run(at, move || {
        let begins = Arc::clone(&begun);
        drop(spawn_local(move || {
            begins.store(true, Ordering::Relaxed);
            wait();
            is_done.store(true, Ordering::Relaxed);
        }));
        // It waits when it has had a few turns.
        while !begun.load(Ordering::Relaxed) {
            yield_now();
        }
        (0..20).for_each(|_| yield_now());
    });
    done
}

/// The same on an OS thread of its own; most often it waits when this returns.
pub(crate) fn begin_outside(wait: Job) -> Arc<AtomicBool> {
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    drop(std::thread::spawn(move || {
        wait();
        is_done.store(true, Ordering::Relaxed);
    }));
    std::thread::sleep(MOMENT);
    done
}

pub(crate) fn until(what: &str, done: &AtomicBool) {
    let end = Instant::now() + LIMIT / 2;
    while !done.load(Ordering::Relaxed) {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Where the one waits that is not on the held worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    OnFreeWorker,
    OnOsThread,
    /// On a free worker, and both inside of a shield.
    Shielded,
}

/// The one that is woken first cannot come, and the other one does not wait for it.
pub(crate) fn assert_passed_by(kinds: &'static [Single], other: Other) {
    within_limit(move || {
        let runtime = workers(2);
        let seats = Seats::new(&runtime, 2);
        for (round, (name, make)) in kinds.iter().enumerate() {
            let (held, free) = (round % 2, 1 - round % 2);
            let (mut first, mut second, bring) = make();
            if other == Other::Shielded {
                for wait in [&mut first, &mut second] {
                    let bare = std::mem::replace(wait, job(|| ()));
                    *wait = job(|| shield(bare));
                }
            }
            let first = begin(&seats, held, first);
            let second = if other == Other::OnOsThread {
                begin_outside(second)
            } else {
                begin(&seats, free, second)
            };
            let release = seats.hold(held);
            bring();
            let limit = Instant::now() + LIMIT / 2;
            while !second.load(Ordering::Relaxed) {
                if Instant::now() > limit {
                    drop(release);
                    panic!("{name}, {other:?}: waits for one on a held worker");
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(release);
            drop((first, second));
        }
        if other == Other::Shielded {
            // Those that were passed by wait on, and nothing ends that.
            let _ = runtime.shutdown(MOMENT);
        }
    });
}

#[test]
fn what_is_meant_for_one_on_a_held_worker_is_taken_by_another() {
    assert_passed_by(SINGLE, Other::OnFreeWorker);
}

#[test]
fn what_is_meant_for_one_on_a_held_worker_is_taken_by_an_os_thread() {
    assert_passed_by(SINGLE, Other::OnOsThread);
}

#[test]
fn a_shield_around_a_wait_keeps_nothing_from_others() {
    assert_passed_by(SINGLE, Other::Shielded);
}

/// Once it has been noticed, each unlock wakes the next again.
#[test]
fn a_lock_whose_woken_waiter_sits_on_a_held_worker_serves_the_others() {
    within_limit(|| {
        const OTHERS: usize = 20;
        let runtime = workers(2);
        let seats = Seats::new(&runtime, 2);
        for held in [0, 1] {
            let lock = Arc::new(Mutex::new(0));
            let guard = lock.lock().unwrap();
            let take = |lock: &Arc<Mutex<usize>>| {
                let lock = Arc::clone(lock);
                job(move || {
                    let mut count = lock.lock().unwrap();
                    // Held over a yield, so that others wait for it meanwhile.
                    yield_now();
                    *count += 1;
                })
            };
            let first = begin(&seats, held, take(&lock));
            let others: Vec<_> =
                (0..OTHERS).map(|_| begin(&seats, 1 - held, take(&lock))).collect();
            let release = seats.hold(held);
            drop(guard);
            for other in &others {
                until("one waits for the worker that is held", other);
            }
            assert!(!first.load(Ordering::Relaxed), "its worker is held");
            drop(release);
            until("who was passed by has its turn", &first);
            assert_eq!(*lock.lock().unwrap(), OTHERS + 1);
        }
    });
}
