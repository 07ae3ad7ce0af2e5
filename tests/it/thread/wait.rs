//! Waiting for several green threads.

use crate::support::{FOR_EVER, LIMIT, on_all_runtimes, until, within_limit, workers};
use greenthread::future::{self, block_on};
use greenthread::sync::Event;
use greenthread::thread::{
    ReturnWhen, Runnable, ThreadState, as_completed, as_completed_timeout, join_all, kill_all,
    park, scope, try_join_all, wait, wait_timeout,
};
use greenthread::{
    Builder, Elapsed, JoinHandle, Runtime, select, sleep, spawn, timeout, yield_now,
};
use std::panic::panic_any;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Ends when it is unparked, with its number.
fn parked(number: usize) -> JoinHandle<usize> {
    spawn(move || {
        park();
        number
    })
}

fn end(handle: &JoinHandle<usize>) {
    handle.thread().unpark();
    until(|| handle.is_finished());
}

fn values(handles: Vec<JoinHandle<usize>>) -> Vec<usize> {
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}

#[test]
fn join_all_gives_results_in_the_order_given() {
    on_all_runtimes(|| {
        let handles = vec![
            spawn(|| {
                sleep(Duration::from_millis(2));
                1
            }),
            spawn(|| panic_any("two")),
            spawn(|| 3),
        ];
        let results = join_all(handles);
        assert_eq!(results[0].as_ref().ok(), Some(&1));
        assert!(results[1].as_ref().unwrap_err().is_panic());
        assert_eq!(results[2].as_ref().ok(), Some(&3));
        assert!(join_all(Vec::<JoinHandle<()>>::new()).is_empty());
        let text = String::from("borrowed");
        let lengths = greenthread::scope(|s| {
            let handles: Vec<_> = (0..3)
                .map(|i| {
                    s.spawn({
                        let t = &text;
                        move || t.len() + i
                    })
                })
                .collect();
            join_all(handles)
        });
        assert_eq!(lengths.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [8, 9, 10]);
    });
}

#[test]
fn wait_gives_the_first_and_the_others() {
    on_all_runtimes(|| {
        let handles: Vec<_> = (0..5).map(parked).collect();
        // Two have ended before, the later one first.
        end(&handles[3]);
        end(&handles[1]);
        handles[4].thread().unpark();
        let (done, rest) = wait(handles, 3);
        assert_eq!(values(done), [1, 3, 4], "those that had ended come in the order given");
        let (done, rest) = wait_timeout(rest, usize::MAX, Duration::from_millis(1));
        assert_eq!((done.len(), rest.len()), (0, 2));
        end(&rest[1]);
        let (done, rest) = wait_timeout(rest, usize::MAX, Duration::ZERO);
        assert_eq!((values(done), rest.len()), (vec![2], 1));
        let (done, rest) = wait(rest, 0);
        assert_eq!((done.len(), rest.len()), (0, 1));
        rest[0].thread().unpark();
        let (done, rest) = wait(rest, usize::MAX);
        assert_eq!((values(done), rest.len()), (vec![0], 0));
        assert_eq!(wait(rest, 5).0.len(), 0);
    });
}

#[test]
fn by_reference_and_twice() {
    on_all_runtimes(|| {
        let handles: Vec<_> = (0..3).map(parked).collect();
        end(&handles[2]);
        let twice = || handles.iter().chain(&handles);
        let (done, rest) = wait(twice(), 1);
        assert_eq!((done[0].id(), rest.len()), (handles[2].id(), 2));
        let mut completed = as_completed(twice()).map(JoinHandle::id);
        assert_eq!(completed.next(), Some(handles[2].id()));
        handles[0].thread().unpark();
        handles[1].kill();
        assert_eq!(completed.count(), 2);
        let (done, rest) = wait(&handles, usize::MAX);
        assert_eq!((done.len(), rest.len()), (3, 0));
        assert_eq!(join_all(handles).iter().filter(|result| result.is_ok()).count(), 2);
    });
}

#[test]
fn as_completed_gives_them_as_they_end() {
    on_all_runtimes(|| {
        let handles: Vec<_> = (0..4).map(parked).collect();
        let threads: Vec<_> = handles.iter().map(|handle| handle.thread().clone()).collect();
        end(&handles[2]);
        let mut completed = as_completed(handles);
        assert_eq!(completed.size_hint(), (4, Some(4)));
        assert_eq!(completed.next().unwrap().join().unwrap(), 2);
        for number in [3, 0] {
            threads[number].unpark();
            assert_eq!(completed.next().unwrap().join().unwrap(), number);
        }
        assert!(format!("{completed:?}").contains('1'));
        let pending = completed.into_pending();
        assert_eq!(pending.len(), 1);
        let mut completed = as_completed_timeout(pending, Duration::from_millis(1));
        assert!(completed.next().is_none() && completed.next().is_none());
        let pending = completed.into_pending();
        threads[1].unpark();
        assert_eq!(as_completed_timeout(pending, LIMIT).count(), 1);
    });
}

#[test]
fn kills_and_timeouts_end_the_waiting_only() {
    on_all_runtimes(|| {
        let handles: Vec<_> = (0..3).map(parked).collect();
        let cut = timeout(Duration::from_millis(1), || wait(&handles, 1).0.len());
        assert!(matches!(cut, Err(Elapsed { .. })));
        let cut = timeout(Duration::from_millis(1), || as_completed(&handles).count());
        assert!(cut.is_err());
        let shared = Arc::new(handles);
        let waiting = spawn({
            let shared = Arc::clone(&shared);
            move || wait(&*shared, 3).0.len()
        });
        sleep(Duration::from_millis(1));
        assert!(waiting.kill_and_wait(LIMIT));
        assert!(waiting.join().unwrap_err().is_killed());
        assert!(shared.iter().all(|handle| !handle.is_finished()));
        kill_all(&*shared);
        let (done, _) = wait(&*shared, 3);
        assert_eq!(done.len(), 3);
    });
}

#[test]
fn from_os_threads_and_across_runtimes() {
    within_limit(|| {
        let (a, b) = (workers(1), workers(2));
        let go = Arc::new(Event::new());
        let handles: Vec<_> = (0..20)
            .map(|i| {
                let (go, on) = (Arc::clone(&go), if i % 2 == 0 { &a } else { &b });
                on.spawn(move || {
                    go.wait();
                    i
                })
            })
            .collect();
        let (done, rest) = wait_timeout(handles, 1, Duration::from_millis(1));
        assert_eq!((done.len(), rest.len()), (0, 20));
        go.set();
        let mut seen: Vec<_> = as_completed(rest).map(|handle| handle.join().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        // A dropped or forgotten wait leaves nothing that disturbs.
        let handle = a.spawn(park);
        drop(as_completed([&handle]));
        std::mem::forget(as_completed([&handle]));
        handle.thread().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn those_of_a_runtime_that_ends_are_completed() {
    within_limit(|| {
        let runtime = workers(2);
        let handles: Vec<_> = (0..10).map(|_| runtime.spawn(|| sleep(FOR_EVER))).collect();
        let waiting = std::thread::spawn(move || {
            as_completed(handles).all(|handle| handle.join().unwrap_err().is_killed())
        });
        drop(runtime);
        assert!(waiting.join().unwrap());
        // Nobody runs this one.
        let idle = Runtime::new_current_thread().unwrap();
        let handles = [idle.spawn(|| 1), idle.spawn(|| 2)];
        drop(idle);
        assert_eq!(wait(handles, 2).0.len(), 2);
    });
}

#[test]
fn waiting_for_oneself_is_refused() {
    within_limit(|| {
        let (give, take) = mpsc::channel::<JoinHandle<()>>();
        let handle = spawn(move || {
            let mut own = None;
            until(|| {
                own = take.try_recv().ok();
                own.is_some()
            });
            let own = own.unwrap();
            select! { join(own) => {} }
            wait([own], 1);
        });
        let (send, receive) = mpsc::channel();
        handle.link_failure(move |error| send.send(error.to_string()).unwrap());
        give.send(handle).unwrap();
        let error = receive.recv_timeout(LIMIT).unwrap();
        assert!(error.contains("cannot wait for its own end"), "{error}");
    });
}

#[test]
fn ten_thousand_as_they_end() {
    within_limit(|| {
        let runtime = workers(2);
        let count = runtime.run(|| {
            let handles: Vec<_> = (0..10_000)
                .map(|i| {
                    spawn(move || {
                        (0..i % 5).for_each(|_| yield_now());
                    })
                })
                .collect();
            as_completed(handles).map(|handle| handle.join().unwrap()).count()
        });
        assert_eq!(count.unwrap(), 10_000);
    });
}

/// `b` ends after `a`, so whoever finds that `b` has ended finds `a` as well, in whatever order they are looked at.
#[test]
fn those_that_have_ended_are_those_of_one_moment() {
    let runtime = workers(2);
    for round in 0..3000 {
        let a = Arc::new(runtime.spawn(|| {}));
        let b = {
            let a = Arc::clone(&a);
            runtime.spawn(move || {
                while !a.is_finished() {
                    yield_now();
                }
            })
        };
        let both = if round % 2 == 0 { [&*a, &b] } else { [&b, &*a] };
        loop {
            let (ended, rest) = wait_timeout(both, usize::MAX, Duration::ZERO);
            let has = |id| ended.iter().any(|handle| handle.id() == id);
            assert!(!has(b.id()) || has(a.id()), "round {round}");
            assert!(ended.iter().all(|handle| handle.is_finished()));
            if rest.is_empty() {
                break;
            }
        }
    }
}

/// The first needs the last, which nobody has started.
#[test]
fn what_is_waited_for_is_started_first() {
    on_all_runtimes(|| {
        let paused = |body: Box<dyn FnOnce() -> u8 + Send>| {
            Builder::new().start_paused().spawn(body).unwrap()
        };
        let pair = || {
            let event = Arc::new(Event::new());
            let own = Arc::clone(&event);
            let first = paused(Box::new(move || {
                own.wait();
                1
            }));
            let second = paused(Box::new(move || {
                event.set();
                2
            }));
            [first, second]
        };
        let all = join_all(pair()).into_iter().map(Result::unwrap);
        assert_eq!(all.collect::<Vec<_>>(), [1, 2]);
        assert_eq!(try_join_all(pair()).unwrap(), [1, 2]);
        assert_eq!(wait(pair(), ReturnWhen::AllCompleted).0.len(), 2);
        assert_eq!(wait(pair(), ReturnWhen::FirstFailed).0.len(), 2);
        assert_eq!(as_completed(pair()).count(), 2);
        assert!(pair().into_iter().rev().all(|handle| handle.join().is_ok()));
        let [first, second] = pair();
        let first = first.join_timeout(Duration::ZERO).unwrap_err();
        assert_eq!(second.join_timeout(LIMIT).unwrap().unwrap(), 2);
        assert_eq!(first.join().unwrap(), 1);
        let [first, second] = pair();
        let (first, second) = block_on(async { future::join!(first, second) });
        assert_eq!((first.unwrap(), second.unwrap()), (1, 2));
        let [first, second] = pair();
        select! {
            join(first) => {}
            join(second) => {}
        }
        until(|| first.is_finished() && second.is_finished());
    });
}

#[test]
fn the_first_failure_ends_the_wait_and_a_kill_is_none() {
    on_all_runtimes(|| {
        let (quick, killed, slow) = (parked(0), parked(1), parked(2));
        let bad = spawn(|| {
            park();
            panic_any("on purpose")
        });
        killed.kill();
        until(|| killed.is_finished());
        end(&quick);
        let (done, rest) =
            wait_timeout([&quick, &killed, &slow, &bad], ReturnWhen::FirstFailed, Duration::ZERO);
        assert!(done.len() + rest.len() == 4 && rest.len() >= 2, "neither is a failure");
        bad.thread().unpark();
        let (done, rest) = wait([&quick, &killed, &slow, &bad], ReturnWhen::FirstFailed);
        assert_eq!((done.last().unwrap().id(), rest.len()), (bad.id(), 1));
        let (done, _) = wait([&slow, &quick], ReturnWhen::FirstCompleted);
        assert_eq!(done[0].id(), quick.id());
        // Also where the failure came before the wait.
        let (done, _) = wait([&slow, &bad], ReturnWhen::FirstFailed);
        assert_eq!(done.len(), 1);
        let still = slow.thread().clone();
        assert!(try_join_all([slow, bad]).unwrap_err().is::<&str>());
        assert_eq!(still.state(), ThreadState::Alive);
        still.unpark();
    });
}

#[test]
fn a_handle_tells_how_it_ended_and_keeps_the_result() {
    on_all_runtimes(|| {
        let paused = Builder::new().start_paused().spawn(|| 1).unwrap();
        assert_eq!(paused.state(), ThreadState::Paused);
        assert!(!paused.state().is_finished() && paused.result().is_none());
        assert_eq!(paused.join().unwrap(), 1);
        let handle = parked(7);
        assert_eq!(handle.state(), ThreadState::Alive);
        assert!(format!("{handle:?}").contains("state: Alive"), "{handle:?}");
        end(&handle);
        assert_eq!(
            (handle.state(), handle.thread().state()),
            (ThreadState::Returned, handle.state())
        );
        assert_eq!(handle.result().unwrap().as_ref().unwrap(), &7);
        assert_eq!(handle.join().unwrap(), 7);
        let (killed, bad) = (parked(0), spawn(|| -> usize { panic_any("on purpose") }));
        killed.kill();
        wait([&killed, &bad], 2);
        assert_eq!((killed.state(), bad.state()), (ThreadState::Killed, ThreadState::Panicked));
        assert!(bad.result().unwrap().as_ref().unwrap_err().is::<&str>());
        assert!(format!("{bad:?}").contains("state: Panicked"), "{bad:?}");
        scope(|s| {
            let child = s.spawn(|| panic_any("on purpose"));
            until(|| child.is_finished());
            assert_eq!(child.state(), ThreadState::Panicked);
            child.join().unwrap_err();
        });
        // Killed before it began, and of a body that ends without a value.
        let never = Builder::new().start_paused().spawn(|| ()).unwrap();
        never.kill();
        wait([&never], 1);
        assert_eq!(never.state(), ThreadState::Killed);
    });
}

#[test]
fn a_struct_that_is_a_thread_comes_back_with_its_fields() {
    struct Counter {
        to: u32,
        seen: Vec<u32>,
        ran_as: Option<String>,
    }
    impl Runnable for Counter {
        fn run(&mut self) {
            for number in 0..self.to {
                self.seen.push(number);
                yield_now();
            }
            self.ran_as = greenthread::current().name().map(str::to_string);
        }

        fn name(&self) -> Option<String> {
            Some(format!("counter-{}", self.to))
        }
    }
    on_all_runtimes(|| {
        let counter = |to| Counter { to, seen: Vec::new(), ran_as: None };
        let running: Vec<_> = (1..4).map(|to| counter(to).start()).collect();
        for (to, counter) in (1..4).zip(running) {
            let counter = counter.join().unwrap();
            assert_eq!(counter.seen, (0..to).collect::<Vec<_>>());
            assert_eq!(counter.ran_as, Some(format!("counter-{to}")));
        }
        let named = Builder::new().name("mine".into()).spawn_runnable(counter(1)).unwrap();
        assert_eq!(named.join().unwrap().ran_as.as_deref(), Some("mine"));
    });
    #[derive(Debug)]
    struct Unlucky;
    impl Runnable for Unlucky {
        fn run(&mut self) {
            panic_any("on purpose")
        }
    }
    assert!(Unlucky.start().join().unwrap_err().is::<&str>());
}
