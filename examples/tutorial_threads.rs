//! Programs of the tutorials of Python's `threading`, line by line: what is printed, and in which order, is what they print.
//!
//!     cargo run --example tutorial_threads
//!
//! Dates and process ids are left out, and a second is a hundred turns. Locks are in `tutorial_locks`, queues and pools in
//! `tutorial_pools`, the rest in `tutorial_coroutines`; shorter forms of the same are in `first_programs`.
//!
//! [What it prints](printed/tutorial_threads.txt) is compared.

#[path = "shared/turns.rs"]
mod turns;

use greenthread::thread::{Runnable, active_count, enumerate};
use greenthread::{Builder, yield_now};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::{io, process};
use turns::{join_all, my_name, program, sleep, start};

/// `t1 = Thread(target=task_threading, args=(3,))`, and two more.
fn three_threads() {
    let task = |counter: u32| {
        move || {
            println!("name: {}, argument: {counter}, begins", my_name());
            (0..counter).for_each(|_| sleep(3.0));
            println!("name: {}, argument: {counter}, ends", my_name());
        }
    };
    println!("the main thread begins");
    let threads = [("Thread-1", 3), ("Thread-2", 2), ("Thread-3", 1)];
    join_all(threads.map(|(name, counter)| start(name, task(counter))));
    println!("the main thread ends");
}

/// `class MyThread(threading.Thread)` with `self.counter`: the same as a struct.
fn three_structs() {
    struct MyThread(&'static str, u32);

    impl Runnable for MyThread {
        fn name(&self) -> Option<String> {
            Some(self.0.into())
        }

        fn run(&mut self) {
            println!("name: {}, argument: {}, begins", my_name(), self.1);
            (0..self.1).for_each(|_| sleep(3.0));
            println!("name: {}, argument: {}, ends", my_name(), self.1);
        }
    }

    println!("the main thread begins");
    let threads = [MyThread("Thread-1", 3), MyThread("Thread-2", 2), MyThread("Thread-3", 1)];
    for thread in threads.map(Runnable::start) {
        thread.join().expect("it does not panic");
    }
    println!("the main thread ends");
}

/// `print(threading.enumerate())` before, between and after two starts.
fn who_is_there() {
    let print_all = || {
        let all: Vec<_> = enumerate().iter().map(ToString::to_string).collect();
        println!("{}", all.join(", "));
    };
    let task = |what| {
        move || {
            println!("{what}");
            sleep(1.0);
        }
    };
    print_all();
    start("Thread-1", task("dance"));
    print_all();
    start("Thread-2", task("sing"));
    print_all();
}

/// Without `join` the main thread goes on at once.
fn running_and_gone() {
    start("Thread-1", || {
        println!("seadog is running");
        sleep(1.0);
        println!("seadog is gone");
    });
    println!("===main thread");
}

/// `t.start(); t.join()`, one after the other: they take three seconds.
fn joined_in_turn() {
    for name in ["seadog", "seadog1", "seadog2"] {
        let task = move || {
            println!("{name} is running");
            sleep(1.0);
            println!("{name} is gone");
        };
        join_all([start(name, task)]);
    }
    println!("===main thread");
}

/// `os.getpid()` in two threads and in the main one.
fn one_process() {
    let main = process::id();
    let print = move || println!("the main thread's pid: {}", process::id() == main);
    join_all([start("Thread-1", print), start("Thread-2", print)]);
    print();
}

/// Threads share the program's variables.
fn shared_global() {
    static X: AtomicU32 = AtomicU32::new(3);
    join_all([start("Thread-1", || X.store(100, SeqCst))]);
    println!("===main thread {}", X.load(SeqCst));
}

/// `activeCount()`: two that sleep, and the main one.
fn how_many() {
    println!("123");
    let task = || {
        sleep(1.0);
        println!("666");
    };
    let threads = [start("one", task), start("two", task)];
    println!("{}", active_count());
    println!("{} {}", threads[0].name().unwrap_or_default(), !threads[0].is_finished());
    println!("===main thread");
}

/// `t.daemon = True`, where the main thread ends at once.
fn daemon() {
    let say_hello = || {
        println!("go away!");
        sleep(2.0);
        println!("egon says hello");
    };
    Builder::new().daemon(true).spawn(say_hello).expect("there is room for it");
    yield_now();
    println!("main thread");
}

fn daemon_beside_another(seconds_of_daemon: f64, seconds_of_other: f64) {
    let task = |number, seconds| {
        move || {
            println!("{number}");
            sleep(seconds);
            println!("end{number}");
        }
    };
    let daemon = task(123, seconds_of_daemon);
    Builder::new().daemon(true).spawn(daemon).expect("there is room for it");
    yield_now();
    start("Thread-2", task(456, seconds_of_other));
    println!("main-------");
}

/// It has ended before the one that is waited for has.
fn daemon_that_ends_first() {
    daemon_beside_another(1.0, 3.0);
}

/// It is still there when the one that is waited for ends, and is cut off.
fn daemon_that_is_cut_off() {
    daemon_beside_another(3.0, 1.0);
}

fn countdown(name: &str) {
    println!("task {name}");
    for left in (0..3).rev() {
        sleep(1.0);
        println!("{left}s");
    }
    sleep(1.0);
}

/// Two threads with a countdown each.
fn countdowns() {
    start("t1", || countdown("t1"));
    start("t2", || countdown("t2"));
}

/// The same as a struct with a field `n`.
fn countdowns_of_structs() {
    struct MyThread {
        n: &'static str,
    }

    impl Runnable for MyThread {
        fn run(&mut self) {
            countdown(self.n);
        }
    }

    join_all([MyThread { n: "t1" }, MyThread { n: "t2" }].map(|it| {
        let thread = it.start();
        start("waits", move || drop(thread.join()))
    }));
}

/// `t.setDaemon(True)`: nothing of its countdown is printed.
fn daemon_countdown() {
    Builder::new().daemon(true).spawn(|| countdown("t1")).expect("there is room for it");
    yield_now();
    println!("end");
}

/// `t.setDaemon(True)`, and `t.join()` all the same.
fn daemon_that_is_joined() {
    let run = || {
        println!("task t1");
        for left in [5, 3, 1] {
            sleep(2.0);
            println!("{left}s");
        }
    };
    let thread = Builder::new().daemon(true).spawn(run).expect("there is room for it");
    thread.join().expect("it does not panic");
    println!("end");
}

/// One changes a global variable, the other reads it a second later.
fn work1_and_work2() {
    static G_NUM: AtomicU32 = AtomicU32::new(100);
    start("work1", || {
        (0..3).for_each(|_| _ = G_NUM.fetch_add(1, SeqCst));
        println!("in work1 g_num is: {}", G_NUM.load(SeqCst));
    });
    sleep(1.0);
    start("work2", || println!("in work2 g_num is: {}", G_NUM.load(SeqCst)));
}

/// `while len(threading.enumerate()) != 1: time.sleep(1)`
fn until_one_is_left() {
    static NUM: AtomicU32 = AtomicU32::new(0);
    start("work2", || println!("work2 num = {}", NUM.load(SeqCst)));
    sleep(2.0);
    start("work1", || {
        (0..10).for_each(|_| _ = NUM.fetch_add(1, SeqCst));
        println!("work1 num = {}", NUM.load(SeqCst));
    });
    while enumerate().len() != 1 {
        sleep(1.0);
    }
    println!("num = {}", NUM.load(SeqCst));
}

fn a_loop(number: usize, seconds: f64) {
    println!("start loop{number}");
    sleep(seconds);
    println!("loop{number} done");
}

/// `Thread(target=loop, args=(i, loops[i]))`, with a list of threads.
fn loops() {
    println!("starting");
    let threads = [4.0, 2.0].into_iter().enumerate();
    let made: Vec<_> = threads
        .map(|(i, seconds)| {
            let builder = Builder::new().name(format!("loop{i}")).start_paused();
            builder.spawn(move || a_loop(i, seconds)).expect("there is room for it")
        })
        .collect();
    for thread in &made {
        thread.start();
    }
    join_all(made);
    println!("all DONE");
}

/// `Thread(target=ThreadFunc(loop, (i, loops[i])))`: an object that is called. Its second line says "start", too, there.
fn called_object() {
    struct ThreadFunc<F> {
        func: F,
        args: (usize, f64),
    }

    impl<F: FnOnce(usize, f64)> ThreadFunc<F> {
        fn call(self) {
            (self.func)(self.args.0, self.args.1);
        }
    }

    let a_loop = |nloop: usize, nsec: f64| {
        println!("start loop {nloop}");
        sleep(nsec);
        println!("start loop {nloop}");
    };
    println!("starting");
    let objects = [4.0, 2.0].into_iter().enumerate().map(|args| ThreadFunc { func: a_loop, args });
    join_all(objects.map(|object| start("loop", move || object.call())));
    println!("All done");
}

/// `class MyThread(Thread)`, made of a function, its arguments and a name.
fn struct_with_a_function() {
    struct MyThread {
        func: fn(usize, f64),
        args: (usize, f64),
        name: &'static str,
    }

    impl Runnable for MyThread {
        fn name(&self) -> Option<String> {
            Some(self.name.into())
        }

        fn run(&mut self) {
            (self.func)(self.args.0, self.args.1);
        }
    }

    fn a_loop(nloop: usize, nsec: f64) {
        println!("Start loop {nloop}");
        sleep(nsec);
        println!("loop {nloop} done");
    }

    println!("starting");
    let threads = [(0, 4.0), (1, 2.0)].map(|args| MyThread { func: a_loop, args, name: "loop" });
    for thread in threads.map(Runnable::start) {
        thread.join().expect("it does not panic");
    }
    println!("all DONE");
}

/// A set of the names that remain, and what is said at the end of the program.
fn remaining() {
    let remaining = Arc::new(Mutex::new(BTreeSet::new()));
    for (number, seconds) in [4, 2, 3].into_iter().enumerate() {
        let remaining = Arc::clone(&remaining);
        start(&format!("Thread-{}", number + 1), move || {
            let name = my_name();
            println!("Started {name}");
            remaining.lock().unwrap().insert(name.clone());
            sleep(f64::from(seconds));
            let mut remaining = remaining.lock().unwrap();
            remaining.remove(&name);
            println!("Completed {name} ({seconds} secs)");
            let names: Vec<_> = remaining.iter().cloned().collect();
            let names = if names.is_empty() { "NONE".into() } else { names.join(", ") };
            println!("    (remaining: {names})");
        });
    }
}

/// Five that say the same.
fn sorry() {
    for number in 0..5 {
        start(&format!("Thread-{number}"), || {
            println!("Darling, I was wrong. May I eat now?");
            sleep(2.0);
        });
    }
}

/// `Thread(target=sing, args=(10, 22, 100))`: a closure has its arguments in it.
fn sing() {
    let sing = |a: u32, b: u32, c: u32| {
        println!("---sing---:  {a} {b} {c}");
        for i in 1..=5 {
            println!("{i} singing...");
            sleep(0.5);
        }
    };
    start("Thread-1", move || sing(10, 22, 100));
}

/// `t1.setDaemon(True)`, two seconds (and not quite, so that they do not end just when a half of one does), and `exit()`.
fn game_over() {
    let work = || {
        for i in 0..10 {
            println!("working... {i}");
            sleep(0.5);
        }
    };
    Builder::new().daemon(true).spawn(work).expect("there is room for it");
    sleep(1.9);
    println!("Game Over!");
}

/// `class MyThread(threading.Thread)`, which prints its own name.
fn own_name() {
    struct MyThread;

    impl Runnable for MyThread {
        fn name(&self) -> Option<String> {
            Some("Thread-1".into())
        }

        fn run(&mut self) {
            for i in 0..3 {
                sleep(1.0);
                println!("I'm {} @ {i}", my_name());
            }
        }
    }

    MyThread.start();
}

/// The second of them starts a tenth of a second later.
fn one_after_the_other() {
    let run = || {
        for _ in 0..5 {
            println!("in the method run... {}", my_name());
            sleep(0.5);
        }
    };
    start("Thread-1", run);
    sleep(0.1);
    start("Thread-2", run);
}

fn main() -> io::Result<()> {
    program("three threads", three_threads)?;
    program("three structs that are threads", three_structs)?;
    program("who is there", who_is_there)?;
    program("running and gone", running_and_gone)?;
    program("joined in turn", joined_in_turn)?;
    program("one process", one_process)?;
    program("a shared global", shared_global)?;
    program("how many", how_many)?;
    program("a daemon", daemon)?;
    program("a daemon that ends first", daemon_that_ends_first)?;
    program("a daemon that is cut off", daemon_that_is_cut_off)?;
    program("two countdowns", countdowns)?;
    program("two countdowns that are structs", countdowns_of_structs)?;
    program("a countdown that is a daemon", daemon_countdown)?;
    program("a daemon that is joined", daemon_that_is_joined)?;
    program("work1 and work2", work1_and_work2)?;
    program("until one is left", until_one_is_left)?;
    program("two loops", loops)?;
    program("an object that is called", called_object)?;
    program("a struct with a function", struct_with_a_function)?;
    // `@atexit.register`: what comes after `run` comes when all have ended.
    program("who remains", remaining)?;
    println!("all DONE");
    program("five who are sorry", sorry)?;
    program("sing", sing)?;
    program("a daemon, and the end at once", game_over)?;
    program("its own name", own_name)?;
    program("one after the other", one_after_the_other)
}
