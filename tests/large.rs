//! Large values go through everything that takes values, from stacks of the default size, in programs that are not optimized and, by
//! `.ci/optimized`, in such that are, where stacks are much smaller.

use greenthread::queue::{LifoQueue, PriorityQueue, Queue};
use greenthread::sync::{Arc, LazyLock, Mutex, OnceLock, RwLock, mpmc, mpsc};
use greenthread::{
    Builder, JoinHandle, Runtime, blocking, scope, select, sleep, spawn, timeout, yield_now,
};
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

/// Runs each case on a green thread of its own, on a current-thread runtime and on workers. The environment may give the stacks another
/// size than the usual one, to find out how much a case needs.
fn on_all_runtimes(cases: &'static [(&'static str, fn())]) {
    let size = std::env::var("LARGE_STACK_KIB").ok().map(|text| text.parse::<usize>().unwrap());
    let wanted = std::env::var("LARGE_CASE").ok();
    let main = move || {
        for (name, case) in cases {
            if wanted.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            let mut builder = Builder::new().name((*name).to_string());
            if let Some(size) = size {
                builder = builder.stack_size(size << 10);
            }
            builder.spawn(case).unwrap().join().unwrap();
        }
    };
    Runtime::new_current_thread().unwrap().run_local(main.clone()).unwrap();
    for count in [1, 2] {
        Runtime::builder().workers(count).build().unwrap().run(main.clone()).unwrap();
    }
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

const CHANNELS: &[(&str, fn())] = &[
    ("mpsc, try_recv", || {
        let (sender, receiver) = mpsc::channel();
        sender.send(large()).unwrap();
        check(&receiver.try_recv().unwrap());
    }),
    ("mpsc, iter", || {
        let (sender, receiver) = mpsc::channel();
        let other = soon(move || sender.send(large()).unwrap());
        receiver.iter().for_each(|value| check(&value));
        other.join().unwrap();
    }),
    ("sync_channel, send", || {
        for capacity in [0, 1, 3] {
            let (sender, receiver) = mpsc::sync_channel(capacity);
            let other = soon(move || (0..3).for_each(|_| check(&receiver.recv().unwrap())));
            (0..3).for_each(|_| sender.send(large()).unwrap());
            other.join().unwrap();
        }
    }),
    ("sync_channel, recv", || {
        for capacity in [0, 1, 3] {
            let (sender, receiver) = mpsc::sync_channel(capacity);
            let other = soon(move || (0..2).for_each(|_| sender.send(large()).unwrap()));
            (0..2).for_each(|_| check(&receiver.recv().unwrap()));
            other.join().unwrap();
        }
    }),
    ("sync_channel, recv_timeout", || {
        for capacity in [0, 1] {
            let (sender, receiver) = mpsc::sync_channel(capacity);
            let other = soon(move || sender.send(large()).unwrap());
            check(&receiver.recv_timeout(LIMIT).unwrap());
            other.join().unwrap();
        }
    }),
    ("mpmc, try_send", || {
        let (sender, _receiver) = mpmc::bounded(1);
        sender.send(large()).unwrap();
        let Err(mpmc::TrySendError::Full(value)) = sender.try_send(large()) else {
            panic!("it is full")
        };
        check(&value);
    }),
    ("mpmc, send_timeout", || {
        let (sender, receiver) = mpmc::bounded(1);
        sender.send(large()).unwrap();
        let other = soon(move || (0..2).for_each(|_| check(&receiver.recv().unwrap())));
        sender.send_timeout(large(), LIMIT).unwrap();
        other.join().unwrap();
    }),
    ("mpmc, a send that fails", || {
        let (sender, receiver) = mpmc::bounded(1);
        drop(receiver);
        check(&sender.send(large()).unwrap_err().0);
    }),
    ("an OS thread at the other end", || {
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
    }),
];

const QUEUES: &[(&str, fn())] = &[
    ("Queue, put and get", || {
        let queue = Queue::with_capacity(1);
        queue.put(large()).unwrap();
        check(&queue.get().unwrap());
    }),
    ("Queue, try_put", || {
        let queue = Queue::with_capacity(1);
        queue.put(large()).unwrap();
        check(&queue.try_put(large()).unwrap_err().into_inner());
    }),
    ("Queue, put_timeout", || {
        let queue = Arc::new(Queue::with_capacity(1));
        queue.put(large()).unwrap();
        let own = Arc::clone(&queue);
        let other = soon(move || check(&own.get().unwrap()));
        queue.put_timeout(large(), LIMIT).unwrap();
        other.join().unwrap();
    }),
    ("Queue, get_timeout", || {
        let queue = Arc::new(Queue::new());
        let own = Arc::clone(&queue);
        let other = soon(move || own.put(large()).unwrap());
        check(&queue.get_timeout(LIMIT).unwrap());
        other.join().unwrap();
    }),
    ("LifoQueue", || {
        let lifo = LifoQueue::new();
        lifo.put(large()).unwrap();
        check(&lifo.get().unwrap());
    }),
    ("PriorityQueue, put", || {
        let priority = PriorityQueue::new();
        (0..3).for_each(|_| priority.put(large()).unwrap());
        assert_eq!(priority.len(), 3);
    }),
    ("PriorityQueue, get", || {
        let priority = Arc::new(PriorityQueue::new());
        let own = Arc::clone(&priority);
        let other = soon(move || (0..3).for_each(|_| own.put(large()).unwrap()));
        (0..3).for_each(|_| check(&priority.get().unwrap()));
        other.join().unwrap();
    }),
];

const SELECTS: &[(&str, fn())] = &[
    ("select!, recv", || {
        for capacity in [0, 1] {
            let (sender, receiver) = mpmc::bounded(capacity);
            let other = soon(move || sender.send(large()).unwrap());
            select! { recv(receiver) -> value => check(&value.unwrap()) }
            other.join().unwrap();
        }
    }),
    ("select!, send", || {
        for capacity in [0, 1] {
            let (sender, receiver) = mpmc::bounded(capacity);
            let other = soon(move || (0..2).for_each(|_| check(&receiver.recv().unwrap())));
            for _ in 0..2 {
                select! { send(sender, large()) -> sent => sent.unwrap() }
            }
            other.join().unwrap();
        }
    }),
    ("select!, recv, one of two", || {
        let (sender, receiver) = mpmc::bounded(1);
        let never = mpmc::never::<()>();
        let other = soon(move || sender.send(large()).unwrap());
        select! {
            recv(never) -> _ => unreachable!(),
            recv(receiver) -> value => check(&value.unwrap()),
        }
        other.join().unwrap();
    }),
    ("select!, recv, beside a send", || {
        let (sender, receiver) = mpmc::bounded(0);
        let (back, _returned) = mpmc::bounded(0);
        let other = soon(move || sender.send(large()).unwrap());
        select! {
            recv(receiver) -> value => check(&value.unwrap()),
            send(back, 1) -> _ => unreachable!("nobody receives"),
        }
        other.join().unwrap();
    }),
    // An optimized program needs 300 KiB for it, and has 180; this one needs 2 MiB, and has 4.
    #[cfg(debug_assertions)]
    ("select!, two sends", || {
        let (first, of_first) = mpmc::bounded(0);
        let (second, of_second) = mpmc::bounded(0);
        let other = soon(move || {
            check(&of_first.recv().unwrap());
            check(&of_second.recv().unwrap());
        });
        select! {
            send(first, large()) -> sent => sent.unwrap(),
            send(second, large()) -> _ => unreachable!("nobody receives yet"),
        }
        select! {
            send(first, large()) -> _ => unreachable!("nobody receives any more"),
            send(second, large()) -> sent => sent.unwrap(),
        }
        other.join().unwrap();
    }),
    ("select!, two receives", || {
        let (first, of_first) = mpmc::bounded(0);
        let (second, of_second) = mpmc::bounded(0);
        let other = soon(move || {
            first.send(large()).unwrap();
            second.send(large()).unwrap();
        });
        for _ in 0..2 {
            select! {
                recv(of_first) -> value => check(&value.unwrap()),
                recv(of_second) -> value => check(&value.unwrap()),
            }
        }
        other.join().unwrap();
    }),
    ("select!, put", || {
        let queue = Queue::new();
        select! { put(queue, large()) -> put => put.unwrap() }
    }),
    ("select!, get", || {
        let queue = Arc::new(Queue::new());
        let own = Arc::clone(&queue);
        let other = soon(move || own.put(large()).unwrap());
        select! { get(queue) -> value => check(&value.unwrap()) }
        other.join().unwrap();
    }),
];

const RESULTS: &[(&str, fn())] = &[
    ("a result", || check(&spawn(large).join().unwrap())),
    ("what a body has captured", || {
        let value = large();
        check(&spawn(move || value).join().unwrap());
    }),
    ("join_timeout", || {
        let waits = spawn(|| {
            sleep(Duration::from_millis(1));
            large()
        });
        check(&waits.join_timeout(LIMIT).unwrap().unwrap());
    }),
    ("join_all", || check(greenthread::thread::join_all([spawn(large)])[0].as_ref().unwrap())),
    ("scope", || check(&scope(|s| s.spawn(large).join().unwrap()))),
    ("blocking", || check(&blocking(large))),
    ("timeout", || check(&timeout(LIMIT, large).unwrap())),
    ("a payload", || {
        let payload = spawn(|| std::panic::panic_any(large())).join().unwrap_err().into_panic();
        check(payload.downcast_ref().unwrap());
    }),
    ("a mutex", || {
        let mutex = Arc::new(Mutex::new(large()));
        let other = Arc::clone(&mutex);
        spawn(move || *other.lock().unwrap() = large()).join().unwrap();
        check(&Arc::into_inner(mutex).unwrap().into_inner().unwrap());
    }),
    ("a lock of readers and writers", || check(&RwLock::new(large()).into_inner().unwrap())),
    ("a cell", || {
        let once = OnceLock::new();
        check(once.get_or_init(large));
        check(&once.into_inner().unwrap());
    }),
    ("a lazy value", || check(&LazyLock::new(large))),
];

#[test]
fn large_values_go_through_channels() {
    on_all_runtimes(CHANNELS);
}

#[test]
fn large_values_go_through_queues() {
    on_all_runtimes(QUEUES);
}

#[test]
fn large_values_go_through_selects() {
    on_all_runtimes(SELECTS);
}

#[test]
fn large_values_are_results_and_lie_in_locks_and_cells() {
    on_all_runtimes(RESULTS);
}
