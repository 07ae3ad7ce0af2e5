//! The shapes that first programs with threads have: who runs first, code after the threads, a race, a flag, taking turns.
//!
//!     cargo run --example first_programs
//!
//! On a current-thread runtime the order is the same each time:
//! ```text
//! five at once: sorry sorry sorry sorry sorry, and this comes after `run`
//! who is first: main, then green thread
//! one process: three green threads, 1 pid
//! joined in turn: first second third
//! race: 100 took one each, yet fewer than 100 are gone: true
//! with a lock: 0 are left
//! a struct that is a thread: Thread-1 counted to 3, Thread-2 counted to 2
//! a struct that is called: loop0 with 1, loop1 with 2
//! what they return: [1, 3, 6]
//! 50 sleepers: 50 sleep at once
//! counting the living: 5 at most at a time, all 22 are done when 1 is left
//! a polled flag: connecting connecting connecting connecting connected
//! a generator that waits: tick 0 tick 1 tick 2
//! nothing runs before it is started: made, started, ran
//! a long task lets others run: other ran at step 2 of 4
//! two greenlets in turn: 1 2 1 2 1 2
//! the last words: all DONE, with 0 remaining
//! ```

use greenthread::generator::Generator;
use greenthread::greenlet::{Greenlet, WeakGreenlet};
use greenthread::sync::BoundedSemaphore;
use greenthread::thread::{Runnable, active_count};
use greenthread::{Builder, JoinHandle, Runtime, join_all, sleep, spawn, yield_now};
use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::process;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

/// What was noted, in order, on any green thread.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, text: impl ToString) {
        self.0.lock().unwrap().push(text.to_string());
    }

    fn words(&self, between: &str) -> String {
        self.0.lock().unwrap().join(between)
    }
}

fn wait_for_all<T>(handles: Vec<JoinHandle<T>>) -> Vec<T> {
    join_all(handles).into_iter().map(|result| result.expect("none of them panics")).collect()
}

/// `for i in range(5): Thread(target=say_sorry).start()`. What `run` was given ends when all of them have, as a program of
/// Python's ends with its last thread; so what comes after `run` comes last.
fn code_after_run(runtime: &Runtime) {
    let notes = Notes::default();
    let said = notes.clone();
    let main = move || {
        for _ in 0..5 {
            let said = said.clone();
            spawn(move || {
                sleep(SHORT);
                said.add("sorry");
            });
        }
    };
    runtime.run(main).expect("nobody waits for ever");
    println!("five at once: {}, and this comes after `run`", notes.words(" "));
}

/// `t.start(); print("main")`: a new green thread runs when its maker waits for something, or at once on another worker.
fn who_is_first() {
    let notes = Notes::default();
    let own = notes.clone();
    let task = spawn(move || own.add("green thread"));
    notes.add("main");
    task.join().unwrap();
    println!("who is first: {}", notes.words(", then "));
}

/// `os.getpid()` in three threads: they all are this process.
fn one_process() {
    let pids: HashSet<u32> =
        wait_for_all((0..3).map(|_| spawn(process::id)).collect()).into_iter().collect();
    println!("one process: three green threads, {} pid", pids.len());
}

/// `t1.start(); t1.join(); t2.start(); t2.join()`: one after the other, as if there were no threads.
fn joined_in_turn() {
    let notes = Notes::default();
    for (name, pause) in [("first", 3), ("second", 2), ("third", 1)] {
        let notes = notes.clone();
        let task = spawn(move || {
            sleep(SHORT * pause);
            notes.add(name);
        });
        task.join().unwrap();
    }
    println!("joined in turn: {}", notes.words(" "));
}

/// `temp = x; time.sleep(0.01); x = temp - 1` in a hundred threads. Rust has no variable that two threads may write
/// unguarded; a load and a store of an atomic one are two steps all the same, and others come in between.
fn race() {
    let left = Arc::new(AtomicU32::new(100));
    let take = |left: &Arc<AtomicU32>| {
        let left = Arc::clone(left);
        spawn(move || {
            let seen = left.load(SeqCst);
            yield_now();
            left.store(seen - 1, SeqCst);
        })
    };
    wait_for_all((0..100).map(|_| take(&left)).collect());
    println!("race: 100 took one each, yet fewer than 100 are gone: {}", left.load(SeqCst) > 0);
}

/// The same under a lock, which may be held while its green thread waits.
fn with_a_lock() {
    let left = Arc::new(greenthread::sync::Mutex::new(100));
    let take = |left: &Arc<greenthread::sync::Mutex<u32>>| {
        let left = Arc::clone(left);
        spawn(move || {
            let mut left = left.lock().unwrap();
            let seen = *left;
            yield_now();
            *left = seen - 1;
        })
    };
    wait_for_all((0..100).map(|_| take(&left)).collect());
    println!("with a lock: {} are left", *left.lock().unwrap());
}

/// `class MyThread(Thread)` with a method `run`. The struct is what `join` gives back, so its fields can be read afterwards.
fn struct_as_a_thread() {
    struct Counter {
        name: &'static str,
        to: u32,
        counted: u32,
    }

    impl Runnable for Counter {
        fn run(&mut self) {
            while self.counted < self.to {
                self.counted += 1;
                yield_now();
            }
        }
    }

    let counters =
        [("Thread-1", 3), ("Thread-2", 2)].map(|(name, to)| Counter { name, to, counted: 0 });
    let told = |counter: Counter| format!("{} counted to {}", counter.name, counter.counted);
    let ended = wait_for_all(counters.map(Runnable::start).into());
    let told: Vec<_> = ended.into_iter().map(told).collect();
    println!("a struct that is a thread: {}", told.join(", "));
}

/// `Thread(target=ThreadFunc(loop, (4,)))`: an object that is called. A closure is one already.
fn callable() {
    struct Call<F> {
        name: &'static str,
        body: F,
        argument: u32,
    }

    impl<F: FnOnce(&str, u32) -> String> Call<F> {
        fn call(self) -> String {
            (self.body)(self.name, self.argument)
        }
    }

    let body = |name: &str, argument| format!("{name} with {argument}");
    let calls = [("loop0", 1), ("loop1", 2)].map(|(name, argument)| Call { name, body, argument });
    let results = wait_for_all(calls.into_iter().map(|call| spawn(move || call.call())).collect());
    println!("a struct that is called: {}", results.join(", "));
}

/// `MyThread.getResult()`: the value that `join` returns.
fn results() {
    let sum = |to: u32| spawn(move || (1..=to).sum::<u32>());
    println!("what they return: {:?}", wait_for_all((1..=3).map(sum).collect()));
}

/// Fifty that sleep take as long as the longest of them, since they sleep at once.
fn sleepers() {
    let (asleep, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let sleeper = |number: u32| {
        let (asleep, most) = (Arc::clone(&asleep), Arc::clone(&most));
        spawn(move || {
            most.fetch_max(asleep.fetch_add(1, SeqCst) + 1, SeqCst);
            sleep(SHORT * (number % 3 + 1));
            asleep.fetch_sub(1, SeqCst);
        })
    };
    wait_for_all((0..50).map(sleeper).collect());
    println!("50 sleepers: {} sleep at once", most.load(SeqCst));
}

/// `while threading.active_count() != 1: pass`, beside 22 threads and `BoundedSemaphore(5)`. The loop must let the others run.
fn counting_the_living() {
    let room = Arc::new(BoundedSemaphore::new(5));
    let (inside, most, done) = <(Arc<AtomicU32>, Arc<AtomicU32>, Arc<AtomicU32>)>::default();
    for number in 0..22 {
        let (room, inside) = (Arc::clone(&room), Arc::clone(&inside));
        let (most, done) = (Arc::clone(&most), Arc::clone(&done));
        let body = move || {
            let permit = room.acquire();
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            sleep(SHORT);
            inside.fetch_sub(1, SeqCst);
            drop(permit);
            done.fetch_add(1, SeqCst);
        };
        Builder::new().name(format!("t-{number}")).spawn(body).unwrap().detach();
    }
    while active_count() != 1 {
        yield_now();
    }
    let (most, done) = (most.load(SeqCst), done.load(SeqCst));
    println!(
        "counting the living: {most} at most at a time, all {done} are done when {} is left",
        active_count()
    );
}

/// `while not flag: time.sleep(0.5)`. An `Event` does the same without asking again and again: see the example `locks`.
fn polled_flag() {
    let notes = Notes::default();
    let connected = Arc::new(AtomicBool::new(false));
    let client = {
        let (notes, connected) = (notes.clone(), Arc::clone(&connected));
        move || {
            while !connected.load(SeqCst) {
                notes.add("connecting");
                yield_now();
            }
            notes.add("connected");
        }
    };
    let server = move || {
        for _ in 0..3 {
            yield_now();
        }
        connected.store(true, SeqCst);
    };
    wait_for_all(vec![spawn(client), spawn(server)]);
    println!("a polled flag: {}", notes.words(" "));
}

/// `async for` over an asynchronous generator: here a generator may wait as any function may, and suspends the green thread
/// that asks it for the next item.
fn waiting_generator() {
    let mut ticks = Generator::<u32>::new(|y| {
        for tick in 0..3 {
            sleep(SHORT);
            y.yield_(tick);
        }
    });
    let seen: Vec<String> = ticks.by_ref().map(|tick| format!("tick {tick}")).collect();
    println!("a generator that waits: {}", seen.join(" "));
}

/// `coro = main()` makes a coroutine and runs nothing of it; `start_paused` makes a green thread and runs nothing of it.
fn not_yet_started() {
    let notes = Notes::default();
    let own = notes.clone();
    let paused = Builder::new().start_paused().spawn(move || own.add("ran")).unwrap();
    yield_now();
    notes.add("made");
    paused.start();
    notes.add("started");
    paused.join().unwrap();
    println!("nothing runs before it is started: {}", notes.words(", "));
}

/// Nobody interrupts a green thread: one that computes for long lets the others of its worker run when it says so.
fn a_long_task() {
    let step = Arc::new(AtomicU32::new(0));
    let other = {
        let step = Arc::clone(&step);
        spawn(move || step.load(SeqCst))
    };
    for now in 1..=4 {
        step.store(now, SeqCst);
        if now == 2 {
            yield_now();
        }
    }
    println!("a long task lets others run: other ran at step {} of 4", other.join().unwrap());
}

/// `gr1.switch()`, `gr2.switch()` without end; here it ends after three rounds.
fn greenlets_in_turn() {
    let rounds = Rc::new(Cell::new(0));
    let second: Rc<OnceCell<WeakGreenlet>> = Rc::default();
    let one = Greenlet::new({
        let (second, rounds) = (Rc::clone(&second), Rc::clone(&rounds));
        move |()| {
            while rounds.replace(rounds.get() + 1) < 3 {
                print!(" 1");
                second.get().expect("set below").switch::<_, ()>(()).expect("it waits");
            }
        }
    });
    let two = Greenlet::new({
        let one = one.downgrade();
        move |()| {
            loop {
                print!(" 2");
                one.switch::<_, ()>(()).expect("it waits");
            }
        }
    });
    second.set(two.downgrade()).expect("set once");
    print!("two greenlets in turn:");
    one.switch(()).expect("it is new");
    println!();
}

/// `atexit.register(...)` beside a set of the names that still run: what must come last comes after `run`, or after `join`.
fn last_words() {
    let remaining = Arc::new(Mutex::new(HashSet::new()));
    let tasks = (1..=4).map(|number| {
        let remaining = Arc::clone(&remaining);
        let body = move || {
            let name = greenthread::current().name().expect("it has one").to_string();
            remaining.lock().unwrap().insert(name.clone());
            sleep(SHORT * number);
            remaining.lock().unwrap().remove(&name);
        };
        Builder::new().name(format!("worker-{number}")).spawn(body).unwrap()
    });
    wait_for_all(tasks.collect());
    println!("the last words: all DONE, with {} remaining", remaining.lock().unwrap().len());
}

fn main() -> std::io::Result<()> {
    let runtime = Runtime::new_current_thread()?;
    code_after_run(&runtime);
    let main = || {
        who_is_first();
        one_process();
        joined_in_turn();
        race();
        with_a_lock();
        struct_as_a_thread();
        callable();
        results();
        sleepers();
        counting_the_living();
        polled_flag();
        waiting_generator();
        not_yet_started();
        a_long_task();
        greenlets_in_turn();
        last_words();
    };
    runtime.run(main).map_err(std::io::Error::other)
}
