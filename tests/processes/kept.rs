//! Handles as items and values: a queue and a map keep their objects, no shorter and no longer.

use crate::support::{LIMIT, Tests, until};
use greenthread::executor::ProcessPool;
use greenthread::process::shared::{Counter, Event, Map, PipeEnd, Queue, pipe};
use greenthread::process::{Process, function};
use greenthread::sync::mpsc::channel;
use greenthread::{sleep, spawn, timeout};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

pub(crate) const TESTS: Tests = &[
    ("a_handle_that_is_a_value_can_be_got_any_number_of_times", got_again),
    ("a_handle_is_let_go_of_where_nothing_holds_it_any_more", let_go),
    ("a_handle_in_a_result_is_kept_until_it_arrives", in_results),
    ("who_dies_with_handles_half_way_lets_go_of_them", dies_half_way),
    ("handles_to_objects_of_another_process_are_kept_as_long", of_others),
    ("who_is_killed_half_way_loses_and_keeps_no_handle", killed_half_way),
    ("who_is_killed_while_it_decodes_has_what_it_took", killed_while_decoding),
    ("each_process_of_a_pool_gets_the_handle_that_its_initializer_has", initializers),
];

type End = PipeEnd<u32, u32>;

/// Nobody has the other end any more, nor keeps it for somebody.
fn ends(here: &End) {
    assert_eq!(here.recv_timeout(LIMIT).unwrap(), None);
}

fn count(of: Map<u32, Counter>) -> i64 {
    for _ in 0..2 {
        of.get(&1).unwrap().unwrap().add(1).unwrap();
    }
    of.get(&1).unwrap().unwrap().get().unwrap()
}

fn got_again() {
    let map = Map::new().unwrap();
    // The only handle is the one in the map.
    map.insert(&1, &Counter::new(0).unwrap()).unwrap();
    assert_eq!(count(map.clone()), 2);
    let start = || Process::start(function!(count(of)), (map.clone(),)).unwrap();
    let both = [start(), start()];
    both.into_iter().for_each(|one| assert!(one.join().unwrap() >= 4));
    assert_eq!(map.items().unwrap()[0].1.get().unwrap(), 6);
    let removed = map.remove(&1).unwrap().unwrap();
    assert!(map.get(&1).unwrap().is_none());
    assert_eq!(removed.add(1).unwrap(), 7);
    // Likewise where it comes back in another one's place, and while others have it.
    map.insert(&1, &removed).unwrap();
    let replaced = map.insert(&1, &Counter::new(20).unwrap()).unwrap().unwrap();
    drop(removed);
    assert_eq!(replaced.add(1).unwrap(), 8);
    assert_eq!(count(map), 22);
}

fn let_go() {
    let ways: &[fn(End)] = &[
        |end| drop(Map::new().unwrap().insert(&1, &end).unwrap()),
        |end| {
            let map = Map::new().unwrap();
            map.insert(&1, &end).unwrap();
            drop(end);
            drop((map.get(&1).unwrap(), map.items().unwrap(), map.get(&1).unwrap()));
            assert!(map.remove(&1).unwrap().is_some());
        },
        |end| {
            let map = Map::new().unwrap();
            map.insert(&1, &end).unwrap();
            assert!(map.insert(&1, &pipe().unwrap().0).unwrap().is_some());
        },
        // As a key, which is another one each time.
        |end| {
            let map = Map::<End, u8>::new().unwrap();
            map.insert(&end, &1).unwrap();
            assert!(map.get(&end).unwrap().is_none());
            assert_eq!(map.items().unwrap().len(), 1);
        },
        |end| Queue::new(1).unwrap().put(&end).unwrap(),
        |end| {
            let queue = Queue::new(2).unwrap();
            queue.put(&end).unwrap();
            drop(queue.get().unwrap());
            queue.put(&end).unwrap();
            queue.close().unwrap();
        },
        // One in the other.
        |end| {
            let (outer, middle) = (Queue::new(1).unwrap(), Map::new().unwrap());
            for _ in 0..3 {
                let inner = Queue::new(1).unwrap();
                inner.put(&end).unwrap();
                middle.insert(&1, &inner).unwrap();
            }
            outer.put(&middle).unwrap();
        },
        // Not what can be decoded.
        |end| {
            let (out, back) = (Queue::<(End, u64)>::new(1).unwrap(), pipe::<End, u8>().unwrap());
            out.put(&(end, u64::MAX)).unwrap();
            back.0.send(&out.get().unwrap().unwrap().0).unwrap();
        },
    ];
    for way in ways {
        let (here, there) = pipe().unwrap();
        way(there);
        ends(&here);
    }
}

fn gives_back(end: End) -> End {
    end
}

fn in_results() {
    let pool = ProcessPool::new(1).unwrap();
    let ways: &[fn(&ProcessPool, End)] = &[
        |pool, end| assert!(pool.apply(function!(gives_back), end).unwrap().send(&1).is_ok()),
        |_, end| {
            let process = Process::start(function!(gives_back), end).unwrap();
            process.join().unwrap().send(&1).unwrap();
        },
        // Nobody asks for it.
        |pool, end| drop(pool.apply_async(function!(gives_back), end).unwrap()),
        |_, end| drop(Process::start(function!(gives_back), end).unwrap()),
    ];
    for (at, way) in ways.iter().enumerate() {
        let (here, there) = pipe().unwrap();
        way(&pool, there);
        if at < 2 {
            assert_eq!(here.recv().unwrap(), Some(1));
        }
        ends(&here);
    }
}

/// Ends the process that encodes or decodes it.
struct Deadly;

impl Serialize for Deadly {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if std::env::args().any(|argument| argument == "--greenthread-process") {
            std::process::exit(7);
        }
        ().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Deadly {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::process::exit(7)
    }
}

fn decodes(queue: Queue<(End, Deadly)>) {
    drop(queue.get());
}

fn looks_up(map: Map<u8, (End, Deadly)>) {
    drop(map.get(&1));
}

fn encodes(queue: Queue<(End, Deadly)>, end: End) {
    drop(queue.put(&(end, Deadly)));
}

fn waits_for_room(queue: Queue<End>, end: End) {
    drop(queue.put(&end));
}

fn dies_half_way() {
    let (here, there) = pipe().unwrap();
    let queue = Queue::new(1).unwrap();
    queue.put(&(there, Deadly)).unwrap();
    assert!(Process::start(function!(decodes), queue.clone()).unwrap().join().is_err());
    // It had the item, so that nobody else gets it.
    assert!(queue.is_empty().unwrap());
    ends(&here);

    let (here, there) = pipe().unwrap();
    assert!(
        Process::start(function!(encodes(queue, end)), (queue, there)).unwrap().join().is_err()
    );
    ends(&here);

    let (here, there) = pipe().unwrap();
    let map = Map::new().unwrap();
    map.insert(&1, &(there, Deadly)).unwrap();
    for _ in 0..2 {
        assert!(Process::start(function!(looks_up), map.clone()).unwrap().join().is_err());
    }
    drop(map);
    ends(&here);

    let (here, there) = pipe().unwrap();
    let full = Queue::new(1).unwrap();
    let (other, blocks) = pipe().unwrap();
    full.put(&blocks).unwrap();
    drop(blocks);
    let process =
        Process::start(function!(waits_for_room(queue, end)), (full.clone(), there)).unwrap();
    assert!(!process.join_timeout(Duration::from_millis(20)));
    process.kill().unwrap();
    assert!(process.join().is_err());
    ends(&here);
    drop(full);
    ends(&other);
}

/// Puts things of its own where the parent finds them, and has what the parent puts there.
fn serves(counters: Map<u8, Counter>, queues: Queue<Queue<End>>, over: Event) {
    counters.insert(&1, &Counter::new(5).unwrap()).unwrap();
    let own = Queue::new(4).unwrap();
    queues.put(&own).unwrap();
    until(|| own.len().unwrap() == 1);
    // With what is in it.
    drop(own);
    let other = Queue::new(4).unwrap();
    queues.put(&other).unwrap();
    over.wait().unwrap();
}

fn of_others() {
    let (counters, queues) = (Map::new().unwrap(), Queue::new(1).unwrap());
    let over = Event::new().unwrap();
    let arguments = (counters.clone(), queues.clone(), over.clone());
    let process =
        Process::start(function!(serves(counters, queues, over)), arguments.clone()).unwrap();
    let (here, there) = pipe().unwrap();
    let theirs = queues.get().unwrap().unwrap();
    theirs.put(&there).unwrap();
    drop((there, theirs));
    ends(&here);
    // They had made it, and have no handle.
    for before in 0..3 {
        assert_eq!(counters.get(&1).unwrap().unwrap().add(1).unwrap(), before + 6);
    }
    // What is in something of a process's ends with that.
    let (here, there) = pipe().unwrap();
    let theirs = queues.get().unwrap().unwrap();
    theirs.put(&there).unwrap();
    drop(there);
    assert_eq!(
        here.recv_timeout(Duration::from_millis(5)).unwrap_err().kind(),
        std::io::ErrorKind::TimedOut
    );
    process.kill().unwrap();
    assert!(process.join().is_err());
    ends(&here);
    assert!(counters.get(&1).is_err());
}

fn killed_half_way() {
    let (here, there) = pipe::<u32, u32>().unwrap();
    let (map, queue) = (Map::new().unwrap(), Queue::new(3).unwrap());
    map.insert(&0, &there).unwrap();
    // Were the wait for the number of a pin ended, the next who asks would get that number, and keep the wrong object.
    for moment in 0..40 {
        let _ = timeout(Duration::from_micros(moment * 3), || queue.try_put(&there));
        let (queue, (here, there)) = (Queue::new(1).unwrap(), pipe::<u32, u32>().unwrap());
        queue.put(&there).unwrap();
        drop(there);
        queue.get().unwrap().unwrap().send(&3).unwrap();
        assert_eq!(here.recv().unwrap(), Some(3));
    }
    let all: Vec<_> = (0..40u64)
        .map(|at| {
            let (map, queue) = (map.clone(), queue.clone());
            spawn(move || {
                let moment = Duration::from_micros(at % 20 * 60);
                let end = map.get(&0).unwrap().unwrap();
                let _ = timeout(moment, || match at % 4 {
                    0 => drop(map.insert(&1, &end)),
                    1 => drop(map.remove(&1)),
                    2 => drop(queue.put(&end)),
                    _ => drop(queue.get()),
                });
            })
        })
        .collect();
    for (at, one) in all.into_iter().enumerate() {
        if at % 5 == 0 {
            one.kill();
        }
        drop(one.join());
    }
    // The one that nobody takes away is still there.
    assert!(map.get(&0).unwrap().is_some());
    while let Ok(item) = queue.try_get() {
        assert!(item.is_some());
    }
    drop((there, map, queue));
    ends(&here);
}

/// A handle whose decoding begins, and goes on when it is told to.
#[derive(Serialize)]
struct Halting(End);

static DECODING: AtomicBool = AtomicBool::new(false);
static GO_ON: AtomicBool = AtomicBool::new(false);

impl<'de> Deserialize<'de> for Halting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let end = End::deserialize(deserializer)?;
        DECODING.store(true, SeqCst);
        until(|| GO_ON.load(SeqCst));
        Ok(Self(end))
    }
}

/// What a way takes out of what it has put something into.
type Way = fn(&Map<u8, Halting>, &Queue<Halting>) -> std::io::Result<Option<Halting>>;

fn killed_while_decoding() {
    let ways: [Way; 3] = [
        |map, _| map.remove(&1),
        |map, _| map.insert(&1, &Halting(pipe().unwrap().0)),
        |_, queue| queue.get(),
    ];
    for way in ways {
        let (here, there) = pipe().unwrap();
        let there = Halting(there);
        let (map, queue) = (Map::new().unwrap(), Queue::new(1).unwrap());
        map.insert(&1, &there).unwrap();
        queue.put(&there).unwrap();
        drop(there);
        [&DECODING, &GO_ON].iter().for_each(|it| it.store(false, SeqCst));
        let (to, from) = channel();
        let doomed = spawn({
            let (map, queue) = (map.clone(), queue.clone());
            move || {
                to.send(way(&map, &queue)).unwrap();
                sleep(LIMIT);
            }
        });
        until(|| DECODING.load(SeqCst));
        doomed.kill();
        GO_ON.store(true, SeqCst);
        assert!(doomed.join().unwrap_err().is_killed());
        let Halting(end) = from.recv().unwrap().unwrap().unwrap();
        drop((map, queue));
        end.send(&7).unwrap();
        assert_eq!(here.recv().unwrap(), Some(7));
        drop(end);
        ends(&here);
    }
}

fn initialize(counter: Counter) {
    counter.add(1).unwrap();
}

fn nothing() {}

fn initializers() {
    // Nobody but the pool has it.
    let counter = Counter::new(0).unwrap();
    let builder = ProcessPool::builder().max_workers(1).max_tasks_per_worker(1);
    let pool = builder.initializer(function!(initialize), counter).build().unwrap();
    (0..3).for_each(|_| pool.apply(function!(nothing()), ()).unwrap());
}
