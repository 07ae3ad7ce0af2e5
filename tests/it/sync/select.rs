use super::{LONG, Random, SHORT, runtime};
use greenthread::queue::Queue;
use greenthread::sync::{Arc, Event, mpmc, mpsc};
use greenthread::{select, select_biased, sleep, spawn, yield_now};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn takes_what_is_ready() {
    let (sender, receiver) = mpmc::bounded(1);
    let (other_sender, other) = mpsc::sync_channel(1);
    let nothing = select! {
        recv(receiver) -> _ => 1,
        recv(other) -> _ => 2,
        default => 3,
    };
    assert_eq!(nothing, 3);
    other_sender.send(7).unwrap();
    let got = select! {
        recv(receiver) -> item => item,
        recv(other) -> item => item,
    };
    assert_eq!(got, Ok(7));
    let sent = select! {
        recv(other) -> _ => false,
        send(sender, 8) -> result => { result.unwrap(); true }
        default(LONG) => false,
    };
    assert!(sent);
    assert_eq!(receiver.recv(), Ok(8));
    select! {
        recv(receiver) -> _ => unreachable!(),
        default(SHORT) => {}
    }
    drop(sender);
    let gone = select! { recv(receiver) -> item => item.is_err() };
    assert!(gone);
    drop(other);
    let back = select! { send(other_sender, 9) -> result => result.unwrap_err().0 };
    assert_eq!(back, 9);
}

#[test]
fn timers_events_and_joins() {
    let runtime = runtime(1);
    let (event, gate) = (Arc::new(Event::new()), mpmc::never::<()>());
    let (seen, stopped) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let handle = {
        let (event, seen, stopped) = (Arc::clone(&event), Arc::clone(&seen), Arc::clone(&stopped));
        runtime.spawn(move || {
            // Until the choice has been made; the first time it may not have begun to wait.
            while !seen.wait_timeout(SHORT) {
                event.set();
                event.clear();
            }
            stopped.set();
            sleep(SHORT);
            5
        })
    };
    let first = select! {
        event(event) => "event",
        join(handle) => "join",
        recv(gate) -> _ => "never",
        recv(mpmc::after(LONG)) -> _ => "late",
    };
    assert_eq!(first, "event", "although it was cleared at once");
    seen.set();
    stopped.wait();
    let second = select! {
        event(event) => 0,
        join(handle) => handle.join().unwrap(),
    };
    assert_eq!(second, 5);
    let third = select! {
        event(event) => "event",
        recv(mpmc::after(Duration::from_millis(5))) -> due => { due.unwrap(); "timer" }
    };
    assert_eq!(third, "timer");
}

#[test]
fn every_ready_arm_has_its_chance() {
    let channels: Vec<_> = (0..3).map(|_| mpmc::unbounded()).collect();
    for (sender, _) in &channels {
        (0..600).for_each(|i| sender.send(i).unwrap());
    }
    let mut wins = [0; 3];
    for _ in 0..600 {
        select! {
            recv(channels[0].1) -> _ => wins[0] += 1,
            recv(channels[1].1) -> _ => wins[1] += 1,
            recv(channels[2].1) -> _ => wins[2] += 1,
        }
    }
    assert!(wins.iter().all(|wins| *wins > 50), "{wins:?}");
}

#[test]
fn an_item_that_was_not_sent_comes_back() {
    let (full, _keep) = mpmc::bounded(1);
    full.send(String::new()).unwrap();
    let (rendezvous, _taker) = mpmc::bounded(0);
    for sender in [full, rendezvous] {
        let mut item = Some("kept".to_string());
        select! {
            send_from(sender, item) -> _ => unreachable!(),
            default(SHORT) => {}
        }
        assert_eq!(item.as_deref(), Some("kept"));
    }
    let (sender, receiver) = mpmc::bounded(1);
    let mut item = Some(1);
    select! { send_from(sender, item) -> result => result.unwrap() }
    assert_eq!((item, receiver.recv()), (None, Ok(1)));
    select! {
        send_from(sender, item) -> _ => unreachable!("there is nothing to send"),
        default => {}
    }
}

/// Two `select!`s meet on a rendezvous channel, each with a second arm that nobody serves.
#[test]
fn selects_meet_each_other() {
    let runtime = runtime(2);
    let (sender, receiver) = mpmc::bounded(0);
    let (_idle, silence) = mpmc::bounded::<u64>(0);
    let other_silence = silence.clone();
    let producer = runtime.spawn(move || {
        for i in 0..500u64 {
            select! {
                send(sender, i) -> result => result.unwrap(),
                recv(other_silence) -> _ => unreachable!(),
            }
        }
    });
    let consumer = runtime.spawn(move || {
        for i in 0..500u64 {
            select! {
                recv(silence) -> _ => unreachable!(),
                recv(receiver) -> item => assert_eq!(item, Ok(i)),
            }
        }
    });
    producer.join().unwrap();
    consumer.join().unwrap();
}

/// A `select!` never meets itself.
#[test]
fn a_select_does_not_meet_itself() {
    let (sender, receiver) = mpmc::bounded(0);
    let won = select! {
        send(sender, 1) -> _ => "send",
        recv(receiver) -> _ => "recv",
        default(SHORT) => "neither",
    };
    assert_eq!(won, "neither");
}

/// Selects, plain sends and receives, timeouts and kills on the same channels: what was sent was received or is there.
#[test]
fn nothing_is_lost() {
    for seed in 1..7 {
        for capacity in [0, 1, 4] {
            let (doomed, rest) = (runtime(2), runtime(2));
            let channels = [mpmc::bounded(capacity), mpmc::bounded(capacity)];
            let token = Arc::new(());
            let (sent, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let work = |i: u64, rounds: u64| {
                let (channels, token) = (channels.clone(), Arc::clone(&token));
                let (sent, received) = (Arc::clone(&sent), Arc::clone(&received));
                move || {
                    let mut random = Random(seed * 100 + i + 1);
                    let [(sender_a, a), (sender_b, b)] = channels;
                    for _ in 0..rounds {
                        let brief = Duration::from_micros(random.below(200));
                        let got = |ok: bool| received.fetch_add(u64::from(ok), Ordering::SeqCst);
                        let put = |ok: bool| sent.fetch_add(u64::from(ok), Ordering::SeqCst);
                        match random.below(4) {
                            0 => {
                                put(sender_a.send_timeout(Arc::clone(&token), brief).is_ok());
                            }
                            1 => {
                                got(b.recv_timeout(brief).is_ok());
                            }
                            2 => select! {
                                recv(a) -> item => { got(item.is_ok()); }
                                recv(b) -> item => { got(item.is_ok()); }
                                default(brief) => {}
                            },
                            _ => {
                                let mut item = Some(Arc::clone(&token));
                                select! {
                                    send_from(sender_b, item) -> result => { put(result.is_ok()); }
                                    recv(a) -> item => { got(item.is_ok()); }
                                    default(brief) => {}
                                }
                            }
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
            let handles: Vec<_> = (10..20).map(|i| rest.spawn(work(i, 60))).collect();
            sleep(Duration::from_millis(5));
            drop(doomed);
            for handle in handles {
                handle.join().unwrap();
            }
            let left: usize =
                channels.iter().map(|(_, receiver)| receiver.try_iter().count()).sum();
            assert_eq!(sent.load(Ordering::SeqCst), received.load(Ordering::SeqCst) + left as u64);
            drop(channels);
            drop(rest);
            assert_eq!(Arc::strong_count(&token), 1, "every item was dropped");
        }
    }
}

#[test]
fn on_os_threads_too() {
    let (sender, receiver) = mpmc::bounded(0);
    let other = std::thread::spawn(move || {
        (0..100).for_each(|i| select! { send(sender, i) -> result => result.unwrap() });
    });
    let green = spawn(move || {
        let mut sum = 0;
        while let Ok(i) = select! { recv(receiver) -> item => item } {
            sum += i;
        }
        sum
    });
    assert_eq!(green.join().unwrap(), 4950);
    other.join().unwrap();
}

#[test]
fn the_first_that_is_ready_wins_where_that_is_asked_for() {
    let (first_sender, first) = mpmc::unbounded();
    let (second_sender, second) = mpmc::unbounded();
    for i in 0..100 {
        first_sender.send(i).unwrap();
        second_sender.send(i).unwrap();
    }
    let mut got = Vec::new();
    let next = || {
        select_biased! {
            recv(first) -> item => Some((1, item.unwrap())),
            recv(second) -> item => Some((2, item.unwrap())),
            default => None,
        }
    };
    while let Some(item) = next() {
        got.push(item);
    }
    let expected: Vec<_> = (1..=2).flat_map(|from| (0..100).map(move |i| (from, i))).collect();
    assert_eq!(got, expected);
    // It waits as `select!` does.
    let sender = spawn(move || second_sender.send(7).unwrap());
    let item = select_biased! {
        recv(first) -> _ => unreachable!("its sender is there and silent"),
        recv(second) -> item => item.unwrap(),
    };
    assert_eq!(item, 7);
    sender.join().unwrap();
}

/// What crossbeam's macro takes: references, what derefs to a channel's end, commas after the last argument.
#[test]
fn ends_of_channels_in_all_clothes() {
    struct Outer<R>(R);
    impl<R> std::ops::Deref for Outer<R> {
        type Target = R;
        fn deref(&self) -> &R {
            &self.0
        }
    }
    let (sender, receiver) = mpmc::bounded(1);
    let (sender, receiver) = (Outer(sender), Outer(Arc::new(receiver)));
    select! {
        send(sender, 1,) -> result => result.unwrap(),
        recv(receiver) -> _ => unreachable!(),
    }
    let by_reference = &receiver;
    select! {
        recv(by_reference,) -> item => assert_eq!(item, Ok(1)),
        default() => unreachable!(),
    }
    let none: Option<&mpmc::Receiver<i32>> = std::hint::black_box(None);
    let waited = select! {
        recv(none.unwrap_or(&mpmc::never())) -> _ => unreachable!(),
        recv(**by_reference) -> _ => unreachable!(),
        default(SHORT,) => true,
    };
    assert!(waited);
}

/// Also where not all arms are ready, and where an arm wins that had to wait.
#[test]
fn each_arm_is_as_likely_as_the_others() {
    const ROUNDS: usize = 6_000;
    let (silent, nothing) = mpmc::unbounded::<usize>();
    let ready: Vec<_> = (0..3)
        .map(|i| {
            let (sender, receiver) = mpmc::unbounded();
            (0..ROUNDS).for_each(|_| sender.send(i).unwrap());
            receiver
        })
        .collect();
    let mut wins = [0; 3];
    for _ in 0..ROUNDS {
        let item = select! {
            recv(nothing) -> item => item,
            recv(nothing) -> item => item,
            recv(ready[0]) -> item => item,
            recv(ready[1]) -> item => item,
            recv(ready[2]) -> item => item,
        };
        wins[item.unwrap()] += 1;
    }
    drop(silent);
    // By chance alone it is further off once in billions of runs.
    assert!(wins.iter().all(|wins| (1_700..2_300).contains(wins)), "{wins:?}");

    let runtime = greenthread::Runtime::new_current_thread().unwrap();
    let wins = runtime.run(|| {
        let (sender, receiver) = mpmc::bounded(0);
        let receiver = spawn(move || {
            let mut wins = [0; 2];
            for _ in 0..ROUNDS {
                wins[receiver.recv().unwrap()] += 1;
                // The next offers are there before the next look at them.
                (0..4).for_each(|_| yield_now());
            }
            wins
        });
        for _ in 0..ROUNDS {
            select! {
                send(sender, 0) -> result => result.unwrap(),
                send(sender, 1) -> result => result.unwrap(),
            }
        }
        receiver.join().unwrap()
    });
    let wins = wins.unwrap();
    assert!(wins.iter().all(|wins| (2_700..3_300).contains(wins)), "{wins:?}");
}

/// The items of `send_from` and `put_from` are in their places until all arms and the limit have been made.
#[test]
fn what_ends_the_making_of_an_arm_takes_no_item_along() {
    crate::support::on_all_runtimes(|| {
        let (sender, _receiver) = mpmc::bounded(1);
        let queue = Queue::with_capacity(1);
        let fails = Cell::new(0);
        // The one that fails is another arm's expression each time, and the limit's.
        let made = |place: i32| {
            if fails.get() == place {
                resume_unwind(Box::new("on purpose"));
            }
        };
        let mut items = [Some(1), Some(2)];
        for place in 0..5 {
            fails.set(place);
            let [first, second] = &mut items;
            let ended = catch_unwind(AssertUnwindSafe(|| {
                select! {
                    send_from({ made(0); &sender }, *first) -> _ => unreachable!(),
                    put_from({ made(1); &queue }, *second) -> _ => unreachable!(),
                    recv({ made(2); mpmc::never::<i32>() }) -> _ => unreachable!(),
                    send({ made(3); &sender }, 3) -> _ => unreachable!(),
                    default({ made(4); SHORT }) => unreachable!(),
                }
            }));
            assert!(ended.is_err());
            assert_eq!(items, [Some(1), Some(2)]);
        }
        // Nor does a kill or a timeout.
        let mut item = Some(7);
        let limited = greenthread::timeout(Duration::from_millis(1), || {
            select! {
                send_from(sender, item) -> _ => unreachable!(),
                recv({ sleep(LONG); mpmc::never::<i32>() }) -> _ => unreachable!(),
            }
        });
        assert!(limited.is_err());
        assert_eq!(item, Some(7));
        assert_eq!((sender.len(), queue.len()), (0, 0));
        // An arm that wins takes the item, one that loses leaves it.
        sender.send(0).unwrap();
        let won = select! {
            send_from(sender, item) -> _ => unreachable!(),
            put_from(queue, items[0]) -> done => done.is_ok(),
        };
        assert!(won);
        assert_eq!((item, items), (Some(7), [None, Some(2)]));
    });
}
