use super::{LONG, Random, SHORT, eventually, runtime};
use crate::support::until;
use greenthread::sync::mpsc::{RecvTimeoutError, TryRecvError, TrySendError};
use greenthread::sync::{Arc, mpmc, mpsc};
use greenthread::{Runtime, sleep, spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn disconnection_drains_first() {
    let (sender, receiver) = mpsc::channel();
    let second = sender.clone();
    sender.send(1).unwrap();
    second.send(2).unwrap();
    drop((sender, second));
    assert_eq!((receiver.recv(), receiver.try_recv()), (Ok(1), Ok(2)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Disconnected));
    assert!(receiver.recv().is_err());

    let (sender, receiver) = mpsc::sync_channel(1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    sender.send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    drop(receiver);
    assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
    assert_eq!(sender.send(4).unwrap_err().0, 4);
}

#[test]
fn the_end_of_one_side_wakes_the_other() {
    let runtime = runtime(1);
    for capacity in [Some(0), Some(1), None] {
        let make = || match capacity {
            None => mpmc::unbounded::<u8>(),
            Some(capacity) => mpmc::bounded(capacity),
        };
        let (sender, receiver) = make();
        let waiting = runtime.spawn(move || receiver.recv().is_err());
        sleep(SHORT);
        drop(sender);
        assert!(waiting.join().unwrap());
        if capacity.is_some() {
            let (sender, receiver) = make();
            let waiting = runtime.spawn(move || (0..2).any(|i| sender.send(i).is_err()));
            sleep(SHORT);
            drop(receiver);
            assert!(waiting.join().unwrap());
        }
    }
}

/// What is left when the last receiver goes is dropped then.
#[test]
fn left_over_items_are_dropped() {
    let item = Arc::new(());
    let (sender, receiver) = mpmc::bounded(4);
    sender.send(Arc::clone(&item)).unwrap();
    sender.send(Arc::clone(&item)).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn a_rendezvous_returns_when_the_item_was_taken() {
    let runtime = runtime(2);
    let (sender, receiver) = mpsc::sync_channel(0);
    let sent = Arc::new(AtomicUsize::new(0));
    assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)), "nobody waits");
    let producer = {
        let sent = Arc::clone(&sent);
        runtime.spawn(move || {
            for i in 1..=100 {
                sender.send(i).unwrap();
                sent.store(i, Ordering::SeqCst);
            }
        })
    };
    sleep(SHORT);
    for i in 1..=100 {
        assert_eq!(sent.load(Ordering::SeqCst), i - 1);
        assert_eq!(receiver.recv(), Ok(i));
        eventually(|| sent.load(Ordering::SeqCst) == i);
    }
    producer.join().unwrap();

    let (sender, receiver) = mpmc::bounded(0);
    let taker = runtime.spawn(move || receiver.recv_timeout(LONG));
    eventually(|| sender.try_send(7).is_ok());
    assert_eq!(taker.join().unwrap(), Ok(7));
    let (sender, receiver) = mpmc::bounded(0);
    assert_eq!(sender.send_timeout(8, SHORT), Err(mpmc::SendTimeoutError::Timeout(8)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "it took its item back");
}

#[test]
fn iterators_of_receivers_end_with_the_channel() {
    let (sender, receiver) = mpmc::unbounded();
    for i in 0..3 {
        sender.send(i).unwrap();
    }
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    let other = receiver.clone();
    let consumer = spawn(move || other.iter().count());
    sender.send(3).unwrap();
    drop(sender);
    assert_eq!(consumer.join().unwrap() + receiver.into_iter().count(), 1);
    let (sender, receiver) = mpsc::channel();
    spawn(move || (0..3).for_each(|i| sender.send(i).unwrap()));
    let mut sum = 0;
    for i in &receiver {
        sum += i;
    }
    assert_eq!(sum, 3);
}

#[test]
fn timers_send_once_regularly_or_never() {
    let late = mpmc::after(Duration::from_secs(100_000));
    assert_eq!(late.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
    let start = Instant::now();
    let after = mpmc::after(Duration::from_millis(20));
    assert!(after.recv().unwrap() >= start + Duration::from_millis(20));
    assert_eq!(after.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout), "once");
    let tick = mpmc::tick(Duration::from_millis(2));
    let times: Vec<Instant> = tick.iter().take(3).collect();
    assert!(times.windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_millis(2)));
    let never = mpmc::never::<u8>();
    assert_eq!(never.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    assert_eq!((never.try_recv(), never.is_empty()), (Err(TryRecvError::Empty), true));
}

#[test]
fn each_item_arrives_once_and_in_order() {
    let runtime = runtime(2);
    for capacity in [Some(0), Some(1), Some(16), None] {
        let (sender, receiver) = match capacity {
            None => mpmc::unbounded(),
            Some(capacity) => mpmc::bounded(capacity),
        };
        let send = |sender: mpmc::Sender<(u64, u64)>, who| {
            move || (0..500).for_each(|i| sender.send((who, i)).unwrap())
        };
        let count = Arc::new(AtomicU64::new(0));
        let take = |receiver: mpmc::Receiver<(u64, u64)>, count: Arc<AtomicU64>| {
            move || {
                let mut last = [None; 5];
                for (who, i) in receiver {
                    assert!(last[who as usize] < Some(i), "the order of one sender");
                    last[who as usize] = Some(i);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        let mut green = Vec::new();
        for who in 0..4 {
            green.push(runtime.spawn(send(sender.clone(), who)));
            green.push(runtime.spawn(take(receiver.clone(), Arc::clone(&count))));
        }
        let os = [
            std::thread::spawn(send(sender, 4)),
            std::thread::spawn(take(receiver, Arc::clone(&count))),
        ];
        for handle in green {
            handle.join().unwrap();
        }
        for handle in os {
            handle.join().unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 2500, "capacity {capacity:?}");
    }
}

/// At a rendezvous whose senders are gone, too: another receiver may have received what was sent later.
#[test]
fn what_a_thread_was_handed_is_taken_by_no_other() {
    let main = || {
        let (sender, receiver) = mpmc::bounded(0);
        let other = receiver.clone();
        let waits = greenthread::thread::spawn_local(move || other.recv());
        until(|| sender.try_send(1).is_ok());
        drop(sender);
        // It has not run yet.
        assert_eq!(receiver.try_recv(), Err(mpmc::TryRecvError::Disconnected));
        assert_eq!(waits.join().unwrap(), Ok(1));
    };
    Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}

/// Random delays, timeouts and kills: what was sent was received or is still there.
#[test]
fn nothing_is_lost_to_timeouts_and_kills() {
    for seed in 1..9 {
        for capacity in [0, 1, 3] {
            let (doomed, rest) = (runtime(2), runtime(2));
            let (sender, receiver) = mpmc::bounded::<Arc<()>>(capacity);
            let token = Arc::new(());
            let (sent, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let over = Arc::new(AtomicBool::new(false));
            let work = |i: u64, rounds: u64| {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                let (sent, received) = (Arc::clone(&sent), Arc::clone(&received));
                let (token, over) = (Arc::clone(&token), Arc::clone(&over));
                move || {
                    let mut random = Random(seed * 100 + i + 1);
                    for _ in 0..rounds {
                        let brief = Duration::from_micros(random.below(200));
                        if i.is_multiple_of(2) {
                            // Counted as sent only if it was: a killed send is counted by neither side.
                            if sender.send_timeout(Arc::clone(&token), brief).is_ok() {
                                sent.fetch_add(1, Ordering::SeqCst);
                            }
                        } else if receiver.recv_timeout(brief).is_ok() {
                            received.fetch_add(1, Ordering::SeqCst);
                        }
                        if over.load(Ordering::SeqCst) {
                            return;
                        }
                        if random.below(3) == 0 {
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
            let left = receiver.try_iter().count() as u64;
            assert_eq!(sent.load(Ordering::SeqCst), received.load(Ordering::SeqCst) + left);
            drop((sender, receiver));
            drop(rest);
            assert_eq!(Arc::strong_count(&token), 1, "every item was dropped");
        }
    }
}

/// Operations that never wait let others run all the same: those of a loop that asks for ever, too.
#[test]
fn one_that_never_waits_starves_nobody() {
    fn alone(operation: impl FnMut() + Send + 'static) {
        runtime(1)
            .run(move || {
                let over = Arc::new(AtomicBool::new(false));
                let set = Arc::clone(&over);
                let other = spawn(move || set.store(true, Ordering::SeqCst));
                let mut operation = operation;
                while !over.load(Ordering::SeqCst) {
                    operation();
                }
                other.join().unwrap();
            })
            .unwrap();
    }
    let (sender, receiver) = mpmc::unbounded();
    alone(move || sender.send(1).unwrap());
    alone(move || while receiver.try_recv().is_ok() {});
    let (sender, receiver) = mpmc::bounded(1);
    sender.send(1).unwrap();
    alone(move || assert!(sender.try_send(1).is_err()));
    drop(receiver);
    let queue = greenthread::queue::Queue::with_capacity(1);
    alone(move || {
        queue.put(1).unwrap();
        assert!(queue.try_put(2).is_err());
        queue.get().unwrap();
    });
}

#[test]
fn a_receiver_of_nothing_has_no_room() {
    let (never, other) = (mpmc::never::<u8>(), mpmc::never());
    assert_eq!((never.len(), never.capacity()), (0, Some(0)));
    assert!(never.is_empty() && never.is_full());
    assert!(never.same_channel(&other) && never.same_channel(&never.clone()));
    assert_eq!(never.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(never.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    let after = mpmc::after(Duration::MAX);
    assert!(!after.same_channel(&mpmc::never()) && !after.is_full());
    assert_eq!(after.capacity(), Some(1));
}

#[test]
fn a_message_at_a_point_in_time() {
    let due = Instant::now() + SHORT;
    let receiver = mpmc::at(due);
    assert_eq!(receiver.recv(), Ok(due));
    assert!(Instant::now() >= due);
    assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    assert_eq!(mpmc::at(due).try_recv(), Ok(due), "one that has passed is due at once");
}

#[test]
fn why_a_send_did_not_succeed_in_time() {
    let (sender, receiver) = mpmc::bounded(0);
    let error = sender.send_timeout(1, SHORT).unwrap_err();
    assert!(error.is_timeout() && !error.is_disconnected());
    drop(receiver);
    let error = sender.send_timeout(2, SHORT).unwrap_err();
    assert!(error.is_disconnected() && !error.is_timeout());
    assert_eq!(error, sender.send(2).unwrap_err().into());
}

/// Counts how often it is dropped, and panics each time.
struct Grim<'a>(&'a AtomicUsize);

impl Drop for Grim<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("grim");
    }
}

/// All of them are dropped, and the first panic is the one that is seen.
#[test]
fn items_whose_destructors_panic() {
    for capacity in [Some(3), None] {
        let dropped = AtomicUsize::new(0);
        let (sender, receiver) = capacity.map_or_else(mpmc::unbounded, mpmc::bounded);
        (0..3).for_each(|_| assert!(sender.send(Grim(&dropped)).is_ok()));
        drop(sender);
        let result = std::panic::catch_unwind(move || drop(receiver));
        assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"grim"));
        assert_eq!(dropped.load(Ordering::SeqCst), 3);
    }
}

/// Also where the end that is dropped is dropped by a panic.
#[test]
fn items_whose_destructors_panic_during_a_panic() {
    let dropped = AtomicUsize::new(0);
    let (sender, receiver) = mpmc::unbounded();
    (0..3).for_each(|_| assert!(sender.send(Grim(&dropped)).is_ok()));
    let result = std::panic::catch_unwind(move || {
        let _receiver = receiver;
        panic!("first");
    });
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"first"));
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}

/// What a kill or a timeout leaves unsent is not dropped by the unwind, where a panic of its destructor would end the process.
#[test]
fn an_unsent_item_whose_destructor_panics() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    for capacity in [0, 1] {
        for selects in [false, true] {
            let runtime = runtime(1);
            let (sender, receiver) = mpmc::bounded(capacity);
            (0..capacity).for_each(|_| sender.send(None).unwrap());
            let before = DROPPED.load(Ordering::SeqCst);
            let waits = move || {
                if selects {
                    greenthread::select! {
                        send(sender, Some(Grim(&DROPPED))) -> _ => unreachable!(),
                        send(sender, Some(Grim(&DROPPED))) -> _ => unreachable!(),
                    }
                } else {
                    let _ = sender.send(Some(Grim(&DROPPED)));
                }
            };
            let handle = runtime.spawn(move || greenthread::timeout(SHORT, waits).is_ok());
            assert!(handle.join().unwrap_err().is_panic(), "the destructor's");
            assert_eq!(DROPPED.load(Ordering::SeqCst) - before, 1 + usize::from(selects));
            drop(receiver);
        }
    }
}

/// A kill inside a destructor is no panic: the items after it are dropped as ever.
#[test]
fn items_whose_destructors_are_killed() {
    struct Slow(Arc<AtomicUsize>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            sleep(LONG);
        }
    }
    let runtime = runtime(1);
    let dropped = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpmc::unbounded();
    (0..3).for_each(|_| assert!(sender.send(Slow(Arc::clone(&dropped))).is_ok()));
    drop(sender);
    let handle = runtime.spawn(move || drop(receiver));
    eventually(|| dropped.load(Ordering::SeqCst) == 1);
    handle.kill();
    assert!(handle.join().unwrap_err().is_killed());
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
    assert_eq!(Arc::strong_count(&dropped), 1);
}

/// However many ticks were missed, one is there.
#[test]
fn ticks_that_nobody_took_are_left_out() {
    const PERIOD: Duration = Duration::from_millis(20);
    let tick = mpmc::tick(PERIOD);
    loop {
        std::thread::sleep(PERIOD * 3);
        let before = Instant::now();
        tick.recv().unwrap();
        let next = tick.try_recv();
        // Unless the next was due by now.
        if Instant::now() < before + PERIOD {
            assert_eq!(next, Err(TryRecvError::Empty));
            return;
        }
    }
}
