//! A kill or a timeout that ends a wait takes nothing along.

use crate::support::{LIMIT, on_all_runtimes, until};
use greenthread::thread::{current, park, park_timeout};
use greenthread::{shield, sleep, spawn, timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn a_timeout_takes_no_permit_of_park() {
    on_all_runtimes(|| {
        for _ in 0..200 {
            let me = current();
            // The permit comes while the expired timeout lets others run before it strikes.
            let first = timeout(Duration::ZERO, || {
                let giver = spawn(move || me.unpark());
                park();
                giver
            });
            match first {
                // It came in time.
                Ok(giver) => giver.join().unwrap(),
                Err(_) => timeout(LIMIT, park).expect("the permit is there"),
            }
        }
    });
}

#[test]
fn a_kill_takes_no_permit_of_park() {
    on_all_runtimes(|| {
        for _ in 0..100 {
            let begun = Arc::new(AtomicBool::new(false));
            let begins = Arc::clone(&begun);
            let handle = spawn(move || {
                begins.store(true, Ordering::SeqCst);
                if std::panic::catch_unwind(park).is_err() {
                    // The permit is there, or comes.
                    shield(park);
                }
            });
            until(|| begun.load(Ordering::SeqCst));
            handle.kill();
            handle.thread().unpark();
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_permit_that_comes_in_time_is_used_up() {
    on_all_runtimes(|| {
        let me = current();
        let giver = spawn(move || me.unpark());
        park();
        giver.join().unwrap();
        let began = std::time::Instant::now();
        park_timeout(Duration::from_millis(2));
        assert!(began.elapsed() >= Duration::from_millis(2), "there is no other");
        sleep(Duration::ZERO);
    });
}
