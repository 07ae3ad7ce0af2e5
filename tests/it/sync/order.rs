//! First come, first served, also where some of those in between are killed or time out.

use greenthread::queue::Queue;
use greenthread::sync::{Arc, Condvar, Mutex, RwLock, Semaphore, SemaphorePermit, mpmc};
use greenthread::{JoinHandle, Runtime, sleep, spawn, yield_now};
use std::time::Duration;

type Served = Arc<std::sync::Mutex<Vec<usize>>>;

/// Twelve green threads `wait` one after the other, each third is killed and each fourth times out; then `serve` lets one
/// after the other go on.
fn in_order<S: Send + Sync + 'static>(
    shared: S,
    wait: fn(&S, Option<Duration>) -> bool,
    serve: fn(&S),
) {
    const COUNT: usize = 12;
    Runtime::new_current_thread()
        .unwrap()
        .run_local(move || {
            let shared = Arc::new(shared);
            let served = Served::default();
            let waiters: Vec<JoinHandle<()>> = (0..COUNT)
                .map(|i| {
                    let (shared, served) = (Arc::clone(&shared), Arc::clone(&served));
                    let timeout = (i % 4 == 3).then_some(Duration::from_millis(1));
                    let waiter = spawn(move || {
                        if wait(&shared, timeout) {
                            served.lock().unwrap().push(i);
                        }
                    });
                    yield_now();
                    waiter
                })
                .collect();
            sleep(Duration::from_millis(10));
            waiters.iter().step_by(3).for_each(JoinHandle::kill);
            yield_now();
            for _ in 0..COUNT {
                serve(&shared);
                // Until whoever was served has said so, and let the next have its turn.
                (0..10).for_each(|_| yield_now());
            }
            for (i, waiter) in waiters.into_iter().enumerate() {
                assert_eq!(waiter.join().is_err(), i % 3 == 0 && i % 4 != 3);
            }
            let expected: Vec<_> = (0..COUNT).filter(|i| i % 3 != 0 && i % 4 != 3).collect();
            assert_eq!(*served.lock().unwrap(), expected);
        })
        .unwrap();
}

const NEVER: Duration = Duration::from_secs(1000);

#[test]
fn semaphores_serve_in_order() {
    let wait = |semaphore: &Semaphore, timeout: Option<Duration>| {
        let permit = semaphore.acquire_timeout(timeout.unwrap_or(NEVER));
        permit.map(SemaphorePermit::forget).is_some()
    };
    in_order(Semaphore::new(0), wait, Semaphore::release);
}

#[test]
fn conditions_serve_in_order() {
    let wait = |(mutex, changed): &(Mutex<()>, Condvar), timeout: Option<Duration>| {
        let guard = mutex.lock().unwrap();
        !changed.wait_timeout(guard, timeout.unwrap_or(NEVER)).unwrap().1.timed_out()
    };
    in_order((Mutex::new(()), Condvar::new()), wait, |shared| shared.1.notify_one());
}

#[test]
fn receivers_and_senders_are_served_in_order() {
    let channel = mpmc::bounded::<()>(1);
    let wait = |(_, receiver): &(mpmc::Sender<()>, mpmc::Receiver<()>), timeout: Option<_>| {
        receiver.recv_timeout(timeout.unwrap_or(NEVER)).is_ok()
    };
    in_order(channel, wait, |(sender, _)| {
        let _ = sender.try_send(());
    });

    let channel = mpmc::bounded::<()>(1);
    channel.0.send(()).unwrap();
    let wait = |(sender, _): &(mpmc::Sender<()>, mpmc::Receiver<()>), timeout: Option<_>| {
        sender.send_timeout((), timeout.unwrap_or(NEVER)).is_ok()
    };
    in_order(channel, wait, |(_, receiver)| {
        let _ = receiver.try_recv();
    });
}

#[test]
fn a_rendezvous_serves_in_order() {
    let channel = mpmc::bounded::<()>(0);
    let wait = |(_, receiver): &(mpmc::Sender<()>, mpmc::Receiver<()>), timeout: Option<_>| {
        receiver.recv_timeout(timeout.unwrap_or(NEVER)).is_ok()
    };
    in_order(channel, wait, |(sender, _)| {
        let _ = sender.try_send(());
    });
}

#[test]
fn queues_serve_in_order() {
    let wait = |queue: &Queue<()>, timeout: Option<Duration>| {
        queue.get_timeout(timeout.unwrap_or(NEVER)).is_ok()
    };
    in_order(Queue::new(), wait, |queue| {
        let _ = queue.try_put(());
    });
}

fn brief(brief: bool) -> Duration {
    if brief { Duration::from_millis(1) } else { NEVER }
}

/// A lock that each gives to the next.
#[test]
fn locks_are_given_on_in_order() {
    Runtime::new_current_thread()
        .unwrap()
        .run_local(|| {
            let shared = Arc::new((Mutex::new(Vec::new()), RwLock::new(Vec::new())));
            let (mutex, lock) = (shared.0.lock().unwrap(), shared.1.write().unwrap());
            let waiters: Vec<_> = (0..9)
                .map(|i| {
                    let shared = Arc::clone(&shared);
                    let waiter = spawn(move || {
                        let Ok(mut mutex) = shared.0.lock_timeout(brief(i == 7)) else { return };
                        mutex.push(i);
                        drop(mutex);
                        let Ok(mut lock) = shared.1.write_timeout(brief(i == 5)) else { return };
                        lock.push(i);
                    });
                    yield_now();
                    waiter
                })
                .collect();
            waiters.iter().step_by(3).for_each(JoinHandle::kill);
            sleep(Duration::from_millis(10));
            drop(mutex);
            (0..30).for_each(|_| yield_now());
            assert_eq!(*shared.0.lock().unwrap(), [1, 2, 4, 5, 8]);
            waiters[4].kill();
            sleep(Duration::from_millis(10));
            drop(lock);
            for (i, waiter) in waiters.into_iter().enumerate() {
                assert_eq!(waiter.join().is_err(), i % 3 == 0 || i == 4);
            }
            assert_eq!(*shared.1.read().unwrap(), [1, 2, 8]);
        })
        .unwrap();
}
