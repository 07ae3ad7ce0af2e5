//! Who runs when, and where.

use crate::support::{FOR_EVER, LIMIT, until, within_limit, workers};
use greenthread::thread::{sleep_until, spawn_local};
use greenthread::{Runtime, run, sleep, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    // How long they all need to fall asleep is the machine's affair.
    let mut ahead = Duration::from_millis(20);
    let log = loop {
        if let Some(log) = log_of_sleepers(ahead) {
            break log;
        }
        ahead *= 2;
        assert!(ahead < Duration::from_secs(60));
    };
    assert_eq!(log.len(), 60);
    assert!(log.is_sorted(), "{log:?}");
}

/// Three at each deadline, in this order, the deadlines mixed. `None` if the first deadline had come before all slept.
fn log_of_sleepers(ahead: Duration) -> Option<Vec<(u64, u64)>> {
    let body = move || {
        let log = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now() + ahead;
        let one = |i| {
            let log = Arc::clone(&log);
            spawn(move || {
                let micros = (i * 7 % 20) * 437;
                sleep_until(start + Duration::from_micros(micros));
                assert!(Instant::now() >= start + Duration::from_micros(micros));
                log.lock().unwrap().push((micros, i));
            })
        };
        let handles: Vec<_> = (0..60).map(one).collect();
        // Each has had its first turn after this.
        spawn(|| ()).join().unwrap();
        let in_time = Instant::now() < start;
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        in_time.then(|| Arc::into_inner(log).unwrap().into_inner().unwrap())
    };
    Runtime::new_current_thread().unwrap().run_local(body).unwrap()
}

#[test]
fn a_sleep_of_nothing_yields() {
    let log = Rc::new(RefCell::new(String::new()));
    let inside = Rc::clone(&log);
    let shared = Arc::new(Mutex::new(String::new()));
    Runtime::new_current_thread()
        .unwrap()
        .run_local(move || {
            let handles: Vec<_> = ["a", "b"]
                .map(|name| {
                    let log = Arc::clone(&shared);
                    spawn(move || {
                        for _ in 0..3 {
                            log.lock().unwrap().push_str(name);
                            sleep(Duration::ZERO);
                            sleep_until(Instant::now() - Duration::from_secs(1));
                        }
                    })
                })
                .into_iter()
                .collect();
            handles.into_iter().for_each(|handle| handle.join().unwrap());
            inside.borrow_mut().push_str(&shared.lock().unwrap());
        })
        .unwrap();
    assert_eq!(*log.borrow(), "ababab");
}

/// One that computes for milliseconds between its yields: whoever's time has come does not wait for 61 of those.
#[test]
fn a_slow_neighbour_that_yields_does_not_keep_timers_and_readiness_away() {
    Runtime::new_current_thread()
        .unwrap()
        .run_local(|| {
            let turns = Rc::new(Cell::new(0));
            let (mut client, mut server) = greenthread::os::unix::net::UnixStream::pair().unwrap();
            let sleeper = spawn_local({
                let turns = Rc::clone(&turns);
                move || {
                    sleep(Duration::from_millis(1));
                    turns.get()
                }
            });
            let reader = spawn_local({
                let turns = Rc::clone(&turns);
                move || {
                    server.read_exact(&mut [0]).unwrap();
                    turns.get()
                }
            });
            yield_now();
            client.write_all(b"x").unwrap();
            while !(sleeper.is_finished() && reader.is_finished()) && turns.get() < 1000 {
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_millis(3) {}
                turns.set(turns.get() + 1);
                yield_now();
            }
            let (slept, read) = (sleeper.join().unwrap(), reader.join().unwrap());
            assert!(slept <= 20 && read <= 20, "after {slept} and {read} turns");
        })
        .unwrap();
}

#[test]
fn no_sleep_ends_too_early() {
    let sleepers: Vec<_> = (1..60u64)
        .map(|i| {
            spawn(move || {
                let (before, nap) = (Instant::now(), Duration::from_nanos(i * 77_777));
                sleep(nap);
                assert!(before.elapsed() >= nap);
            })
        })
        .collect();
    sleepers.into_iter().for_each(|handle| handle.join().unwrap());
    let before = Instant::now();
    sleep(Duration::from_micros(300));
    assert!(before.elapsed() >= Duration::from_micros(300), "on an OS thread");
}

#[test]
fn sleeps_of_ages_can_be_killed() {
    within_limit(|| {
        let runtime = workers(1);
        let ages = [
            Duration::MAX,
            Duration::from_secs(u64::MAX),
            Duration::from_secs(u64::from(u32::MAX)),
            Duration::from_secs(1 << 40),
            Duration::from_secs(3600 * 24 * 800),
            Duration::from_nanos(u64::MAX),
        ];
        let begun = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = ages
            .map(|age| {
                let begun = Arc::clone(&begun);
                runtime.spawn(move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    sleep(age);
                })
            })
            .into_iter()
            .collect();
        until(|| begun.load(Ordering::SeqCst) == ages.len());
        runtime.spawn(|| sleep(Duration::from_millis(3))).join().unwrap();
        assert!(handles.iter().all(|handle| !handle.is_finished()));
        drop(runtime);
        for handle in handles {
            assert!(handle.join().unwrap_err().is_killed());
        }
    });
}

#[test]
fn yielding_is_fair() {
    let runtime = Runtime::new_current_thread().unwrap();
    runtime
        .run_local(|| {
            let begun = Arc::new(AtomicUsize::new(0));
            let counts: Arc<Vec<AtomicUsize>> =
                Arc::new((0..10).map(|_| AtomicUsize::new(0)).collect());
            let handles: Vec<_> = (0..10)
                .map(|i| {
                    let (begun, counts) = (Arc::clone(&begun), Arc::clone(&counts));
                    spawn(move || {
                        begun.fetch_add(1, Ordering::Relaxed);
                        while begun.load(Ordering::Relaxed) < 10 {
                            yield_now();
                        }
                        for _ in 0..100 {
                            counts[i].fetch_add(1, Ordering::Relaxed);
                            yield_now();
                            let own = counts[i].load(Ordering::Relaxed);
                            for other in counts.iter() {
                                assert!(other.load(Ordering::Relaxed).abs_diff(own) <= 1);
                            }
                        }
                    })
                })
                .collect();
            handles.into_iter().for_each(|handle| handle.join().unwrap());
        })
        .unwrap();
}

/// Neither those who yield all the time nor new ones keep the others from running.
#[test]
fn neither_yields_nor_new_ones_starve_anybody() {
    within_limit(|| {
        let runtime = Arc::new(workers(1));
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let yielding: Vec<_> = (0..5)
            .map(|_| {
                let stop = Arc::clone(&flag);
                runtime.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        yield_now();
                    }
                })
            })
            .collect();
        let flag = Arc::clone(&stop);
        let breeding = runtime.spawn(move || {
            fn breed(stop: Arc<AtomicBool>) {
                if !stop.load(Ordering::Relaxed) {
                    spawn(move || breed(stop));
                }
            }
            breed(flag);
        });
        runtime.spawn(|| sleep(Duration::from_millis(2))).join().unwrap();
        let listener = greenthread::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = runtime.spawn(move || listener.accept().map(|_| ()));
        std::net::TcpStream::connect(address).unwrap();
        accepting.join().unwrap().unwrap();
        for i in 0..100 {
            assert_eq!(runtime.spawn(move || i).join().unwrap(), i);
        }
        stop.store(true, Ordering::Relaxed);
        yielding.into_iter().chain([breeding]).for_each(|handle| handle.join().unwrap());
    });
}

/// A timer waits for as many new ones as are started in a row, and not for several rows of them.
#[test]
fn new_ones_that_compute_for_long_hold_up_a_timer_for_one_row_only() {
    let runtime = Runtime::new_current_thread().unwrap();
    let before = runtime
        .run_local(|| {
            let computed = Rc::new(Cell::new(0));
            let seen = Rc::clone(&computed);
            let sleeper = spawn_local(move || {
                sleep(Duration::from_millis(1));
                seen.get()
            });
            for _ in 0..100 {
                let computed = Rc::clone(&computed);
                spawn_local(move || {
                    let begun = Instant::now();
                    while begun.elapsed() < Duration::from_millis(3) {}
                    computed.set(computed.get() + 1);
                });
            }
            sleeper.join().unwrap()
        })
        .unwrap();
    assert!(before <= 32, "{before} computed before the sleeper went on");
}

#[test]
fn a_started_one_never_changes_its_os_thread() {
    let runtime = Arc::new(workers(4));
    let listener = Arc::new(greenthread::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let handles: Vec<_> = (0..200u64)
        .map(|i| {
            let listener = Arc::clone(&listener);
            runtime.spawn(move || {
                let own = std::thread::current().id();
                let check = || assert_eq!(std::thread::current().id(), own);
                for step in 0..20 {
                    match (i + step) % 4 {
                        0 => yield_now(),
                        1 => sleep(Duration::from_micros(i * 3)),
                        2 => {
                            let _ = spawn(move || {
                                yield_now();
                                if i % 5 == 0 {
                                    panic!("on purpose");
                                }
                            })
                            .join();
                        }
                        _ if i % 2 == 0 => drop(listener.accept().unwrap()),
                        _ => drop(greenthread::net::TcpStream::connect(address).unwrap()),
                    }
                    check();
                }
            })
        })
        .collect();
    handles.into_iter().for_each(|handle| handle.join().unwrap());
}

/// How many of so many long-lived green threads end up on the fullest worker.
fn split(count: usize) -> usize {
    let runtime = workers(2);
    let places = runtime.run(move || {
        let started = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..count)
            .map(|_| {
                let started = Arc::clone(&started);
                spawn(move || {
                    // Some work. On a machine with other things to do, the second worker's OS thread may otherwise not
                    // get a processor before the first has started them all.
                    std::thread::sleep(Duration::from_millis(1));
                    started.fetch_add(1, Ordering::SeqCst);
                    while started.load(Ordering::SeqCst) < count {
                        yield_now();
                    }
                    std::thread::current().id()
                })
            })
            .collect();
        let mut places = HashMap::new();
        for handle in handles {
            *places.entry(handle.join().unwrap()).or_insert(0) += 1;
        }
        places
    });
    places.unwrap().into_values().max().unwrap()
}

#[test]
fn a_burst_of_long_lived_ones_is_shared_out() {
    let rounds = std::env::var("SPLIT_ROUNDS").map_or(1, |text| text.parse().unwrap());
    let seen: Vec<_> = (0..rounds).map(|_| split(64)).collect();
    println!("fullest of two workers, of 64: {seen:?}");
    assert!(seen.iter().all(|&most| most <= 39), "{seen:?}");
}

/// What a worker that is busy for long has queued is started by the others, even if they sleep.
#[test]
fn new_ones_do_not_wait_behind_a_busy_worker() {
    within_limit(|| {
        for _ in 0..200 {
            let runtime = workers(3);
            let done = runtime.run(|| {
                let (send, receive) = mpsc::channel();
                let (go, wait) = mpsc::channel::<()>();
                // Each blocks its OS thread until the next has run: all three have to run at once.
                let first = spawn(move || wait.recv_timeout(LIMIT).is_ok());
                let second = spawn(move || {
                    go.send(()).unwrap();
                    send.send(()).unwrap();
                });
                let got = receive.recv_timeout(LIMIT).is_ok();
                got && first.join().unwrap() && second.join().is_ok()
            });
            assert!(done.unwrap());
        }
    });
}

#[test]
fn wakes_from_os_threads_are_never_lost() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = Arc::new(workers(count));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let runtime = Arc::clone(&runtime);
                    std::thread::spawn(move || {
                        for i in 0..500 {
                            // The worker sleeps, or is about to, when this comes.
                            assert_eq!(runtime.spawn(move || i).join().unwrap(), i);
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn joins_race_with_the_end() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            let sum = runtime.run(|| {
                let joiners: Vec<_> = (0..50)
                    .map(|at| {
                        spawn(move || {
                            (0..100usize)
                                .map(|i| {
                                    let handle = spawn(move || {
                                        if (i + at) % 3 == 0 {
                                            yield_now();
                                        }
                                        i
                                    });
                                    if i % 2 == 0 {
                                        yield_now();
                                    }
                                    handle.join().unwrap()
                                })
                                .sum::<usize>()
                        })
                    })
                    .collect();
                joiners.into_iter().map(|handle| handle.join().unwrap()).sum::<usize>()
            });
            assert_eq!(sum.unwrap(), 50 * 4950);
        }
    });
}

#[test]
fn a_join_that_is_killed_takes_its_place_back() {
    within_limit(|| {
        let joined = workers(1);
        let (go, wait) = mpsc::channel::<()>();
        let target = joined.spawn(move || until(|| wait.try_recv().is_ok()));
        let target = Arc::new(Mutex::new(Some(target)));
        let joiner = workers(1);
        let ready = Arc::new(AtomicBool::new(false));
        let (take, set) = (Arc::clone(&target), Arc::clone(&ready));
        let handle = joiner.spawn(move || {
            let target = take.lock().unwrap().take().unwrap();
            set.store(true, Ordering::SeqCst);
            target.join()
        });
        until(|| ready.load(Ordering::SeqCst));
        joiner.spawn(yield_now).join().unwrap();
        drop(joiner);
        assert!(handle.join().unwrap_err().is_killed());
        go.send(()).unwrap();
        assert_eq!(joined.spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn a_wait_on_the_global_runtime_does_not_hold_others_up() {
    let asleep: Vec<_> = (0..100).map(|_| spawn(|| sleep(FOR_EVER))).collect();
    assert_eq!(run(|| spawn(|| 1).join().unwrap()), 1);
    assert!(asleep.iter().all(|handle| !handle.is_finished()));
}
