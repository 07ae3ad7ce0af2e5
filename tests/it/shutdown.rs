//! The end of a runtime, whatever its green threads are at.

use crate::support::{FOR_EVER, LIMIT, OnDrop, until, within_limit, workers};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::thread::ThreadState;
use greenthread::{Runtime, run, shield, sleep, spawn, yield_now};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

#[test]
fn whatever_they_wait_for() {
    within_limit(|| {
        for count in [1, 2] {
            let runtime = workers(count);
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
            let address = listener.local_addr().unwrap();
            let peer = TcpListener::bind("127.0.0.1:0").unwrap();
            let peer_address = peer.local_addr().unwrap();
            let ended = Arc::new(AtomicUsize::new(0));
            let begun = Arc::new(AtomicUsize::new(0));
            let guard = || {
                let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
                move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    OnDrop(move || {
                        ended.fetch_add(1, Ordering::SeqCst);
                    })
                }
            };
            let mut handles = Vec::new();
            for _ in 0..10 {
                let begin = guard();
                handles.push(runtime.spawn(move || {
                    let _guard = begin();
                    sleep(FOR_EVER);
                }));
                let begin = guard();
                handles.push(runtime.spawn(move || {
                    let _guard = begin();
                    // Its child may be killed first.
                    let _ = spawn(|| sleep(FOR_EVER)).join();
                    sleep(FOR_EVER);
                }));
                let (begin, listener) = (guard(), Arc::clone(&listener));
                handles.push(runtime.spawn(move || {
                    let _guard = begin();
                    let _ = listener.accept();
                }));
                let begin = guard();
                handles.push(runtime.spawn(move || {
                    let _guard = begin();
                    let _ = TcpStream::connect(peer_address).unwrap().read(&mut [0; 8]);
                }));
                let begin = guard();
                handles.push(runtime.spawn(move || {
                    let _guard = begin();
                    loop {
                        yield_now();
                    }
                }));
            }
            until(|| begun.load(Ordering::SeqCst) == 50);
            drop(runtime);
            assert_eq!(ended.load(Ordering::SeqCst), 50);
            for handle in handles {
                assert!(handle.join().unwrap_err().is_killed());
            }
            // The listener is as good as new.
            let client = std::thread::spawn(move || TcpStream::connect(address).unwrap());
            listener.accept().unwrap();
            client.join().unwrap();
            drop(peer);
        }
    });
}

#[test]
fn destructors_may_wait_while_they_are_unwound_by_it() {
    within_limit(|| {
        let runtime = workers(1);
        let (send, receive) = mpsc::channel();
        let ready = Arc::new(AtomicUsize::new(0));
        for i in 0..20 {
            let (send, ready) = (send.clone(), Arc::clone(&ready));
            runtime.spawn(move || {
                let _guard = OnDrop(|| {
                    sleep(Duration::from_millis(1));
                    yield_now();
                    // New ones never run.
                    assert!(spawn(|| ()).join().unwrap_err().is_killed());
                    send.send(i).unwrap();
                });
                ready.fetch_add(1, Ordering::SeqCst);
                sleep(FOR_EVER);
            });
        }
        until(|| ready.load(Ordering::SeqCst) == 20);
        drop((send, runtime));
        assert_eq!(receive.iter().count(), 20);
    });
}

/// Also where it was placed on a worker that has ended by then: that one had nothing to unwind.
#[test]
fn what_destructors_spawn_while_the_runtime_ends_ends_and_who_joins_it_goes_on() {
    within_limit(|| {
        for _ in 0..10 {
            let runtime = workers(2);
            let ended = Arc::new(AtomicUsize::new(0));
            let begun = Arc::new(AtomicUsize::new(0));
            for _ in 0..20 {
                let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
                runtime.spawn(move || {
                    let _joins = OnDrop(|| {
                        let child = spawn(|| sleep(FOR_EVER));
                        assert!(child.join().unwrap_err().is_killed());
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                    begun.fetch_add(1, Ordering::SeqCst);
                    sleep(FOR_EVER);
                });
            }
            until(|| begun.load(Ordering::SeqCst) == 20);
            assert_eq!(runtime.shutdown(LIMIT), Ok(()));
            assert_eq!(ended.load(Ordering::SeqCst), 20);
        }
    });
}

#[test]
fn one_that_swallows_its_kill_once_may_go_on_and_have_a_value() {
    let runtime = workers(1);
    let ready = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&ready);
    let handle = runtime.spawn(move || {
        set.store(true, Ordering::SeqCst);
        assert!(catch_unwind(|| sleep(FOR_EVER)).is_err());
        "a value all the same"
    });
    until(|| ready.load(Ordering::SeqCst));
    drop(runtime);
    assert_eq!(handle.join().unwrap(), "a value all the same");
}

/// The slow one: three runtimes that have to give up, at the same time.
#[test]
fn what_will_not_end_is_given_up() {
    let swallowing = std::thread::spawn(|| {
        within_limit(|| {
            let runtime = workers(2);
            let other = runtime.spawn(|| sleep(FOR_EVER));
            let handle = runtime.spawn(|| {
                loop {
                    let _ = catch_unwind(|| sleep(FOR_EVER));
                }
            });
            until(|| {
                let (send, receive) = mpsc::channel();
                runtime.spawn(move || send.send(()).unwrap());
                receive.recv_timeout(LIMIT).is_ok()
            });
            drop(runtime);
            assert!(other.join().unwrap_err().is_killed());
            let handle: greenthread::JoinHandle<()> = handle;
            assert!(handle.join().unwrap_err().is_killed());
        });
    });
    // It makes ever new ones, which must all end as killed, the last ones too.
    let spawning = std::thread::spawn(|| {
        within_limit(|| {
            let runtime = workers(1);
            let (send, receive) = mpsc::channel();
            runtime.spawn(move || {
                loop {
                    let _ = catch_unwind(AssertUnwindSafe(|| {
                        loop {
                            let _ = send.send(spawn(|| sleep(FOR_EVER)));
                            yield_now();
                        }
                    }));
                    let _ = send.send(spawn(|| ()));
                    let _ = send.send(spawn(|| ()));
                }
            });
            let first = receive.recv_timeout(LIMIT).unwrap();
            let collector = std::thread::spawn(move || {
                assert!(first.join().unwrap_err().is_killed());
                // The sender stays on the leaked stack: the end is silence.
                let mut last = Vec::new();
                while let Ok(handle) = receive.recv_timeout(Duration::from_secs(8)) {
                    last.push(handle);
                    if last.len() > 1000 {
                        for handle in last.drain(..) {
                            let _ = handle.join();
                        }
                    }
                }
                for handle in last {
                    let _ = handle.join();
                }
            });
            drop(runtime);
            collector.join().unwrap();
        });
    });
    // Its destructor waits for ever.
    let stuck = std::thread::spawn(|| {
        within_limit(|| {
            let runtime = workers(1);
            let ready = Arc::new(AtomicBool::new(false));
            let set = Arc::clone(&ready);
            let handle = runtime.spawn(move || {
                let _guard = OnDrop(|| sleep(FOR_EVER));
                set.store(true, Ordering::SeqCst);
                sleep(FOR_EVER);
            });
            until(|| ready.load(Ordering::SeqCst));
            drop(runtime);
            assert!(handle.join().unwrap_err().is_killed());
        });
    });
    // The same on a current-thread runtime, which is spoiled by it.
    let local = std::thread::spawn(|| {
        within_limit(|| {
            let runtime = Runtime::new_current_thread().unwrap();
            let ready = Arc::new(AtomicBool::new(false));
            let set = Arc::clone(&ready);
            let handle = runtime.spawn(move || {
                let _guard = OnDrop(|| sleep(FOR_EVER));
                set.store(true, Ordering::SeqCst);
                sleep(FOR_EVER);
            });
            runtime.run(move || until(|| ready.load(Ordering::SeqCst))).unwrap();
            assert!(handle.join().unwrap_err().is_killed());
            let error = runtime.run(|| ()).unwrap_err();
            assert!(error.to_string().contains("would not end"), "{error}");
        });
    });
    let threads = [("swallowing", swallowing), ("spawning", spawning), ("stuck", stuck)];
    for (name, thread) in threads.into_iter().chain([("local", local)]) {
        assert!(thread.join().is_ok(), "{name}");
    }
}

#[test]
fn made_run_and_dropped_inside_green_threads() {
    within_limit(|| {
        let value = run(|| {
            let runtime = workers(2);
            let neighbour = spawn(|| sleep(Duration::from_millis(1)));
            let value = runtime.run(|| spawn(|| 4).join().unwrap()).unwrap();
            let asleep = runtime.spawn(|| sleep(FOR_EVER));
            drop(runtime);
            neighbour.join().unwrap();
            assert!(asleep.join().unwrap_err().is_killed());
            value
        });
        assert_eq!(value, 4);
        let outer = workers(1);
        let inner = outer.run(|| {
            let inner = workers(1);
            let handle = inner.spawn(|| sleep(FOR_EVER));
            (inner, handle)
        });
        let (inner, handle) = inner.unwrap();
        drop(outer);
        drop(inner);
        assert!(handle.join().unwrap_err().is_killed());
    });
}

#[test]
fn dropped_by_one_of_its_own() {
    within_limit(|| {
        for count in [1, 2] {
            let runtime = Arc::new(workers(count));
            let (give, take) = mpsc::channel::<Arc<Runtime>>();
            let asleep = runtime.spawn(|| sleep(FOR_EVER));
            let handle = runtime.spawn(move || {
                let own = take.recv_timeout(LIMIT).unwrap();
                until(|| Arc::strong_count(&own) == 1);
                let late = own.spawn(|| ());
                drop(own);
                (late, spawn(|| ()))
            });
            give.send(Arc::clone(&runtime)).unwrap();
            drop(runtime);
            // It goes on to its next suspension point, here to its end.
            if let Ok((late, later)) = handle.join() {
                let _ = late.join();
                let _ = later.join();
            }
            assert!(asleep.join().unwrap_err().is_killed());
        }
    });
}

#[test]
fn spawning_while_it_ends_never_hangs() {
    within_limit(|| {
        for round in 0..60 {
            let runtime = workers(1 + round % 3);
            let (send, receive) = mpsc::channel();
            for _ in 0..4 {
                let send = send.clone();
                runtime.spawn(move || {
                    let _guard = OnDrop(|| {
                        for _ in 0..20 {
                            send.send(spawn(|| sleep(FOR_EVER))).unwrap();
                            if std::thread::panicking() {
                                yield_now();
                            }
                        }
                    });
                    loop {
                        send.send(spawn(yield_now)).unwrap();
                        yield_now();
                    }
                });
            }
            drop(send);
            let joiner = std::thread::spawn(move || {
                receive.into_iter().map(greenthread::JoinHandle::join).count()
            });
            std::thread::sleep(Duration::from_micros(round as u64 * 50));
            drop(runtime);
            joiner.join().unwrap();
        }
    });
}

/// What belongs to a worker that has ended may belong to another runtime soon, while its own runtime still winds down.
#[test]
fn a_runtime_that_winds_down_leaves_others_alone() {
    within_limit(|| {
        for _ in 0..20 {
            let old = Arc::new(workers(4));
            let stop = Arc::new(AtomicBool::new(false));
            let ready = Arc::new(AtomicBool::new(false));
            let (seen, set) = (Arc::clone(&stop), Arc::clone(&ready));
            // One worker stays busy winding down, and spawns as it does.
            let slow = old.spawn(move || {
                let _guard = OnDrop(|| {
                    while !seen.load(Ordering::SeqCst) {
                        for _ in 0..10 {
                            drop(spawn(|| ()));
                        }
                        yield_now();
                    }
                });
                set.store(true, Ordering::SeqCst);
                sleep(FOR_EVER);
            });
            until(|| ready.load(Ordering::SeqCst));
            let dropper = std::thread::spawn(move || drop(old));
            // The other workers have ended by now or will soon; runtimes that start reuse what they had.
            std::thread::sleep(Duration::from_millis(5));
            for _ in 0..3 {
                let new = workers(3);
                let live: Vec<_> = (0..20).map(|_| new.spawn(|| sleep(FOR_EVER))).collect();
                for _ in 0..20 {
                    let batch: Vec<_> = (0..10)
                        .map(|i| {
                            new.spawn(move || {
                                let children: Vec<_> = (0..10).map(|_| spawn(move || i)).collect();
                                children
                                    .into_iter()
                                    .map(|child| child.join().unwrap())
                                    .sum::<usize>()
                            })
                        })
                        .collect();
                    let sum: usize = batch.into_iter().map(|handle| handle.join().unwrap()).sum();
                    assert_eq!(sum, 450);
                }
                drop(new);
                for handle in live {
                    assert!(handle.join().unwrap_err().is_killed());
                }
            }
            stop.store(true, Ordering::SeqCst);
            dropper.join().unwrap();
            assert!(slow.join().unwrap_err().is_killed());
        }
    });
}

#[test]
fn a_thread_local_whose_destructor_waits() {
    within_limit(|| {
        struct Waits(mpsc::Sender<&'static str>);
        impl Drop for Waits {
            fn drop(&mut self) {
                sleep(Duration::from_millis(2));
                yield_now();
                // On the global runtime: this thread's own has ended.
                assert_eq!(spawn(|| 1).join().unwrap(), 1);
                assert!(!greenthread::current().is_green());
                self.0.send("waited").unwrap();
            }
        }
        thread_local! {
            static LOCAL: std::cell::RefCell<Option<Waits>> = const { std::cell::RefCell::new(None) };
        }
        let runtime = workers(1);
        let (send, receive) = mpsc::channel();
        runtime.run(move || LOCAL.set(Some(Waits(send)))).unwrap();
        drop(runtime);
        assert_eq!(receive.recv_timeout(LIMIT), Ok("waited"));
    });
}

#[test]
fn runtimes_come_and_go_two_hundred_times() {
    within_limit(|| {
        for round in 0..200 {
            let runtime = workers(1 + round % 4);
            let asleep = runtime.spawn(|| sleep(FOR_EVER));
            assert_eq!(runtime.run(move || spawn(move || round).join().unwrap()).unwrap(), round);
            drop(runtime);
            assert!(asleep.join().unwrap_err().is_killed());
        }
    });
}

#[test]
fn shut_down_in_time() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            let ended = Arc::new(AtomicUsize::new(0));
            let begun = Arc::new(AtomicUsize::new(0));
            let handles: Vec<_> = (0..20)
                .map(|_| {
                    let (ended, begun) = (Arc::clone(&ended), Arc::clone(&begun));
                    runtime.spawn(move || {
                        let _guard = OnDrop(|| {
                            sleep(Duration::from_millis(1));
                            ended.fetch_add(1, Ordering::SeqCst);
                        });
                        begun.fetch_add(1, Ordering::SeqCst);
                        sleep(FOR_EVER);
                    })
                })
                .collect();
            until(|| begun.load(Ordering::SeqCst) == 20);
            assert_eq!(runtime.shutdown(LIMIT), Ok(()));
            assert_eq!(ended.load(Ordering::SeqCst), 20);
            for handle in handles {
                assert!(handle.join().unwrap_err().is_killed());
            }
        }
        let local = Runtime::new_current_thread().unwrap();
        let never = local.spawn(|| ());
        assert_eq!(local.shutdown(LIMIT), Ok(()));
        assert!(never.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_shutdown_names_the_stragglers() {
    within_limit(|| {
        let named = |name: &str| greenthread::Builder::new().name(name.into());
        let runtime = workers(1);
        let (send, receive) = mpsc::channel();
        let stubborn = runtime
            .spawn(move || {
                let ready = send.clone();
                let in_destructor = named("in its destructor").spawn(move || {
                    let _guard = OnDrop(|| sleep(FOR_EVER));
                    ready.send(()).unwrap();
                    sleep(FOR_EVER);
                });
                let lock = Arc::new(greenthread::sync::Mutex::new(()));
                let held = Arc::clone(&lock);
                named("holder")
                    .spawn(move || {
                        shield(|| {
                            let _held = held.lock();
                            send.send(()).unwrap();
                            greenthread::thread::park();
                        });
                    })
                    .unwrap();
                in_destructor.unwrap()
            })
            .join()
            .unwrap();
        for _ in 0..2 {
            receive.recv_timeout(LIMIT).unwrap();
        }
        let stragglers = runtime.shutdown(Duration::from_millis(20)).unwrap_err();
        let mut given_up = stragglers.given_up().to_vec();
        given_up.sort();
        assert_eq!(
            given_up,
            [
                "'holder' (last waited for an unpark)",
                "'in its destructor' (last waited for the end of a sleep)"
            ]
        );
        assert!(!stragglers.is_busy(), "{stragglers}");
        assert!(stubborn.join().unwrap_err().is_killed());
    });
}

/// Its body does not end, nor does what is called at its end: it counts as killed all the same.
#[test]
fn what_is_given_up_twice_has_a_result() {
    within_limit(|| {
        for (panics, dropped) in [(false, false), (true, false), (false, true)] {
            let runtime = workers(1);
            let (send, receive) = mpsc::channel();
            let begun = send.clone();
            let (go, goes) = mpsc::channel();
            let handle: greenthread::JoinHandle<u8> = runtime.spawn(move || {
                goes.recv().unwrap();
                if panics {
                    resume_unwind(Box::new("its link is called on its own stack"));
                }
                begun.send(()).unwrap();
                shield(|| sleep(FOR_EVER));
                0
            });
            handle.link(move |_| {
                send.send(()).unwrap();
                shield(|| sleep(FOR_EVER));
            });
            go.send(()).unwrap();
            receive.recv_timeout(LIMIT).unwrap();
            let thread = handle.thread().clone();
            let kept = (!dropped).then_some(handle);
            let stragglers = runtime.shutdown(Duration::from_millis(20)).unwrap_err();
            assert!(!stragglers.given_up().is_empty());
            let ended = if panics { ThreadState::Panicked } else { ThreadState::Killed };
            assert_eq!(thread.state(), ended);
            let Some(handle) = kept else { continue };
            assert!(handle.result().unwrap().as_ref().unwrap_err().is_killed());
            // It is known what to call this one with.
            let (send, called) = mpsc::channel();
            handle.link(move |result| send.send(result.is_err()).unwrap());
            assert_eq!(called.try_recv(), Ok(true));
            assert!(handle.join().unwrap_err().is_killed());
        }
    });
}

#[test]
fn what_is_given_up_keeps_the_thread_locals_that_it_has_lent() {
    static DROPPED: AtomicBool = AtomicBool::new(false);
    struct Lent(Box<AtomicUsize>);
    impl Drop for Lent {
        fn drop(&mut self) {
            DROPPED.store(true, Ordering::SeqCst);
        }
    }
    thread_local! {
        static LENT: Lent = Lent(Box::default());
    }
    within_limit(|| {
        let runtime = workers(2);
        let (send, receive) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, ended) = (Arc::clone(&stop), send.clone());
        runtime.spawn(move || {
            LENT.with(|lent| {
                std::thread::scope(|s| {
                    s.spawn(|| {
                        send.send(()).unwrap();
                        while !seen.load(Ordering::SeqCst) {
                            lent.0.fetch_add(1, Ordering::SeqCst);
                            std::thread::yield_now();
                        }
                        ended.send(()).unwrap();
                    });
                    shield(|| sleep(FOR_EVER));
                });
            });
        });
        receive.recv_timeout(LIMIT).unwrap();
        // It would wait for worker threads to end, thread-locals included.
        let stragglers = runtime.shutdown(Duration::from_millis(1)).unwrap_err();
        assert_eq!(stragglers.given_up().len(), 1, "{stragglers}");
        assert!(!DROPPED.load(Ordering::SeqCst), "it is still being used");
        stop.store(true, Ordering::SeqCst);
        receive.recv_timeout(LIMIT).unwrap();
        assert!(!DROPPED.load(Ordering::SeqCst), "its borrow goes on for ever");
    });
}

#[test]
fn a_shutdown_while_a_worker_is_busy() {
    within_limit(|| {
        let runtime = workers(1);
        let stop = Arc::new(AtomicBool::new(false));
        let begun = Arc::new(AtomicBool::new(false));
        let (seen, set) = (Arc::clone(&stop), Arc::clone(&begun));
        let hog = runtime.spawn(move || {
            set.store(true, Ordering::SeqCst);
            while !seen.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        });
        until(|| begun.load(Ordering::SeqCst));
        let stragglers = runtime.shutdown(Duration::from_millis(1)).unwrap_err();
        assert!(stragglers.is_busy() && stragglers.given_up().is_empty(), "{stragglers}");
        stop.store(true, Ordering::SeqCst);
        let _ = hog.join();
    });
}

#[test]
fn shut_down_by_one_of_its_own() {
    within_limit(|| {
        let runtime = workers(2);
        let asleep = runtime.spawn(|| sleep(FOR_EVER));
        let (give, take) = mpsc::channel::<Runtime>();
        let own = runtime.spawn(move || {
            let stragglers = take.recv().unwrap().shutdown(LIMIT).unwrap_err();
            assert_eq!(stragglers.given_up(), [greenthread::current().to_string()]);
        });
        give.send(runtime).unwrap();
        own.join().unwrap();
        assert!(asleep.join().unwrap_err().is_killed());
    });
}
