//! Scopes whose owners and children are killed.

use crate::support::{OnDrop, Random};
use crate::{LONG, alive};
use greenthread::thread::park;
use greenthread::{scope, shield, sleep, spawn, timeout, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

pub(crate) fn storm(random: &mut Random) {
    let on_my_stack = AtomicUsize::new(0);
    let count = |wait: bool| {
        let on_my_stack = &on_my_stack;
        on_my_stack.fetch_add(1, Ordering::SeqCst);
        OnDrop(move || {
            // Not a kill's to cut short, even where nothing unwinds yet.
            shield(|| {
                if wait {
                    sleep(Duration::from_micros(100));
                }
                on_my_stack.fetch_sub(1, Ordering::SeqCst);
            });
        })
    };
    let _all_have_left = OnDrop(|| assert_eq!(on_my_stack.load(Ordering::SeqCst), 0));
    let _ = timeout(Duration::from_millis(5 + random.below(20)), || {
        scope(|s| {
            let handles: Vec<_> = (0..1 + random.below(5))
                .map(|_| {
                    let (kind, wait) = (random.below(6), random.below(3) == 0);
                    let count = &count;
                    s.spawn(move || {
                        let _alive = alive();
                        let _counted = count(wait);
                        match kind {
                            0 => sleep(LONG),
                            1 => yield_now(),
                            2 => scope(|s| {
                                s.spawn(|| {
                                    let _alive = alive();
                                    let _counted = count(wait);
                                    sleep(LONG);
                                });
                            }),
                            3 => drop(s.spawn(move || {
                                let _alive = alive();
                                let _counted = count(wait);
                                sleep(Duration::from_millis(1));
                            })),
                            4 => drop(timeout(SHORT, park)),
                            _ => {
                                let other = spawn(|| {
                                    let _alive = alive();
                                    sleep(SHORT);
                                });
                                let _ = other.join();
                            }
                        }
                    })
                })
                .collect();
            for handle in handles {
                match random.below(5) {
                    0 => handle.kill(),
                    1 => drop(handle.join()),
                    _ => {}
                }
            }
        });
    });
}
