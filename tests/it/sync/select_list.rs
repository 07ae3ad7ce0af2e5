//! `mpmc::Select`: the first of a list of operations.

use super::{LONG, SHORT, eventually, runtime};
use greenthread::sync::mpmc::{
    self, ReadyTimeoutError, RecvError, Select, SelectTimeoutError, TryReadyError, TrySelectError,
};
use greenthread::sync::{Arc, Event};
use greenthread::{spawn, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

#[test]
fn receives_from_the_one_that_is_ready_by_its_number() {
    // What is received may borrow.
    let text = String::from("borrowed");
    let channels: Vec<_> = (0..4).map(|_| mpmc::bounded::<&str>(1)).collect();
    let (number, numbers) = mpmc::unbounded();
    let mut select = Select::new();
    for (index, (_, receiver)) in channels.iter().enumerate() {
        assert_eq!(select.recv(receiver), index);
    }
    assert_eq!(select.recv(&numbers), 4);
    assert_eq!(select.try_select().unwrap_err(), TrySelectError);
    assert_eq!(select.select_timeout(SHORT).unwrap_err(), SelectTimeoutError);
    assert_eq!(select.select_deadline(Instant::now()).unwrap_err(), SelectTimeoutError);

    channels[2].0.send(&text).unwrap();
    let operation = select.clone().select();
    assert_eq!(operation.index(), 2);
    // Any receiver of that channel will do.
    assert_eq!(operation.recv(&channels[2].1.clone()), Ok("borrowed"));

    select.remove(2);
    channels[2].0.send(&text).unwrap();
    number.send(7).unwrap();
    let operation = select.select_timeout(LONG).unwrap();
    assert_eq!((operation.index(), operation.recv(&numbers)), (4, Ok(7)));
    assert_eq!(select.try_select().unwrap_err(), TrySelectError);

    drop(number);
    let operation = select.try_select().unwrap();
    assert_eq!((operation.index(), operation.recv(&numbers)), (4, Err(RecvError)));
}

#[test]
fn the_first_of_those_that_are_ready_or_any() {
    let [a, b] = [(); 2].map(|()| mpmc::unbounded());
    let mut counts = [0, 0];
    for (mut select, fair) in [(Select::new(), true), (Select::new_biased(), false)] {
        select.recv(&a.1);
        select.recv(&b.1);
        for _ in 0..200 {
            a.0.send(1).unwrap();
            b.0.send(1).unwrap();
            let operation = select.select();
            let index = operation.index();
            counts[index] += 1;
            assert_eq!(operation.recv([&a.1, &b.1][index]), Ok(1));
            for receiver in [&a.1, &b.1] {
                receiver.try_iter().for_each(drop);
            }
        }
        assert_eq!(fair, counts[1] > 0, "{counts:?}");
        counts = [0, 0];
    }
}

#[test]
fn timers_may_be_among_them() {
    let (nothing, early) = (mpmc::never::<u8>(), mpmc::after(SHORT));
    let mut select = Select::new();
    select.recv(&nothing);
    select.recv(&early);
    assert_eq!(select.ready(), 1);
    let operation = select.select();
    assert_eq!(operation.index(), 1);
    assert!(operation.recv(&early).unwrap() <= Instant::now());
    assert_eq!(select.try_ready(), Err(TryReadyError));
}

#[test]
fn ready_tells_of_items_room_and_those_who_wait_at_a_rendezvous() {
    let (sender, receiver) = mpmc::bounded(1);
    let mut select = Select::new();
    let (receiving, sending) = (select.recv(&receiver), select.send(&sender));
    assert_eq!(select.ready(), sending);
    sender.send(1).unwrap();
    assert_eq!(select.ready_timeout(LONG), Ok(receiving));
    select.remove(receiving);
    assert_eq!(select.try_ready(), Err(TryReadyError));
    assert_eq!(select.ready_timeout(SHORT), Err(ReadyTimeoutError));
    assert_eq!(select.ready_deadline(Instant::now()), Err(ReadyTimeoutError));

    for workers in [1, 2] {
        let runtime = runtime(workers);
        runtime
            .run(|| {
                let (sender, receiver) = mpmc::bounded(0);
                let both = |sender: &mpmc::Sender<u8>, receiver: &mpmc::Receiver<u8>| {
                    let mut select = Select::new();
                    select.recv(receiver);
                    select.send(sender);
                    select.ready()
                };
                let mut alone = Select::new();
                alone.recv(&receiver);
                assert_eq!(alone.try_ready(), Err(TryReadyError));
                // Each waits before the other comes, or finds it there.
                let sends = spawn({
                    let sender = sender.clone();
                    move || sender.send(1)
                });
                assert_eq!(both(&sender, &receiver), 0);
                assert_eq!(receiver.recv(), Ok(1));
                sends.join().unwrap().unwrap();
                let receives = spawn({
                    let receiver = receiver.clone();
                    move || receiver.recv()
                });
                assert_eq!(both(&sender, &receiver), 1);
                sender.send(2).unwrap();
                assert_eq!(receives.join().unwrap(), Ok(2));
            })
            .unwrap();
    }
}

/// One who looks and does not receive keeps nobody from receiving.
#[test]
fn who_only_looks_takes_no_notification() {
    let runtime = runtime(1);
    runtime
        .run(|| {
            let (sender, receiver) = mpmc::unbounded();
            let (looks, begun) = (receiver.clone(), Arc::new(Event::new()));
            let looker = spawn({
                let begun = Arc::clone(&begun);
                move || {
                    let mut select = Select::new();
                    select.recv(&looks);
                    begun.set();
                    select.ready()
                }
            });
            begun.wait();
            // It waits now, and is the first.
            (0..10).for_each(|_| yield_now());
            let patient = spawn(move || receiver.recv_timeout(LONG));
            (0..10).for_each(|_| yield_now());
            sender.send(5).unwrap();
            assert_eq!(looker.join().unwrap(), 0);
            assert_eq!(patient.join().unwrap(), Ok(5));
        })
        .unwrap();
}

#[test]
fn misuse_is_told() {
    let message = |body: &mut dyn FnMut()| {
        let payload = catch_unwind(AssertUnwindSafe(body)).unwrap_err();
        payload.downcast_ref::<&str>().map(|text| text.to_string()).unwrap_or_default()
    };
    let none = "no operations have been added to `Select`";
    assert_eq!(message(&mut || drop(Select::new().select())), none);
    assert_eq!(
        message(&mut || {
            Select::new().ready();
        }),
        none
    );
    assert_eq!(Select::new().try_select().unwrap_err(), TrySelectError);

    let (sender, receiver) = mpmc::unbounded();
    let mut select = Select::new();
    select.recv(&receiver);
    sender.send(1).unwrap();
    let dropped = message(&mut || drop(select.select()));
    assert_eq!(dropped, "dropped `SelectedOperation` without completing the operation");
    sender.send(2).unwrap();
    let (_other, others) = mpmc::unbounded::<String>();
    let another = "the operation that was selected is another, or another channel's";
    assert_eq!(message(&mut || drop(select.select().recv(&others))), another);
    sender.send(3).unwrap();
    assert_eq!(message(&mut || _ = select.select().send(&sender, 4)), another);
    let mut select = Select::new();
    select.send(&sender);
    assert_eq!(message(&mut || _ = select.select().recv(&receiver)), another);
    let (other, _others) = mpmc::unbounded();
    assert_eq!(message(&mut || _ = select.select().send(&other, 4)), another);
}

/// Killed between the choice and its completion, it does not abort.
#[test]
fn a_kill_between_choice_and_completion_is_no_second_panic() {
    let runtime = runtime(1);
    runtime
        .run(|| {
            let (sender, receiver) = mpmc::unbounded();
            sender.send(Arc::new(())).unwrap();
            let chosen = Arc::new(Event::new());
            let chooser = spawn({
                let chosen = Arc::clone(&chosen);
                move || {
                    let mut select = Select::new();
                    select.recv(&receiver);
                    let _operation = select.select();
                    chosen.set();
                    greenthread::thread::park();
                }
            });
            chosen.wait();
            chooser.kill();
            assert!(chooser.join().unwrap_err().is_killed());
        })
        .unwrap();
}

/// Several choose among the same channels of each kind, which several fill.
#[test]
fn each_item_is_received_once() {
    const ITEMS: usize = 2000;
    for workers in [1, 2, 4] {
        let (got, sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let channels = Arc::new([mpmc::bounded(0), mpmc::bounded(2), mpmc::unbounded()]);
        let runtime = runtime(workers);
        for lane in 0..3 {
            let channels = Arc::clone(&channels);
            runtime.spawn(move || (1..=ITEMS).for_each(|i| channels[lane].0.send(i).unwrap()));
        }
        for look in [false, false, true] {
            let (channels, got, sum) = (Arc::clone(&channels), Arc::clone(&got), Arc::clone(&sum));
            runtime.spawn(move || {
                let mut select = Select::new();
                for (_, receiver) in channels.iter() {
                    select.recv(receiver);
                }
                while got.load(Ordering::SeqCst) < 3 * ITEMS {
                    let item = if look {
                        let ready = select.ready_timeout(SHORT).ok();
                        ready.and_then(|index| channels[index].1.try_recv().ok())
                    } else {
                        select.select_timeout(SHORT).ok().map(|operation| {
                            let index = operation.index();
                            operation.recv(&channels[index].1).unwrap()
                        })
                    };
                    if let Some(item) = item {
                        sum.fetch_add(item, Ordering::SeqCst);
                        got.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        eventually(|| got.load(Ordering::SeqCst) == 3 * ITEMS);
        assert_eq!(sum.load(Ordering::SeqCst), 3 * (1..=ITEMS).sum::<usize>());
    }
}

#[test]
fn sends_to_the_one_that_has_room() {
    let text = String::from("borrowed");
    let channels: Vec<_> = (0..3).map(|_| mpmc::bounded::<&str>(1)).collect();
    for (sender, _) in &channels {
        sender.send("there").unwrap();
    }
    let (endless, items) = mpmc::unbounded();
    let mut select = Select::new();
    for (index, (sender, _)) in channels.iter().enumerate() {
        assert_eq!(select.send(sender), index);
    }
    assert_eq!(select.try_select().unwrap_err(), TrySelectError);
    assert_eq!(select.select_timeout(SHORT).unwrap_err(), SelectTimeoutError);

    assert_eq!(channels[1].1.recv(), Ok("there"));
    let operation = select.try_select().unwrap();
    assert_eq!(operation.index(), 1);
    // It has the place already.
    assert_eq!((channels[1].1.len(), channels[1].0.try_send("late").is_err()), (1, true));
    // Any sender to that channel will do.
    operation.send(&channels[1].0.clone(), &text).unwrap();
    assert_eq!(channels[1].1.try_recv(), Ok("borrowed"));
    channels[1].0.send("there").unwrap();

    assert_eq!(select.send(&endless), 3);
    let operation = select.select();
    assert_eq!(operation.index(), 3);
    operation.send(&endless, 7).unwrap();
    assert_eq!(items.recv(), Ok(7));

    // Nobody receives any more, before the choice or after it.
    drop(items);
    assert_eq!(select.select().send(&endless, 8).unwrap_err().0, 8);
    let (sender, receiver) = mpmc::bounded(1);
    let mut select = Select::new();
    select.send(&sender);
    let operation = select.select();
    drop(receiver);
    assert_eq!(operation.send(&sender, 9).unwrap_err().0, 9);
}

/// Who receives, in whatever way, gets what is sent by a choice, and does not see that there is nothing yet.
#[test]
fn who_takes_the_place_of_a_chosen_send_waits_for_the_item() {
    for workers in [1, 2] {
        runtime(workers)
            .run(|| {
                for capacity in [0, 1] {
                    for way in 0..5 {
                        let (sender, receiver) = mpmc::bounded(capacity);
                        let got = spawn(move || match way {
                            0 => receiver.recv().unwrap(),
                            1 => receiver.recv_timeout(LONG).unwrap(),
                            2 => loop {
                                match receiver.try_recv() {
                                    Ok(item) => break item,
                                    Err(_) => yield_now(),
                                }
                            },
                            3 => greenthread::select! { recv(receiver) -> item => item.unwrap() },
                            _ => greenthread::future::block_on(receiver.recv_async()).unwrap(),
                        });
                        let mut select = Select::new();
                        select.send(&sender);
                        let operation = select.select();
                        (0..5).for_each(|_| yield_now());
                        operation.send(&sender, (capacity, way)).unwrap();
                        assert_eq!(got.join().unwrap(), (capacity, way));
                    }
                }
            })
            .unwrap();
    }
}

/// A choice that is dropped sends nothing: who waited for its item waits for the next, for as long as it wanted to.
#[test]
fn a_chosen_send_that_is_dropped_is_as_if_it_had_never_been() {
    for workers in [1, 2] {
        runtime(workers)
            .run(move || {
                for capacity in [0, 1, 3] {
                    for way in 0..4 {
                        let (sender, receiver) = mpmc::bounded(capacity);
                        let got = spawn(move || match way {
                            0 => receiver.recv().ok(),
                            1 => receiver.recv_timeout(LONG).ok(),
                            2 => greenthread::select! { recv(receiver) -> item => item.ok() },
                            _ => greenthread::future::block_on(receiver.recv_async()).ok(),
                        });
                        for _ in 0..3 {
                            let mut select = Select::new();
                            select.send(&sender);
                            let operation = select.select();
                            (0..3).for_each(|_| yield_now());
                            catch_unwind(AssertUnwindSafe(|| drop(operation))).unwrap_err();
                        }
                        let sent = sender.send((capacity, way));
                        assert!(sent.is_ok(), "{workers} {capacity} {way}");
                        assert_eq!(got.join().unwrap(), Some((capacity, way)));
                        // And the end is the end.
                        let (sender, receiver) = mpmc::bounded::<()>(capacity);
                        let end = spawn(move || receiver.recv());
                        let mut select = Select::new();
                        select.send(&sender);
                        let operation = select.select();
                        catch_unwind(AssertUnwindSafe(|| drop(operation))).unwrap_err();
                        drop(sender);
                        assert_eq!(end.join().unwrap(), Err(RecvError));
                    }
                }
            })
            .unwrap();
    }
}

/// Each of many sends to some other or receives from it, whatever comes first: they pair up, and all end.
#[test]
fn choices_to_send_and_to_receive_meet() {
    const MEMBERS: usize = 40;
    for workers in [1, 2, 4] {
        for capacity in [0, 1] {
            let runtime = runtime(workers);
            let channel = Arc::new(mpmc::bounded(capacity));
            let one = |member: usize| {
                let channel = Arc::clone(&channel);
                runtime.spawn(move || {
                    let mut select = Select::new();
                    let receives = select.recv(&channel.1);
                    let sends = select.send(&channel.0);
                    let operation = select.select();
                    if operation.index() == receives {
                        return Some(operation.recv(&channel.1).unwrap());
                    }
                    assert_eq!(operation.index(), sends);
                    operation.send(&channel.0, member).unwrap();
                    None
                })
            };
            let members: Vec<_> = (0..MEMBERS).map(one).collect();
            let mut got: Vec<_> =
                members.into_iter().filter_map(|one| one.join().unwrap()).collect();
            got.sort_unstable();
            got.dedup();
            assert_eq!(got.len(), MEMBERS / 2);
        }
    }
}

/// Several choose among the same channels of each kind, which several empty; some are killed meanwhile.
#[test]
fn each_chosen_item_is_sent_once() {
    const ITEMS: usize = 1000;
    for workers in [1, 2, 4] {
        let runtime = runtime(workers);
        let channels = Arc::new([mpmc::bounded(0), mpmc::bounded(2), mpmc::unbounded()]);
        let receive = |lane: usize| {
            let channels = Arc::clone(&channels);
            runtime.spawn(move || {
                let mut got = Vec::new();
                while let Ok(item) = channels[lane].1.recv() {
                    if item == 0 {
                        break;
                    }
                    got.push(item);
                }
                got
            })
        };
        let receivers: Vec<_> = (0..3).map(receive).collect();
        let sent = Arc::new(AtomicUsize::new(0));
        let send = |number: usize| {
            let (channels, sent) = (Arc::clone(&channels), Arc::clone(&sent));
            runtime.spawn(move || {
                let mut select = Select::new();
                for (sender, _) in channels.iter() {
                    select.send(sender);
                }
                for i in 0..ITEMS {
                    let operation = select.select();
                    let index = operation.index();
                    operation.send(&channels[index].0, 1 + number * ITEMS + i).unwrap();
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let senders: Vec<_> = (0..4).map(send).collect();
        eventually(|| sent.load(Ordering::SeqCst) > ITEMS);
        senders[3].kill();
        senders.into_iter().for_each(|sender| drop(sender.join()));
        for (sender, _) in channels.iter() {
            sender.send(0).unwrap();
        }
        let mut got: Vec<usize> =
            receivers.into_iter().flat_map(|receiver| receiver.join().unwrap()).collect();
        assert_eq!(got.len(), sent.load(Ordering::SeqCst));
        got.sort_unstable();
        got.dedup();
        assert_eq!(got.len(), sent.load(Ordering::SeqCst));
    }
}
