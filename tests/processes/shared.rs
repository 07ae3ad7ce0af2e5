//! What processes use together.

use crate::support::{LIMIT, LONG, Tests, children, descriptors, parent_and_state, until};
use greenthread::executor::{ProcessPool, Remote};
use greenthread::process::shared::{
    Counter, Event, Lock, LockError, LockGuard, Map, PipeEnd, Queue, pipe,
};
use greenthread::process::{Process, function};
use greenthread::signal::Signal;
use greenthread::{catch_unwind, sleep, spawn, timeout};
use serde::ser::{Error as _, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io::ErrorKind;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

pub(crate) const TESTS: Tests = &[
    ("many_processes_share_a_queue_and_each_item_comes_once", many_to_many),
    ("a_queue_is_bounded_and_can_be_closed", bounded),
    ("an_item_is_not_lost_to_who_is_killed_waiting", killed_waiters),
    ("a_process_that_dies_waiting_takes_no_item_along", dead_waiters),
    ("a_pipe_goes_both_ways_and_ends_with_its_other_end", pipes),
    ("a_lock_excludes_other_processes", excludes),
    ("who_dies_with_the_lock_releases_it_with_an_error_to_the_next", dies_locked),
    ("an_event_wakes_all_processes", events),
    ("a_map_and_a_counter_are_everybodys", maps),
    ("a_closed_queue_is_not_over_while_an_item_may_come_back", in_doubt),
    ("a_handle_outlives_its_maker_while_it_is_under_way", under_way),
    ("what_is_under_way_to_a_process_that_dies_is_given_up", given_up),
    ("what_is_under_way_to_nobody_is_given_up", sent_to_nobody),
    ("a_handle_in_a_queue_is_not_lost_to_a_timeout", slowly_decoded),
    ("what_a_dead_process_had_made_is_an_error", owner_dies),
    ("large_items_pass", large),
    ("no_process_and_no_descriptor_stays", leftovers),
];

fn put_range(queue: Queue<u32>, from: u32) {
    for number in from..from + 50 {
        queue.put(&number).unwrap();
    }
}

fn take_all(queue: Queue<u32>) -> Vec<u32> {
    queue.iter().collect()
}

fn many_to_many() {
    let queue = Queue::new(4).unwrap();
    let start = |from| Process::start(function!(put_range(queue, from)), (queue.clone(), from));
    let producers: Vec<_> = (0..3).map(|at| start(at * 50).unwrap()).collect();
    let consumers: Vec<_> =
        (0..2).map(|_| Process::start(function!(take_all), queue.clone()).unwrap()).collect();
    let here = spawn({
        let queue = queue.clone();
        move || take_all(queue)
    });
    producers.into_iter().for_each(|one| one.join().unwrap());
    queue.close().unwrap();
    let mut all = here.join().unwrap();
    for one in consumers {
        all.extend(one.join().unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (0..150).collect::<Vec<_>>());
}

fn bounded() {
    assert_eq!(Queue::<u8>::new(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let queue = Queue::new(2).unwrap();
    assert_eq!(queue.try_get().unwrap_err().kind(), ErrorKind::WouldBlock);
    let short = Duration::from_millis(2);
    assert_eq!(queue.get_timeout(short).unwrap_err().kind(), ErrorKind::TimedOut);
    queue.put(&1).unwrap();
    queue.try_put(&2).unwrap();
    assert_eq!(queue.try_put(&3).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(queue.put_timeout(&3, short).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(queue.len().unwrap(), 2);
    let other = queue.clone();
    let late = spawn(move || other.put(&3));
    assert_eq!(queue.get().unwrap(), Some(1));
    late.join().unwrap().unwrap();
    queue.close().unwrap();
    assert_eq!(queue.put(&4).unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!((queue.get().unwrap(), queue.get().unwrap()), (Some(2), Some(3)));
    assert_eq!(queue.get().unwrap(), None);
    assert!(queue.is_empty().unwrap());
    // Who waits while it is closed.
    let queue = Queue::<u8>::new(1).unwrap();
    let waiter = queue.clone();
    let waiter = spawn(move || waiter.get());
    greenthread::yield_now();
    queue.close().unwrap();
    assert_eq!(waiter.join().unwrap().unwrap(), None);
}

fn killed_waiters() {
    let queue = Queue::new(100).unwrap();
    let mut got = Vec::new();
    for round in 0..20 {
        let all: Vec<_> = (0..4)
            .map(|at| {
                let queue = queue.clone();
                spawn(move || match at {
                    0 => queue.get().ok().flatten(),
                    _ => timeout(Duration::from_micros(at * 200), || queue.get())
                        .ok()
                        .and_then(|item| item.unwrap()),
                })
            })
            .collect();
        queue.put(&(2 * round)).unwrap();
        queue.put(&(2 * round + 1)).unwrap();
        all[0].kill();
        got.extend(all.into_iter().filter_map(|one| one.join().ok().flatten()));
    }
    queue.close().unwrap();
    got.extend(queue.iter());
    got.sort_unstable();
    assert_eq!(got, (0..40).collect::<Vec<u32>>());
}

fn receives_for_ever(queue: Queue<u32>) {
    while queue.get().unwrap().is_some() {}
}

fn in_doubt() {
    let queue = Queue::new(1).unwrap();
    let process = Process::start(function!(receives_for_ever), queue.clone()).unwrap();
    let is_stopped = || parent_and_state(process.pid()).is_some_and(|(_, state)| state == 'T');
    // It is stopped while it waits for an item, has that, and does not say so.
    let handed = || queue.is_empty().unwrap();
    for number in 0.. {
        process.handle().send_signal(Signal::STOP).unwrap();
        until(is_stopped);
        queue.put(&number).unwrap();
        let soon = Instant::now() + Duration::from_millis(100);
        while !handed() && Instant::now() < soon {
            sleep(Duration::from_millis(1));
        }
        if handed() {
            break;
        }
        process.handle().send_signal(Signal::CONT).unwrap();
        until(handed);
    }
    queue.close().unwrap();
    let waits = spawn({
        let queue = queue.clone();
        move || queue.get()
    });
    let short = Duration::from_millis(2);
    assert_eq!(queue.get_timeout(short).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(queue.try_get().unwrap_err().kind(), ErrorKind::WouldBlock);
    process.kill().unwrap();
    assert!(process.join().is_err());
    assert!(waits.join().unwrap().unwrap().is_some());
    assert_eq!(queue.get().unwrap(), None);
}

fn wait_for_item(queue: Queue<u32>, begun: Event) {
    begun.set().unwrap();
    queue.get().unwrap();
    // It has one item, and waits for the next for ever.
    queue.get().unwrap();
}

fn dead_waiters() {
    let queue = Queue::new(4).unwrap();
    let begun = Event::new().unwrap();
    let arguments = (queue.clone(), begun.clone());
    let process = Process::start(function!(wait_for_item(queue, begun)), arguments).unwrap();
    begun.wait().unwrap();
    queue.put(&1).unwrap();
    until(|| queue.is_empty().unwrap());
    process.kill().unwrap();
    assert!(process.join().is_err());
    queue.put(&2).unwrap();
    let got = queue.get_timeout(LONG).unwrap();
    // It may have died before it had the first.
    if got == Some(1) {
        assert_eq!(queue.get_timeout(LONG).unwrap(), Some(2));
    } else {
        assert_eq!(got, Some(2));
    }
}

fn upper(end: PipeEnd<String, String>) {
    while let Some(text) = end.recv().unwrap() {
        end.send(&text.to_uppercase()).unwrap();
    }
}

fn pipes() {
    let (here, there) = pipe::<String, String>().unwrap();
    let process = Process::start(function!(upper), there).unwrap();
    for text in ["a", "hello", "ü"] {
        here.send(&text.to_string()).unwrap();
        assert_eq!(here.recv().unwrap(), Some(text.to_uppercase()));
    }
    drop(here);
    process.join().unwrap();

    let (here, there) = pipe::<String, String>().unwrap();
    let process = Process::start(function!(upper), there).unwrap();
    process.kill().unwrap();
    assert!(process.join().is_err());
    // It may have died before it took its end, which then stays under way.
    let short = Duration::from_millis(50);
    match here.recv_timeout(short) {
        Ok(end) => {
            assert_eq!(end, None);
            until(|| here.send(&String::new()).is_err());
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
    }
}

/// Not one step: without the lock, others come in between.
fn increment(lock: Lock, counter: Counter) {
    for _ in 0..20 {
        let _guard = lock.lock().unwrap();
        let value = counter.get().unwrap();
        counter.set(value + 1).unwrap();
    }
}

fn excludes() {
    let (lock, counter) = (Lock::new().unwrap(), Counter::new(0).unwrap());
    let start = || {
        let arguments = (lock.clone(), counter.clone());
        Process::start(function!(increment(lock, counter)), arguments).unwrap()
    };
    let all = [start(), start(), start()];
    increment(lock.clone(), counter.clone());
    all.into_iter().for_each(|one| one.join().unwrap());
    assert_eq!(counter.get().unwrap(), 80);
    let _guard = lock.lock().unwrap();
    assert!(matches!(lock.try_lock(), Err(LockError::Io(e)) if e.kind() == ErrorKind::WouldBlock));
    let short = Duration::from_millis(2);
    let late = lock.lock_timeout(short);
    assert!(matches!(late, Err(LockError::Io(error)) if error.kind() == ErrorKind::TimedOut));
}

fn lock_and_wait(lock: Lock, locked: Event) {
    let _guard = lock.lock().unwrap();
    locked.set().unwrap();
    greenthread::sleep(LONG);
}

fn dies_locked() {
    let (lock, locked) = (Lock::new().unwrap(), Event::new().unwrap());
    let arguments = (lock.clone(), locked.clone());
    let process = Process::start(function!(lock_and_wait(lock, locked)), arguments).unwrap();
    locked.wait().unwrap();
    let other = lock.clone();
    let waiter = spawn(move || match other.lock() {
        Err(LockError::HolderDied(guard)) => drop::<LockGuard<'_>>(guard),
        other => panic!("{other:?}"),
    });
    process.kill().unwrap();
    waiter.join().unwrap();
    // Only the next is told, and a green thread that is killed with it is no process that died.
    drop(lock.lock().unwrap());
    let other = lock.clone();
    let held = spawn(move || {
        let _guard = other.lock().unwrap();
        greenthread::sleep(LONG);
    });
    until(|| lock.try_lock().is_err());
    held.kill();
    drop(lock.lock().unwrap());
    drop(process.join());
}

fn wait_for(start: Event, arrived: Counter) -> bool {
    arrived.add(1).unwrap();
    start.wait_timeout(LONG).unwrap()
}

fn events() {
    let (start, arrived) = (Event::new().unwrap(), Counter::new(0).unwrap());
    let one = || {
        let arguments = (start.clone(), arrived.clone());
        Process::start(function!(wait_for(start, arrived)), arguments).unwrap()
    };
    let all = [one(), one(), one()];
    until(|| arrived.get().unwrap() == 3);
    assert!(!start.is_set().unwrap());
    assert!(!start.wait_timeout(Duration::from_millis(1)).unwrap());
    start.set().unwrap();
    assert!(all.into_iter().all(|one| one.join().unwrap()));
    start.wait().unwrap();
    start.clear().unwrap();
    assert!(!start.is_set().unwrap());
}

fn count_words(text: String, into: Map<String, u32>, lock: Lock) {
    for word in text.split(' ') {
        let _guard = lock.lock().unwrap();
        let word = word.to_string();
        let before = into.get(&word).unwrap().unwrap_or(0);
        into.insert(&word, &(before + 1)).unwrap();
    }
}

fn maps() {
    let (map, lock) = (Map::new().unwrap(), Lock::new().unwrap());
    let start = |text: &str| {
        let arguments = (text.to_string(), map.clone(), lock.clone());
        Process::start(function!(count_words(text, into, lock)), arguments).unwrap()
    };
    let all = [start("a b a"), start("b c"), start("a")];
    all.into_iter().for_each(|one| one.join().unwrap());
    let expected = [("a", 3), ("b", 2), ("c", 1)].map(|(word, count)| (word.to_string(), count));
    assert_eq!(map.items().unwrap(), expected);
    assert_eq!(map.remove(&"a".to_string()).unwrap(), Some(3));
    assert_eq!(map.remove(&"a".to_string()).unwrap(), None);
}

fn give_back(queues: Queue<Queue<u8>>) {
    let own = Queue::new(1).unwrap();
    own.put(&7).unwrap();
    queues.put(&own).unwrap();
    // It stays until somebody has taken it in.
    until(|| queues.is_empty().unwrap());
    greenthread::sleep(LIMIT);
}

fn take(queue: Queue<u8>) -> u8 {
    queue.get().unwrap().unwrap()
}

fn under_way() {
    let queue = Queue::new(1).unwrap();
    queue.put(&5).unwrap();
    // The only handle goes along.
    assert_eq!(Process::start(function!(take), queue).unwrap().join().unwrap(), 5);
}

fn owner_dies() {
    let queues = Queue::new(1).unwrap();
    let process = Process::start(function!(give_back), queues.clone()).unwrap();
    let theirs = queues.get().unwrap().unwrap();
    assert_eq!(theirs.get().unwrap(), Some(7));
    let waiter = theirs.clone();
    let waiter = spawn(move || waiter.get());
    greenthread::yield_now();
    process.kill().unwrap();
    assert_eq!(waiter.join().unwrap().unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(theirs.put(&1).unwrap_err().kind(), ErrorKind::ConnectionAborted);
    drop(process.join());
}

/// Ended in every way, with handles of all kinds, in green threads that are killed: no descriptor and no process stays.
fn leftovers() {
    let round = || {
        let (queue, lock) = (Queue::<u32>::new(3).unwrap(), Lock::new().unwrap());
        let all: Vec<_> = (0..12)
            .map(|at| {
                let (queue, lock) = (queue.clone(), lock.clone());
                spawn(move || {
                    let locked = Event::new().unwrap();
                    let process = match at % 3 {
                        0 => Process::start(function!(put_range(queue, from)), (queue, at)),
                        1 => Process::start(function!(lock_and_wait(lock, locked)), (lock, locked)),
                        _ => return drop(queue.get()),
                    };
                    let process = process.unwrap();
                    greenthread::sleep(Duration::from_millis(u64::from(at)));
                    process.kill().unwrap();
                    drop(process.join());
                })
            })
            .collect();
        greenthread::sleep(Duration::from_millis(3));
        // Not one whose process would sleep on: it is its own then.
        all[2].kill();
        all[3].kill();
        queue.close().unwrap();
        all.into_iter().for_each(|one| drop(one.join()));
    };
    round();
    until(|| children().is_empty());
    let before = descriptors();
    (0..3).for_each(|_| round());
    until(|| children().is_empty() && descriptors() <= before);
}

fn large() {
    let queue = Queue::new(1).unwrap();
    let text = "x".repeat(8 << 20);
    queue.put(&text).unwrap();
    assert!(queue.get().unwrap() == Some(text));
}

/// Ends the process that it is passed to.
#[derive(Serialize)]
struct Deadly;

impl<'de> Deserialize<'de> for Deadly {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::process::exit(7)
    }
}

fn never(_: Deadly, _: PipeEnd<u8, u8>) {
    unreachable!("it was not received");
}

/// The process was to get one end of a pipe, and did not live to do so.
fn given_up() {
    let ends = |own: PipeEnd<u8, u8>| match timeout(LIMIT, || own.recv()) {
        Ok(received) => assert!(!matches!(received, Ok(Some(_)))),
        Err(_) => panic!("the other end is kept for nobody"),
    };
    let never = function!(never(deadly, end));
    let (own, other) = pipe().unwrap();
    assert!(Process::start(never, (Deadly, other)).unwrap().join().is_err());
    ends(own);
    let (own, other) = pipe().unwrap();
    assert!(ProcessPool::new(1).unwrap().apply(never, (Deadly, other)).is_err());
    ends(own);
    let (own, other) = pipe().unwrap();
    drop(Remote::new(never, (Deadly, other)));
    ends(own);
}

/// An end of a pipe whose encoding does not come to its end.
struct Unfinished(PipeEnd<u32, u32>, fn());

impl Serialize for Unfinished {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.0)?;
        (self.1)();
        Err(S::Error::custom("it is not to be encoded"))
    }
}

impl<'de> Deserialize<'de> for Unfinished {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PipeEnd::deserialize(deserializer).map(|end| Self(end, || ()))
    }
}

fn never_encoded(_: Unfinished) {}

fn sent_to_nobody() {
    type End = PipeEnd<u32, u32>;
    let gives_up: &[fn(End)] = &[
        |end| {
            let panics = Unfinished(end, || panic!("while encoding"));
            let made =
                catch_unwind(AssertUnwindSafe(|| Remote::new(function!(never_encoded), panics)));
            assert!(made.is_err());
        },
        |end| {
            let waits = Unfinished(end, || greenthread::sleep(LONG));
            let moment = Duration::from_millis(20);
            assert!(timeout(moment, || Remote::new(function!(never_encoded), waits)).is_err());
        },
        |end| {
            let queue = Queue::new(1).unwrap();
            assert!(queue.put(&Unfinished(end, || ())).is_err());
        },
        |end| {
            let full = Queue::new(1).unwrap();
            let (_here, there) = pipe::<u32, u32>().unwrap();
            full.put(&there).unwrap();
            assert_eq!(full.try_put(&end).unwrap_err().kind(), ErrorKind::WouldBlock);
        },
        |end| {
            let closed = Queue::new(1).unwrap();
            closed.close().unwrap();
            assert_eq!(closed.put(&end).unwrap_err().kind(), ErrorKind::BrokenPipe);
        },
    ];
    for give_up in gives_up {
        let (here, there) = pipe::<u32, u32>().unwrap();
        // In a green thread, which ends before it is asked.
        let give_up = *give_up;
        spawn(move || give_up(there)).join().unwrap();
        assert_eq!(here.recv_timeout(LIMIT).unwrap(), None);
    }
}

/// Takes its time to be decoded.
#[derive(Serialize)]
struct Slow(u32);

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        greenthread::sleep(Duration::from_millis(50));
        Ok(Self(number))
    }
}

fn slowly_decoded() {
    let queue = Queue::new(1).unwrap();
    queue.put(&Slow(1)).unwrap();
    // It strikes while the item is decoded, or before that comes.
    let got = timeout(Duration::from_millis(25), || queue.get());
    let got = got.unwrap_or_else(|_| queue.get());
    assert_eq!(got.unwrap().unwrap().0, 1);
}
