//! Functions that run in other processes. Those are this same program started again, so it has a `main` of its own, which
//! begins with `process::init()`.
//!
//!     cargo test --features processes --test processes [-- FILTER]
//!     GREENTHREAD_TEST_DEATHS=1000 cargo test --features processes --test processes -- deaths

mod dropped;
mod kept;
mod pool;
mod shared;
mod support;
mod worker;

use std::time::Instant;

fn main() {
    if std::env::var_os("GREENTHREAD_TEST_UNINITIALISED").is_some() {
        return worker::without_init();
    }
    greenthread::process::init();
    let filter = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let filter = filter.unwrap_or_default();
    if std::env::var_os("GREENTHREAD_TEST_PARENT").is_some() {
        return pool::as_parent();
    }
    if std::env::var_os("GREENTHREAD_TEST_IGNORES_SIGCHLD").is_some() {
        return pool::without_statuses();
    }
    if std::env::var_os("GREENTHREAD_TEST_DEADLOCK").is_some() {
        return pool::without_deadlock();
    }
    let all = [worker::TESTS, pool::TESTS, shared::TESTS, kept::TESTS, dropped::TESTS].concat();
    let mut count = 0;
    for (name, test) in all.iter().filter(|(name, _)| name.contains(&filter)) {
        let begin = Instant::now();
        // A panic ends the program with its message, which is enough.
        support::everywhere(*test);
        println!("test {name} ... ok ({:?})", begin.elapsed());
        count += 1;
    }
    support::nothing_is_left();
    println!("test result: ok. {count} passed");
}
