//! A `select!` that takes its default arm saw a moment when no other arm was ready.

use super::{Duration, LONG, runtime};
use greenthread::queue::{LifoQueue, PriorityQueue, Queue};
use greenthread::select;
use greenthread::sync::{Arc, Event, mpmc, mpsc};
use greenthread::thread;
use std::sync::atomic::{AtomicBool, Ordering};

const ROUNDS: usize = if cfg!(debug_assertions) { 50_000 } else { 200_000 };

/// Calls `round` again and again on a worker, while `looks` is called on an OS thread and, of another runtime, on a green
/// thread; both say whether what they saw was right.
fn beside(workers: usize, mut round: impl FnMut() + Send + 'static, looks: [Look; 2]) {
    let (movers, lookers) = (runtime(workers), runtime(workers));
    let over = Arc::new(AtomicBool::new(false));
    let mover = {
        let over = Arc::clone(&over);
        movers.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                round();
            }
        })
    };
    let [here, mut there] = looks;
    let there = lookers.spawn(move || (0..ROUNDS).filter(|_| !there()).count());
    let mut here = here;
    let wrong = (0..ROUNDS).filter(|_| !here()).count();
    let wrong = (wrong, there.join().unwrap());
    over.store(true, Ordering::Relaxed);
    mover.join().unwrap();
    assert_eq!(wrong, (0, 0), "rounds in which an arm was ready all the time and none was seen");
}

type Look = Box<dyn FnMut() -> bool + Send>;

fn twice<F: FnMut() -> bool + Send + 'static>(make: impl Fn() -> F) -> [Look; 2] {
    [Box::new(make()), Box::new(make())]
}

/// One item is in one of two channels at each moment, or in both.
fn hand_to_and_fro(workers: usize, capacity: Option<usize>, timeout: Option<Duration>) {
    let make = || capacity.map_or_else(mpmc::unbounded, mpmc::bounded);
    let ((into_a, a), (into_b, b)) = (make(), make());
    into_a.send(0u8).unwrap();
    let look = {
        let (into_a, a, into_b, b) = (into_a.clone(), a.clone(), into_b.clone(), b.clone());
        move || {
            match timeout {
                None => select! {
                    recv(a) -> item => into_a.send(item.unwrap()).unwrap(),
                    recv(b) -> item => into_b.send(item.unwrap()).unwrap(),
                    default => return false,
                },
                Some(timeout) => select! {
                    recv(a) -> item => into_a.send(item.unwrap()).unwrap(),
                    recv(b) -> item => into_b.send(item.unwrap()).unwrap(),
                    default(timeout) => return false,
                },
            }
            true
        }
    };
    let round = move || {
        into_b.send(0u8).unwrap();
        a.recv().unwrap();
        into_a.send(0u8).unwrap();
        b.recv().unwrap();
    };
    beside(workers, round, [Box::new(look), Box::new(|| true)]);
}

#[test]
fn the_default_arm_is_right_only_if_at_one_moment_no_channel_had_an_item() {
    for workers in [2, 8] {
        hand_to_and_fro(workers, None, None);
        hand_to_and_fro(workers, Some(4), None);
    }
}

#[test]
fn a_deadline_that_is_over_is_no_excuse() {
    for workers in [2, 8] {
        hand_to_and_fro(workers, None, Some(Duration::ZERO));
        hand_to_and_fro(workers, Some(4), Some(Duration::from_nanos(1)));
    }
}

/// One of two channels has room at each moment.
#[test]
fn the_default_arm_is_right_only_if_at_one_moment_no_channel_had_room() {
    for workers in [2, 8] {
        let ((into_a, a), (into_b, b)) = (mpmc::bounded(1), mpmc::bounded(1));
        into_b.send(0).unwrap();
        // What the one who looks puts in is taken out by that one again.
        let look = {
            let (into_a, a, into_b, b) = (into_a.clone(), a.clone(), into_b.clone(), b.clone());
            move || {
                select! {
                    send(into_a, 1) -> _ => assert!(a.recv().is_ok()),
                    send(into_b, 1) -> _ => assert!(b.recv().is_ok()),
                    default => return false,
                }
                true
            }
        };
        let round = move || {
            b.recv().unwrap();
            into_a.send(0).unwrap();
            a.recv().unwrap();
            into_b.send(0).unwrap();
        };
        beside(workers, round, [Box::new(look), Box::new(|| true)]);
    }
}

/// One of two events is set at each moment.
#[test]
fn the_default_arm_is_right_only_if_at_one_moment_no_event_was_set() {
    for workers in [2, 8] {
        let [a, b] = [(); 2].map(|()| Arc::new(Event::new()));
        a.set();
        let looks = twice(|| {
            let (a, b) = (Arc::clone(&a), Arc::clone(&b));
            move || {
                select! {
                    event(a) => true,
                    event(b) => true,
                    default => false,
                }
            }
        });
        let round = move || {
            b.set();
            a.clear();
            a.set();
            b.clear();
        };
        beside(workers, round, looks);
    }
}

/// What is an arm of each kind: an item in a channel, or an event that is set.
#[test]
fn arms_of_different_kinds_have_one_moment_in_common() {
    for workers in [2, 8] {
        let (sender, receiver) = mpsc::channel();
        let (hand, _taker) = mpmc::bounded::<u8>(0);
        let event = Arc::new(Event::new());
        event.set();
        let over = Arc::clone(&event);
        let (peers, others) = (runtime(workers), runtime(1));
        let never = others.spawn(thread::park);
        let stop = Arc::new(AtomicBool::new(false));
        let mover = {
            let stop = Arc::clone(&stop);
            peers.spawn(move || {
                // The receiver is the looker's, which takes each item that it sees.
                while !stop.load(Ordering::Relaxed) {
                    if sender.send(0u8).is_err() {
                        return;
                    }
                    over.set();
                }
            })
        };
        let wrong = (0..ROUNDS)
            .filter(|_| {
                select! {
                    recv(receiver) -> item => { item.unwrap(); false }
                    event(event) => false,
                    send(hand, 1) -> _ => unreachable!("nobody receives"),
                    join(never) => unreachable!("it is parked"),
                    recv(mpmc::after(LONG)) -> _ => unreachable!("not yet"),
                    default => true,
                }
            })
            .count();
        assert_eq!(wrong, 0);
        stop.store(true, Ordering::Relaxed);
        drop(receiver);
        mover.join().unwrap();
        never.thread().unpark();
        never.join().unwrap();
    }
}

/// Where nothing is ready, it does not take long to say so, although others come and go all the time.
#[test]
fn nothing_is_nothing_also_where_others_wait_for_the_same() {
    let runtime = runtime(2);
    let ((into_a, a), (_into_b, b)) = (mpmc::bounded::<u8>(0), mpmc::bounded::<u8>(1));
    let stop = Arc::new(AtomicBool::new(false));
    let other = {
        let (stop, a, b) = (Arc::clone(&stop), a.clone(), b.clone());
        runtime.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                select! {
                    recv(a) -> _ => unreachable!("nobody sends but to this one"),
                    recv(b) -> _ => unreachable!(),
                    default => {}
                }
            }
        })
    };
    for _ in 0..ROUNDS {
        select! {
            recv(a) -> _ => unreachable!(),
            recv(b) -> _ => unreachable!(),
            send(into_a, 1) -> _ => unreachable!("whoever does not wait is no receiver"),
            default => {}
        }
    }
    stop.store(true, Ordering::Relaxed);
    other.join().unwrap();
}

/// One item is in one of two channels at each moment, or in both: a list says so as well.
#[test]
fn a_list_says_that_none_is_ready_only_if_at_one_moment_none_was() {
    for capacity in [None, Some(4)] {
        let make = || capacity.map_or_else(mpmc::unbounded, mpmc::bounded);
        let ((into_a, a), (into_b, b)) = (make(), make());
        into_a.send(0u8).unwrap();
        let receives = {
            let (into_a, a, into_b, b) = (into_a.clone(), a.clone(), into_b.clone(), b.clone());
            move || {
                let mut list = mpmc::Select::new();
                list.recv(&a);
                list.recv(&b);
                let Ok(operation) = list.try_select() else { return false };
                let (from, back) = [(&a, &into_a), (&b, &into_b)][operation.index()];
                back.send(operation.recv(from).unwrap()).unwrap();
                true
            }
        };
        let round = move || {
            into_b.send(0u8).unwrap();
            a.recv().unwrap();
            into_a.send(0u8).unwrap();
            b.recv().unwrap();
        };
        beside(2, round, [Box::new(receives), Box::new(|| true)]);
    }
    for capacity in [None, Some(4)] {
        let make = || capacity.map_or_else(mpmc::unbounded, mpmc::bounded);
        let ((into_a, a), (into_b, b)) = (make(), make());
        into_a.send(0u8).unwrap();
        let looks = twice(|| {
            let (a, b) = (a.clone(), b.clone());
            move || {
                let mut list = mpmc::Select::new();
                list.recv(&a);
                list.recv(&b);
                list.try_ready().is_ok()
            }
        });
        let round = move || {
            into_b.send(0u8).unwrap();
            a.recv().unwrap();
            into_a.send(0u8).unwrap();
            b.recv().unwrap();
        };
        beside(2, round, looks);
    }
}

/// One item is in one of two queues at each moment, or in both.
#[test]
fn the_default_arm_is_right_only_if_at_one_moment_no_queue_had_an_item() {
    macro_rules! to_and_fro {
        ($make:expr, $default:ident $(($timeout:expr))?) => {
            for workers in [2, 8] {
                let [a, b] = [Arc::new($make), Arc::new($make)];
                a.put(0u8).unwrap();
                let look = {
                    let (a, b) = (Arc::clone(&a), Arc::clone(&b));
                    move || {
                        select! {
                            get(a) -> item => a.put(item.unwrap()).unwrap(),
                            get(b) -> item => b.put(item.unwrap()).unwrap(),
                            $default $(($timeout))? => return false,
                        }
                        true
                    }
                };
                let round = move || {
                    b.put(0u8).unwrap();
                    a.get().unwrap();
                    a.put(0u8).unwrap();
                    b.get().unwrap();
                };
                beside(workers, round, [Box::new(look), Box::new(|| true)]);
            }
        };
    }
    to_and_fro!(Queue::new(), default);
    to_and_fro!(LifoQueue::with_capacity(4), default(Duration::ZERO));
    to_and_fro!(PriorityQueue::new(), default);
}

/// One of two things has room at each moment: a queue, or a channel.
#[test]
fn the_default_arm_is_right_only_if_at_one_moment_no_queue_had_room() {
    for workers in [2, 8] {
        let queue = Arc::new(Queue::with_capacity(1));
        let (sender, receiver) = mpmc::bounded(1);
        sender.send(0).unwrap();
        let look = {
            let (queue, sender, receiver) = (Arc::clone(&queue), sender.clone(), receiver.clone());
            move || {
                select! {
                    put(queue, 1) -> _ => assert!(queue.get().is_ok()),
                    send(sender, 1) -> _ => assert!(receiver.recv().is_ok()),
                    default => return false,
                }
                true
            }
        };
        let round = move || {
            receiver.recv().unwrap();
            queue.put(0).unwrap();
            queue.get().unwrap();
            sender.send(0).unwrap();
        };
        beside(workers, round, [Box::new(look), Box::new(|| true)]);
    }
}
