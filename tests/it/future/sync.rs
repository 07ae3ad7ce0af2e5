//! Channels, queues, events and semaphores from `async` code and from green threads at once.

use super::{promise, yields};
use crate::support::{Random, everywhere, on_all_runtimes, until, within_limit, workers};
use futures_core::Stream;
use greenthread::future::{self, FutureExt as _, block_on};
use greenthread::queue::{LifoQueue, PriorityQueue, Queue};
use greenthread::sync::{Arc, Event, Mutex, Semaphore, mpmc, mpsc};
use greenthread::thread::active_count;
use greenthread::{Runtime, select, sleep, spawn, yield_now};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(5);

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn items_pass_between_async_code_and_green_threads_through_every_channel() {
    everywhere(|| {
        for capacity in [Some(0), Some(1), Some(7), None] {
            let make = || capacity.map_or_else(mpmc::unbounded, mpmc::bounded);
            let (there, receiver) = make();
            let (sender, back) = make();
            let echo = spawn(move || receiver.iter().try_for_each(|item: i32| sender.send(item)));
            block_on(async {
                for i in 0..100 {
                    there.send_async(i).await.unwrap();
                    assert_eq!(back.recv_async().await, Ok(i));
                }
                drop(there);
                assert!(back.recv_async().await.is_err(), "the other side is gone");
            });
            echo.join().unwrap().unwrap();
        }
        let (sender, receiver) = mpsc::sync_channel(0);
        let other = spawn(move || block_on(async move { sender.send_async("by hand").await }));
        assert_eq!(receiver.recv_async().wait(), Ok("by hand"));
        other.join().unwrap().unwrap();
        let (sender, receiver) = mpmc::bounded(0);
        drop(receiver);
        assert_eq!(sender.send_async(5).wait().unwrap_err().0, 5);
    });
}

#[test]
fn both_sides_of_a_rendezvous_may_be_async_or_a_select() {
    everywhere(|| {
        let (sender, receiver) = mpmc::bounded(0);
        let other =
            std::thread::spawn(move || (0..50).try_for_each(|i| sender.send_async(i).wait()));
        for i in 0..50 {
            assert_eq!(receiver.recv_async().wait(), Ok(i));
        }
        other.join().unwrap().unwrap();
        let (sender, receiver) = mpmc::bounded(0);
        let (_quiet, silence) = mpmc::bounded::<()>(0);
        let other = spawn(move || (0..50).try_for_each(|i| sender.send_async(i).wait()));
        for i in 0..50 {
            select! {
                recv(receiver) -> item => assert_eq!(item, Ok(i)),
                recv(silence) -> _ => unreachable!(),
            }
        }
        other.join().unwrap().unwrap();
    });
}

#[test]
fn an_item_from_hand_to_hand_whose_receiver_is_dropped_goes_to_the_next() {
    everywhere(|| {
        let (sender, receiver) = mpmc::bounded(0);
        let mut first = Box::pin(receiver.recv_async());
        assert!(poll(first.as_mut()).is_pending());
        sender.try_send("item").unwrap();
        drop(first);
        assert_eq!(receiver.try_recv(), Ok("item"));
        // To one that waits already.
        let mut first = Box::pin(receiver.recv_async());
        let mut second = Box::pin(receiver.recv_async());
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        sender.try_send("again").unwrap();
        drop(first);
        assert_eq!(poll(second.as_mut()), Poll::Ready(Ok("again")));
        // It outlives its sender, and a select! finds it.
        let mut first = Box::pin(receiver.recv_async());
        assert!(poll(first.as_mut()).is_pending());
        sender.try_send("last").unwrap();
        drop((first, sender));
        select! {
            recv(receiver) -> item => assert_eq!(item, Ok("last")),
        }
        assert!(receiver.recv().is_err());
    });
}

/// That there is an item, or room, is told to one; if that one goes away without having looked, to the next.
#[test]
fn what_a_dropped_future_of_a_channel_was_told_is_told_to_the_next() {
    fn next_is_ready<F: Future>(futures: [F; 2], tell: impl FnOnce()) -> F::Output {
        let [mut first, mut second] = futures.map(Box::pin);
        let (woken, waker) = counted();
        let mut context = Context::from_waker(&waker);
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        tell();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        drop(first);
        assert_eq!(woken.0.load(Ordering::SeqCst), 2, "the next is not told");
        let Poll::Ready(output) = poll(second.as_mut()) else { panic!("the next is not ready") };
        output
    }
    everywhere(|| {
        for (sender, receiver) in [mpmc::bounded(1), mpmc::unbounded()] {
            let futures = [receiver.recv_async(), receiver.recv_async()];
            assert_eq!(next_is_ready(futures, || sender.send(1).unwrap()), Ok(1));
        }
        let (sender, receiver) = mpmc::bounded(1);
        sender.send(0).unwrap();
        let futures = [sender.send_async(1), sender.send_async(2)];
        assert_eq!(next_is_ready(futures, || assert_eq!(receiver.recv(), Ok(0))), Ok(()));
        assert_eq!(receiver.try_recv(), Ok(2));
    });
}

/// An item that was handed to a future which has not been polled since is not out of the channel: as long as it is there, nobody is
/// told that nothing comes any more.
#[test]
fn the_end_of_a_channel_is_told_when_its_last_item_has_been_fetched() {
    type Receiver = mpmc::Receiver<&'static str>;
    fn fetched(receive: impl FnOnce(&Receiver) -> Option<&'static str>, is_dropped: bool) {
        let (sender, receiver) = mpmc::bounded(0);
        let mut first = Box::pin(receiver.recv_async());
        assert!(poll(first.as_mut()).is_pending());
        sender.try_send("handed over").unwrap();
        drop(sender);
        if is_dropped {
            drop(first);
            assert_eq!(receive(&receiver), Some("handed over"));
        } else {
            assert_eq!(receive(&receiver), Some("handed over"));
            assert!(first.wait().is_err());
        }
        assert_eq!(receiver.try_recv(), Err(mpmc::TryRecvError::Disconnected));
    }
    const RECEIVE: [fn(&Receiver) -> Option<&'static str>; 5] = [
        |receiver| receiver.try_recv().ok(),
        |receiver| receiver.recv().ok(),
        |receiver| receiver.recv_timeout(SHORT).ok(),
        |receiver| receiver.recv_async().wait().ok(),
        |receiver| select! { recv(receiver) -> item => item.ok(), default => None },
    ];
    everywhere(|| {
        for is_dropped in [true, false] {
            RECEIVE.iter().for_each(|receive| fetched(receive, is_dropped));
        }
    });
    // Two items come in the order in which they were sent.
    everywhere(|| {
        let (sender, receiver) = mpmc::bounded(0);
        let mut futures = [(); 3].map(|()| Box::pin(receiver.recv_async()));
        for (number, future) in futures.iter_mut().enumerate() {
            assert!(poll(future.as_mut()).is_pending());
            sender.try_send(number).unwrap();
        }
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 2]);
    });
}

/// A wait for a timer has somebody woken when it is over.
#[test]
fn a_future_of_a_timer_that_is_dropped_leaves_nothing_running() {
    let main = || {
        let before = active_count();
        let never = mpmc::after(Duration::from_secs(1000));
        let mut first = Box::pin(never.recv_async());
        assert!(poll(first.as_mut()).is_pending());
        drop(first);
        until(|| active_count() == before);
    };
    within_limit(move || Runtime::new_current_thread().unwrap().run_local(main).unwrap());
}

/// Counts how many of it there are.
struct Item(Arc<AtomicUsize>, usize);

impl Item {
    fn new(alive: &Arc<AtomicUsize>, number: usize) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(alive), number)
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn what_nobody_receives_is_dropped_once() {
    everywhere(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpmc::bounded(0);
        let mut receiving = Box::pin(receiver.recv_async());
        assert!(poll(receiving.as_mut()).is_pending());
        sender.try_send(Item::new(&alive, 0)).ok().unwrap();
        drop(receiving);
        assert_eq!(alive.load(Ordering::SeqCst), 1);
        drop(receiver);
        assert_eq!(alive.load(Ordering::SeqCst), 0, "put back, and then nobody was left");
        let (sender, receiver) = mpmc::bounded(1);
        sender.try_send(Item::new(&alive, 1)).ok().unwrap();
        let mut sending = Box::pin(sender.send_async(Item::new(&alive, 2)));
        assert!(poll(sending.as_mut()).is_pending());
        drop(sending);
        assert_eq!(alive.load(Ordering::SeqCst), 1);
        assert_eq!(receiver.recv().unwrap().1, 1);
        assert!(receiver.try_recv().is_err());
        drop(sender.send_async(Item::new(&alive, 3)));
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    });
}

/// Receivers of all kinds that give up at any moment: every item arrives once.
#[test]
fn a_storm_of_dropped_futures_loses_no_item() {
    for (count, capacity) in [1, 2]
        .into_iter()
        .flat_map(|count| [Some(0), Some(1), None].map(|capacity| (count, capacity)))
    {
        within_limit(move || {
            let runtime = workers(count);
            const ITEMS: usize = 3000;
            let (sender, receiver) = capacity.map_or_else(mpmc::unbounded, mpmc::bounded);
            let sum = Arc::new(AtomicUsize::new(0));
            let receivers: Vec<_> = (0..6)
                .map(|kind| {
                    let (receiver, sum) = (receiver.clone(), Arc::clone(&sum));
                    let mut random = Random(kind + 77);
                    let body = move || {
                        loop {
                            let mut receiving = pin!(receiver.recv_async());
                            let wait = Duration::from_micros(random.below(100));
                            let item = match random.below(3) {
                                0 => match poll(receiving.as_mut()) {
                                    Poll::Ready(item) => item,
                                    Poll::Pending => continue,
                                },
                                1 => match receiving.wait_timeout(wait) {
                                    Ok(item) => item,
                                    Err(_) => continue,
                                },
                                _ => match greenthread::timeout(wait, || receiving.wait()) {
                                    Ok(item) => item,
                                    Err(_) => continue,
                                },
                            };
                            match item {
                                Ok(item) => sum.fetch_add(item, Ordering::SeqCst),
                                Err(_) => break,
                            };
                        }
                    };
                    if kind % 3 == 2 {
                        (None, Some(std::thread::spawn(body)))
                    } else {
                        (Some(runtime.spawn(body)), None)
                    }
                })
                .collect();
            drop(receiver);
            let senders: Vec<_> = (0..3)
                .map(|kind| {
                    let sender = sender.clone();
                    runtime.spawn(move || {
                        for item in (0..ITEMS).filter(|item| item % 3 == kind) {
                            if kind == 0 {
                                sender.send_async(item).wait().unwrap();
                            } else {
                                sender.send(item).unwrap();
                            }
                        }
                    })
                })
                .collect();
            drop(sender);
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            for (green, os_thread) in receivers {
                green.into_iter().for_each(|handle| handle.join().unwrap());
                os_thread.into_iter().for_each(|handle| handle.join().unwrap());
            }
            assert_eq!(sum.load(Ordering::SeqCst), ITEMS * (ITEMS - 1) / 2);
        });
    }
}

#[test]
fn a_timer_is_received_in_time() {
    everywhere(|| {
        let begin = Instant::now();
        let after = mpmc::after(SHORT);
        after.recv_async().wait().unwrap();
        assert!(begin.elapsed() >= SHORT);
        let tick = mpmc::tick(SHORT);
        for _ in 0..3 {
            tick.recv_async().wait().unwrap();
        }
        assert!(begin.elapsed() >= SHORT * 4);
        drop(mpmc::after(Duration::from_secs(1000)).recv_async());
    });
}

#[test]
fn an_event_is_awaited_even_if_it_is_cleared_at_once() {
    everywhere(|| {
        let event = Arc::new(Event::new());
        let mut happening = pin!(event.wait_async());
        assert!(poll(happening.as_mut()).is_pending());
        let mut dropped = Box::pin(event.wait_async());
        assert!(poll(dropped.as_mut()).is_pending());
        drop(dropped);
        event.set();
        event.clear();
        assert!(poll(happening.as_mut()).is_ready());
        assert!(event.wait_async().wait_timeout(SHORT).is_err());
        event.set();
        event.wait_async().wait();
    });
}

#[test]
fn permits_are_handed_over_in_turn_and_come_back_from_dropped_futures() {
    everywhere(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        semaphore.acquire_async().wait().forget();
        let mut first = Box::pin(semaphore.acquire_async());
        let mut second = Box::pin(semaphore.acquire_many_async(1));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        semaphore.release();
        assert!(semaphore.try_acquire().is_none(), "it is the first one's");
        assert!(poll(second.as_mut()).is_pending());
        drop(first);
        let Poll::Ready(permit) = poll(second.as_mut()) else { panic!("the first has gone") };
        drop(second);
        assert_eq!(semaphore.available(), 0);
        drop(permit);
        assert_eq!(semaphore.available(), 1);
        let permit = semaphore.acquire_async().wait();
        let other = Arc::clone(&semaphore);
        let waits = spawn(move || drop(other.acquire()));
        sleep(SHORT);
        drop(permit);
        waits.join().unwrap();
        assert_eq!(semaphore.available(), 1);
    });
}

#[test]
fn a_storm_of_dropped_futures_loses_no_permit() {
    for count in [1, 2] {
        within_limit(move || {
            let runtime = workers(count);
            let semaphore = Arc::new(Semaphore::new(2));
            let users: Vec<_> = (0..8)
                .map(|kind| {
                    let semaphore = Arc::clone(&semaphore);
                    let mut random = Random(kind + 5);
                    runtime.spawn(move || {
                        for _ in 0..500 {
                            let mut acquiring = pin!(semaphore.acquire_async());
                            let wait = Duration::from_micros(random.below(60));
                            let got = match random.below(3) {
                                0 => match poll(acquiring.as_mut()) {
                                    Poll::Ready(permit) => Some(permit),
                                    Poll::Pending => None,
                                },
                                1 => acquiring.wait_timeout(wait).ok(),
                                _ => greenthread::timeout(wait, || acquiring.wait()).ok(),
                            };
                            if let Some(permit) = got {
                                yield_now();
                                drop(permit);
                            }
                        }
                    })
                })
                .collect();
            users.into_iter().for_each(|user| user.join().unwrap());
            assert_eq!(semaphore.available(), 2);
        });
    }
}

/// Tasks that give up at any moment, and threads that lock: each addition is seen, and in the end nobody has the mutex.
#[test]
fn a_storm_of_dropped_futures_leaves_a_mutex_in_order() {
    for count in [1, 2] {
        within_limit(move || {
            let runtime = workers(count);
            let mutex = Arc::new(Mutex::new(0));
            let users = (0..9).map(|kind| {
                let mutex = Arc::clone(&mutex);
                let mut random = Random(kind + 11);
                let body = move || {
                    let mut added = 0;
                    for _ in 0..400 {
                        let mut locking = pin!(mutex.lock_async());
                        let wait = Duration::from_micros(random.below(60));
                        let got = match random.below(4) {
                            0 => match poll(locking.as_mut()) {
                                Poll::Ready(guard) => Some(guard),
                                Poll::Pending => None,
                            },
                            1 => locking.wait_timeout(wait).ok(),
                            2 => greenthread::timeout(wait, || locking.wait()).ok(),
                            _ => Some(mutex.lock()),
                        };
                        if let Some(guard) = got {
                            let mut guard = guard.unwrap();
                            let before = *guard;
                            yield_now();
                            *guard = before + 1;
                            added += 1;
                        }
                    }
                    added
                };
                let (green, os_thread) = if kind % 3 == 2 {
                    (None, Some(std::thread::spawn(body)))
                } else {
                    (Some(runtime.spawn(body)), None)
                };
                (green, os_thread)
            });
            let users: Vec<_> = users.collect();
            let mut added = 0;
            for (green, os_thread) in users {
                added += green.map_or(0, |handle| handle.join().unwrap());
                added += os_thread.map_or(0, |handle| handle.join().unwrap());
            }
            assert_eq!(*mutex.try_lock().unwrap(), added);
        });
    }
}

#[test]
fn a_mutex_is_handed_on_to_async_code_and_from_it() {
    everywhere(|| {
        let mutex = Arc::new(Mutex::new(0));
        let held = mutex.lock().unwrap();
        let (mut first, mut second) = (pin!(mutex.lock_async()), Box::pin(mutex.lock_async()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        let other = Arc::clone(&mutex);
        let waits = spawn(move || *other.lock().unwrap() += 1);
        drop(held);
        // The first one was woken; dropped or not, it keeps nobody from the mutex for ever.
        drop(second);
        let mut guard = first.wait().unwrap();
        *guard += 1;
        drop(guard);
        waits.join().unwrap();
        assert_eq!(*mutex.lock_async().wait().unwrap(), 2);
        let other = Arc::clone(&mutex);
        let panics = spawn(move || {
            let _guard = other.lock_async().wait();
            panic!("on purpose");
        });
        assert!(panics.join().unwrap_err().is_panic());
        assert!(mutex.lock_async().wait().is_err());
    });
}

/// Takers and givers of all kinds that give up at any moment: what has been put is got once.
#[test]
fn a_storm_of_dropped_futures_loses_no_item_of_a_queue() {
    for count in [1, 2] {
        within_limit(move || {
            let runtime = workers(count);
            let queue = Arc::new(Queue::with_capacity(2));
            let takers: Vec<_> = (0..4)
                .map(|kind| {
                    let queue = Arc::clone(&queue);
                    let mut random = Random(kind + 21);
                    runtime.spawn(move || {
                        let mut sum = 0;
                        loop {
                            let mut getting = pin!(queue.get_async());
                            let wait = Duration::from_micros(random.below(80));
                            let item = match random.below(3) {
                                0 => match poll(getting.as_mut()) {
                                    Poll::Ready(item) => item,
                                    Poll::Pending => {
                                        yield_now();
                                        continue;
                                    }
                                },
                                1 => match getting.wait_timeout(wait) {
                                    Ok(item) => item,
                                    Err(_) => continue,
                                },
                                _ => match greenthread::timeout(wait, || getting.wait()) {
                                    Ok(item) => item,
                                    Err(_) => continue,
                                },
                            };
                            match item {
                                Ok(item) => sum += item,
                                Err(_) => return sum,
                            }
                        }
                    })
                })
                .collect();
            let givers: Vec<_> = (0..3)
                .map(|kind| {
                    let queue = Arc::clone(&queue);
                    let mut random = Random(kind + 31);
                    runtime.spawn(move || {
                        let mut sum = 0;
                        for item in 1..=300 {
                            let mut putting = pin!(queue.put_async(item));
                            let wait = Duration::from_micros(random.below(80));
                            let put = match random.below(3) {
                                0 => match poll(putting.as_mut()) {
                                    Poll::Ready(put) => Some(put),
                                    Poll::Pending => None,
                                },
                                1 => putting.wait_timeout(wait).ok(),
                                _ => Some(putting.wait()),
                            };
                            if let Some(put) = put {
                                put.unwrap();
                                sum += item;
                            }
                        }
                        sum
                    })
                })
                .collect();
            let given: usize = givers.into_iter().map(|giver| giver.join().unwrap()).sum();
            queue.shutdown();
            let taken: usize = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
            assert_eq!(taken, given);
        });
    }
}

#[test]
fn queues_serve_async_code_and_green_threads() {
    everywhere(|| {
        let queue = Arc::new(Queue::with_capacity(1));
        let other = Arc::clone(&queue);
        let producer = spawn(move || {
            (0..20).for_each(|i| block_on(other.put_async(i)).unwrap());
            other.shutdown();
        });
        let mut items = Vec::new();
        while let Ok(item) = queue.get_async().wait() {
            items.push(item);
        }
        producer.join().unwrap();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
        assert_eq!(queue.put_async(9).wait().unwrap_err().0, 9);
        let smallest = PriorityQueue::new();
        let last = LifoQueue::new();
        for i in [3, 1, 2] {
            smallest.put_async(i).wait().unwrap();
            last.put_async(i).wait().unwrap();
        }
        assert_eq!(smallest.get_async().wait(), Ok(1));
        assert_eq!(last.get_async().wait(), Ok(2));
        // One that is dropped after its notification passes it on.
        let queue = Queue::new();
        let mut first = Box::pin(queue.get_async());
        let mut second = Box::pin(queue.get_async());
        let (woken, waker) = counted();
        let mut context = Context::from_waker(&waker);
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        queue.put(1).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        drop(first);
        assert_eq!(woken.0.load(Ordering::SeqCst), 2);
        assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(1)));
    });
}

/// Counts how often it is woken.
pub(super) struct Counted(pub(super) AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) fn counted() -> (Arc<Counted>, Waker) {
    let counted = Arc::new(Counted(AtomicUsize::new(0)));
    (Arc::clone(&counted), Waker::from(counted))
}

/// Uses what wakes it, in the middle of the wake-up.
struct Meddler(Box<dyn Fn() + Send + Sync>);

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn a_waker_may_use_what_it_is_woken_by() {
    on_all_runtimes(|| {
        let event = Arc::new(Event::new());
        let semaphore = Arc::new(Semaphore::new(0));
        let (sender, receiver) = mpmc::bounded::<u8>(0);
        let calls = Arc::new(AtomicUsize::new(0));
        let meddle = {
            let (event, semaphore, receiver) =
                (Arc::clone(&event), Arc::clone(&semaphore), receiver.clone());
            let calls = Arc::clone(&calls);
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
                event.set();
                semaphore.release();
                let _ = semaphore.try_acquire_raw();
                let _ = receiver.try_recv();
                // It may even wait.
                yield_now();
                let (one, other) = (Arc::new(Event::new()), Arc::clone(&event));
                let gate = Arc::clone(&one);
                let waits = spawn(move || {
                    gate.wait();
                    other.clear();
                });
                one.set();
                waits.join().unwrap();
            }
        };
        let waker = Waker::from(Arc::new(Meddler(Box::new(meddle))));
        let mut context = Context::from_waker(&waker);
        let mut happening = [(); 3].map(|()| Box::pin(event.wait_async()));
        happening.iter_mut().for_each(|one| assert!(one.as_mut().poll(&mut context).is_pending()));
        event.set();
        let mut acquiring = [(); 3].map(|()| Box::pin(semaphore.acquire_async()));
        acquiring.iter_mut().for_each(|one| assert!(one.as_mut().poll(&mut context).is_pending()));
        semaphore.release_many(3);
        let mut receiving = [(); 3].map(|()| Box::pin(receiver.recv_async()));
        receiving.iter_mut().for_each(|one| assert!(one.as_mut().poll(&mut context).is_pending()));
        drop(sender);
        until(|| calls.load(Ordering::SeqCst) >= 9);
        drop((acquiring, receiving));
    });
}

#[test]
fn streams_are_iterators_and_green_threads_are_streams() {
    everywhere(|| {
        let squares = future::stream(|items| {
            for i in 0..5 {
                yield_now();
                items.send(i * i).unwrap();
            }
        });
        assert_eq!(future::iter(squares).collect::<Vec<_>>(), [0, 1, 4, 9, 16]);
        let (sender, receiver) = mpmc::bounded(1);
        let other = spawn(move || (0..5).try_for_each(|i| sender.send(i)));
        assert_eq!(future::iter(receiver.into_stream()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        other.join().unwrap().unwrap();
        // What the code panics with goes on to who asks for the items.
        let fails = future::stream(|items| {
            items.send(1).unwrap();
            std::panic::resume_unwind(Box::new("half way"));
        });
        let mut items = future::iter(fails);
        assert_eq!(items.next(), Some(1));
        let next = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| items.next()));
        assert_eq!(*next.unwrap_err().downcast::<&str>().unwrap(), "half way");
        assert_eq!(items.next(), None);
        // Where nobody asks any more, the code ends.
        let ended = Arc::new(Event::new());
        let end = Arc::clone(&ended);
        let endless = future::stream(move |items| {
            let _drop = crate::support::OnDrop(|| end.set());
            (0..).try_for_each(|i| items.send(i)).unwrap_err();
        });
        assert_eq!(future::iter(endless).take(3).sum::<i32>(), 3);
        ended.wait();
        let mut over = pin!(future::stream(|_: &mpmc::Sender<()>| ()));
        let mut context = Context::from_waker(Waker::noop());
        until(|| matches!(over.as_mut().poll_next(&mut context), Poll::Ready(None)));
    });
}

#[test]
fn a_future_is_an_arm_of_a_select() {
    everywhere(|| {
        let (sender, receiver) = mpmc::unbounded::<&str>();
        let (giver, mut value) = promise();
        let other = std::thread::spawn(move || {
            std::thread::sleep(SHORT);
            giver.give("future");
        });
        let heard = select! {
            recv(receiver) -> item => item.unwrap(),
            future(&mut value) -> output => output,
        };
        assert_eq!(heard, "future");
        other.join().unwrap();
        // One that loses is dropped; one that was lent lives on.
        let (giver, mut value) = promise();
        let alive = Arc::new(AtomicUsize::new(0));
        let item = Item::new(&alive, 1);
        sender.send("channel").unwrap();
        let heard = greenthread::select_biased! {
            future(async {
                std::future::pending::<()>().await;
                drop(item);
            }) -> () => unreachable!(),
            future(&mut value) -> output => output,
            recv(receiver) -> item => item.unwrap(),
        };
        assert_eq!(heard, "channel");
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        giver.give("late");
        let heard = select! { future(&mut value) -> output => output, };
        assert_eq!(heard, "late");
        // One that wakes itself all the time keeps neither the default arm nor the others of the worker waiting.
        let restless = || yields(usize::MAX);
        select! {
            future(restless()) -> () => unreachable!(),
            recv(receiver) -> _ => unreachable!(),
            default => {},
        }
        let other = spawn(move || sender.send("neighbour").unwrap());
        let heard = select! {
            future(restless()) -> () => unreachable!(),
            recv(receiver) -> item => item.unwrap(),
        };
        assert_eq!(heard, "neighbour");
        other.join().unwrap();
        select! {
            future(async { yields(3).await }) -> () => {},
            recv(mpmc::never::<()>()) -> _ => unreachable!(),
        }
    });
}

#[test]
fn a_kill_ends_a_select_and_drops_its_future() {
    on_all_runtimes(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        let item = Item::new(&alive, 1);
        let handle = spawn(move || {
            let future = async move {
                std::future::pending::<()>().await;
                drop(item);
            };
            select! { future(future) -> () => {}, recv(mpmc::never::<()>()) -> _ => {}, }
        });
        sleep(Duration::from_millis(1));
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    });
}
