//! Green threads that stay on their OS thread.

use crate::support::{FOR_EVER, LIMIT, OnDrop, on_all_runtimes, until, within_limit, workers};
use greenthread::thread::{ContextVar, LocalJoinHandle, as_completed, join_all, spawn_local, wait};
use greenthread::{Builder, Runtime, current, green_local, sleep, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

fn os_thread() -> ThreadId {
    std::thread::current().id()
}

/// Must be dropped where it was made.
#[derive(Debug)]
struct Bound(ThreadId, Rc<Cell<usize>>);

impl Bound {
    fn new(dropped: &Rc<Cell<usize>>) -> Self {
        Self(os_thread(), Rc::clone(dropped))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if self.0 != os_thread() {
            // Worse than a panic: it would be undefined behaviour.
            std::process::abort();
        }
        self.1.set(self.1.get() + 1);
    }
}

#[test]
fn it_takes_and_gives_what_is_not_send() {
    on_all_runtimes(|| {
        let shared = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<LocalJoinHandle<Rc<usize>>> = (0..100)
            .map(|i| {
                let shared = Rc::clone(&shared);
                let home = os_thread();
                spawn_local(move || {
                    yield_now();
                    assert_eq!(os_thread(), home);
                    shared.borrow_mut().push(i);
                    Rc::new(i)
                })
            })
            .collect();
        // Others that may be stolen keep the thieves busy.
        let movable: Vec<_> = (0..100).map(|_| spawn(yield_now)).collect();
        let values: Vec<_> = join_all(handles).into_iter().map(|it| *it.unwrap()).collect();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
        assert_eq!(*shared.borrow(), values, "started in order");
        join_all(movable);
    });
}

#[test]
fn its_handle_has_all_that_the_other_has() {
    on_all_runtimes(|| {
        let handle = Builder::new().name("local".into()).spawn_local(|| sleep(FOR_EVER)).unwrap();
        assert_eq!((handle.name(), handle.thread().id()), (Some("local"), handle.id()));
        assert!(format!("{handle:?}").contains("local") && !handle.is_finished());
        let handle = handle.join_timeout(Duration::from_millis(1)).unwrap_err();
        let links = Arc::new(Mutex::new(Vec::new()));
        let log = || Arc::clone(&links);
        let (all, failure, value) = (log(), log(), log());
        handle.link(move |result| all.lock().unwrap().push(("all", result.is_err())));
        handle.link_failure(move |e| failure.lock().unwrap().push(("failure", e.is_killed())));
        handle.link_value(move |_| value.lock().unwrap().push(("value", true)));
        assert!(handle.kill_and_wait(LIMIT));
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(*links.lock().unwrap(), [("all", true), ("failure", true)]);
        let error = spawn_local(|| panic_any("local")).join().unwrap_err();
        assert!(error.is_panic());
        let (done, rest) = wait([spawn_local(|| Rc::new(1)), spawn_local(|| Rc::new(2))], 2);
        assert_eq!((done.len(), rest.len()), (2, 0));
        assert_eq!(as_completed(done).map(|it| *it.join().unwrap()).sum::<i32>(), 3);
        let paused = Builder::new().start_paused().spawn_local(|| Rc::new(5)).unwrap();
        paused.start();
        assert_eq!(*paused.join().unwrap(), 5);
    });
}

#[test]
fn what_it_holds_is_dropped_at_home() {
    on_all_runtimes(|| {
        let dropped = Rc::new(Cell::new(0));
        // Killed before it began.
        let guard = Bound::new(&dropped);
        let killed = spawn_local(move || drop(guard));
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        assert_eq!(dropped.get(), 1);
        // Detached, with a value.
        let guard = Bound::new(&dropped);
        spawn_local(move || guard).detach();
        // Paused and dropped; paused and killed.
        let make = || {
            let guard = Bound::new(&dropped);
            Builder::new().start_paused().spawn_local(move || guard).unwrap()
        };
        drop(make());
        assert!(make().kill_and_wait(LIMIT));
        while dropped.get() < 4 {
            yield_now();
        }
        // A handle that is forgotten leaks the value at most.
        let guard = Bound::new(&dropped);
        std::mem::forget(spawn_local(move || guard));
        // A clone of its thread, dropped elsewhere.
        let guard = Bound::new(&dropped);
        let handle = spawn_local(move || guard);
        let thread = handle.thread().clone();
        drop(handle);
        while dropped.get() < 5 {
            yield_now();
        }
        spawn(move || drop(thread)).join().unwrap();
    });
}

#[test]
fn the_end_of_the_runtime_before_it_began() {
    within_limit(|| {
        // The bodies are dropped on their worker, see `Bound`.
        for count in [1, 2, 4] {
            let runtime = workers(count);
            let (send, receive) = mpsc::channel();
            runtime.spawn(move || {
                let dropped = Rc::new(Cell::new(0));
                let own = Rc::clone(&dropped);
                let _told = crate::support::OnDrop(move || {
                    // Killed: those that it has spawned here go the same way.
                    let late = Bound::new(&own);
                    drop(spawn_local(move || drop(late)));
                });
                for _ in 0..100 {
                    let guard = Bound::new(&dropped);
                    std::mem::forget(spawn_local(move || drop(guard)));
                }
                send.send(()).unwrap();
                sleep(FOR_EVER);
            });
            receive.recv_timeout(LIMIT).unwrap();
            drop(runtime);
        }
        // A paused one that outlives the run which it was made in.
        let runtime = Runtime::new_current_thread().unwrap();
        let dropped = Rc::new(Cell::new(0));
        let inside = Rc::clone(&dropped);
        let make = move || {
            let make = || {
                let guard = Bound::new(&inside);
                Builder::new().start_paused().spawn_local(move || guard).unwrap()
            };
            (make(), make(), make())
        };
        let (started, joined, forgotten) = runtime.run_local(make).unwrap();
        started.start();
        assert!(started.is_finished() && started.join().unwrap_err().is_killed());
        assert!(joined.join().unwrap_err().is_killed());
        std::mem::forget(forgotten);
        assert_eq!(dropped.get(), 2);
    });
}

#[test]
fn where_there_is_no_runtime() {
    let error = Builder::new().spawn_local(|| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("call it inside `run`"), "{error}");
    let panic = catch_unwind(|| spawn_local(|| ())).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("runs no green threads"));
}

#[test]
fn a_busy_worker_keeps_its_own() {
    within_limit(|| {
        let runtime = workers(8);
        let homes = runtime.run(|| {
            let home = os_thread();
            let (send, receive) = mpsc::channel();
            for _ in 0..1000 {
                let send = send.clone();
                spawn_local(move || {
                    let _on_drop = OnDrop(yield_now);
                    send.send((os_thread(), current().is_green())).unwrap();
                });
            }
            // The thieves have all the time in the world.
            std::thread::sleep(Duration::from_millis(20));
            drop(send);
            let mut all = Vec::new();
            while all.len() < 1000 {
                all.extend(receive.try_iter());
                yield_now();
            }
            all.into_iter().all(|seen| seen == (home, true))
        });
        assert!(homes.unwrap());
    });
}

/// What a green thread keeps for itself says nothing of whether it has been started.
#[test]
fn one_with_values_of_its_own_goes_on_without_its_handle() {
    static REQUEST: ContextVar<u8> = ContextVar::new();
    green_local! {
        static OWN: Cell<u8> = const { Cell::new(0) };
    }
    on_all_runtimes(|| {
        let (send, receive) = greenthread::sync::mpsc::channel();
        REQUEST.with_value(5, || {
            drop(spawn(move || {
                OWN.set(7);
                for _ in 0..10 {
                    yield_now();
                }
                send.send((OWN.get(), REQUEST.get())).unwrap();
            }));
            let joined = spawn(|| {
                yield_now();
                REQUEST.get()
            });
            assert_eq!(joined.join().unwrap(), Some(5));
        });
        assert_eq!(receive.recv(), Ok((7, Some(5))));
    });
}

#[test]
fn links_stay_on_the_os_thread_too() {
    on_all_runtimes(|| {
        let os = std::thread::current().id();
        let log = Rc::new(RefCell::new(Vec::new()));
        let note = |handle: &LocalJoinHandle<u8>, name: &'static str| {
            let (value, failure) = (Rc::clone(&log), Rc::clone(&log));
            handle.link(move |_| assert_eq!(std::thread::current().id(), os));
            handle.link_value(move |seen| value.borrow_mut().push((name, Some(*seen))));
            handle.link_failure(move |_| failure.borrow_mut().push((name, None)));
        };
        let good = spawn_local(|| 7);
        note(&good, "good");
        good.join().unwrap();
        let killed = spawn_local(|| {
            sleep(FOR_EVER);
            1
        });
        note(&killed, "killed");
        yield_now();
        killed.kill();
        killed.join().unwrap_err();
        let paused = Builder::new().start_paused().spawn_local(|| 1).unwrap();
        note(&paused, "paused");
        paused.kill();
        paused.join().unwrap_err();
        let ended = spawn_local(|| 8);
        until(|| ended.is_finished());
        note(&ended, "ended");
        assert_eq!(
            *log.borrow(),
            [("good", Some(7)), ("killed", None), ("paused", None), ("ended", Some(8))]
        );
    });
}
