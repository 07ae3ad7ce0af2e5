//! Items of channels and queues, and handles of threads.

use super::{strike, there};
use crate::support::Random;
use greenthread::executor::{Executor, GreenExecutor};
use greenthread::pool::Pool;
use greenthread::queue::{LifoQueue, PriorityQueue, Queue};
use greenthread::sync::{Mutex, mpmc, mpsc};
use greenthread::thread::{as_completed, wait};
use greenthread::{select, sleep, spawn, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Counts those that are there.
#[derive(Debug)]
struct Item(Arc<AtomicU32>);

impl Item {
    fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Somebody receives and is interrupted while an item comes, and another waits behind that one: who gets it?
macro_rules! received {
    ($random:expr, $channel:expr, $put:expr, $take:expr, $left:expr) => {{
        let channel = Arc::new($channel);
        let (first, second) = (Arc::clone(&channel), Arc::clone(&channel));
        let (put, take) = ($put, $take);
        let mut patient = None;
        let got = strike(
            $random,
            move || take(&first),
            || {
                patient = Some(spawn(move || take(&second)));
                put(&channel, 1);
            },
        );
        if got.is_some() {
            put(&channel, 1);
        }
        assert_eq!((got.unwrap_or(1), patient.unwrap().join().unwrap()), (1, 1));
        assert_eq!($left(&channel), 0);
    }};
}

type Channel = (mpmc::Sender<u32>, mpmc::Receiver<u32>);

pub(super) fn received(random: &mut Random) {
    for capacity in [None, Some(1), Some(5)] {
        received!(
            random,
            capacity.map_or_else(mpmc::unbounded::<u32>, mpmc::bounded),
            |channel: &Channel, item| channel.0.send(item).unwrap(),
            |channel: &Channel| channel.1.recv().unwrap(),
            |channel: &Channel| channel.1.len()
        );
    }
    macro_rules! queues {
        ($($queue:ident),*) => {$(
            received!(
                random,
                $queue::with_capacity(1),
                |queue: &$queue<u32>, item| queue.put(item).unwrap(),
                |queue: &$queue<u32>| queue.get().unwrap(),
                |queue: &$queue<u32>| queue.len()
            );
        )*};
    }
    queues!(Queue, LifoQueue, PriorityQueue);
    // One receiver: what it was not given is there.
    let (sender, receiver) = mpsc::channel();
    let receiver = Arc::new(greenthread::sync::Mutex::new(receiver));
    let own = Arc::clone(&receiver);
    let got =
        strike(random, move || own.lock().unwrap().recv().unwrap(), || sender.send(1).unwrap());
    let left = receiver.lock().unwrap().try_iter().sum::<i32>();
    assert_eq!(got.unwrap_or(0) + left, 1);
}

pub(super) fn hand_to_hand(random: &mut Random) {
    let count = Arc::new(AtomicU32::new(0));
    let (sender, receiver) = mpmc::bounded(0);
    let own = receiver.clone();
    let mut sending = None;
    let item = Item::new(&count);
    let got = strike(
        random,
        // Where it comes to that only after the sender has gone, that is an error.
        move || own.recv().ok(),
        || {
            sending =
                Some(spawn(move || sender.send_timeout(item, Duration::from_millis(1)).is_ok()));
        },
    );
    // From one hand, in the other.
    let (got, sent) = (got.flatten(), sending.unwrap().join().unwrap());
    assert_eq!(got.is_some(), sent);
    assert_eq!(count.load(Ordering::SeqCst), u32::from(sent));
}

/// Somebody sends into what is full and is interrupted while there is room, and another waits behind that one.
pub(super) fn sent(random: &mut Random) {
    let count = Arc::new(AtomicU32::new(0));
    macro_rules! sent {
        ($channel:expr, $put:ident, $take:ident) => {{
            let channel = Arc::new($channel);
            channel.0.$put(Item::new(&count)).unwrap();
            let sends = || {
                let (channel, item) = (Arc::clone(&channel), Item::new(&count));
                move || channel.0.$put(item).unwrap()
            };
            let mut patient = None;
            let put = strike(random, sends(), || {
                patient = Some(spawn(sends()));
                drop(channel.1.$take().unwrap());
            });
            if put.is_some() {
                drop(channel.1.$take().unwrap());
            }
            patient.unwrap().join().unwrap();
            // Dropped, or in there.
            assert_eq!(count.load(Ordering::SeqCst), 1);
            drop(channel);
            assert_eq!(count.load(Ordering::SeqCst), 0);
        }};
    }
    sent!(mpmc::bounded::<Item>(1), send, recv);
    let queue = Arc::new(Queue::with_capacity(1));
    sent!((Arc::clone(&queue), queue), put, get);
    let stack = Arc::new(LifoQueue::with_capacity(1));
    sent!((Arc::clone(&stack), stack), put, get);
}

pub(super) fn selected(random: &mut Random) {
    let ((into_a, a), (into_b, b)) = (mpmc::unbounded(), mpmc::bounded(0));
    let queue = Arc::new(Queue::new());
    let takes = || {
        let (a, b, queue) = (a.clone(), b.clone(), Arc::clone(&queue));
        move || {
            select! {
                recv(a) -> item => item.unwrap(),
                recv(b) -> item => item.unwrap(),
                get(queue) -> item => item.unwrap(),
            }
        }
    };
    let mut patient = None;
    let into = random.below(3);
    let give = || match into {
        0 => into_a.send(1u32).unwrap(),
        1 => queue.put(1).unwrap(),
        // Somebody is there who waits.
        _ => into_b.send(1).unwrap(),
    };
    let got = strike(random, takes(), || {
        patient = Some(spawn(takes()));
        give();
    });
    if got.is_some() {
        give();
    }
    assert_eq!((got.unwrap_or(1), patient.unwrap().join().unwrap()), (1, 1));
    assert_eq!((a.len(), queue.len()), (0, 0));
}

pub(super) fn selected_to_send(random: &mut Random) {
    let count = Arc::new(AtomicU32::new(0));
    let ((into_a, a), (into_b, b)) = (mpmc::bounded(1), mpmc::bounded(0));
    let queue = Arc::new(Queue::with_capacity(1));
    into_a.send(Item::new(&count)).unwrap();
    queue.put(Item::new(&count)).unwrap();
    let (own, of_queue) = (Arc::clone(&count), Arc::clone(&queue));
    let back = Arc::new(AtomicU32::new(0));
    let comes_back = Arc::clone(&back);
    let sends = move || {
        let mut items = [(); 3].map(|()| Some(Item::new(&own)));
        let [first, second, third] = &mut items;
        let sent = catch_unwind(AssertUnwindSafe(|| {
            select! {
                send_from(into_a, *first) -> done => done.is_ok(),
                send_from(into_b, *second) -> done => done.is_ok(),
                put_from(of_queue, *third) -> done => done.is_ok(),
                // Made for this, and dropped.
                send(into_a, Item::new(&own)) -> done => done.is_ok(),
            }
        }));
        let left = items.iter().flatten().count() as u32;
        comes_back.store(left, Ordering::SeqCst);
        match sent {
            Ok(sent) => assert!(sent && left >= 2),
            Err(payload) => {
                assert_eq!(left, 3, "all came back");
                std::panic::resume_unwind(payload);
            }
        }
    };
    let from = random.below(3);
    let took = std::cell::Cell::new(0);
    let sent = strike(random, sends, || {
        let taken = match from {
            0 => a.recv().ok(),
            1 => b.recv_timeout(Duration::from_micros(200)).ok(),
            _ => queue.get().ok(),
        };
        took.set(u32::from(taken.is_some()));
    });
    // There were two, one was sent by who was not interrupted, and one was taken, or none in time.
    let left = (a.len() + queue.len()) as u32;
    let sent = u32::from(sent.is_some());
    assert_eq!(left + took.get(), 2 + sent);
    there(|| (count.load(Ordering::SeqCst) == left).then_some(()));
}

pub(super) fn listed(random: &mut Random) {
    let channels: Arc<Vec<_>> = Arc::new((0..3).map(|_| mpmc::bounded(1)).collect());
    let takes = || {
        let channels = Arc::clone(&channels);
        move || {
            let mut list = mpmc::Select::new();
            channels.iter().for_each(|channel: &Channel| {
                list.recv(&channel.1);
            });
            let operation = list.select();
            let index = operation.index();
            operation.recv(&channels[index].1).unwrap()
        }
    };
    let mut patient = None;
    let into = random.below(3) as usize;
    let got = strike(random, takes(), || {
        patient = Some(spawn(takes()));
        channels[into].0.send(1).unwrap();
    });
    if got.is_some() {
        channels[into].0.send(1).unwrap();
    }
    assert_eq!((got.unwrap_or(1), patient.unwrap().join().unwrap()), (1, 1));
    assert!(channels.iter().all(|channel| channel.1.is_empty()));
}

/// Somebody has chosen to send, and is interrupted before the item is there or not; another waits for that room.
pub(super) fn chosen(random: &mut Random) {
    let capacity = 1 + random.below(3) as usize;
    let (sender, receiver) = mpmc::bounded(capacity);
    (1..capacity).for_each(|item| sender.send(item).unwrap());
    let own = sender.clone();
    let pauses = random.below(4);
    let sends = move || {
        let mut list = mpmc::Select::new();
        list.send(&own);
        let operation = list.select();
        (0..pauses).for_each(|_| greenthread::yield_now());
        operation.send(&own, 100).unwrap();
    };
    let mut patient = None;
    let sent = strike(random, sends, || {
        let own = sender.clone();
        patient = Some(spawn(move || own.send(50).unwrap()));
    });
    let mut got = Vec::new();
    if sent.is_some() {
        got.push(receiver.recv().unwrap());
    }
    patient.unwrap().join().unwrap();
    assert_eq!((receiver.len(), sender.try_send(0).is_err()), (capacity, true));
    got.extend(receiver.try_iter());
    assert_eq!(got[..capacity - 1], (1..capacity).collect::<Vec<_>>());
    got[capacity - 1..].sort_unstable();
    let last: &[usize] = if sent.is_some() { &[50, 100] } else { &[50] };
    assert_eq!(got[capacity - 1..], *last);
}

pub(super) fn handles(random: &mut Random) {
    let ended = Arc::new(AtomicU32::new(0));
    let children: Vec<_> = (0..3)
        .map(|_| {
            let (ended, item) = (Arc::clone(&ended), Item::new(&ended));
            spawn(move || {
                greenthread::yield_now();
                ended.fetch_add(100, Ordering::SeqCst);
                item
            })
        })
        .collect();
    let as_they_come = random.below(2) == 0;
    let waits = move || {
        if as_they_come {
            as_completed(children).count()
        } else {
            wait(children, usize::MAX).0.len()
        }
    };
    assert!(strike(random, waits, || ()).is_none_or(|count| count == 3));
    // They go on, and their results are dropped with the handles.
    there(|| (ended.load(Ordering::SeqCst) == 300).then_some(()));
}

/// `next` is interrupted while it waits for a result, for room to hand an item in, or for the next item.
pub(super) fn mapped(random: &mut Random) {
    const ITEMS: u32 = 6;
    static EXECUTOR: LazyLock<GreenExecutor> = LazyLock::new(GreenExecutor::new);
    let function = |item: u32| {
        if item.is_multiple_of(2) {
            sleep(Duration::from_micros(20));
        }
        item
    };
    let mut left = 0..ITEMS;
    let items = std::iter::from_fn(move || {
        if left.start % 2 == 1 {
            yield_now();
        }
        left.next()
    });
    let pool = Pool::new(1 + random.below(2) as usize).unwrap();
    // It takes the room that the first items want.
    pool.spawn(|| sleep(Duration::from_micros(30)));
    let unordered = random.below(2) == 0;
    let results: Box<dyn Iterator<Item = u32> + Send> = match (random.below(2), unordered) {
        (0, false) => Box::new(pool.imap(function, items).flatten()),
        (0, true) => Box::new(pool.imap_unordered(function, items).flatten()),
        (_, false) => Box::new(EXECUTOR.map(function, items).read_ahead(2).flatten()),
        (_, true) => Box::new(EXECUTOR.map_unordered(function, items).read_ahead(2).flatten()),
    };
    let results = Arc::new(Mutex::new(results));
    let mut got = Vec::new();
    for _ in 0..3 {
        let results = Arc::clone(&results);
        got.extend(strike(random, move || results.lock().unwrap().next(), || ()).flatten());
    }
    got.extend(results.lock().unwrap().by_ref());
    if unordered {
        got.sort_unstable();
    }
    assert!(got.iter().copied().eq(0..ITEMS), "{got:?}");
}
