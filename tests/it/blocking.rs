//! Code on the pool's OS threads, and what becomes of it.

use crate::support::{FOR_EVER, LIMIT, OnDrop, until, within_limit, workers};
use greenthread::{Runtime, blocking, shield, sleep, spawn, timeout, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// On a current-thread runtime, and on 1, 2 and 8 workers.
fn everywhere(body: impl Fn() + Clone + Send + 'static) {
    within_limit(move || {
        Runtime::new_current_thread().unwrap().run(body.clone()).unwrap();
        for count in [1, 2, 8] {
            workers(count).run(body.clone()).unwrap();
        }
    });
}

#[test]
fn only_the_caller_waits() {
    everywhere(|| {
        let own = std::thread::current().id();
        let (send, receive) = mpsc::channel();
        let waiting = spawn(move || {
            let before = std::thread::current().id();
            let (text, there) = blocking(move || {
                let text = receive.recv_timeout(LIMIT).unwrap();
                (text, std::thread::current().id())
            });
            assert_eq!(std::thread::current().id(), before, "it goes on where it began");
            assert_ne!(there, before);
            text
        });
        // On one worker this runs only if the other has left it.
        yield_now();
        send.send("sent by a neighbour").unwrap();
        assert_eq!(waiting.join().unwrap(), "sent by a neighbour");
        assert_eq!(std::thread::current().id(), own);
    });
}

#[test]
fn on_an_os_thread_it_runs_at_once() {
    let here = std::thread::current().id();
    assert_eq!(blocking(|| std::thread::current().id()), here);
    let nested = workers(1).run(|| {
        blocking(|| {
            let there = std::thread::current().id();
            assert!(!greenthread::current().is_green());
            (there, blocking(|| std::thread::current().id()))
        })
    });
    let (outer, inner) = nested.unwrap();
    assert_eq!(outer, inner);
    assert_ne!(outer, here);
}

#[test]
fn a_panic_comes_back() {
    everywhere(|| {
        let payload =
            catch_unwind(|| blocking(|| std::panic::resume_unwind(Box::new(5)))).unwrap_err();
        let payload: Box<dyn std::any::Any + Send> = payload;
        assert_eq!(*payload.downcast::<i32>().unwrap(), 5);
        assert_eq!(blocking(|| 6), 6);
        let handle = spawn(|| blocking(|| std::panic::resume_unwind(Box::new("through"))));
        let error = handle.join().unwrap_err();
        assert!(error.is_panic());
    });
}

/// What a body that nobody waits for any more returns is dropped, once it returns.
#[test]
fn a_kill_ends_the_wait_and_drops_the_result() {
    everywhere(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (go, gate) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let count = Arc::clone(&dropped);
        let handle = spawn(move || {
            let _result = blocking(move || {
                begun.send(()).unwrap();
                gate.recv_timeout(LIMIT).unwrap();
                OnDrop(move || _ = count.fetch_add(1, Ordering::SeqCst))
            });
            unreachable!("it was killed before");
        });
        until(|| has_begun.try_recv().is_ok());
        handle.kill();
        let handle: greenthread::JoinHandle<()> = handle;
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        go.send(()).unwrap();
        until(|| dropped.load(Ordering::SeqCst) == 1);
    });
}

#[test]
fn a_timeout_ends_the_wait_and_a_shield_keeps_it() {
    everywhere(|| {
        let (go, gate) = mpsc::channel::<()>();
        let slow = timeout(Duration::from_millis(2), || {
            blocking(move || gate.recv_timeout(LIMIT)).ok();
        });
        assert!(slow.is_err());
        go.send(()).ok();
        let kept = timeout(Duration::from_millis(1), || {
            shield(|| {
                blocking(|| {
                    std::thread::sleep(Duration::from_millis(5));
                    "all of it"
                })
            })
        });
        assert_eq!(kept, Ok("all of it"));
    });
}

/// A killed green thread that swallows every kill: it goes on, but spins neither its worker nor the pool.
#[test]
fn one_that_swallows_its_kill() {
    everywhere(|| {
        let begun = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&begun);
        let handle = spawn(move || {
            let mut kills = 0;
            set.store(true, Ordering::SeqCst);
            while kills < 100 {
                let step = || blocking(|| std::thread::sleep(Duration::from_micros(100)));
                kills += usize::from(catch_unwind(step).is_err());
            }
            kills
        });
        until(|| begun.load(Ordering::SeqCst));
        handle.kill();
        // Its neighbours have their turn all the while.
        for _ in 0..100 {
            yield_now();
        }
        assert_eq!(handle.join().map_err(|error| assert!(error.is_killed())).unwrap_or(100), 100);
    });
}

#[test]
fn in_a_destructor_that_unwinds() {
    everywhere(|| {
        let seen = Arc::new(AtomicUsize::new(0));
        for kill in [true, false] {
            let add = Arc::clone(&seen);
            let ready = Arc::new(AtomicBool::new(false));
            let set = Arc::clone(&ready);
            let handle = spawn(move || {
                let _guard = OnDrop(move || {
                    let value = blocking(|| {
                        std::thread::sleep(Duration::from_millis(1));
                        1
                    });
                    add.fetch_add(value, Ordering::SeqCst);
                });
                set.store(true, Ordering::SeqCst);
                if kill {
                    sleep(FOR_EVER);
                }
                std::panic::resume_unwind(Box::new(()));
            });
            until(|| ready.load(Ordering::SeqCst));
            handle.kill();
            let handle: greenthread::JoinHandle<()> = handle;
            assert!(handle.join().is_err());
        }
        assert_eq!(seen.load(Ordering::SeqCst), 2);
    });
}

/// The runtime ends while bodies run: it does not wait for them, and they go on to their end.
#[test]
fn the_end_of_a_runtime() {
    within_limit(|| {
        for count in [1, 2] {
            let ended = Arc::new(AtomicUsize::new(0));
            let (begun, has_begun) = mpsc::channel();
            let gates: Vec<_> = {
                let runtime = workers(count);
                let gates = (0..5)
                    .map(|_| {
                        let (go, gate) = mpsc::channel::<()>();
                        let (ended, begun) = (Arc::clone(&ended), begun.clone());
                        runtime.spawn(move || {
                            blocking(move || {
                                begun.send(()).unwrap();
                                let _ = gate.recv_timeout(LIMIT);
                                ended.fetch_add(1, Ordering::SeqCst);
                            });
                        });
                        go
                    })
                    .collect();
                for _ in 0..5 {
                    has_begun.recv_timeout(LIMIT).unwrap();
                }
                drop(runtime);
                gates
            };
            assert_eq!(ended.load(Ordering::SeqCst), 0);
            drop(gates);
            until(|| ended.load(Ordering::SeqCst) == 5);
        }
    });
}

#[test]
fn what_is_killed_at_random_drops_its_results() {
    within_limit(|| {
        let runtime = workers(2);
        let made = Arc::new(AtomicUsize::new(0));
        let mut random = crate::support::Random(0x5eed);
        let handles: Vec<_> = (0..2000)
            .map(|_| {
                let (made, micros) = (Arc::clone(&made), random.below(200));
                runtime.spawn(move || {
                    let result = blocking(move || {
                        made.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(micros));
                        OnDrop(move || _ = made.fetch_sub(1, Ordering::SeqCst))
                    });
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(result)));
                })
            })
            .collect();
        for handle in &handles {
            if random.below(2) == 0 {
                handle.kill();
            }
            if random.below(20) == 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        for handle in handles {
            if let Err(error) = handle.join() {
                assert!(error.is_killed());
            }
        }
        drop(runtime);
        until(|| made.load(Ordering::SeqCst) == 0);
    });
}
