//! Locks, and what else is waited for without an item.

use super::{pause, strike, there};
use crate::support::{OnDrop, Random};
use greenthread::queue::Queue;
use greenthread::sync::{
    Barrier, Condvar, CyclicBarrier, Event, Latch, Mutex, Once, OnceLock, ReentrantMutex, RwLock,
    Semaphore, SemaphorePermit, WaitGroup,
};
use greenthread::thread::group;
use greenthread::{scope, sleep, spawn, timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Somebody holds it, one who waits is interrupted while it is given back, and another waits behind that one.
fn handed_on<L: Send + Sync + 'static, G>(
    random: &mut Random,
    lock: L,
    holds: impl FnOnce(&L) -> G,
    waits: fn(&L),
) {
    let lock = Arc::new(lock);
    let held = holds(&lock);
    let (first, second) = (Arc::clone(&lock), Arc::clone(&lock));
    let mut patient = None;
    strike(
        random,
        move || waits(&first),
        || {
            patient = Some(spawn(move || waits(&second)));
            drop(held);
        },
    );
    patient.unwrap().join().unwrap();
}

pub(super) fn locks(random: &mut Random) {
    let mutex = Arc::new(Mutex::new(0));
    let kept = Arc::clone(&mutex);
    handed_on(random, mutex, |_| kept.lock().unwrap(), |mutex| *mutex.lock().unwrap() += 1);
    assert!(kept.try_lock().is_ok());
    let lock = Arc::new(RwLock::new(0));
    let kept = Arc::clone(&lock);
    let writes: fn(&Arc<RwLock<i32>>) = |lock| *lock.write().unwrap() += 1;
    let reads: fn(&Arc<RwLock<i32>>) = |lock| drop(lock.read().unwrap());
    handed_on(random, Arc::clone(&lock), |_| kept.read().unwrap(), writes);
    handed_on(random, Arc::clone(&lock), |_| kept.write().unwrap(), writes);
    handed_on(random, lock, |_| kept.write().unwrap(), reads);
    assert!(kept.try_write().is_ok());
    let lock = Arc::new(ReentrantMutex::new(()));
    let kept = Arc::clone(&lock);
    handed_on(random, lock, |_| kept.lock(), |lock| drop(lock.lock()));
    assert!(kept.try_lock().is_some());
}

pub(super) fn notifications(random: &mut Random) {
    let pair = Arc::new((Mutex::new(()), Condvar::new()));
    let waiting = Arc::new(AtomicU32::new(0));
    let wait = |number: u32| {
        let (pair, waiting) = (Arc::clone(&pair), Arc::clone(&waiting));
        move || {
            let guard = pair.0.lock().unwrap();
            waiting.fetch_or(number, Ordering::SeqCst);
            drop(pair.1.wait(guard).unwrap());
        }
    };
    let mut patient = None;
    let first = strike(random, wait(1), || {
        patient = Some(spawn(wait(2)));
        there(|| (waiting.load(Ordering::SeqCst) & 2 != 0).then_some(()));
        // Who has said so waits when the lock is free.
        drop(pair.0.lock().unwrap());
        pair.1.notify_one();
    });
    if first.is_some() {
        pair.1.notify_one();
    }
    patient.unwrap().join().unwrap();
    assert!(pair.0.try_lock().is_ok());
}

/// One who waits is interrupted when all who wait are told, and another begins to wait then: that one is not told before its time.
fn for_all<W: Send + Sync + 'static>(
    random: &mut Random,
    waits_at: W,
    wait: fn(&W),
    tell: impl Fn(&W),
) {
    let waits_at = Arc::new(waits_at);
    let again = Arc::new(AtomicBool::new(false));
    let first = Arc::clone(&waits_at);
    let (second, told_again) = (Arc::clone(&waits_at), Arc::clone(&again));
    let mut late = None;
    strike(
        random,
        move || wait(&first),
        || {
            tell(&waits_at);
            late = Some(spawn(move || {
                wait(&second);
                assert!(told_again.load(Ordering::SeqCst), "it was told before its time");
            }));
        },
    );
    pause(random);
    again.store(true, Ordering::SeqCst);
    let late = late.unwrap();
    there(|| {
        tell(&waits_at);
        late.is_finished().then_some(())
    });
    late.join().unwrap();
}

pub(super) fn notifications_for_all(random: &mut Random) {
    for_all(
        random,
        (Mutex::new(()), Condvar::new()),
        |pair| drop(pair.1.wait(pair.0.lock().unwrap()).unwrap()),
        |pair| pair.1.notify_all(),
    );
}

pub(super) fn rounds(random: &mut Random) {
    let group = WaitGroup::new();
    group.add(1);
    let next = |group: &WaitGroup| {
        group.done();
        group.add(1);
    };
    for_all(random, group, WaitGroup::wait, next);
    let queue = Queue::new();
    queue.put(()).unwrap();
    let next = |queue: &Queue<()>| {
        queue.task_done().unwrap();
        queue.put(()).unwrap();
    };
    for_all(random, queue, Queue::join, next);
}

pub(super) fn permits(random: &mut Random) {
    let semaphore = Arc::new(Semaphore::new(0));
    let count = 1 + random.below(2) as usize;
    let own = Arc::clone(&semaphore);
    let got = strike(
        random,
        move || SemaphorePermit::forget(own.acquire_many(count)),
        || semaphore.release_many(2),
    );
    let left = if got.is_some() { 2 - count } else { 2 };
    assert_eq!(semaphore.available(), left);
    // To the next that waits.
    let semaphore = Arc::new(Semaphore::new(0));
    handed_on(
        random,
        semaphore,
        |semaphore| {
            let semaphore = Arc::clone(semaphore);
            OnDrop(move || semaphore.release())
        },
        |semaphore| drop(semaphore.acquire()),
    );
}

pub(super) fn places(random: &mut Random) {
    let barrier = Arc::new(Barrier::new(2));
    let meets = || {
        let barrier = Arc::clone(&barrier);
        move || u32::from(barrier.wait().is_leader())
    };
    let mut other = None;
    let first = strike(random, meets(), || other = Some(spawn(meets())));
    let other = other.unwrap();
    // Who left has left its place: the other waits for somebody else, unless the round was complete.
    let mut third = None;
    while first.is_none() && third.is_none() && !other.is_finished() {
        third = timeout(Duration::from_millis(1), meets()).ok();
    }
    let second = other.join().unwrap();
    if let Some(met) = first.or(third) {
        assert_eq!(met + second, 1, "one leader");
    }
    let barrier = Arc::new(CyclicBarrier::new(2));
    let meets = || {
        let own = Arc::clone(&barrier);
        move || own.wait().is_ok()
    };
    let mut other = None;
    let first = strike(random, meets(), || other = Some(spawn(meets())));
    let other = other.unwrap();
    if first.is_none() {
        // The other fails, passes where the round was complete, or is the only one who came.
        there(|| {
            (other.is_finished() || barrier.is_broken() || barrier.n_waiting() == 1).then_some(())
        });
        barrier.abort();
    }
    let second = other.join().unwrap();
    assert!(first.is_none_or(|first| first == second));
    barrier.reset();
    let third = spawn(meets());
    assert!(barrier.wait().is_ok() && third.join().unwrap(), "nobody is left behind");
}

pub(super) fn what_stays(random: &mut Random) {
    let event = Arc::new(Event::new());
    let own = Arc::clone(&event);
    strike(random, move || own.wait(), || event.set());
    event.wait();
    let latch = Arc::new(Latch::new(1));
    let own = Arc::clone(&latch);
    strike(random, move || own.wait(), || latch.count_down());
    latch.wait();
    let cell = Arc::new(OnceLock::new());
    let own = Arc::clone(&cell);
    let got = strike(random, move || *own.wait(), || cell.set(5).unwrap());
    assert_eq!((got.unwrap_or(5), *cell.wait()), (5, 5));
    let ended = Arc::new(AtomicU32::new(0));
    let ends = Arc::clone(&ended);
    let child = spawn(move || ends.store(1, Ordering::SeqCst));
    strike(random, move || child.join().unwrap(), || ());
    there(|| (ended.load(Ordering::SeqCst) == 1).then_some(()));
}

pub(super) fn initializations(random: &mut Random) {
    let cells = Arc::new((Once::new(), OnceLock::new(), Event::new()));
    let panics = random.below(2) == 0;
    let own = Arc::clone(&cells);
    let first = spawn(move || {
        own.1.get_or_init(|| {
            own.0.call_once(|| own.2.wait());
            std::panic::resume_unwind(Box::new("not made")) as u32
        });
    });
    // Somebody else makes it where the first does not.
    let waits = || {
        let own = Arc::clone(&cells);
        move || {
            own.0.call_once_force(|_| ());
            *own.1.get_or_init(|| 7)
        }
    };
    pause(random);
    let mut patient = None;
    let got = strike(random, waits(), || {
        patient = Some(spawn(waits()));
        if panics {
            first.kill();
        }
        cells.2.set();
    });
    assert_eq!((got.unwrap_or(7), patient.unwrap().join().unwrap()), (7, 7));
    let _ = first.join();
    assert!(cells.0.is_completed());
}

pub(super) fn children(random: &mut Random) {
    let living = Arc::new(AtomicU32::new(0));
    let of_group = random.below(2) == 0;
    let own = Arc::clone(&living);
    let child = move || {
        own.fetch_add(1, Ordering::SeqCst);
        let own = Arc::clone(&own);
        let _alive = OnDrop(move || {
            own.fetch_sub(1, Ordering::SeqCst);
        });
        sleep(Duration::from_micros(50));
    };
    let seen = Arc::clone(&living);
    let waits = move || {
        // Whatever ends it, no child is left behind.
        let _none_left = OnDrop(move || assert_eq!(seen.load(Ordering::SeqCst), 0));
        if of_group {
            let all = group(|group| {
                (0..3).for_each(|_| {
                    drop(group.spawn(|| {
                        child();
                        Ok::<(), ()>(())
                    }))
                });
                Ok(())
            });
            all.unwrap();
        } else {
            scope(|scope| (0..3).for_each(|_| drop(scope.spawn(&child))));
        }
    };
    strike(random, waits, || ());
    there(|| (living.load(Ordering::SeqCst) == 0).then_some(()));
}
