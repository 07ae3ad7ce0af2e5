//! Programs about locks: counters, transfers that can and cannot deadlock, a candy machine, a traffic light, a condition.
//!
//!     cargo run --example locks
//!
//! On a current-thread runtime the order is the same each time:
//! ```text
//! counters: 1000 under a Mutex, 2000 under a ReentrantMutex that each call locks twice
//! transfer, each locks its own account first: bob gives up waiting for alice, alice gives up waiting for bob
//! transfer, always in the order of the accounts: alice has 5000, bob has 10000
//! candy machine: buy ok, buy ok, buy empty, refill ok, refill ok, refill full, buy ok, 1 left
//! traffic light: car 1 waits, car 2 waits, green, car 1 goes, car 2 goes, car 3 goes at once
//! server check: attempt 1, attempt 2, attempt 3, gives up, the server is up, attempt 1, connected
//! condition: produced 0, consumed 0, produced 1, consumed 1, produced 2, consumed 2
//! workers behind a semaphore: at most 5 of 20 inside, 20 done
//! philosophers: 5 have eaten 3 times each, and nobody starved
//! ```

use greenthread::sync::atomic::{AtomicUsize, Ordering};
use greenthread::sync::{
    Arc, Barrier, BoundedSemaphore, Condvar, Event, Mutex, ReentrantMutex, Semaphore,
};
use greenthread::{JoinHandle, Runtime, sleep, spawn, yield_now};
use std::cell::Cell;
use std::time::Duration;

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, text: impl Into<String>) {
    log.lock().unwrap().push(text.into());
}

fn print(title: &str, log: &Log) {
    println!("{title}: {}", log.lock().unwrap().join(", "));
}

fn join_all(handles: impl IntoIterator<Item = JoinHandle<()>>) {
    handles.into_iter().for_each(|handle| handle.join().unwrap());
}

/// Without a lock another green thread would come between reading and writing.
fn counters() {
    let (mutex, twice) = (Arc::new(Mutex::new(0)), Arc::new(ReentrantMutex::new(Cell::new(0))));
    fn add(counter: &ReentrantMutex<Cell<u32>>) {
        let counter = counter.lock();
        counter.set(counter.get() + 1);
    }
    let handles: Vec<_> = (0..10)
        .map(|_| {
            let (mutex, twice) = (Arc::clone(&mutex), Arc::clone(&twice));
            spawn(move || {
                for _ in 0..100 {
                    let mut count = mutex.lock().unwrap();
                    let before = *count;
                    yield_now();
                    *count = before + 1;
                    drop(count);
                    // `add` locks again what is locked here.
                    let _both = twice.lock();
                    add(&twice);
                    yield_now();
                    add(&twice);
                }
            })
        })
        .collect();
    join_all(handles);
    println!(
        "counters: {} under a Mutex, {} under a ReentrantMutex that each call locks twice",
        mutex.lock().unwrap(),
        twice.lock().get()
    );
}

struct Account {
    name: &'static str,
    balance: Mutex<i64>,
}

fn accounts() -> (Arc<Account>, Arc<Account>) {
    let open = |name, balance| Arc::new(Account { name, balance: Mutex::new(balance) });
    (open("alice", 10_000), open("bob", 5_000))
}

/// Both hold what the other waits for. A limit in time is one way out.
fn transfer_with_deadlock() {
    let ((alice, bob), log) = (accounts(), Log::default());
    let both_hold_one = Arc::new(Barrier::new(2));
    let transfer = |from: &Arc<Account>, to: &Arc<Account>| {
        let (from, to, log) = (Arc::clone(from), Arc::clone(to), Arc::clone(&log));
        let both_hold_one = Arc::clone(&both_hold_one);
        spawn(move || {
            let mut own = from.balance.lock().unwrap();
            both_hold_one.wait();
            match to.balance.lock_timeout(Duration::from_millis(20)) {
                Ok(mut other) => {
                    *own -= 4000;
                    *other += 4000;
                }
                Err(_) => {
                    note(&log, format!("{} gives up waiting for {}", from.name, to.name));
                    // Not before the other has given up as well, so that the output is always the same.
                    both_hold_one.wait();
                }
            }
        })
    };
    join_all([transfer(&alice, &bob), transfer(&bob, &alice)]);
    print("transfer, each locks its own account first", &log);
}

/// Nobody waits for the lower one while holding the higher: no circle can form.
fn transfer_in_order() {
    let (alice, bob) = accounts();
    let transfer = |from: &Arc<Account>, to: &Arc<Account>, amount| {
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        spawn(move || {
            let from_first = from.name < to.name;
            let (first, second) = if from_first { (&from, &to) } else { (&to, &from) };
            let mut first = first.balance.lock().unwrap();
            yield_now();
            let mut second = second.balance.lock().unwrap();
            let (from, to) =
                if from_first { (&mut *first, &mut *second) } else { (&mut *second, &mut *first) };
            *from -= amount;
            *to += amount;
        })
    };
    join_all([transfer(&alice, &bob, 8000), transfer(&bob, &alice, 3000)]);
    let balance =
        |account: &Account| format!("{} has {}", account.name, account.balance.lock().unwrap());
    let balances = [balance(&alice), balance(&bob)].join(", ");
    println!("transfer, always in the order of the accounts: {balances}");
}

/// A permit is a candy; there is room for two.
fn candy_machine() {
    let (tray, log) = (BoundedSemaphore::new(2), Log::default());
    let buy = || note(&log, if tray.try_acquire_raw() { "buy ok" } else { "buy empty" });
    let refill = || note(&log, if tray.release().is_ok() { "refill ok" } else { "refill full" });
    (0..3).for_each(|_| buy());
    (0..3).for_each(|_| refill());
    buy();
    note(&log, format!("{} left", tray.available()));
    print("candy machine", &log);
}

fn traffic_light() {
    let (green, log) = (Arc::new(Event::new()), Log::default());
    let car = |number| {
        let (green, log) = (Arc::clone(&green), Arc::clone(&log));
        spawn(move || {
            if green.is_set() {
                note(&log, format!("car {number} goes at once"));
            } else {
                note(&log, format!("car {number} waits"));
                green.wait();
                note(&log, format!("car {number} goes"));
            }
        })
    };
    let waiting = [car(1), car(2)];
    sleep(Duration::from_millis(5));
    note(&log, "green");
    green.set();
    join_all(waiting);
    join_all([car(3)]);
    print("traffic light", &log);
}

/// One finds out whether a server is up; another tries to connect, three times at most.
fn server_check() {
    let (up, log) = (Arc::new(Event::new()), Log::default());
    let connect = || {
        let (up, log) = (Arc::clone(&up), Arc::clone(&log));
        spawn(move || {
            for attempt in 1..=3 {
                note(&log, format!("attempt {attempt}"));
                if up.wait_timeout(Duration::from_millis(5)) {
                    return note(&log, "connected");
                }
            }
            note(&log, "gives up");
        })
    };
    join_all([connect()]);
    note(&log, "the server is up");
    up.set();
    join_all([connect()]);
    print("server check", &log);
}

/// The consumer waits while there is nothing, the producer while there is something.
fn condition() {
    let (shared, log) = (Arc::new((Mutex::new(Vec::new()), Condvar::new())), Log::default());
    let producer = {
        let (shared, log) = (Arc::clone(&shared), Arc::clone(&log));
        spawn(move || {
            let (items, changed) = &*shared;
            for i in 0..3 {
                let guard = items.lock().unwrap();
                let mut guard = changed.wait_while(guard, |items| !items.is_empty()).unwrap();
                guard.push(i);
                note(&log, format!("produced {i}"));
                changed.notify_one();
            }
        })
    };
    let consumer = {
        let (shared, log) = (Arc::clone(&shared), Arc::clone(&log));
        spawn(move || {
            let (items, changed) = &*shared;
            for _ in 0..3 {
                let guard = items.lock().unwrap();
                let mut guard = changed.wait_while(guard, |items| items.is_empty()).unwrap();
                note(&log, format!("consumed {}", guard.remove(0)));
                changed.notify_one();
            }
        })
    };
    join_all([producer, consumer]);
    print("condition", &log);
}

fn five_workers() {
    let semaphore = Arc::new(Semaphore::new(5));
    let (inside, most, done) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let handles: Vec<_> = (0..20)
        .map(|_| {
            let semaphore = Arc::clone(&semaphore);
            let (inside, most, done) = (Arc::clone(&inside), Arc::clone(&most), Arc::clone(&done));
            spawn(move || {
                let _permit = semaphore.acquire();
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(1));
                inside.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    join_all(handles);
    println!(
        "workers behind a semaphore: at most {} of 20 inside, {} done",
        most.load(Ordering::SeqCst),
        done.load(Ordering::SeqCst)
    );
}

/// Each takes the lower-numbered fork first, so they cannot all hold one and wait for the next.
fn philosophers() {
    let forks: Arc<Vec<_>> = Arc::new((0..5).map(|_| Mutex::new(())).collect());
    let meals: Arc<Vec<_>> = Arc::new((0..5).map(|_| AtomicUsize::new(0)).collect());
    let handles: Vec<_> = (0..5)
        .map(|seat| {
            let (forks, meals) = (Arc::clone(&forks), Arc::clone(&meals));
            spawn(move || {
                let (left, right) = (seat, (seat + 1) % 5);
                for _ in 0..3 {
                    let _first = forks[left.min(right)].lock().unwrap();
                    yield_now();
                    let _second = forks[left.max(right)].lock().unwrap();
                    yield_now();
                    meals[seat].fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    join_all(handles);
    assert!(meals.iter().all(|meals| meals.load(Ordering::SeqCst) == 3));
    println!("philosophers: 5 have eaten 3 times each, and nobody starved");
}

fn main() -> std::io::Result<()> {
    let runtime = Runtime::builder().build_current_thread()?;
    let main = runtime.run(|| {
        counters();
        transfer_with_deadlock();
        transfer_in_order();
        candy_machine();
        traffic_light();
        server_check();
        condition();
        five_workers();
        philosophers();
    });
    main.map_err(Into::into)
}
