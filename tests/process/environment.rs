//! Settings from the environment.

use crate::{child, finish, is_child};
use greenthread::{Builder, blocking, sleep};
use std::time::{Duration, Instant};

fn count_workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("greenthread-")).count()
}

#[test]
fn workers_from_the_environment() {
    const NAME: &str = "environment::workers_from_the_environment";
    if is_child(NAME) {
        match Builder::new().spawn(|| ()) {
            Ok(handle) => {
                handle.join().unwrap();
                let end = Instant::now() + Duration::from_secs(10);
                // Threads name themselves, each when it first runs.
                while count_workers() < 3 && Instant::now() < end {
                    sleep(Duration::from_millis(1));
                }
                println!("{} workers", count_workers());
            }
            Err(error) => println!("{:?}: {error}", error.kind()),
        }
        return;
    }
    for (value, expected) in [
        ("3", "3 workers"),
        ("0", "InvalidInput"),
        ("-1", "InvalidInput"),
        ("many", "InvalidInput"),
        ("99999", "InvalidInput"),
    ] {
        let mut command = child(NAME);
        command.env("GREENTHREAD_WORKERS", value);
        let end = finish(command);
        assert!(end.code == Some(0) && end.text.contains(expected), "{value}: {}", end.text);
    }
}

#[test]
fn a_setting_that_cannot_be_read_is_told_of() {
    const NAME: &str = "environment::a_setting_that_cannot_be_read_is_told_of";
    const NUMBERS: [&str; 2] = ["GREENTHREAD_BLOCKING_THREADS", "GREENTHREAD_WATCHDOG_MS"];
    if is_child(NAME) {
        greenthread::run(|| blocking(|| ()));
        return;
    }
    let mut command = child(NAME);
    command.envs(NUMBERS.map(|name| (name, "many"))).env("GREENTHREAD_GUARD", "strong");
    let end = finish(command);
    assert_eq!(end.code, Some(0), "{}", end.text);
    for name in NUMBERS {
        let told = format!("greenthread: {name}=\"many\" is not a number that it can be set to");
        assert_eq!(end.text.matches(&told).count(), 1, "{}", end.text);
    }
    assert!(end.text.contains("GREENTHREAD_GUARD=\"strong\" is as if"), "{}", end.text);
}
