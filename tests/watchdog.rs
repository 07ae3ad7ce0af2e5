//! The watchdog: each test runs itself again as a child and reads what that reports.
#![cfg(feature = "watchdog")]

use greenthread::generator::{Generator, Yielder};
use greenthread::thread::on_worker_stack;
use greenthread::{Builder, Runtime, RuntimeBuilder, sleep, yield_now};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MOST: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_millis(1500);

/// The standard error of this test in a process of its own, in which `body` runs instead.
fn report_of(name: &str, body: fn()) -> Option<String> {
    if std::env::var_os("GREENTHREAD_TEST_CHILD").is_some() {
        body();
        return None;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env("GREENTHREAD_TEST_CHILD", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    Some(text)
}

fn builder() -> RuntimeBuilder {
    Runtime::builder().watchdog(MOST)
}

#[inline(never)]
fn computes_for_long(depth: usize) -> usize {
    if depth > 0 {
        return std::hint::black_box(computes_for_long(depth - 1)) + 1;
    }
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < LONG {
        count = std::hint::black_box(count + 1);
    }
    count
}

#[inline(never)]
fn blocks_its_thread() {
    std::thread::sleep(LONG);
    std::hint::black_box(());
}

fn hold_the_worker() {
    let hog = |name: &str, body: fn()| Builder::new().name(name.into()).spawn(body).unwrap();
    hog("hog", || _ = computes_for_long(5)).join().unwrap();
    hog("blocker", blocks_its_thread).join().unwrap();
    // These give way in time.
    hog("polite", || {
        let start = Instant::now();
        while start.elapsed() < LONG {
            yield_now();
        }
    })
    .join()
    .unwrap();
    sleep(LONG);
}

#[track_caller]
fn check(text: &str) {
    assert_eq!(text.matches("has kept its worker").count(), 2, "once for each: {text}");
    assert!(text.contains("green thread 'hog' has kept") && text.contains("'blocker' has kept"));
    assert!(text.contains("computes_for_long") && text.contains("blocks_its_thread"), "{text}");
    assert!(!text.contains("polite"), "{text}");
}

#[test]
fn names_who_holds_a_worker_and_where() {
    let body = || builder().workers(2).build().unwrap().run(hold_the_worker).unwrap();
    if let Some(text) = report_of("names_who_holds_a_worker_and_where", body) {
        check(&text);
        assert!(text.contains("tests/watchdog.rs"), "{text}");
    }
}

#[test]
fn on_a_current_thread_runtime() {
    let body = || builder().build_current_thread().unwrap().run(hold_the_worker).unwrap();
    if let Some(text) = report_of("on_a_current_thread_runtime", body) {
        check(&text);
    }
}

#[test]
fn what_computes_on_the_stack_of_its_worker_is_told_too() {
    let body = || {
        let hog = || Builder::new().name("hog".into());
        let main = move || {
            hog().spawn(|| on_worker_stack(|| computes_for_long(5))).unwrap().join().unwrap();
        };
        builder().workers(1).build().unwrap().run(main).unwrap();
    };
    if let Some(text) = report_of("what_computes_on_the_stack_of_its_worker_is_told_too", body) {
        assert!(text.contains("green thread 'hog' has kept"), "{text}");
        assert!(text.contains("computes_for_long"), "{text}");
    }
}

/// Deep in allocations, panics and generators of all kinds, the look itself does no harm.
#[test]
fn looking_does_no_harm() {
    let body = || {
        let runtime = Runtime::builder().watchdog(Duration::from_millis(1)).workers(2).build();
        let work = || {
            let start = Instant::now();
            let mut sum = 0;
            for round in 0.. {
                if start.elapsed() > LONG {
                    break;
                }
                let slow = Instant::now();
                while slow.elapsed() < Duration::from_millis(3) {
                    let text: Vec<String> = (0..50).map(|i| format!("{i} {round}")).collect();
                    let caught =
                        std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1)));
                    let len = text.len();
                    let one = Generator::new(move |y: &Yielder<usize>| y.yield_(len));
                    sum += one.sum::<usize>() + usize::from(caught.is_ok());
                }
                yield_now();
            }
            sum
        };
        let runtime = runtime.unwrap();
        let all: Vec<_> = (0..4).map(|_| runtime.spawn(work)).collect();
        for one in all {
            assert!(one.join().unwrap() > 0);
        }
    };
    if let Some(text) = report_of("looking_does_no_harm", body) {
        assert!(text.contains("has kept its worker"), "{text}");
    }
}
