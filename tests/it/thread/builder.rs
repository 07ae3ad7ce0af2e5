//! Labels, daemons, paused green threads.

use crate::support::{FOR_EVER, LIMIT, OnDrop, on_all_runtimes, until, within_limit, workers};
use greenthread::thread::{as_completed, wait_timeout};
use greenthread::{Builder, Runtime, current, run, sleep, spawn, yield_now};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

fn labels() -> Vec<(String, String)> {
    current().labels().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

#[test]
fn labels_are_inherited() {
    on_all_runtimes(|| {
        assert!(labels().is_empty() && current().label("any").is_none());
        let parent = Builder::new().label("a", "1").label("b", "2").label("a", "3");
        let parent = parent.name("parent".into()).spawn(|| {
            let child = Builder::new().label("b", "of the child").label("c", "4").spawn(|| {
                yield_now();
                (labels(), spawn(|| labels().len()).join().unwrap())
            });
            (labels(), child.unwrap().join().unwrap())
        });
        let (own, (childs, grandchilds)) = parent.unwrap().join().unwrap();
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|&(key, value)| (key.into(), value.into())).collect()
        };
        assert_eq!(own, pairs(&[("a", "3"), ("b", "2")]));
        assert_eq!(childs, pairs(&[("a", "3"), ("b", "of the child"), ("c", "4")]));
        assert_eq!(grandchilds, 3);
        assert_eq!(spawn(labels).join().unwrap(), []);
    });
    // They can be read from elsewhere, and cross runtimes.
    let (a, b) = (workers(1), Arc::new(workers(1)));
    let on_b = Arc::clone(&b);
    let seen = a.run(move || {
        let labelled =
            Builder::new().label("key", "value").spawn(move || on_b.spawn(labels).join().unwrap());
        let handle = labelled.unwrap();
        assert_eq!(handle.thread().label("key"), Some("value"));
        handle.join().unwrap()
    });
    assert_eq!(seen.unwrap(), [("key".to_string(), "value".to_string())]);
}

/// A daemon that sleeps for ever, and counts when it begins and when it has unwound.
fn daemon(begun: &Arc<AtomicUsize>, unwound: &Arc<AtomicUsize>) -> greenthread::JoinHandle<()> {
    let (begun, unwound) = (Arc::clone(begun), Arc::clone(unwound));
    let body = move || {
        let _slow = OnDrop(|| {
            sleep(Duration::from_millis(1));
            unwound.fetch_add(1, Ordering::SeqCst);
        });
        begun.fetch_add(1, Ordering::SeqCst);
        sleep(FOR_EVER);
    };
    Builder::new().daemon(true).spawn(body).unwrap()
}

#[test]
fn run_waits_for_all_but_daemons_and_unwinds_those() {
    within_limit(|| {
        for count in [0, 1, 2, 8] {
            let unwound = Arc::new(AtomicUsize::new(0));
            let ended = Arc::new(AtomicUsize::new(0));
            let (seen, counted) = (Arc::clone(&unwound), Arc::clone(&ended));
            let main = move || {
                assert!(!current().is_daemon());
                let begun = Arc::new(AtomicUsize::new(0));
                let (all_begun, begins) = (Arc::clone(&begun), begun);
                let handle = daemon(&begins, &seen);
                assert!(handle.thread().is_daemon());
                let in_daemon = Builder::new().daemon(true).spawn(move || {
                    assert!(current().is_daemon());
                    // Inherited, unless set otherwise.
                    let child = daemon(&begins, &seen);
                    assert!(child.thread().is_daemon());
                    assert!(spawn(|| current().is_daemon()).join().unwrap());
                    let counted = Arc::clone(&counted);
                    Builder::new()
                        .daemon(false)
                        .spawn(move || {
                            sleep(Duration::from_millis(2));
                            counted.fetch_add(1, Ordering::SeqCst);
                        })
                        .unwrap();
                    begins.fetch_add(1, Ordering::SeqCst);
                    sleep(FOR_EVER);
                });
                in_daemon.unwrap();
                until(|| all_begun.load(Ordering::SeqCst) == 3);
                "value"
            };
            let value = match count {
                0 => Runtime::new_current_thread().unwrap().run(main),
                _ => workers(count).run(main),
            };
            assert_eq!(value.unwrap(), "value");
            assert_eq!(unwound.load(Ordering::SeqCst), 2);
            assert_eq!(ended.load(Ordering::SeqCst), 1);
        }
    });
}

/// What is no daemon is waited for, even if a daemon made it and has long been forgotten by `main`.
#[test]
fn a_daemons_child_that_is_none_is_waited_for() {
    within_limit(|| {
        for count in [0, 1, 2, 8] {
            let order = Arc::new(Mutex::new(Vec::new()));
            let shared = Arc::clone(&order);
            let main = move || {
                let (ready, begun) = greenthread::sync::mpsc::channel();
                let in_daemon = move || {
                    let _end = OnDrop(|| shared.lock().unwrap().push("the daemon"));
                    let shared = Arc::clone(&shared);
                    let child = move || {
                        assert!(!current().is_daemon());
                        // Longer than `main` lives.
                        sleep(Duration::from_millis(20));
                        shared.lock().unwrap().push("its child");
                    };
                    Builder::new().daemon(false).spawn(child).unwrap().detach();
                    ready.send(()).unwrap();
                    sleep(FOR_EVER);
                };
                Builder::new().daemon(true).spawn(in_daemon).unwrap().detach();
                begun.recv().unwrap();
            };
            match count {
                0 => Runtime::new_current_thread().unwrap().run(main).unwrap(),
                _ => workers(count).run(main).unwrap(),
            }
            assert_eq!(*order.lock().unwrap(), ["its child", "the daemon"]);
        }
    });
}

#[test]
fn a_daemon_made_by_one_that_unwinds_is_ended_too() {
    within_limit(|| {
        let runtime = workers(2);
        for _ in 0..50 {
            let (send, receive) = mpsc::channel();
            let main = move || {
                let (ready, begun) = mpsc::channel();
                let body = move || {
                    let _spawn = OnDrop(|| {
                        let late = Builder::new().daemon(true).spawn(|| sleep(FOR_EVER)).unwrap();
                        send.send(late).unwrap();
                    });
                    ready.send(()).unwrap();
                    sleep(FOR_EVER);
                };
                Builder::new().daemon(true).spawn(body).unwrap();
                until(|| begun.try_recv().is_ok());
            };
            runtime.run(main).unwrap();
            let late = receive.recv_timeout(LIMIT).unwrap();
            assert!(late.is_finished() && late.join().unwrap_err().is_killed());
        }
    });
}

#[test]
fn two_runs_have_their_own_daemons() {
    within_limit(|| {
        let go = Arc::new(AtomicBool::new(false));
        let wait = Arc::clone(&go);
        let first = std::thread::spawn(move || {
            run(move || {
                let mine = Builder::new().daemon(true).spawn(|| sleep(FOR_EVER)).unwrap();
                until(|| wait.load(Ordering::SeqCst));
                mine.is_finished()
            })
        });
        for _ in 0..20 {
            let other = run(|| Builder::new().daemon(true).spawn(|| sleep(FOR_EVER)).unwrap());
            assert!(other.join().unwrap_err().is_killed());
        }
        go.store(true, Ordering::SeqCst);
        assert!(!first.join().unwrap(), "the others' ends were not its own");
    });
}

#[test]
fn a_daemon_that_will_not_end_is_given_up() {
    within_limit(|| {
        let runtime = workers(1);
        let (send, stop) = mpsc::channel::<()>();
        let stubborn = runtime.run(move || {
            let begun = Arc::new(AtomicBool::new(false));
            let set = Arc::clone(&begun);
            let body = move || {
                set.store(true, Ordering::SeqCst);
                while stop.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                    let _ = std::panic::catch_unwind(|| sleep(Duration::from_millis(1)));
                }
            };
            let handle = Builder::new().daemon(true).name("stubborn".into()).spawn(body).unwrap();
            until(|| begun.load(Ordering::SeqCst));
            handle
        });
        drop(send);
        stubborn.unwrap().join().unwrap();
        runtime.run(|| ()).unwrap();
    });
}

#[test]
fn a_paused_one_waits_for_its_start() {
    on_all_runtimes(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        let make = || {
            let ran = Arc::clone(&ran);
            let body = move || ran.fetch_add(1, Ordering::SeqCst);
            Builder::new().start_paused().spawn(body).unwrap()
        };
        let handle = make();
        (0..10).for_each(|_| yield_now());
        sleep(Duration::from_millis(2));
        assert!(ran.load(Ordering::SeqCst) == 0 && !handle.is_finished());
        handle.start();
        handle.start();
        until(|| handle.is_finished());
        handle.start();
        assert_eq!(handle.join().unwrap(), 0);
        // Waiting starts it.
        assert_eq!(make().join().unwrap(), 1);
        assert_eq!(make().join_timeout(LIMIT).unwrap().unwrap(), 2);
        assert_eq!(as_completed([make()]).map(|it| it.join().unwrap()).next(), Some(3));
        assert_eq!(wait_timeout([make()], 1, LIMIT).0.len(), 1);
        assert_eq!(ran.load(Ordering::SeqCst), 5);
        // A kill or a drop ends it without its running, and its closure is dropped in a green thread.
        let dropped = Arc::new(AtomicUsize::new(0));
        let with_guard = || {
            let dropped = Arc::clone(&dropped);
            let guard = OnDrop(move || {
                sleep(Duration::from_millis(1));
                dropped.fetch_add(1, Ordering::SeqCst);
            });
            let body = move || {
                let _guard = guard;
                unreachable!("it was never started");
            };
            Builder::new().start_paused().spawn(body).unwrap()
        };
        let killed = with_guard();
        assert!(killed.kill_and_wait(LIMIT) && killed.join().unwrap_err().is_killed());
        let links = Arc::new(AtomicUsize::new(0));
        let unstarted = with_guard();
        let told = Arc::clone(&links);
        unstarted.link_failure(move |error: &greenthread::JoinError| {
            assert!(error.is_killed());
            told.fetch_add(1, Ordering::SeqCst);
        });
        drop(unstarted);
        until(|| links.load(Ordering::SeqCst) == 1 && dropped.load(Ordering::SeqCst) == 2);
    });
}

#[test]
fn a_paused_one_and_the_end_of_its_runtime() {
    within_limit(|| {
        let runtime = workers(1);
        let made = runtime.run(|| {
            let make = || Builder::new().start_paused().spawn(|| 1).unwrap();
            // `run` does not wait for what nobody has started, not even if its handle is lost.
            std::mem::forget(make());
            (make(), make(), make())
        });
        let (started, dropped, after) = made.unwrap();
        assert_eq!(started.join().unwrap(), 1);
        drop(dropped);
        drop(runtime);
        after.start();
        assert!(after.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_scope_refuses_paused_ones() {
    greenthread::scope(|s| {
        let error = Builder::new().start_paused().spawn_scoped(s, || ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn the_main_of_a_run_has_its_callers_labels_and_values_but_is_no_daemon() {
    static VALUE: greenthread::thread::ContextVar<u32> = greenthread::thread::ContextVar::new();
    within_limit(|| {
        let inner = Arc::new(workers(2));
        let outer = workers(2);
        let look = || {
            let own = current();
            let child = spawn(|| (current().label("a").map(str::to_string), current().is_daemon()));
            let label = own.label("a").map(str::to_string);
            assert_eq!(child.join().unwrap(), (label.clone(), own.is_daemon()));
            (label, own.is_daemon(), VALUE.get(), own.name().map(str::to_string))
        };
        for daemon in [false, true] {
            let inner = Arc::clone(&inner);
            let caller = move || {
                VALUE.set(7);
                let nested = greenthread::run(look);
                assert_eq!(current().is_daemon(), daemon);
                (inner.run(look).unwrap(), nested)
            };
            let builder = Builder::new().label("a", "1").daemon(daemon);
            let handle = outer.run(move || builder.spawn(caller).unwrap().join().unwrap()).unwrap();
            let expected = (Some("1".to_string()), false, Some(7), Some("main".to_string()));
            assert_eq!(handle, (expected.clone(), expected));
        }
        assert_eq!(outer.run(look).unwrap(), (None, false, None, Some("main".to_string())));
    });
}

/// Whoever starts it makes it a descendant: it is waited for, though nobody joins it.
#[test]
fn a_paused_one_belongs_to_whoever_starts_it() {
    within_limit(|| {
        for count in [0, 1, 2, 8] {
            let ended = Arc::new(AtomicBool::new(false));
            let ends = Arc::clone(&ended);
            let main = move || {
                let body = move || {
                    sleep(Duration::from_millis(10));
                    ends.store(true, Ordering::SeqCst);
                };
                let paused = Builder::new().start_paused().spawn(body).unwrap();
                paused.start();
                paused.detach();
            };
            match count {
                0 => Runtime::new_current_thread().unwrap().run(main).unwrap(),
                _ => workers(count).run(main).unwrap(),
            }
            assert!(ended.load(Ordering::SeqCst));
        }
    });
}
