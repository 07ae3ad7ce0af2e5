//! Runtimes of one's own: their settings, and the one that runs on the caller's thread.

use crate::support::{FOR_EVER, LIMIT, OnDrop, until, within_limit, workers};
use greenthread::{Runtime, run, sleep, spawn, yield_now};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

#[test]
fn bad_settings_are_refused() {
    for count in [0, 1025, usize::MAX] {
        let error = Runtime::builder().workers(count).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{count} workers");
        let local = Runtime::builder().workers(count).build_current_thread();
        assert_eq!(local.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    for size in [0, usize::MAX, (1 << 40) + 1] {
        let builder = Runtime::builder().workers(1).stack_size(size);
        assert_eq!(builder.clone().build().unwrap_err().kind(), ErrorKind::InvalidInput);
        let local = builder.build_current_thread();
        assert_eq!(local.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let error = Runtime::builder().workers(1).thread_name("a\0b").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(Runtime::builder().workers(1).build_current_thread().is_ok());
}

#[test]
fn workers_are_named_after_their_runtime() {
    let runtime = Runtime::builder().workers(3).thread_name("named").build().unwrap();
    let names: Vec<_> = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .collect();
    // A thread sets its name itself, when it begins to run.
    until(|| {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names: Vec<_> = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
            .collect();
        (0..3).all(|at| names.contains(&format!("named-{at}\n")))
    });
    drop(names);
    let name = runtime.run(|| std::thread::current().name().map(str::to_string)).unwrap();
    assert!(name.unwrap().starts_with("named-"));
    // Longer than the kernel keeps, and empty.
    for name in ["x".repeat(1000), String::new()] {
        let runtime = Runtime::builder().workers(1).thread_name(name).build().unwrap();
        assert_eq!(runtime.run(|| 1).unwrap(), 1);
    }
}

#[test]
fn run_waits_for_all_descendants() {
    fn spread(depth: u32, ended: &Arc<AtomicUsize>) {
        for _ in 0..if depth == 0 { 0 } else { 3 } {
            let ended = Arc::clone(ended);
            spawn(move || {
                spread(depth - 1, &ended);
                sleep(Duration::from_micros(200));
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    }
    for count in [1, 2, 8] {
        let runtime = workers(count);
        let ended = Arc::new(AtomicUsize::new(0));
        let inside = Arc::clone(&ended);
        runtime.run(move || spread(5, &inside)).unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 3 + 9 + 27 + 81 + 243);
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let inside = Arc::clone(&ended);
    Runtime::new_current_thread().unwrap().run_local(move || spread(4, &inside)).unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 3 + 9 + 27 + 81);
}

#[test]
fn a_panic_of_main() {
    let runtime = workers(2);
    let child_ended = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&child_ended);
    let error = runtime
        .run(move || {
            spawn(move || {
                sleep(Duration::from_millis(2));
                ended.store(true, Ordering::SeqCst);
            });
            panic!("main's own")
        })
        .unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("main's own"));
    assert!(child_ended.load(Ordering::SeqCst), "the descendants are waited for all the same");
    let caught = std::panic::catch_unwind(|| run(|| panic!("global main")));
    assert_eq!(*caught.unwrap_err().downcast_ref::<&str>().unwrap(), "global main");
    let local = Runtime::new_current_thread().unwrap();
    assert!(local.run_local(|| panic!("local main")).unwrap_err().is_panic());
    assert_eq!(local.run_local(|| 1).unwrap(), 1);
}

#[test]
fn two_runs_at_once_do_not_touch_each_other() {
    let (stop, stopped) = mpsc::channel::<()>();
    let long = std::thread::spawn(move || {
        run(move || {
            spawn(move || {
                while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    sleep(Duration::from_millis(1));
                }
            });
        });
    });
    for i in 0..100 {
        assert_eq!(run(move || spawn(move || i).join().unwrap()), i);
    }
    assert!(!long.is_finished());
    stop.send(()).unwrap();
    long.join().unwrap();
}

#[test]
fn run_inside_green_threads() {
    within_limit(|| {
        // Of the global runtime within itself, on another runtime, and a runtime within its own.
        assert_eq!(run(|| run(|| run(|| 1))), 1);
        let a = Arc::new(workers(1));
        let b = workers(1);
        let inner = Arc::clone(&a);
        let value = a.run(move || {
            let neighbour = spawn(|| sleep(Duration::from_millis(1)));
            let value = b.run(move || inner.run(|| spawn(|| 5).join().unwrap()).unwrap()).unwrap();
            neighbour.join().unwrap();
            value
        });
        assert_eq!(value.unwrap(), 5);
    });
}

// --- on the caller's thread -----------------------------------------------------------------------------------------

fn scenario() -> Vec<String> {
    let log = Rc::new(RefCell::new(Vec::new()));
    let inside = Rc::clone(&log);
    let shared = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&shared);
    Runtime::new_current_thread()
        .unwrap()
        .run_local(move || {
            let handles: Vec<_> = (0..20)
                .map(|i| {
                    let log = Arc::clone(&written);
                    spawn(move || {
                        for step in 0..i % 5 {
                            log.lock().unwrap().push(format!("{i}.{step}"));
                            if step % 2 == 0 { yield_now() } else { sleep(Duration::ZERO) }
                        }
                        if i % 3 == 0 {
                            let log = Arc::clone(&log);
                            spawn(move || log.lock().unwrap().push(format!("child of {i}")));
                        }
                    })
                })
                .collect();
            inside.borrow_mut().push("spawned".to_string());
            for handle in handles {
                handle.join().unwrap();
            }
            inside.borrow_mut().push("joined".to_string());
        })
        .unwrap();
    let mut log = Rc::try_unwrap(log).unwrap().into_inner();
    log.append(&mut shared.lock().unwrap());
    log
}

#[test]
fn the_order_is_always_the_same() {
    let first = scenario();
    assert_eq!(first.len(), 2 + 4 * 10 + 7);
    for _ in 0..20 {
        assert_eq!(scenario(), first);
    }
}

#[test]
fn run_local_takes_what_is_not_send() {
    let value = Rc::new(5);
    let runtime = Runtime::new_current_thread().unwrap();
    let back = runtime.run_local({
        let value = Rc::clone(&value);
        move || {
            yield_now();
            value
        }
    });
    assert_eq!(*back.unwrap(), 5);
    assert_eq!(Rc::strong_count(&value), 1);
    // Dropped where it belongs also if it panics.
    let held = Rc::clone(&value);
    assert!(
        runtime
            .run_local(move || {
                let _held = &held;
                panic!("on purpose")
            })
            .is_err()
    );
    assert_eq!(Rc::strong_count(&value), 1);
    let error = workers(1).run_local(move || value).unwrap_err();
    assert!(error.io_error().is_some_and(|error| error.to_string().contains("workers")));
}

#[test]
fn run_twice_and_spawn_between() {
    within_limit(|| {
        let runtime = Runtime::new_current_thread().unwrap();
        for round in 0..50 {
            let before = runtime.spawn(move || round);
            let main = runtime.run(move || before.join().unwrap());
            assert_eq!(main.unwrap(), round);
        }
    });
}

#[test]
fn a_hub_used_twice_still_hears_of_what_is_spawned_from_outside() {
    within_limit(|| {
        let runtime = Arc::new(Runtime::new_current_thread().unwrap());
        for _ in 0..300 {
            let (send, receive) = mpsc::channel();
            let outside = Arc::clone(&runtime);
            let thread = std::thread::spawn(move || {
                for i in 0..3 {
                    let send: mpsc::Sender<i32> = send.clone();
                    outside.spawn(move || send.send(i).unwrap());
                }
            });
            runtime
                .run_local(move || {
                    for _ in 0..3 {
                        until(|| receive.try_recv().is_ok());
                    }
                })
                .unwrap();
            thread.join().unwrap();
        }
    });
}

#[test]
fn spawned_from_outside_wakes_it() {
    within_limit(|| {
        let runtime = Arc::new(Runtime::new_current_thread().unwrap());
        let outside = Arc::clone(&runtime);
        let (main_send, main_receive) = mpsc::channel::<greenthread::thread::Thread>();
        let thread = std::thread::spawn(move || {
            let main = main_receive.recv().unwrap();
            assert!(main.is_green());
            (0..100).map(|i| outside.spawn(move || i).join().unwrap()).sum::<i32>()
        });
        let sum = runtime.run_local(move || {
            main_send.send(greenthread::current()).unwrap();
            // Waits by itself: nothing on this thread is ready meanwhile.
            spawn(move || until(|| thread.is_finished())).join().unwrap();
            4950
        });
        assert_eq!(sum.unwrap(), 4950);
    });
}

#[test]
fn two_threads_at_once_and_inside_a_green_thread() {
    let runtime = Arc::new(Runtime::new_current_thread().unwrap());
    let (begun, wait) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let first = {
        let runtime = Arc::clone(&runtime);
        std::thread::spawn(move || {
            runtime.run(move || {
                begun.send(()).unwrap();
                until(|| stopped.try_recv().is_ok());
                "first"
            })
        })
    };
    wait.recv_timeout(LIMIT).unwrap();
    let error = runtime.run(|| "second").unwrap_err();
    assert!(error.io_error().unwrap().to_string().contains("another thread"), "{error}");
    stop.send(()).unwrap();
    assert_eq!(first.join().unwrap().unwrap(), "first");
    assert_eq!(runtime.run(|| "again").unwrap(), "again");

    let inside = Arc::clone(&runtime);
    let error = run(move || inside.run(|| ()).unwrap_err());
    assert!(error.io_error().unwrap().to_string().contains("inside a green thread"), "{error}");
    let inside = Arc::clone(&runtime);
    let error = runtime.run(move || inside.run(|| ()).unwrap_err()).unwrap();
    assert!(error.io_error().is_some());
}

#[test]
fn run_ends_what_others_spawned_on_it() {
    let runtime = Runtime::new_current_thread().unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    let begun = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (0..10)
        .map(|_| {
            let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
            runtime.spawn(move || {
                let _guard = OnDrop(|| {
                    ended.fetch_add(1, Ordering::SeqCst);
                });
                begun.fetch_add(1, Ordering::SeqCst);
                sleep(FOR_EVER);
            })
        })
        .collect();
    runtime.run(move || until(|| begun.load(Ordering::SeqCst) == 10)).unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 10);
    for handle in handles {
        assert!(handle.join().unwrap_err().is_killed());
    }
}

#[test]
fn what_it_spawns_on_another_runtime_is_not_waited_for() {
    within_limit(|| {
        let other = Arc::new(workers(1));
        let (sender, receiver) = mpsc::channel();
        for main_on in [workers(1), Runtime::new_current_thread().unwrap()] {
            let (on, sender) = (Arc::clone(&other), sender.clone());
            main_on
                .run(move || {
                    let inner = Arc::clone(&on);
                    on.spawn(move || {
                        sleep(Duration::from_millis(10));
                        sender.send(spawn(|| sleep(FOR_EVER))).unwrap();
                        inner.spawn(|| sleep(FOR_EVER));
                    });
                })
                .unwrap();
        }
        let asleep: Vec<_> = (0..2).map(|_| receiver.recv_timeout(LIMIT).unwrap()).collect();
        until(|| Arc::strong_count(&other) == 1);
        drop(other);
        for handle in asleep {
            assert!(handle.join().unwrap_err().is_killed());
        }
    });
}

#[test]
fn what_an_idle_one_never_ran_ends_with_it() {
    let runtime = Runtime::new_current_thread().unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (0..100)
        .map(|_| {
            let dropped = Arc::clone(&dropped);
            let guard = OnDrop(move || {
                dropped.fetch_add(1, Ordering::SeqCst);
            });
            runtime.spawn(move || drop(guard))
        })
        .collect();
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    drop(runtime);
    assert_eq!(dropped.load(Ordering::SeqCst), 100);
    for handle in handles {
        assert!(handle.join().unwrap_err().is_killed());
    }
}

/// What runs inside is one thing, the generator another: the one knows nothing of the other.
#[test]
fn a_current_thread_runtime_inside_a_generator() {
    use greenthread::generator::{Generator, Yielder};
    let mut numbers = Generator::new(|yielder: &Yielder<i32>| {
        yielder.yield_(1);
        let runtime = Runtime::new_current_thread().unwrap();
        let inside = runtime.run_local(|| {
            let mut inner = Generator::new(|yielder: &Yielder<i32>| yielder.yield_(2));
            spawn(yield_now).join().unwrap();
            inner.next().unwrap()
        });
        yielder.yield_(inside.unwrap());
        yielder.yield_(3);
    });
    assert_eq!(numbers.by_ref().take(2).collect::<Vec<i32>>(), [1, 2]);
    assert_eq!(numbers.next(), Some(3));
    assert_eq!(numbers.next(), None);
}
