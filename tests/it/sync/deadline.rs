//! Every wait with a limit has a form that takes a point in time. It gives up then and not before, and what comes in time
//! it does not miss.

use crate::support::{FOR_EVER, everywhere};
use greenthread::queue::{LifoQueue, PriorityQueue, Queue, TryGetError, TryPutError};
use greenthread::sync::{
    Arc, AsyncResult, BoundedSemaphore, Condvar, CyclicBarrier, Event, Latch, Mutex,
    ReentrantMutex, RwLock, Semaphore, WaitGroup, mpmc, mpsc,
};
use greenthread::{sleep, spawn};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

const BRIEF: Duration = Duration::from_millis(2);

/// `wait` gets nothing by a time that has passed, nor by one that comes soon.
fn gives_up(mut wait: impl FnMut(Instant) -> bool) {
    for at in [Instant::now(), Instant::now() + BRIEF] {
        assert!(!wait(at), "there was nothing to get");
        assert!(Instant::now() >= at, "too early");
    }
}

/// `wait` gets what `come` brings while it waits.
fn gets(come: impl FnOnce() + Send + 'static, wait: impl FnOnce(Instant) -> bool) {
    let bringer = spawn(move || {
        sleep(BRIEF);
        come();
    });
    assert!(wait(Instant::now() + FOR_EVER), "it came in time");
    bringer.join().unwrap();
}

/// For locks: `hold` has it and calls what it is given, which returns when it is to be given back.
fn lock(hold: impl FnOnce(&dyn Fn()) + Send + 'static, mut take: impl FnMut(Instant) -> bool) {
    let (held, release) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let (holds, released) = (Arc::clone(&held), Arc::clone(&release));
    let holder = spawn(move || {
        hold(&|| {
            holds.set();
            released.wait();
        });
    });
    held.wait();
    gives_up(&mut take);
    gets(move || release.set(), take);
    holder.join().unwrap();
}

#[test]
fn locks_are_waited_for_until_a_point_in_time() {
    everywhere(|| {
        let mutex = Arc::new(Mutex::new(()));
        let own = Arc::clone(&mutex);
        let hold = move |wait: &dyn Fn()| {
            let _guard = own.lock().unwrap();
            wait();
        };
        lock(hold, |at| mutex.lock_deadline(at).is_ok());

        let reentrant = Arc::new(ReentrantMutex::new(()));
        let own = Arc::clone(&reentrant);
        let hold = move |wait: &dyn Fn()| {
            let _guard = own.lock();
            wait();
        };
        lock(hold, |at| reentrant.lock_deadline(at).is_some());

        for write in [false, true] {
            let rwlock = Arc::new(RwLock::new(()));
            let own = Arc::clone(&rwlock);
            let hold = move |wait: &dyn Fn()| {
                let _guard = own.write().unwrap();
                wait();
            };
            lock(hold, |at| match write {
                true => rwlock.write_deadline(at).is_ok(),
                false => rwlock.read_deadline(at).is_ok(),
            });
        }
    });
}

#[test]
fn permits_are_waited_for_until_a_point_in_time() {
    everywhere(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        gives_up(|at| semaphore.acquire_deadline(at).is_some());
        let own = Arc::clone(&semaphore);
        gets(move || own.release(), |at| semaphore.acquire_deadline(at).is_some());
        assert_eq!(semaphore.available(), 1);

        let semaphore = Arc::new(BoundedSemaphore::new(1));
        semaphore.acquire_raw();
        gives_up(|at| semaphore.acquire_deadline(at).is_some());
        let own = Arc::clone(&semaphore);
        gets(move || own.release().unwrap(), |at| semaphore.acquire_deadline(at).is_some());
        assert_eq!(semaphore.available(), 1);
    });
}

#[test]
fn events_are_waited_for_until_a_point_in_time() {
    everywhere(|| {
        let event = Arc::new(Event::new());
        gives_up(|at| event.wait_deadline(at));
        let own = Arc::clone(&event);
        gets(move || own.set(), |at| event.wait_deadline(at));

        let latch = Arc::new(Latch::new(1));
        gives_up(|at| latch.wait_deadline(at));
        let own = Arc::clone(&latch);
        gets(move || own.count_down(), |at| latch.wait_deadline(at));

        let group = Arc::new(WaitGroup::new());
        group.add(1);
        gives_up(|at| group.wait_deadline(at));
        let own = Arc::clone(&group);
        gets(move || own.done(), |at| group.wait_deadline(at));

        for by_duration in [false, true] {
            let result = Arc::new(AsyncResult::new());
            gives_up(|at| result.get_deadline(at).is_some());
            let own = Arc::clone(&result);
            gets(
                move || own.set(7).unwrap(),
                |at| match by_duration {
                    true => result.get_timeout(at - Instant::now()) == Some(&7),
                    false => result.get_deadline(at) == Some(&7),
                },
            );
        }
    });
}

#[test]
fn conditions_and_barriers_wait_until_a_deadline() {
    everywhere(|| {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let wait = |at| {
            let (flag, changed) = &*shared;
            let mut guard = flag.lock().unwrap();
            while !*guard {
                let (again, result) = changed.wait_deadline(guard, at).unwrap();
                guard = again;
                if result.timed_out() {
                    return *guard;
                }
            }
            true
        };
        gives_up(wait);
        let own = Arc::clone(&shared);
        let come = move || {
            *own.0.lock().unwrap() = true;
            own.1.notify_one();
        };
        gets(come, wait);

        let barrier = Arc::new(CyclicBarrier::new(2));
        assert_eq!(barrier.parties(), 2);
        gives_up(|at| {
            let met = barrier.wait_deadline(at).is_ok();
            assert!(barrier.is_broken(), "whoever leaves breaks it");
            barrier.reset();
            met
        });
        let own = Arc::clone(&barrier);
        gets(move || assert!(own.wait().is_ok()), |at| barrier.wait_deadline(at).is_ok());
    });
}

#[test]
fn channels_are_waited_for_until_a_point_in_time() {
    everywhere(|| {
        for capacity in [0, 1] {
            let (sender, receiver) = mpmc::bounded(capacity);
            gives_up(|at| match receiver.recv_deadline(at) {
                Ok(item) => item,
                Err(error) => error != RecvTimeoutError::Timeout,
            });
            let own = sender.clone();
            gets(move || own.send(true).unwrap(), |at| receiver.recv_deadline(at) == Ok(true));
            (0..capacity).for_each(|_| sender.send(false).unwrap());
            gives_up(|at| match sender.send_deadline(true, at) {
                Err(mpmc::SendTimeoutError::Timeout(item)) => !item,
                other => panic!("{other:?}"),
            });
            let own = receiver.clone();
            let come = move || assert_eq!(own.recv(), Ok(capacity == 0));
            gets(come, |at| sender.send_deadline(true, at).is_ok());
            let other = sender.clone();
            assert!(sender.same_channel(&other) && receiver.same_channel(&receiver.clone()));
            let (far, away) = mpmc::bounded::<bool>(capacity);
            assert!(!sender.same_channel(&far) && !receiver.same_channel(&away));
            // Those at the other end have gone.
            let at = Instant::now() + FOR_EVER;
            drop(away);
            assert_eq!(
                far.send_deadline(true, at),
                Err(mpmc::SendTimeoutError::Disconnected(true))
            );
            while receiver.try_recv().is_ok() {}
            drop((sender, other));
            assert_eq!(receiver.recv_deadline(at), Err(RecvTimeoutError::Disconnected));
        }
        let (sender, receiver) = mpsc::channel();
        gives_up(|at| receiver.recv_deadline(at).is_ok());
        gets(move || sender.send(1).unwrap(), |at| receiver.recv_deadline(at) == Ok(1));
        let after = mpmc::after(FOR_EVER);
        gives_up(|at| after.recv_deadline(at).is_ok());
    });
}

#[test]
fn queues_are_waited_for_until_a_point_in_time() {
    macro_rules! case {
        ($($queue:ident)*) => {{$({
            let queue = Arc::new($queue::with_capacity(1));
            gives_up(|at| match queue.get_deadline(at) {
                Err(TryGetError::Empty) => false,
                other => panic!("{other:?}"),
            });
            let own = Arc::clone(&queue);
            gets(move || own.put(1).unwrap(), |at| queue.get_deadline(at) == Ok(1));
            gives_up(|at| queue.join_deadline(at));
            let own = Arc::clone(&queue);
            gets(move || own.task_done().unwrap(), |at| queue.join_deadline(at));
            queue.put(2).unwrap();
            gives_up(|at| match queue.put_deadline(3, at) {
                Err(TryPutError::Full(3)) => false,
                other => panic!("{other:?}"),
            });
            let own = Arc::clone(&queue);
            gets(move || assert_eq!(own.get(), Ok(2)), |at| queue.put_deadline(4, at).is_ok());
            assert_eq!(queue.get(), Ok(4));
        })*}};
    }
    everywhere(|| case!(Queue LifoQueue PriorityQueue));
}
