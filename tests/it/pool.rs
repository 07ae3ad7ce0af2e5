//! Groups and pools of green threads.

use crate::support::{FOR_EVER, everywhere, on_all_runtimes, until};
use greenthread::pool::{Group, Pool, TrySpawnError};
use greenthread::sync::Event;
use greenthread::thread::park;
use greenthread::{Builder, current, sleep, spawn, yield_now};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

fn bump(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::SeqCst);
}

fn pool(size: usize) -> Arc<Pool> {
    Arc::new(Pool::new(size).unwrap())
}

#[test]
fn no_more_run_at_once_than_the_pool_has_room_for() {
    everywhere(|| {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let pool = pool(3);
        for _ in 0..30 {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            pool.spawn(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                yield_now();
                sleep(Duration::from_micros(100));
                now.fetch_sub(1, Ordering::SeqCst);
            });
        }
        pool.join();
        assert_eq!((pool.len(), pool.free_count(), now.load(Ordering::SeqCst)), (0, 3, 0));
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    });
}

#[test]
fn spawn_waits_while_the_pool_is_full_and_try_spawn_says_so() {
    everywhere(|| {
        let pool = pool(1);
        let go = Arc::new(Event::new());
        let first = pool.spawn({
            let go = Arc::clone(&go);
            move || go.wait()
        });
        assert!(pool.is_full() && pool.len() == 1);
        let Err(TrySpawnError::Full(f)) = pool.try_spawn(|| 7) else { panic!("there was room") };
        assert_eq!(f(), 7, "it comes back");
        let full = pool.spawn_timeout(SHORT, || ()).unwrap_err();
        assert_eq!(
            (full.to_string(), format!("{full:?}")),
            ("the pool is full".into(), "Full(..)".into())
        );
        assert!(pool.spawn_deadline(std::time::Instant::now(), || ()).is_err());
        let second = spawn({
            let pool = Arc::clone(&pool);
            move || pool.spawn(|| "second").join().unwrap()
        });
        sleep(SHORT);
        assert!(!second.is_finished());
        go.set();
        assert_eq!(second.join().unwrap(), "second");
        first.join().unwrap();
        pool.join();
        assert_eq!(pool.try_spawn(|| 8).unwrap().join().unwrap(), 8);
    });
}

#[test]
fn whatever_ends_a_green_thread_gives_its_place_back() {
    on_all_runtimes(|| {
        let pool = pool(2);
        // A panic, a kill while it waits, a kill before it began, and one that was never started.
        assert!(pool.spawn(|| panic!("on purpose")).join().unwrap_err().is_panic());
        let waiting = pool.spawn(park);
        yield_now();
        waiting.kill();
        assert!(waiting.join().unwrap_err().is_killed());
        let early = pool.spawn(|| sleep(FOR_EVER));
        early.kill();
        assert!(early.join().unwrap_err().is_killed());
        let paused = Builder::new().start_paused();
        drop(pool.spawn_with(paused, || unreachable!()).unwrap());
        until(|| pool.free_count() == 2);
        assert!(pool.spawn_with(Builder::new().stack_size(0), || ()).is_err());
        assert_eq!((pool.free_count(), pool.len()), (2, 0));
    });
}

#[test]
fn who_is_killed_while_waiting_for_room_takes_none() {
    on_all_runtimes(|| {
        let pool = pool(1);
        let first = pool.spawn(park);
        let waiting = spawn({
            let pool = Arc::clone(&pool);
            move || pool.spawn(|| ()).join()
        });
        sleep(SHORT);
        waiting.kill();
        assert!(waiting.join().unwrap_err().is_killed());
        first.kill();
        pool.join();
        assert_eq!(pool.free_count(), 1);
    });
}

#[test]
fn kill_ends_all_but_the_caller_and_the_pool_goes_on() {
    on_all_runtimes(|| {
        let group = Arc::new(Group::new());
        let handles: Vec<_> = (0..5).map(|_| group.spawn(|| sleep(FOR_EVER))).collect();
        let own = Arc::clone(&group);
        let killer = group.spawn(move || {
            own.kill();
            own.join();
            own.len()
        });
        assert_eq!(killer.join().unwrap(), 1, "itself");
        assert!(handles.into_iter().all(|one| one.join().unwrap_err().is_killed()));
        group.join();
        assert_eq!(group.spawn(|| 3).join().unwrap(), 3);
    });
}

/// Those that are being spawned just then too.
#[test]
fn kill_misses_nobody() {
    on_all_runtimes(|| {
        let group = Arc::new(Group::new());
        for _ in 0..200 {
            let spawner = spawn({
                let group = Arc::clone(&group);
                move || group.spawn(|| sleep(FOR_EVER))
            });
            yield_now();
            group.kill();
            let late = spawner.join().unwrap();
            group.kill();
            assert!(late.join().unwrap_err().is_killed());
        }
        group.join();
    });
}

#[test]
fn join_has_a_limit_if_it_is_given_one() {
    everywhere(|| {
        let group = Group::new();
        assert!(group.join_timeout(Duration::ZERO) && group.is_empty());
        let one = group.spawn(park);
        assert!(!group.join_timeout(SHORT));
        assert_eq!(format!("{group:?}"), "Group { len: 1 }");
        one.thread().unpark();
        assert!(group.join_timeout(FOR_EVER));
    });
}

#[test]
fn members_that_wait_for_the_others_do_not_wait_for_each_other() {
    everywhere(|| {
        let group = Arc::new(Group::new());
        let other = group.spawn(park);
        let joiners: Vec<_> = (0..3)
            .map(|_| {
                let own = Arc::clone(&group);
                group.spawn(move || own.join())
            })
            .collect();
        assert!(!group.join_timeout(SHORT) && joiners.iter().all(|one| !one.is_finished()));
        joiners[0].kill();
        other.thread().unpark();
        assert!(group.join_timeout(FOR_EVER));
        for joiner in joiners.into_iter().skip(1) {
            joiner.join().unwrap();
        }
    });
}

#[test]
fn map_keeps_the_order_and_imap_unordered_does_not() {
    everywhere(|| {
        let pool = pool(3);
        let nap = |ms: u64| (sleep(Duration::from_millis(ms)), ms).1;
        assert_eq!(pool.map(nap, [6, 1, 3, 2]).unwrap(), [6, 1, 3, 2]);
        let ordered: Vec<_> = pool.imap(nap, [3, 1]).map(Result::unwrap).collect();
        assert_eq!(ordered, [3, 1]);
        let go = Arc::new(Event::new());
        let hold = Arc::clone(&go);
        let mut unordered = pool.imap_unordered(
            move |n| {
                if n == 0 {
                    hold.wait()
                };
                n
            },
            0..3,
        );
        let mut first = [unordered.next().unwrap().unwrap(), unordered.next().unwrap().unwrap()];
        first.sort();
        assert_eq!(first, [1, 2]);
        go.set();
        assert_eq!(unordered.next().unwrap().unwrap(), 0);
        assert!(unordered.next().is_none() && unordered.next().is_none());
        let group = Group::new();
        assert_eq!(group.map(nap, [2, 1]).unwrap(), [2, 1]);
        assert_eq!(group.imap_unordered(nap, 0..20).count(), 20);
    });
}

#[test]
fn an_item_that_fails_says_so_at_its_place() {
    everywhere(|| {
        let pool = pool(2);
        let check = |n: u32| (assert!(n != 1, "not {n}"), n).1;
        let results: Vec<_> = pool.imap(check, 0..4).map(|result| result.ok()).collect();
        assert_eq!(results, [Some(0), None, Some(2), Some(3)]);
        assert!(pool.map(check, 0..4).unwrap_err().is_panic());
        pool.join();
    });
}

#[test]
fn imap_reads_no_farther_ahead_than_there_is_room() {
    everywhere(|| {
        let pool = pool(2);
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        let items = (0..).inspect(move |_| bump(&count));
        let mut results = pool.imap(|n: usize| n, items);
        assert_eq!(read.load(Ordering::SeqCst), 0, "lazily");
        for n in 0..50 {
            assert_eq!(results.next().unwrap().unwrap(), n);
            assert!(read.load(Ordering::SeqCst) <= n + 4);
        }
    });
}

/// Also where others have all of its room meanwhile.
#[test]
fn two_maps_share_a_pool() {
    everywhere(|| {
        let pool = pool(1);
        let other = spawn({
            let pool = Arc::clone(&pool);
            move || pool.map(|n: u32| (yield_now(), n).1, 0..50).unwrap().len()
        });
        assert_eq!(pool.imap_unordered(|n: u32| (yield_now(), n).1, 0..50).count(), 50);
        assert_eq!(other.join().unwrap(), 50);
    });
}

#[test]
fn apply_inside_a_full_pool_runs_at_once() {
    everywhere(|| {
        let pool = pool(1);
        let own = Arc::clone(&pool);
        let nested = pool.apply(move || {
            let outer = current().id();
            assert!(own.apply(|| panic!("inside")).unwrap_err().is_panic());
            own.apply(move || current().id() == outer).unwrap()
        });
        assert!(nested.unwrap());
        assert_eq!(pool.apply(|| 4).unwrap(), 4);
    });
}

#[test]
fn a_pool_without_room_is_an_error() {
    let error = Pool::new(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("room"));
    assert!(Pool::new(usize::MAX).is_err());
}
