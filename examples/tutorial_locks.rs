//! Programs about locks, semaphores, conditions and events, line by line as Python's tutorials have them.
//!
//!     cargo run --example tutorial_locks
//!
//! What runs for ever there ends after a few rounds, and what hangs in a deadlock is an error. A second is a hundred turns.
//!
//! [What it prints](printed/tutorial_locks.txt) is compared.

#[path = "shared/turns.rs"]
mod turns;

use greenthread::spawn;
use greenthread::sync::{
    BoundedSemaphore, Condvar, Event, Mutex, ReentrantMutex, Semaphore, atomic::AtomicBool,
};
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use turns::{join_all, my_name, program, program_with_deadlock, sleep, start};

/// Ten threads, each a hundred thousand times `with lock: counter += 1`.
fn counter() {
    static COUNTER: Mutex<u32> = Mutex::new(0);
    let worker = || (0..100_000).for_each(|_| *COUNTER.lock().unwrap() += 1);
    join_all((0..10).map(|_| spawn(worker)));
    println!("Counter: {}", COUNTER.lock().unwrap());
}

/// A class whose methods lock what is locked already.
fn counter_class() {
    #[derive(Default)]
    struct Counter(ReentrantMutex<Cell<i32>>);

    impl Counter {
        fn add(&self, number: i32) {
            let value = self.0.lock();
            value.set(value.get() + number);
        }

        fn there_and_back(&self) {
            let _both = self.0.lock();
            self.add(1);
            self.add(-1);
        }
    }

    let counter = Arc::new(Counter::default());
    join_all((0..10).map(|_| {
        let counter = Arc::clone(&counter);
        spawn(move || (0..10_000).for_each(|_| counter.there_and_back()))
    }));
    println!("Counter: {}", counter.0.lock().get());
}

/// `func1` and `func2` add a million each, with the lock held all the time.
fn two_functions() {
    static X: Mutex<u32> = Mutex::new(1);
    let add = |name: &'static str| {
        move || {
            let mut x = X.lock().unwrap();
            (0..1_000_000).for_each(|_| *x += 1);
            println!("{name}, x = {x}");
        }
    };
    join_all(["func1", "func2"].map(|name| spawn(add(name))));
}

/// The same with the lock for each addition.
fn two_million() {
    static G_NUM: Mutex<u32> = Mutex::new(0);
    let test = || (0..1_000_000).for_each(|_| *G_NUM.lock().unwrap() += 1);
    join_all((0..2).map(|_| spawn(test)));
    println!(
        "the result of two threads that work on the same global is: {}",
        G_NUM.lock().unwrap()
    );
}

/// A hundred threads take one each, and sleep while they hold the lock.
fn a_hundred() {
    static X: Mutex<u32> = Mutex::new(100);
    let task = || {
        let mut x = X.lock().unwrap();
        let seen = *x;
        sleep(0.01);
        *x = seen - 1;
    };
    join_all((0..100).map(|_| spawn(task)));
    println!("main thread {}", X.lock().unwrap());
}

/// A lock that its own thread may take again, and a second each while it is held.
fn one_each_second() {
    let number = Arc::new(ReentrantMutex::new(Cell::new(0)));
    for name in 0..10 {
        let number = Arc::clone(&number);
        start(&format!("Thread-{name}"), move || {
            let number = number.lock();
            number.set(number.get() + 1);
            sleep(1.0);
            println!("{}", number.get());
        });
    }
}

/// `with lock:` around a sum; who begins does not wait for who has the lock.
fn sums() {
    let sum = Arc::new(ReentrantMutex::new(Cell::new(0)));
    for i in 0..5 {
        let sum = Arc::clone(&sum);
        start(&format!("Thread-{i}"), move || {
            println!("lock start ... {i}");
            let locked = sum.lock();
            sleep(0.5);
            locked.set(locked.get() + i);
            println!("{}", locked.get());
            drop(locked);
            println!("lock end ... {i}");
        });
    }
}

/// `lock.acquire()` twice.
fn taken_twice() {
    let lock = Mutex::new(());
    let _first = lock.lock().unwrap();
    println!("lock acquire...1");
    let _second = lock.lock().unwrap();
    println!("lock acquire...2");
}

/// The same with a lock that its own thread may take again.
fn taken_twice_by_its_owner() {
    let lock = ReentrantMutex::new(());
    let first = lock.lock();
    println!("lock acquire...1");
    let second = lock.lock();
    println!("lock acquire...2");
    drop(second);
    println!("lock release");
    drop(first);
    println!("lock release");
}

/// Three threads take A and then B, and then B and A.
fn a_and_b() {
    let locks = Arc::new((Mutex::new(()), Mutex::new(())));
    for number in 1..=3 {
        let locks = Arc::clone(&locks);
        start(&format!("Thread-{number}"), move || {
            let (lock_a, lock_b) = &*locks;
            let a = lock_a.lock();
            println!("{} has lock A", my_name());
            let b = lock_b.lock();
            println!("{} has lock B", my_name());
            drop((b, a));
            let _b = lock_b.lock();
            println!("{} has lock B", my_name());
            sleep(0.1);
            let _a = lock_a.lock();
            println!("{} has lock A", my_name());
        });
    }
}

/// `lock_A = lock_B = RLock()`
fn a_is_b() {
    let lock = Arc::new(ReentrantMutex::new(()));
    for number in 1..=3 {
        let lock = Arc::clone(&lock);
        start(&format!("Thread-{number}"), move || {
            for (first, second, pause) in [("A", "B", 0.0), ("B", "A", 0.1)] {
                let _first = lock.lock();
                println!("{} has lock {first}", my_name());
                sleep(pause);
                let _second = lock.lock();
                println!("{} has lock {second}", my_name());
            }
        });
    }
}

/// Two accounts whose owners pay each other at the same time.
fn transfer() {
    let accounts = Arc::new([Mutex::new(10_000), Mutex::new(5_000)]);
    for (from, to) in [(0, 1), (1, 0)] {
        let accounts = Arc::clone(&accounts);
        start(&format!("Thread-{from}"), move || {
            let mut own = accounts[from].lock().unwrap();
            *own -= 4000;
            sleep(1.0);
            println!("wait...");
            *accounts[to].lock().unwrap() += 4000;
        });
    }
}

/// Two classes and two mutexes.
fn up_and_down() {
    let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
    for (name, what, first) in [("Thread-1", "do1", 0), ("Thread-2", "do2", 1)] {
        let locks = Arc::clone(&locks);
        start(name, move || {
            let _first = locks[first].lock();
            println!("{}----{what}---up----", my_name());
            sleep(1.0);
            let _second = locks[1 - first].lock();
            println!("{}----{what}---down----", my_name());
        });
    }
}

/// Ten workers and three resources.
fn resources() {
    let resources = Arc::new(Mutex::new([const { None }; 3]));
    let semaphore = Arc::new(Semaphore::new(3));
    let worker = |index: usize| {
        let (resources, semaphore) = (Arc::clone(&resources), Arc::clone(&semaphore));
        start(&format!("Thread-{index}"), move || {
            let _permit = semaphore.acquire();
            let at = index % 3;
            println!("Worker {index} is using resource {at}");
            resources.lock().unwrap()[at] = Some(format!("Worker {index}"));
            sleep(1.0);
            resources.lock().unwrap()[at] = None;
            println!("Worker {index} has released resource {at}");
        })
    };
    join_all((0..10).map(worker));
    println!("Resources: {:?}", resources.lock().unwrap());
}

/// Twenty threads, five at a time.
fn five_at_a_time() {
    let semaphore = Arc::new(Semaphore::new(5));
    for number in 1..=20 {
        let semaphore = Arc::clone(&semaphore);
        start(&format!("Thread-{number}"), move || {
            let _permit = semaphore.acquire();
            println!("{} is inside", my_name());
            sleep(1.0);
        });
    }
}

/// `while threading.active_count() != 1: pass`; the loop has to let the others run.
fn all_threads_done() {
    let semaphore = Arc::new(BoundedSemaphore::new(5));
    for number in 0..22 {
        let semaphore = Arc::clone(&semaphore);
        start(&format!("t-{number}"), move || {
            let _permit = semaphore.acquire();
            sleep(3.0);
            println!("run the thread:{}", my_name());
        });
    }
    while greenthread::thread::active_count() != 1 {
        sleep(0.01);
    }
    println!("-------all threads done--------");
}

/// A semaphore of two, and a lock.
fn in_pairs() {
    let pair = Arc::new(BoundedSemaphore::new(2));
    let sum = Arc::new(Mutex::new(0));
    for i in 0..5 {
        let (pair, sum) = (Arc::clone(&pair), Arc::clone(&sum));
        start(&format!("Thread-{i}"), move || {
            let permit = pair.acquire();
            sleep(2.0);
            println!("lock start ... {i}");
            drop(permit);
            let mut sum = sum.lock().unwrap();
            sleep(0.5);
            *sum += i;
            println!("{sum}");
        });
    }
}

/// `condition.wait()` until there is something; the tutorial's runs for ever.
fn producer_and_consumer() {
    let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let (items, changed) = (Arc::clone(&shared), shared);
    start("producer", move || {
        for _ in 0..3 {
            items.0.lock().unwrap().push("item");
            println!("Producer produced: item");
            items.1.notify_one();
            sleep(1.0);
        }
    });
    start("consumer", move || {
        for _ in 0..3 {
            let mut items = changed.0.lock().unwrap();
            while items.is_empty() {
                items = changed.1.wait(items).unwrap();
            }
            println!("Consumer consumed: {}", items.remove(0));
            drop(items);
            sleep(2.0);
        }
    });
}

/// `event.wait()`, and `event.set()` two seconds later.
fn one_event() {
    let event = Arc::new(Event::new());
    let worker = {
        let event = Arc::clone(&event);
        start("worker", move || {
            println!("Worker is waiting for event to be set");
            event.wait();
            println!("Worker received event");
        })
    };
    sleep(2.0);
    event.set();
    join_all([worker]);
}

/// A flag that is asked each half second.
fn polled_flag() {
    static FLAG: AtomicBool = AtomicBool::new(false);
    start("Thread-1", || {
        println!("{} looks whether the server is up...", my_name());
        sleep(2.9);
        FLAG.store(true, SeqCst);
        println!("the server is up...");
    });
    start("Thread-2", || {
        while !FLAG.load(SeqCst) {
            println!("{} waits for the connection...", my_name());
            sleep(0.5);
        }
        println!("{} is connected...", my_name());
    });
}

/// `event.wait(1)` goes on after a second, with the event or without.
fn patience_of_one() {
    let event = Arc::new(Event::new());
    let waits = Arc::clone(&event);
    let connect = move || {
        println!("{} waits for the connection...", my_name());
        waits.wait_timeout(std::time::Duration::from_millis(1));
        println!("{} is connected...", my_name());
    };
    println!("Thread-1 looks whether the server is up...");
    // The server takes longer than anybody waits.
    join_all([start("Thread-2", connect)]);
    println!("{}", event.is_set());
    event.set();
    println!("{}", event.is_set());
    println!("the server is up...");
}

/// Three attempts, a second each.
fn three_attempts() {
    let event = Arc::new(Event::new());
    let waits = Arc::clone(&event);
    let connect = move || {
        for count in 1.. {
            if waits.is_set() {
                return println!("{} is connected...", my_name());
            } else if count == 4 {
                return println!("too many attempts, disconnected");
            }
            waits.wait_timeout(std::time::Duration::from_millis(1));
            println!("{} has tried {count} times", my_name());
        }
    };
    println!("Thread-1 looks whether the server is up...");
    join_all([start("Thread-2", connect)]);
    event.set();
    println!("the server is up...");
}

/// A light that is green for six seconds and red for five, for two rounds; and a car.
fn traffic_light() {
    let green = Arc::new(Event::new());
    let sees = Arc::clone(&green);
    let light = start("light", move || {
        green.set();
        for count in (0..=10).chain(0..=1) {
            match count {
                0..=5 => green.set(),
                _ => green.clear(),
            }
            println!("{} light is on...", if green.is_set() { "green" } else { "red" });
            sleep(1.0);
        }
    });
    let car = start("MINT", move || {
        loop {
            if sees.is_set() {
                println!("{} is running", my_name());
                sleep(1.0);
            } else {
                println!("{} sees red light, waiting...", my_name());
                sees.wait();
                println!("{} green light is on, start going...", my_name());
            }
        }
    });
    join_all([light]);
    car.kill();
}

fn main() -> io::Result<()> {
    program("a counter", counter)?;
    program("a class with a lock", counter_class)?;
    program("two functions", two_functions)?;
    program("two million", two_million)?;
    program("a hundred, and none is left", a_hundred)?;
    program("one each second", one_each_second)?;
    program("sums", sums)?;
    program_with_deadlock("a lock taken twice", taken_twice)?;
    program("a lock taken twice by its owner", taken_twice_by_its_owner)?;
    program_with_deadlock("A and B, B and A", a_and_b)?;
    program("A is B", a_is_b)?;
    program_with_deadlock("two accounts", transfer)?;
    program_with_deadlock("up and down", up_and_down)?;
    program("three resources", resources)?;
    program("five at a time", five_at_a_time)?;
    program("22 threads", all_threads_done)?;
    program("in pairs", in_pairs)?;
    program("a condition", producer_and_consumer)?;
    program("an event", one_event)?;
    program("a flag", polled_flag)?;
    program("patience of a second", patience_of_one)?;
    program("three attempts", three_attempts)?;
    program("a traffic light", traffic_light)
}
