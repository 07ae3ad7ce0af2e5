//! `greenthread::queue`.

use crate::support;
use crate::sync::{LONG, Random, SHORT, runtime};
use greenthread::queue::{LifoQueue, PriorityQueue, Queue, TryGetError, TryPutError};
use greenthread::sync::Arc;
use greenthread::{sleep, spawn, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn queues_keep_their_orders() {
    let (queue, stack, ranked) = (Queue::new(), LifoQueue::new(), PriorityQueue::new());
    for item in [(2, 'a'), (1, 'b'), (3, 'c'), (1, 'a')] {
        queue.put(item).unwrap();
        stack.put(item).unwrap();
        ranked.put(item).unwrap();
    }
    queue.shutdown();
    stack.shutdown();
    ranked.shutdown();
    assert_eq!(queue.iter().collect::<Vec<_>>(), [(2, 'a'), (1, 'b'), (3, 'c'), (1, 'a')]);
    assert_eq!(stack.iter().collect::<Vec<_>>(), [(1, 'a'), (3, 'c'), (1, 'b'), (2, 'a')]);
    assert_eq!(ranked.iter().collect::<Vec<_>>(), [(1, 'a'), (1, 'b'), (2, 'a'), (3, 'c')]);
}

/// Of equal items the one that came first.
#[test]
fn a_priority_queue_is_stable() {
    #[derive(Debug)]
    struct Job(u8, u32);
    impl PartialEq for Job {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Job {}
    impl PartialOrd for Job {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Job {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    let queue = PriorityQueue::new();
    (0..100).for_each(|i| queue.put(Job((i % 3) as u8, i)).unwrap());
    let mut last = (0, 0);
    for _ in 0..100 {
        let job = queue.try_get().unwrap();
        assert!((job.0, job.1) >= last);
        last = (job.0, job.1);
    }
}

#[test]
fn capacity_and_limits_in_time() {
    let queue = Queue::with_capacity(1);
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(queue.get_timeout(SHORT), Err(TryGetError::Empty));
    queue.put(1).unwrap();
    assert!(queue.is_full() && !queue.is_empty());
    assert_eq!((queue.len(), queue.capacity()), (1, Some(1)));
    assert_eq!(queue.try_put(2), Err(TryPutError::Full(2)));
    assert_eq!(queue.put_timeout(3, SHORT), Err(TryPutError::Full(3)));
    let queue = Arc::new(queue);
    let putter = {
        let queue = Arc::clone(&queue);
        spawn(move || queue.put_timeout(4, LONG))
    };
    assert_eq!(queue.get(), Ok(1));
    putter.join().unwrap().unwrap();
    assert_eq!(queue.get(), Ok(4));
}

#[test]
fn join_waits_for_what_was_put() {
    let runtime = runtime(2);
    let (queue, done) = (Arc::new(Queue::with_capacity(3)), Arc::new(AtomicUsize::new(0)));
    assert!(queue.task_done().is_err(), "nothing is unfinished");
    queue.join();
    for _ in 0..4 {
        let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
        runtime.spawn(move || {
            for item in queue.iter() {
                if item % 5 == 0 {
                    yield_now();
                }
                done.fetch_add(1, Ordering::SeqCst);
                queue.task_done().unwrap();
            }
        });
    }
    for i in 0..100 {
        queue.put(i).unwrap();
    }
    assert!(queue.join_timeout(LONG));
    assert_eq!((done.load(Ordering::SeqCst), queue.unfinished()), (100, 0));
    assert!(queue.task_done().is_err());
    queue.shutdown();
}

#[test]
fn shutdown_drains_and_shutdown_now_does_not() {
    let queue = Arc::new(Queue::with_capacity(2));
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let putter = {
        let queue = Arc::clone(&queue);
        spawn(move || queue.put(3))
    };
    sleep(SHORT);
    queue.shutdown();
    assert_eq!(putter.join().unwrap().unwrap_err().0, 3);
    assert_eq!(queue.try_put(4), Err(TryPutError::ShutDown(4)));
    assert_eq!((queue.get(), queue.get()), (Ok(1), Ok(2)));
    assert!(queue.get().is_err() && queue.is_shut_down());
    assert!(!queue.join_timeout(SHORT), "two are not done");

    let (queue, item) = (Arc::new(Queue::new()), Arc::new(()));
    queue.put(Arc::clone(&item)).unwrap();
    queue.put(Arc::clone(&item)).unwrap();
    let taken = queue.get().unwrap();
    let joiner = {
        let queue = Arc::clone(&queue);
        spawn(move || queue.join())
    };
    let getters: Vec<_> = (0..3)
        .map(|_| {
            let queue = Queue::<u8>::new();
            let queue = Arc::new(queue);
            let other = Arc::clone(&queue);
            let getter = spawn(move || other.get());
            sleep(Duration::from_millis(1));
            queue.shutdown_now();
            getter
        })
        .collect();
    queue.shutdown_now();
    assert_eq!(queue.unfinished(), 1, "one is being worked on");
    assert!(!joiner.is_finished() && !queue.join_timeout(SHORT));
    queue.task_done().unwrap();
    joiner.join().unwrap();
    assert!(queue.task_done().is_err());
    drop(taken);
    assert_eq!(Arc::strong_count(&item), 1, "what was left is dropped");
    assert_eq!(queue.try_get().unwrap_err(), TryGetError::ShutDown);
    assert!(getters.into_iter().all(|getter| getter.join().unwrap().is_err()));
}

/// Random timeouts and kills: what was put was taken or is still there.
#[test]
fn nothing_is_lost() {
    for seed in 1..9 {
        let (doomed, rest) = (runtime(2), runtime(2));
        let queue = Arc::new(Queue::with_capacity(2));
        let (put, got) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = |i: u64, rounds: u64| {
            let (queue, put, got) = (Arc::clone(&queue), Arc::clone(&put), Arc::clone(&got));
            move || {
                let mut random = Random(seed * 100 + i + 1);
                for _ in 0..rounds {
                    let brief = Duration::from_micros(random.below(200));
                    if i.is_multiple_of(2) {
                        put.fetch_add(
                            usize::from(queue.put_timeout((), brief).is_ok()),
                            Ordering::SeqCst,
                        );
                    } else {
                        got.fetch_add(
                            usize::from(queue.get_timeout(brief).is_ok()),
                            Ordering::SeqCst,
                        );
                    }
                    if random.below(4) == 0 {
                        yield_now();
                    }
                }
            }
        };
        for i in 0..10 {
            doomed.spawn(work(i, u64::MAX));
        }
        let handles: Vec<_> = (10..20).map(|i| rest.spawn(work(i, 100))).collect();
        sleep(Duration::from_millis(5));
        drop(doomed);
        for handle in handles {
            handle.join().unwrap();
        }
        assert_eq!(put.load(Ordering::SeqCst), got.load(Ordering::SeqCst) + queue.len());
        assert_eq!(queue.unfinished(), put.load(Ordering::SeqCst));
    }
}

/// Comparing items is the user's code: while it is suspended the queue is taken, but its worker goes on.
#[test]
fn an_order_that_suspends_blocks_no_worker() {
    #[derive(PartialEq, Eq)]
    struct Slow(u32);
    impl PartialOrd for Slow {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Slow {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            greenthread::yield_now();
            self.0.cmp(&other.0)
        }
    }
    let queue = std::sync::Arc::new(greenthread::queue::PriorityQueue::new());
    let used = std::sync::Arc::clone(&queue);
    greenthread::Runtime::new_current_thread()
        .unwrap()
        .run_local(move || {
            let handles: Vec<_> = (0..4)
                .map(|start| {
                    let queue = std::sync::Arc::clone(&used);
                    greenthread::spawn(move || {
                        (0..5).for_each(|i| queue.put(Slow(i * 4 + start)).unwrap());
                    })
                })
                .collect();
            handles.into_iter().for_each(|handle| handle.join().unwrap());
        })
        .unwrap();
    let order: Vec<u32> = (0..20).map(|_| queue.get().unwrap().0).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
}

/// Whoever waits hears of the end: for an item, for room, or for everything to be done.
#[test]
fn shutting_down_wakes_everybody() {
    let main = || {
        for now in [false, true] {
            let shut_down =
                |queue: &Queue<u8>| if now { queue.shutdown_now() } else { queue.shutdown() };
            let empty = Arc::new(Queue::new());
            let own = Arc::clone(&empty);
            let getters = [(); 2].map(|()| {
                let own = Arc::clone(&own);
                spawn(move || own.get())
            });
            yield_now();
            shut_down(&empty);
            getters.into_iter().for_each(|getter| assert!(getter.join().unwrap().is_err()));

            let full = Arc::new(Queue::with_capacity(1));
            full.put(1).unwrap();
            let putters = [2, 3].map(|item| {
                let full = Arc::clone(&full);
                spawn(move || full.put(item).unwrap_err().0)
            });
            let joiner = {
                let full = Arc::clone(&full);
                spawn(move || full.join())
            };
            yield_now();
            shut_down(&full);
            assert_eq!(putters.map(|putter| putter.join().unwrap()), [2, 3], "they have them back");
            if !now {
                assert_eq!(full.get(), Ok(1));
                yield_now();
                assert!(!joiner.is_finished(), "it has been taken, but is not done");
                full.task_done().unwrap();
            }
            joiner.join().unwrap();
            assert!(full.get().is_err());
        }
    };
    greenthread::Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}

/// Compares by its number; some numbers make trouble.
#[derive(Debug, PartialEq, Eq)]
struct Touchy(u32);

/// Panics when it is compared.
const GRIM: u32 = 1000;
/// Waits when it is compared.
const SLOW: u32 = 2000;

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match self.0.max(other.0) {
            GRIM => panic!("not to be compared"),
            SLOW => greenthread::sleep(support::FOR_EVER),
            _ => {}
        }
        self.0.cmp(&other.0)
    }
}

#[test]
fn an_order_that_panics_or_is_killed_changes_nothing() {
    support::on_all_runtimes(|| {
        let queue = Arc::new(PriorityQueue::new());
        for number in [5, 3, 8, 1, 9, 2] {
            queue.put(Touchy(number)).unwrap();
        }
        let put = catch_unwind(AssertUnwindSafe(|| queue.put(Touchy(GRIM))));
        assert!(put.is_err());
        assert_eq!((queue.len(), queue.unfinished()), (6, 6));
        let putter = {
            let queue = Arc::clone(&queue);
            greenthread::spawn(move || queue.put(Touchy(SLOW)).unwrap())
        };
        (0..3).for_each(|_| greenthread::yield_now());
        putter.kill();
        assert!(putter.join().unwrap_err().is_killed());
        assert_eq!((queue.len(), queue.unfinished()), (6, 6));
        let numbers: Vec<_> = std::iter::from_fn(|| queue.try_get().ok()).map(|it| it.0).collect();
        assert_eq!(numbers, [1, 2, 3, 5, 8, 9]);
        (0..6).for_each(|_| queue.task_done().unwrap());
        assert!(queue.join_timeout(Duration::ZERO));
    });
}

/// Whoever waits for an item gets the one that an order kept from another.
#[test]
fn an_item_that_an_order_keeps_back_goes_to_the_next() {
    struct Once(u32, Arc<AtomicBool>);
    impl PartialEq for Once {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Once {}
    impl PartialOrd for Once {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Once {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            assert!(!self.1.swap(false, Ordering::SeqCst), "for once");
            self.0.cmp(&other.0)
        }
    }
    support::on_all_runtimes(|| {
        let panics = Arc::new(AtomicBool::new(false));
        let queue = Arc::new(PriorityQueue::new());
        for number in [4, 1, 3, 2] {
            queue.put(Once(number, Arc::clone(&panics))).unwrap();
        }
        panics.store(true, Ordering::SeqCst);
        let got = catch_unwind(AssertUnwindSafe(|| queue.get()));
        assert!(got.is_err());
        let numbers: Vec<_> = std::iter::from_fn(|| queue.try_get().ok()).map(|it| it.0).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!(queue.unfinished(), 4);
    });
}

#[test]
fn an_item_that_was_not_put_may_panic_when_it_is_dropped() {
    struct Grim(Arc<AtomicUsize>);
    impl Drop for Grim {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            resume_unwind(Box::new("the destructor's"));
        }
    }
    support::on_all_runtimes(|| {
        for selects in [false, true] {
            let dropped = Arc::new(AtomicUsize::new(0));
            let full = Queue::with_capacity(1);
            full.put(None).unwrap();
            let item = Some(Grim(Arc::clone(&dropped)));
            let puts = spawn(move || {
                greenthread::timeout(SHORT, || {
                    if selects {
                        greenthread::select! { put(full, item) -> _ => unreachable!() }
                    } else {
                        let _ = full.put(item);
                    }
                })
                .is_ok()
            });
            // It was dropped before the timeout unwound: a second panic would have ended the process.
            assert!(puts.join().unwrap_err().is_panic());
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
        }
    });
}

/// Two wait for room; the order unwinds in the one that is told of some.
#[test]
fn room_that_an_order_left_unused_goes_to_the_next() {
    struct Once(Arc<AtomicBool>);
    impl PartialEq for Once {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }
    impl Eq for Once {}
    impl PartialOrd for Once {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Once {
        fn cmp(&self, _: &Self) -> std::cmp::Ordering {
            if self.0.swap(false, Ordering::SeqCst) {
                resume_unwind(Box::new("for once"));
            }
            std::cmp::Ordering::Equal
        }
    }
    support::on_all_runtimes(|| {
        let unwinds = Arc::new(AtomicBool::new(false));
        let queue = Arc::new(PriorityQueue::with_capacity(2));
        (0..2).for_each(|_| queue.put(Once(Arc::clone(&unwinds))).unwrap());
        let puts = || {
            let (queue, item) = (Arc::clone(&queue), Once(Arc::clone(&unwinds)));
            let puts = spawn(move || queue.put(item).unwrap());
            // It waits then; where it does not yet, on another worker, what follows holds as well.
            (0..50).for_each(|_| yield_now());
            puts
        };
        let both = [puts(), puts()];
        unwinds.store(true, Ordering::SeqCst);
        drop(queue.try_get().unwrap());
        let put: Vec<_> = both.into_iter().map(|one| one.join().is_ok()).collect();
        assert_eq!(put.iter().filter(|put| **put).count(), 1);
        assert_eq!((queue.len(), queue.unfinished()), (2, 3));
    });
}

#[test]
fn an_order_that_uses_its_own_queue_is_told_so() {
    struct Own(u32, Arc<PriorityQueue<Own>>);
    impl PartialEq for Own {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Own {}
    impl PartialOrd for Own {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Own {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.1.len().cmp(&(other.0 as usize))
        }
    }
    support::on_all_runtimes(|| {
        let queue = Arc::new(PriorityQueue::new());
        queue.put(Own(1, Arc::clone(&queue))).unwrap();
        let item = Own(2, Arc::clone(&queue));
        let put = catch_unwind(AssertUnwindSafe(|| queue.put(item)));
        let message = put.unwrap_err();
        let message = message.downcast_ref::<&str>().unwrap();
        assert_eq!(*message, "the order of a queue's items must not use the queue itself");
        assert_eq!((queue.len(), queue.unfinished()), (1, 1));
        queue.shutdown_now();
    });
}

#[test]
fn a_priority_queue_gives_what_a_sorted_list_would() {
    let mut random = support::Random(7);
    let (queue, mut model) = (PriorityQueue::new(), Vec::new());
    for number in 0..5000u64 {
        if random.below(5) < 3 {
            let item = (random.below(20), number);
            queue.put(item).unwrap();
            model.push(item);
        } else {
            model.sort_unstable();
            let first = (!model.is_empty()).then(|| model.remove(0));
            assert_eq!(queue.try_get().ok(), first);
        }
        assert_eq!(queue.len(), model.len());
    }
}

/// Items that are dropped by a shutdown are dropped one by one, whatever one of them does.
#[test]
fn a_shutdown_drops_items_whose_destructors_panic() {
    struct Grim<'a>(&'a AtomicUsize);
    impl Drop for Grim<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("grim");
        }
    }
    let dropped = AtomicUsize::new(0);
    let queue = Queue::new();
    (0..3).for_each(|_| assert!(queue.put(Grim(&dropped)).is_ok()));
    let shut = catch_unwind(AssertUnwindSafe(|| queue.shutdown_now()));
    assert!(shut.is_err() && queue.is_empty());
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}
