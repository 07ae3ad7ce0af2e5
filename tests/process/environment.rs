//! Settings from the environment.

use crate::{child, finish, is_child};
use greenthread::{Builder, sleep};
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
