//! The first programs of the gevent tutorials: two workers in turn, `joinall`, `spawn_later`, `getcurrent`, who is there,
//! daemons.
//!
//! On a current-thread runtime the order is always the same, so what is printed is also checked.

use greenthread::thread::{self, as_completed, join_all, spawn_later};
use greenthread::{Builder, Runtime, current, sleep, spawn, yield_now};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Printed = Arc<Mutex<Vec<String>>>;

fn print(printed: &Printed, line: String) {
    println!("{line}");
    printed.lock().unwrap().push(line);
}

/// `print(gevent.getcurrent(), i)` n times, waiting in between.
fn count(printed: &Printed, n: u32) {
    for i in 0..n {
        print(printed, format!("{} {i}", current().name().unwrap_or("unnamed")));
        yield_now();
    }
}

/// `g1 = gevent.spawn(f1, 5); g2 = gevent.spawn(f1, 3); g1.join(); g2.join()`
fn two_in_turn(printed: &Printed) {
    let worker = |name: &str, n| {
        let printed = Arc::clone(printed);
        Builder::new().name(name.into()).spawn(move || count(&printed, n)).unwrap()
    };
    let (g1, g2) = (worker("g1", 5), worker("g2", 3));
    g1.join().unwrap();
    g2.join().unwrap();
}

/// `gevent.joinall(jobs)`; and `gevent.iwait`, which gives them as they end.
fn all_of_them(printed: &Printed) {
    let jobs: Vec<_> = (1..=4)
        .map(|i| {
            spawn(move || {
                sleep(Duration::from_millis(100 / i));
                i * i
            })
        })
        .collect();
    let squares: Vec<_> = join_all(jobs).into_iter().map(Result::unwrap).collect();
    print(printed, format!("joined: {squares:?}"));

    let quick = spawn(|| "quick");
    let slow = spawn(|| {
        thread::park();
        "slow"
    });
    let release = slow.thread().clone();
    for job in as_completed([slow, quick]) {
        let value = job.join().unwrap();
        print(printed, format!("ended: {value}"));
        release.unpark();
    }
}

/// `gevent.spawn_later(seconds, f)`, and a `kill` before its time.
fn later(printed: &Printed) {
    let say = |what: &'static str| {
        let printed = Arc::clone(printed);
        move || print(&printed, what.to_string())
    };
    let second = spawn_later(Duration::from_millis(500), say("later"));
    let first = spawn_later(Duration::from_millis(100), say("soon"));
    let never = Builder::new().name("never".into());
    let never = never.spawn_later(Duration::from_millis(200), say("never")).unwrap();
    never.kill();
    never.link_failure({
        let printed = Arc::clone(printed);
        move |error| print(&printed, error.to_string())
    });
    join_all([first, second, never]);
}

/// `print(threading.enumerate())`, `threading.active_count()`
fn who_is_there(printed: &Printed) {
    let names = || {
        let all = thread::enumerate();
        let names: Vec<_> = all.iter().map(ToString::to_string).collect();
        format!("{} there: {}", thread::active_count(), names.join(" "))
    };
    let waits = Builder::new().name("waits".into()).spawn(thread::park).unwrap();
    print(printed, names());
    waits.thread().unpark();
    waits.join().unwrap();
}

/// `t1.daemon = True`: what is a daemon is not waited for. Here it is unwound as soon as all others have ended.
fn one_is_a_daemon(printed: &Printed) {
    let start = |number: &'static str, lasts, daemon| {
        let printed = Arc::clone(printed);
        let body = move || {
            print(&printed, number.to_string());
            sleep(lasts);
            print(&printed, format!("end{number}"));
        };
        Builder::new().daemon(daemon).spawn(body).unwrap().detach();
    };
    start("123", Duration::from_secs(3000), true);
    start("456", Duration::from_millis(10), false);
    yield_now();
    print(printed, "main".to_string());
}

fn main() {
    let printed = Printed::default();
    let own = Arc::clone(&printed);
    let runtime = Runtime::new_current_thread().unwrap();
    let main = move || {
        two_in_turn(&own);
        all_of_them(&own);
        later(&own);
        who_is_there(&own);
    };
    runtime.run(main).unwrap();
    let own = Arc::clone(&printed);
    runtime.run(move || one_is_a_daemon(&own)).unwrap();
    let expected = "g1 0,g2 0,g1 1,g2 1,g1 2,g2 2,g1 3,g1 4,joined: [1, 4, 9, 16],ended: quick,ended: slow,\
                    green thread 'never' was killed,soon,later,2 there: main waits,\
                    123,456,main,end456";
    assert_eq!(printed.lock().unwrap().join(","), expected);
    println!("all as expected");
}
