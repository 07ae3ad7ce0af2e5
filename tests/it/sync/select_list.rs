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
    let wrong = message(&mut || drop(select.select().recv(&others)));
    assert_eq!(wrong, "that receiver was not selected");
    select.send(&sender);
    assert!(message(&mut || drop(select.try_select())).contains("`ready`, then `try_send`"));
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
