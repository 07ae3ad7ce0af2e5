//! Which green threads there are.

use crate::support::{FOR_EVER, LIMIT, on_all_runtimes, until, within_limit, workers};
use greenthread::thread::{ThreadId, active_count, enumerate, park, spawn_later};
use greenthread::{Builder, current, sleep, spawn, yield_now};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

fn ids() -> HashSet<ThreadId> {
    let all = enumerate();
    let ids: HashSet<_> = all.iter().map(|thread| thread.id()).collect();
    assert_eq!(ids.len(), all.len(), "each once");
    ids
}

#[test]
fn those_that_have_started_and_not_ended_are_listed() {
    on_all_runtimes(|| {
        assert_eq!((ids(), active_count()), (HashSet::from([current().id()]), 1));
        let began = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..20)
            .map(|_| {
                let began = Arc::clone(&began);
                spawn(move || {
                    began.fetch_add(1, Ordering::SeqCst);
                    park();
                })
            })
            .collect();
        let paused = Builder::new().start_paused().spawn(|| ()).unwrap();
        let later = spawn_later(FOR_EVER, || ());
        until(|| began.load(Ordering::SeqCst) == 20);
        let mut expected: HashSet<_> = handles.iter().map(|handle| handle.id()).collect();
        expected.insert(current().id());
        assert_eq!((ids(), active_count()), (expected.clone(), 21));
        for handle in handles {
            expected.remove(&handle.id());
            handle.thread().unpark();
            handle.join().unwrap();
            assert_eq!(active_count(), expected.len());
        }
        assert_eq!(ids(), HashSet::from([current().id()]));
        drop(paused);
        later.kill();
        later.join().unwrap_err();
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
fn a_worker_that_is_held_up_is_gone_without() {
    within_limit(|| {
        let runtime = workers(2);
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let hog = runtime.spawn(move || {
            started.send(()).unwrap();
            released.recv().unwrap();
        });
        starts.recv().unwrap();
        let asker = runtime.spawn(|| (ids(), active_count(), current().id()));
        let (seen, count, own) = asker.join().unwrap();
        assert_eq!((seen, count), (HashSet::from([own]), 2));

        // One that is killed while it waits for the answer.
        let (started, starts) = mpsc::channel();
        let asker = runtime.spawn(move || {
            started.send(()).unwrap();
            loop {
                enumerate();
            }
        });
        starts.recv().unwrap();
        assert!(asker.kill_and_wait(LIMIT));
        release.send(()).unwrap();
        hog.join().unwrap();
        // What was asked in vain is answered to nobody, and the worker is there again.
        let asker = runtime.spawn(|| (ids(), current().id()));
        let (seen, own) = asker.join().unwrap();
        assert_eq!(seen, HashSet::from([own]));
    });
}

#[test]
fn a_runtime_that_ends_keeps_nobody_waiting() {
    within_limit(|| {
        for round in 0..50 {
            let runtime = workers(4);
            let askers: Vec<_> = (0..8)
                .map(|_| {
                    runtime.spawn(|| {
                        // The kill is swallowed a few times, so that some ask while workers end.
                        for _ in 0..3 {
                            let _ = std::panic::catch_unwind(|| {
                                loop {
                                    enumerate();
                                    // Where the others have ended there is nobody to wait for.
                                    yield_now();
                                }
                            });
                        }
                    })
                })
                .collect();
            if round % 2 == 0 {
                sleep(std::time::Duration::from_millis(1));
            }
            drop(runtime);
            for asker in askers {
                let _ = asker.join();
            }
        }
    });
}
