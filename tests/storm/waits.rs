//! Waits of all kinds that have no end.

use crate::support::Random;
use crate::{LONG, alive, micros};
use greenthread::thread::park;
use greenthread::{blocking, sleep, spawn, timeout, yield_now};
use std::time::Duration;

pub(crate) fn storm(random: &mut Random) {
    match random.below(8) {
        0 => sleep(LONG),
        1 => park(),
        2 => {
            let other = spawn(|| {
                let _alive = alive();
                sleep(Duration::from_millis(2));
            });
            let _ = other.join();
        }
        3 => {
            let _ = timeout(micros(random, 2000), || sleep(LONG));
            sleep(LONG);
        }
        4 => {
            let _ = timeout(micros(random, 2000), || {
                timeout(micros(random, 2000), || timeout(LONG, park))
            });
        }
        5 => blocking(|| std::thread::sleep(Duration::from_micros(50))),
        6 => {
            for _ in 0..random.below(50) {
                yield_now();
            }
        }
        _ => loop {
            yield_now();
        },
    }
}
