//! Green threads that wait for one another.

use crate::{end, on_each};
use greenthread::inspect::{Cycle, cycles};
use greenthread::sync::Mutex;
use greenthread::thread::Thread;
use greenthread::{Builder, JoinHandle, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Waits until there is a circle that this green thread is in.
fn cycle_of(member: &Thread) -> Cycle {
    loop {
        let is_member = |cycle: &Cycle| {
            cycle.threads.iter().any(|it| it.id.to_string() == member.id().to_string())
        };
        if let Some(cycle) = cycles().into_iter().find(is_member) {
            return cycle;
        }
        yield_now();
    }
}

fn named(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name.into()).spawn(body).unwrap()
}

#[test]
fn a_circle_of_locks_is_found_beside_others_that_go_on() {
    on_each(|| {
        let over = Arc::new(AtomicBool::new(false));
        let count = Arc::new(Mutex::new(0));
        let healthy: Vec<_> = (0..8)
            .map(|_| {
                let (over, count) = (Arc::clone(&over), Arc::clone(&count));
                spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        *count.lock().unwrap() += 1;
                        yield_now();
                    }
                })
            })
            .collect();
        let locks: Arc<[Mutex<()>; 3]> = Arc::default();
        let have_one = Arc::new(AtomicUsize::new(0));
        let members: Vec<_> = (0..3)
            .map(|at| {
                let (locks, have_one) = (Arc::clone(&locks), Arc::clone(&have_one));
                named(&format!("member-{at}"), move || {
                    let _own = locks[at].lock();
                    have_one.fetch_add(1, Ordering::SeqCst);
                    while have_one.load(Ordering::SeqCst) < 3 {
                        yield_now();
                    }
                    let _next = locks[(at + 1) % 3].lock();
                })
            })
            .collect();
        let others = Arc::clone(&locks);
        let cycle = cycle_of(members[0].thread());
        let mut names: Vec<_> = cycle.threads.iter().filter_map(|it| it.name.clone()).collect();
        names.sort();
        assert_eq!(names, ["member-0", "member-1", "member-2"]);
        // Each waits for the next one.
        let next = cycle.threads.iter().cycle().skip(1);
        assert!(
            cycle
                .threads
                .iter()
                .zip(next)
                .all(|(it, next)| it.held_by.as_ref().unwrap().id == next.id)
        );
        let behind = named("behind", move || drop(others[0].lock()));
        let cycle = loop {
            let cycle = cycle_of(members[0].thread());
            if !cycle.behind.is_empty() {
                break cycle;
            }
        };
        assert_eq!(cycle.behind[0].name.as_deref(), Some("behind"));
        let text = cycle.to_string();
        assert_eq!(text.matches(" waits for a lock of 'member-").count(), 3, "{text}");
        assert!(text.ends_with("behind them wait 1 more"), "{text}");
        end(members.into_iter().chain([behind]));
        over.store(true, Ordering::SeqCst);
        healthy.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn one_that_waits_for_its_own_lock_is_a_circle() {
    on_each(|| {
        let own = spawn(|| {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            drop(mutex.lock());
        });
        let cycle = cycle_of(own.thread());
        assert_eq!(cycle.threads.len(), 1);
        assert!(cycle.to_string().contains("waits for a lock that it holds itself"));
        end([own]);
    });
}

#[test]
fn a_join_of_one_that_waits_for_the_joiner_is_a_circle() {
    on_each(|| {
        let mutex = Arc::new(Mutex::new(()));
        let holder = spawn(move || {
            let _held = mutex.lock();
            let own = Arc::clone(&mutex);
            let child = spawn(move || drop(own.lock()));
            let _ = child.join();
        });
        assert_eq!(cycle_of(holder.thread()).threads.len(), 2);
        // What it joins waits for the lock, which its end gives back.
        end([holder]);
    });
}

/// Always in the same order, so there is never one; but what is seen of one at one moment and of another at another looks like one.
#[test]
fn locks_that_are_taken_in_an_order_are_none() {
    on_each(|| {
        let locks: Arc<[Mutex<()>; 4]> = Arc::default();
        let over = Arc::new(AtomicBool::new(false));
        let all: Vec<_> = (0..40)
            .map(|at| {
                let (locks, over) = (Arc::clone(&locks), Arc::clone(&over));
                spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        let _a = locks[at % 3].lock();
                        yield_now();
                        let _b = locks[at % 3 + 1].lock();
                        yield_now();
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            let own = |cycle: &Cycle| {
                cycle.threads.iter().any(|it| {
                    all.iter().any(|own| own.thread().id().to_string() == it.id.to_string())
                })
            };
            let found: Vec<_> = cycles().into_iter().filter(own).collect();
            assert!(found.is_empty(), "{found:?}");
        }
        over.store(true, Ordering::SeqCst);
        all.into_iter().for_each(|it| it.join().unwrap());
    });
}
