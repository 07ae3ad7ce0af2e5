//! Locks, permits and channels that all green threads of a storm share.

use crate::support::{OnDrop, Random};
use crate::{LONG, alive, micros};
use greenthread::sync::{Condvar, Mutex, RwLock, Semaphore, mpmc};
use greenthread::{shield, sleep, spawn, timeout, yield_now};
use std::sync::Arc;

const PERMITS: usize = 3;

pub(crate) struct Shared {
    mutex: Mutex<u64>,
    changed: Condvar,
    rwlock: RwLock<u64>,
    permits: Semaphore,
    /// What goes through the channel; one share for each that is alive.
    item: Arc<()>,
    sender: mpmc::Sender<Arc<()>>,
    receiver: mpmc::Receiver<Arc<()>>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpmc::bounded(4);
        Self {
            mutex: Mutex::new(0),
            changed: Condvar::new(),
            rwlock: RwLock::new(0),
            permits: Semaphore::new(PERMITS),
            item: Arc::new(()),
            sender,
            receiver,
        }
    }

    /// Every lock is free and not poisoned, every permit is there, and nothing that was sent is still held by anybody.
    pub(crate) fn check(self) {
        assert!(self.mutex.try_lock().is_ok());
        assert!(self.rwlock.try_write().is_ok());
        assert_eq!(self.permits.available(), PERMITS);
        assert_eq!(Arc::strong_count(&self.item), 1 + self.receiver.len());
        self.receiver.try_iter().for_each(drop);
        assert_eq!(Arc::strong_count(&self.item), 1);
        // All of them serve on.
        for _ in 0..2 * PERMITS {
            drop(self.permits.acquire_timeout(LONG).unwrap());
            self.sender.send(Arc::clone(&self.item)).unwrap();
            drop(self.receiver.recv().unwrap());
        }
    }
}

/// Holds something over a wait, or waits for it.
pub(crate) fn storm(random: &mut Random, shared: &Shared) {
    for _ in 0..1 + random.below(4) {
        let pause = micros(random, 100);
        match random.below(9) {
            0 | 1 => {
                let mut guard = shared.mutex.lock().unwrap();
                sleep(pause);
                *guard += 1;
                shared.changed.notify_one();
            }
            2 => {
                let mut guard = shared.mutex.lock().unwrap();
                let seen = *guard;
                while *guard == seen {
                    guard = shared.changed.wait(guard).unwrap();
                }
            }
            3 => {
                let guard = shared.rwlock.read().unwrap();
                sleep(pause);
                drop(guard);
            }
            4 => {
                let mut guard = shared.rwlock.write().unwrap();
                yield_now();
                *guard += 1;
            }
            5 => {
                let permit = shared.permits.acquire();
                sleep(pause);
                drop(permit);
            }
            6 => drop(timeout(pause, || {
                let _permit = shared.permits.acquire();
                sleep(2 * pause);
            })),
            7 => {
                let one_at_least = shared.permits.acquire_timeout(pause);
                yield_now();
                drop(one_at_least);
            }
            _ => drop(timeout(pause, || {
                let _guard = shared.mutex.lock().unwrap();
                sleep(2 * pause);
            })),
        }
    }
}

pub(crate) fn channels(random: &mut Random, shared: &Shared) {
    for _ in 0..1 + random.below(6) {
        match random.below(6) {
            0 | 1 => shared.sender.send(Arc::clone(&shared.item)).unwrap(),
            2 => drop(shared.receiver.recv().unwrap()),
            3 => drop(shared.receiver.recv_timeout(micros(random, 500))),
            4 => {
                drop(timeout(micros(random, 500), || shared.sender.send(Arc::clone(&shared.item))))
            }
            _ => drop(timeout(micros(random, 500), || shared.receiver.recv())),
        }
    }
}

/// Is killed somewhere, and waits in its destructors: shielded, so that a kill does not end what they do.
pub(crate) fn in_destructors(random: &mut Random, shared: &Arc<Shared>) {
    let (kind, pause) = (random.below(4), micros(random, 200));
    let other = Arc::clone(shared);
    let _last = OnDrop(|| {
        shield(|| match kind {
            0 => sleep(pause),
            1 => *other.mutex.lock().unwrap() += 1,
            2 => drop(other.permits.acquire()),
            _ => {
                let child = spawn(move || {
                    let _alive = alive();
                    sleep(pause);
                });
                child.join().unwrap();
            }
        });
    });
    let _not_shielded = OnDrop(yield_now);
    storm(random, shared);
    sleep(LONG);
}
