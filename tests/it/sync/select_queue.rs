//! Queues as arms of `select!`.

use super::{Duration, LONG};
use crate::support::{OnDrop, on_all_runtimes, until, within_limit};
use greenthread::queue::{GetError, LifoQueue, PriorityQueue, PutError, Queue};
use greenthread::sync::{Arc, mpmc};
use greenthread::{select, select_biased, spawn, yield_now};
use std::cmp::Ordering as Order;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn an_item_is_taken_from_the_queue_that_has_one() {
    on_all_runtimes(|| {
        let (fifo, lifo) = (Arc::new(Queue::new()), LifoQueue::new());
        let priority = PriorityQueue::new();
        let (sender, receiver) = mpmc::unbounded();
        let next = || {
            select! {
                get(fifo) -> item => (0, item),
                get(lifo) -> item => (1, item),
                get(priority) -> item => (2, item),
                recv(receiver) -> item => (3, item.map_err(|_| GetError)),
                default => (4, Ok(0)),
            }
        };
        assert_eq!(next(), (4, Ok(0)));
        fifo.put(1).unwrap();
        assert_eq!(next(), (0, Ok(1)));
        (2..4).for_each(|item| lifo.put(item).unwrap());
        assert_eq!([next(), next()], [(1, Ok(3)), (1, Ok(2))]);
        [6, 5].into_iter().for_each(|item| priority.put(item).unwrap());
        assert_eq!([next(), next()], [(2, Ok(5)), (2, Ok(6))]);
        sender.send(7).unwrap();
        assert_eq!(next(), (3, Ok(7)));
        // Waited for.
        let putter = {
            let fifo = Arc::clone(&fifo);
            spawn(move || fifo.put(8).unwrap())
        };
        let waited = select! {
            get(lifo) -> item => item,
            get(fifo) -> item => item,
        };
        assert_eq!(waited, Ok(8));
        putter.join().unwrap();
        // What is left is taken after a shutdown, then the arm is ready for ever.
        fifo.put(9).unwrap();
        fifo.shutdown();
        assert_eq!([next(), next(), next()], [(0, Ok(9)), (0, Err(GetError)), (0, Err(GetError))]);
        assert_eq!(fifo.unfinished(), 3);
        let in_time = select! {
            get(lifo) -> _ => true,
            default(Duration::from_millis(1)) => false,
        };
        assert!(!in_time);
    });
}

#[test]
fn an_item_is_put_where_there_is_room() {
    on_all_runtimes(|| {
        let (full, open) = (Queue::with_capacity(1), Arc::new(Queue::with_capacity(1)));
        full.put(0).unwrap();
        let put = |item| {
            select! {
                put(full, item) -> done => (0, done),
                put(open, item) -> done => (1, done),
                default => (2, Ok(())),
            }
        };
        assert_eq!([put(1), put(2)], [(1, Ok(())), (2, Ok(()))]);
        // Of those that do not win, `put_from` gives its item back.
        let mut item = Some(3);
        let done = select! {
            put_from(full, item) -> done => Some(done),
            default => None,
        };
        assert_eq!((done, item), (None, Some(3)));
        // Without an item it is never ready; and it waits for room.
        let mut none = None;
        let taker = {
            let open = Arc::clone(&open);
            spawn(move || open.get().unwrap())
        };
        select! {
            put_from(full, none) -> _ => unreachable!(),
            put_from(open, item) -> done => assert_eq!(done, Ok(())),
        }
        assert_eq!((taker.join().unwrap(), item, open.try_get()), (1, None, Ok(3)));
        full.shutdown();
        let mut item = Some(4);
        select! {
            put_from(full, item) -> done => assert_eq!(done, Err(PutError(4))),
        }
    });
}

/// Whoever is killed or too late when it is told of an item or of room passes that on, and keeps no item.
#[test]
fn an_interruption_takes_nothing_along_from_a_queue() {
    on_all_runtimes(|| {
        for round in 0..40u32 {
            let queue = Arc::new(Queue::with_capacity(1));
            let silent = Arc::new(Queue::<u32>::new());
            let waits = || {
                let (queue, silent) = (Arc::clone(&queue), Arc::clone(&silent));
                let handle = spawn(move || {
                    select! {
                        get(queue) -> item => item.unwrap(),
                        get(silent) -> _ => unreachable!(),
                    }
                });
                (0..5).for_each(|_| yield_now());
                handle
            };
            let (doomed, patient) = (waits(), waits());
            if round % 2 == 0 {
                doomed.kill();
                queue.put(round).unwrap();
            } else {
                queue.put(round).unwrap();
                doomed.kill();
            }
            match doomed.join() {
                Ok(item) => {
                    assert_eq!(item, round);
                    queue.put(round).unwrap();
                }
                Err(error) => assert!(error.is_killed()),
            }
            assert_eq!(patient.join().unwrap(), round);
            // And one that puts: the item is in the queue, or back.
            queue.put(0).unwrap();
            let begun = Arc::new(AtomicU32::new(0));
            let putter = {
                let (queue, begun) = (Arc::clone(&queue), Arc::clone(&begun));
                spawn(move || {
                    let mut item = Some(1);
                    let put = catch_unwind(AssertUnwindSafe(|| {
                        begun.store(1, Ordering::SeqCst);
                        select! { put_from(queue, item) -> done => done.unwrap() }
                    }));
                    assert_eq!(put.is_ok(), item.is_none());
                    u32::from(item.is_none())
                })
            };
            until(|| begun.load(Ordering::SeqCst) == 1);
            putter.kill();
            let first = queue.get().unwrap();
            let put = putter.join().unwrap();
            assert_eq!((first, queue.len() as u32), (0, put));
        }
    });
}

/// An order of items that panics.
#[derive(Debug, PartialEq, Eq)]
struct Panics(u32);

impl PartialOrd for Panics {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Panics {
    fn cmp(&self, other: &Self) -> Order {
        if self.0 + other.0 > 100 {
            resume_unwind(Box::new("no order"));
        }
        self.0.cmp(&other.0)
    }
}

/// The user's code runs in the attempts: an order of items, a future. Where it unwinds, the other arms end as they do when
/// they lose.
#[test]
fn an_arm_that_unwinds_takes_nothing_along() {
    on_all_runtimes(|| {
        let queue = PriorityQueue::new();
        queue.put(Panics(1)).unwrap();
        let made = AtomicU32::new(0);
        let (sender, _receiver) = mpmc::bounded(0);
        let (of_others, _silent) = mpmc::bounded(0);
        let panics_when_dropped = || {
            made.fetch_add(1, Ordering::SeqCst);
            OnDrop(|| resume_unwind(Box::new("dropped")))
        };
        let (mut first, mut second) = (Some(Panics(100)), Some(7));
        for future in [false, true] {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                if future {
                    select_biased! {
                        send_from(sender, second) -> _ => unreachable!(),
                        send(of_others, panics_when_dropped()) -> _ => unreachable!(),
                        future(poll_fn(|_| -> std::task::Poll<()> { resume_unwind(Box::new("future")) })) -> _ => (),
                    }
                } else {
                    select_biased! {
                        send_from(sender, second) -> _ => unreachable!(),
                        send(of_others, panics_when_dropped()) -> _ => unreachable!(),
                        put_from(queue, first) -> _ => unreachable!(),
                    }
                }
            }));
            let unwound = *unwound.unwrap_err().downcast::<&str>().unwrap();
            assert_eq!(unwound, if future { "future" } else { "no order" });
            assert_eq!((&first, second), (&Some(Panics(100)), Some(7)));
        }
        assert_eq!((made.load(Ordering::SeqCst), queue.len()), (2, 1));
    });
}

/// A notification that an arm had been given before another one unwinds goes to the next that waits.
#[test]
fn an_arm_that_unwinds_passes_notifications_on() {
    within_limit(|| {
        greenthread::Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let queue = Arc::new(Queue::new());
                let bell = Arc::new(AtomicU32::new(0));
                let (waker_in, waker_out) = std::sync::mpsc::channel();
                let fails = {
                    let (queue, bell) = (Arc::clone(&queue), Arc::clone(&bell));
                    spawn(move || {
                        let future = poll_fn(move |context| -> std::task::Poll<()> {
                            if bell.load(Ordering::SeqCst) == 1 {
                                resume_unwind(Box::new("future"));
                            }
                            let _ = waker_in.send(context.waker().clone());
                            std::task::Poll::Pending
                        });
                        select_biased! {
                            future(future) -> _ => unreachable!(),
                            get(queue) -> item => item.unwrap(),
                        }
                    })
                };
                (0..5).for_each(|_| yield_now());
                let patient = {
                    let queue = Arc::clone(&queue);
                    spawn(move || queue.get_timeout(LONG))
                };
                (0..5).for_each(|_| yield_now());
                bell.store(1, Ordering::SeqCst);
                queue.put(5).unwrap();
                waker_out.recv().unwrap().wake();
                assert!(fails.join().unwrap_err().is_panic());
                assert_eq!(patient.join().unwrap(), Ok(5));
            })
            .unwrap();
    });
}
