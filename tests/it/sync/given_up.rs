//! Sends that an `mpmc::Select` has chosen and that are given up.

use super::{LONG, Random, runtime};
use greenthread::sync::mpmc::{self, Receiver, Select, SelectedOperation, Sender};
use greenthread::sync::{Arc, Event};
use greenthread::{sleep, spawn, yield_now};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Instead of the number of a sender.
const END: u64 = u64::MAX;

fn choose<'a, T: Send>(sender: &'a Sender<T>) -> Option<SelectedOperation<'a>> {
    let mut select = Select::new();
    select.send(sender);
    select.try_select().ok()
}

fn give_up(operation: SelectedOperation<'_>) {
    let dropped = AssertUnwindSafe(move || {
        let _operation = operation;
        resume_unwind(Box::new(()))
    });
    assert!(catch_unwind(dropped).is_err());
}

/// What a bounded channel is, by definition: a place for an item that is still to come is `None`.
struct Model {
    capacity: usize,
    places: VecDeque<(u32, bool)>,
}

impl Model {
    fn agrees(&self, sender: &Sender<u32>, receiver: &Receiver<u32>) {
        let len = self.places.len();
        assert_eq!((sender.len(), receiver.len()), (len, len));
        assert_eq!((receiver.is_empty(), sender.is_full()), (len == 0, len == self.capacity));
        let mut ready = Select::new();
        ready.send(sender);
        assert_eq!(ready.try_ready().is_ok(), len < self.capacity);
        let mut ready = Select::new();
        ready.recv(receiver);
        assert_eq!(ready.try_ready().is_ok(), len > 0);
    }
}

/// Whatever is sent, chosen, given up, completed and received, in whatever order: the channel is as if what was given up had never
/// been.
#[test]
fn nothing_is_left_of_them() {
    for seed in 1..40 {
        let mut random = Random(seed * 7919);
        let capacity = 1 + random.below(4) as usize;
        let (sender, receiver) = mpmc::bounded(capacity);
        let mut model = Model { capacity, places: VecDeque::new() };
        let mut open: Vec<(u32, SelectedOperation<'_>)> = Vec::new();
        for number in 0..400 {
            match random.below(6) {
                0 | 1 => {
                    let has_room = model.places.len() < capacity;
                    assert_eq!(sender.try_send(number).is_ok(), has_room);
                    if has_room {
                        model.places.push_back((number, true));
                    }
                }
                2 => {
                    let operation = choose(&sender);
                    assert_eq!(operation.is_some(), model.places.len() < capacity);
                    if let Some(operation) = operation {
                        model.places.push_back((number, false));
                        open.push((number, operation));
                    }
                }
                3 if !open.is_empty() => {
                    let chosen = random.below(open.len() as u64) as usize;
                    let (chosen, operation) = open.swap_remove(chosen);
                    operation.send(&sender, chosen).unwrap();
                    let place = model.places.iter_mut().find(|place| place.0 == chosen);
                    place.unwrap().1 = true;
                }
                4 if !open.is_empty() => {
                    let chosen = random.below(open.len() as u64) as usize;
                    let (chosen, operation) = open.swap_remove(chosen);
                    give_up(operation);
                    model.places.retain(|place| place.0 != chosen);
                }
                // Who receives what has not come yet waits for it.
                5 if model.places.front().is_none_or(|place| place.1) => {
                    let expected = model.places.pop_front().map(|place| place.0);
                    assert_eq!(receiver.try_recv().ok(), expected);
                }
                _ => {}
            }
            model.agrees(&sender, &receiver);
        }
        open.into_iter().for_each(|(_, operation)| give_up(operation));
        model.places.retain(|place| place.1);
        model.agrees(&sender, &receiver);
        drop(sender);
        let rest: Vec<_> = receiver.iter().collect();
        assert_eq!(rest, model.places.iter().map(|place| place.0).collect::<Vec<_>>());
    }
}

/// Who waits for room has it when a send is given up, by a kill for one, and who receives is not kept.
#[test]
fn who_waits_for_room_has_it() {
    crate::support::on_all_runtimes(|| {
        for capacity in [1, 3] {
            let (sender, receiver) = mpmc::bounded(capacity);
            (1..capacity).for_each(|item| sender.send(item).unwrap());
            let chosen = Arc::new(Event::new());
            let (own, tell) = (sender.clone(), Arc::clone(&chosen));
            let doomed = spawn(move || {
                let mut select = Select::new();
                select.send(&own);
                let operation = select.select();
                tell.set();
                sleep(LONG);
                operation.send(&own, 100).unwrap();
            });
            chosen.wait();
            assert!(sender.try_send(99).is_err());
            let own = sender.clone();
            let patient = spawn(move || own.send(capacity).unwrap());
            (0..3).for_each(|_| yield_now());
            doomed.kill();
            patient.join().unwrap();
            assert!(doomed.join().unwrap_err().is_killed());
            assert!(sender.try_send(99).is_err());
            let got: Vec<_> = (0..capacity).map(|_| receiver.recv().unwrap()).collect();
            assert_eq!(got, (1..=capacity).collect::<Vec<_>>());
            assert!(receiver.is_empty());
        }
    });
}

/// Many who send, choose and give up at once: each item arrives once, those of one sender in their order, and in the end the channel
/// has all of its room. `GIVEN_UP_ROUNDS` makes it longer.
#[test]
fn under_load_no_item_is_lost_or_overtaken() {
    let rounds = std::env::var("GIVEN_UP_ROUNDS").map_or(1, |text| text.parse().unwrap());
    for round in 0..rounds {
        for (workers, capacity) in [(1, 1), (2, 1), (2, 3), (4, 2)] {
            let runtime = runtime(workers);
            let (sender, receiver) = mpmc::bounded(capacity);
            let over = Arc::new(AtomicBool::new(false));
            let senders: Vec<_> = (0..4u64)
                .map(|number| {
                    let (sender, over) = (sender.clone(), Arc::clone(&over));
                    let mut random = Random(1 + number + round * 31);
                    runtime.spawn(move || {
                        let mut next = 0u32;
                        while !over.load(Ordering::SeqCst) {
                            match random.below(4) {
                                0 => sender.send((number, next)).unwrap(),
                                1 if sender.try_send((number, next)).is_ok() => {}
                                1 => continue,
                                how => {
                                    let mut select = Select::new();
                                    select.send(&sender);
                                    let Ok(chosen) =
                                        select.select_timeout(Duration::from_micros(50))
                                    else {
                                        continue;
                                    };
                                    if random.below(2) == 0 {
                                        yield_now();
                                    }
                                    if how == 2 {
                                        give_up(chosen);
                                        continue;
                                    }
                                    chosen.send(&sender, (number, next)).unwrap();
                                }
                            }
                            next += 1;
                        }
                        next
                    })
                })
                .collect();
            let receivers: Vec<_> = (0..2)
                .map(|_| {
                    let receiver = receiver.clone();
                    runtime.spawn(move || {
                        let mut got = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
                        for (number, item) in receiver.iter() {
                            if number == END {
                                break;
                            }
                            let of_sender: &mut Vec<u32> = &mut got[number as usize];
                            assert!(of_sender.last().is_none_or(|last| *last < item));
                            of_sender.push(item);
                        }
                        got
                    })
                })
                .collect();
            sleep(Duration::from_millis(30));
            over.store(true, Ordering::SeqCst);
            let sent: Vec<u32> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
            (0..2).for_each(|_| sender.send((END, 0)).unwrap());
            let got: Vec<_> = receivers.into_iter().map(|one| one.join().unwrap()).collect();
            // All of the room is there, and no more.
            assert!(receiver.is_empty());
            let chosen: Vec<_> = (0..capacity).map(|_| choose(&sender).unwrap()).collect();
            assert!(choose(&sender).is_none());
            chosen.into_iter().for_each(give_up);
            assert!(receiver.try_recv().is_err());
            for (number, sent) in sent.into_iter().enumerate() {
                let mut items: Vec<u32> =
                    got.iter().flat_map(|got| got[number].iter().copied()).collect();
                items.sort_unstable();
                assert!(items.iter().copied().eq(0..sent), "each item once");
            }
        }
    }
}
