//! Large values go through everything that takes values, from stacks of the default size, in programs that are not optimized.

use crate::support::on_all_runtimes;
use greenthread::queue::{LifoQueue, PriorityQueue, Queue};
use greenthread::sync::{Arc, LazyLock, Mutex, OnceLock, mpmc, mpsc};
use greenthread::{JoinHandle, blocking, scope, select, sleep, spawn, timeout, yield_now};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Large([u8; 32 << 10]);

fn large() -> Large {
    Large([7; 32 << 10])
}

#[track_caller]
fn check(value: &Large) {
    assert!(value.0.iter().all(|byte| *byte == 7));
}

/// A green thread that does it when others have had a few turns: whoever waits for it waits by then.
fn soon(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    spawn(move || {
        for _ in 0..10 {
            yield_now();
        }
        f();
    })
}

fn by_mpsc(capacity: Option<usize>) {
    match capacity {
        Some(capacity) => {
            let (sender, receiver) = mpsc::sync_channel(capacity);
            let other = spawn(move || (0..3).for_each(|_| sender.send(large()).unwrap()));
            check(&receiver.recv().unwrap());
            check(&receiver.recv_timeout(LIMIT).unwrap());
            check(&receiver.recv().unwrap());
            other.join().unwrap();
        }
        None => {
            let (sender, receiver) = mpsc::channel();
            sender.send(large()).unwrap();
            check(&receiver.try_recv().unwrap());
            let other = soon(move || sender.send(large()).unwrap());
            receiver.iter().for_each(|value| check(&value));
            other.join().unwrap();
        }
    }
}

#[test]
fn channels_carry_large_values_from_default_stacks() {
    on_all_runtimes(|| {
        for capacity in [None, Some(0), Some(1), Some(3)] {
            by_mpsc(capacity);
        }
        let (sender, receiver) = mpmc::bounded(1);
        sender.send(large()).unwrap();
        let Err(mpmc::TrySendError::Full(value)) = sender.try_send(large()) else {
            panic!("it is full")
        };
        check(&value);
        let other = soon(move || (0..2).for_each(|_| check(&receiver.recv().unwrap())));
        sender.send_timeout(large(), LIMIT).unwrap();
        other.join().unwrap();
        check(&sender.send(large()).unwrap_err().0);
    });
}

#[test]
fn channels_to_os_threads() {
    on_all_runtimes(|| {
        for capacity in [0, 1] {
            let (sender, receiver) = mpmc::bounded(capacity);
            let (back, returned) = mpmc::bounded(capacity);
            let other = std::thread::spawn(move || {
                for value in receiver {
                    back.send(value).unwrap();
                }
            });
            sender.send(large()).unwrap();
            check(&returned.recv().unwrap());
            drop(sender);
            other.join().unwrap();
        }
    });
}

#[test]
fn queues_carry_large_values_from_default_stacks() {
    on_all_runtimes(|| {
        let queue = Arc::new(Queue::with_capacity(1));
        queue.put(large()).unwrap();
        check(&queue.try_put(large()).unwrap_err().into_inner());
        let other = {
            let queue = Arc::clone(&queue);
            soon(move || check(&queue.get().unwrap()))
        };
        queue.put_timeout(large(), LIMIT).unwrap();
        other.join().unwrap();
        check(&queue.get_timeout(LIMIT).unwrap());
        let lifo = LifoQueue::new();
        lifo.put(large()).unwrap();
        check(&lifo.get().unwrap());
        let priority = PriorityQueue::new();
        (0..3).for_each(|_| priority.put(large()).unwrap());
        check(&priority.get().unwrap());
    });
}

#[test]
fn selects_carry_large_values_from_default_stacks() {
    on_all_runtimes(|| {
        for capacity in [0, 1] {
            let (sender, receiver) = mpmc::bounded(capacity);
            let (back, returned) = mpmc::bounded(capacity);
            let other = spawn(move || {
                let value = select! { recv(receiver) -> value => value.unwrap() };
                select! { send(back, value) -> sent => sent.unwrap() }
            });
            select! { send(sender, large()) -> sent => sent.unwrap() }
            select! { recv(returned) -> value => check(&value.unwrap()) }
            other.join().unwrap();
        }
        let queue = Queue::new();
        select! { put(queue, large()) -> put => put.unwrap() }
        select! { get(queue) -> value => check(&value.unwrap()) }
    });
}

#[test]
fn results_and_captures() {
    on_all_runtimes(|| {
        check(&spawn(large).join().unwrap());
        let value = large();
        check(&spawn(move || value).join().unwrap());
        let waits = spawn(|| {
            sleep(Duration::from_millis(1));
            large()
        });
        check(&waits.join_timeout(LIMIT).unwrap().unwrap());
        check(greenthread::thread::join_all([spawn(large)])[0].as_ref().unwrap());
        check(&scope(|s| s.spawn(large).join().unwrap()));
        check(&blocking(large));
        check(&timeout(LIMIT, large).unwrap());
        let payload = spawn(|| std::panic::panic_any(large())).join().unwrap_err().into_panic();
        check(payload.downcast_ref().unwrap());
    });
}

#[test]
fn locks_and_cells() {
    on_all_runtimes(|| {
        let mutex = Arc::new(Mutex::new(large()));
        let other = Arc::clone(&mutex);
        spawn(move || *other.lock().unwrap() = large()).join().unwrap();
        check(&Arc::into_inner(mutex).unwrap().into_inner().unwrap());
        let once = OnceLock::new();
        check(once.get_or_init(large));
        check(&once.into_inner().unwrap());
        check(&LazyLock::new(large));
    });
}
