//! Which green threads there are.

use crate::support::{FOR_EVER, on_all_runtimes, until, within_limit, workers};
use greenthread::thread::{ThreadId, active_count, enumerate, park, spawn_later, spawn_local};
use greenthread::{Builder, current, kill_all, spawn, yield_now};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

fn ids() -> HashSet<ThreadId> {
    let all = enumerate();
    let ids: HashSet<_> = all.iter().map(|thread| thread.id()).collect();
    assert_eq!(ids.len(), all.len(), "each once");
    ids
}

#[test]
fn what_is_spawned_and_has_not_ended_is_listed_at_once() {
    on_all_runtimes(|| {
        assert_eq!((ids(), active_count()), (HashSet::from([current().id()]), 1));
        let mut expected = HashSet::from([current().id()]);
        let mut handles = Vec::new();
        for _ in 0..20 {
            handles.push(spawn(park));
            expected.insert(handles.last().unwrap().id());
            assert_eq!((ids(), active_count()), (expected.clone(), expected.len()));
        }
        let later = spawn_later(FOR_EVER, || ());
        expected.insert(later.id());
        assert_eq!((ids(), active_count()), (expected.clone(), 22));
        later.kill();
        later.join().unwrap_err();
        let local = spawn_local(park);
        assert_eq!(active_count(), 22);
        local.kill();
        local.join().unwrap_err();
        let paused = Builder::new().start_paused().spawn(park).unwrap();
        assert_eq!(active_count(), 21, "not before it is started");
        paused.start();
        assert_eq!(active_count(), 22);
        paused.kill();
        paused.join().unwrap_err();
        expected.remove(&expected.iter().copied().find(|id| !ids().contains(id)).unwrap());
        assert_eq!((ids(), active_count()), (expected.clone(), 21));
        for handle in handles {
            expected.remove(&handle.id());
            handle.thread().unpark();
            handle.join().unwrap();
            assert_eq!((ids(), active_count()), (expected.clone(), expected.len()));
        }
    });
}

#[test]
fn counting_is_exact_whoever_starts_and_ends_them() {
    on_all_runtimes(|| {
        for round in 0..200 {
            let handles: Vec<_> = (0..5).map(|_| spawn(|| spawn(park))).collect();
            let inner: Vec<_> = handles.into_iter().map(|it| it.join().unwrap()).collect();
            assert_eq!(active_count(), 6, "round {round}");
            inner.iter().for_each(|handle| handle.thread().unpark());
            inner.into_iter().for_each(|handle| handle.join().unwrap());
            assert_eq!(active_count(), 1, "round {round}");
        }
    });
}

/// Each one that is listed may end while it is.
#[test]
fn listing_while_many_end_harms_nobody() {
    within_limit(|| {
        let runtime = Arc::new(workers(4));
        let over = Arc::new(AtomicBool::new(false));
        let listers: Vec<_> = (0..2)
            .map(|_| {
                let over = Arc::clone(&over);
                runtime.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        drop(enumerate());
                        yield_now();
                    }
                })
            })
            .collect();
        let spawners: Vec<_> = (0..8)
            .map(|_| {
                runtime.spawn(|| {
                    for _ in 0..2000 {
                        let child = spawn(|| spawn(|| ()));
                        child.join().unwrap().join().unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..2000 {
            drop(runtime.spawn(|| ()));
        }
        spawners.into_iter().for_each(|spawner| spawner.join().unwrap());
        over.store(true, Ordering::Relaxed);
        listers.into_iter().for_each(|lister| lister.join().unwrap());
        until(|| runtime.spawn(active_count).join().unwrap() == 1);
        assert_eq!(runtime.spawn(ids).join().unwrap().len(), 1);
    });
}

#[test]
fn an_os_thread_sees_those_of_the_global_runtime() {
    within_limit(|| {
        let (send, receive) = mpsc::channel();
        let handle = spawn(move || {
            send.send(()).unwrap();
            park();
        });
        receive.recv().unwrap();
        assert!(ids().contains(&handle.id()) && active_count() > 0);
        handle.thread().unpark();
        let id = handle.id();
        handle.join().unwrap();
        assert!(!ids().contains(&id));
    });
}

#[test]
fn those_of_a_worker_that_is_held_up_are_listed_as_well() {
    within_limit(|| {
        let runtime = workers(2);
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let hog = runtime.spawn(move || {
            let behind: Vec<_> = (0..3).map(|_| spawn_local(park)).collect();
            started.send(()).unwrap();
            released.recv().unwrap();
            kill_all(&behind);
            behind.into_iter().for_each(|it| assert!(it.join().unwrap_err().is_killed()));
        });
        starts.recv().unwrap();
        let asker = runtime.spawn(|| (ids(), active_count(), current().id()));
        let (seen, count, own) = asker.join().unwrap();
        assert_eq!((seen.len(), count), (5, 5));
        assert!(seen.contains(&own) && seen.contains(&hog.id()));
        release.send(()).unwrap();
        hog.join().unwrap();
        assert_eq!(runtime.spawn(active_count).join().unwrap(), 1);
    });
}
