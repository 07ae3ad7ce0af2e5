//! Waiting for a future: who wakes, when, and how the wait may end otherwise.

use super::{promise, yields};
use crate::support::{
    FOR_EVER, OnDrop, Random, everywhere, on_all_runtimes, until, within_limit, workers,
};
use greenthread::future::{FutureExt as _, block_on};
use greenthread::generator::{Generator, Yielder};
use greenthread::sync::{Arc, Mutex, Semaphore};
use greenthread::{JoinHandle, Runtime, catch_unwind, shield, sleep, spawn, timeout, yield_now};
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_future_is_waited_for_from_everywhere() {
    everywhere(|| {
        assert_eq!(block_on(async { 42 }), 42);
        assert_eq!(async { 42 }.wait(), 42);
        let (giver, value) = promise();
        let other = spawn(move || giver.give("green"));
        assert_eq!(value.wait(), "green");
        other.join().unwrap();
        let (giver, value) = promise();
        let other = std::thread::spawn(move || giver.give("os"));
        assert_eq!(value.wait(), "os");
        other.join().unwrap();
    });
}

#[test]
fn what_is_not_send_is_waited_for_too() {
    everywhere(|| {
        let count = Rc::new(Cell::new(0));
        let shared = Rc::clone(&count);
        async move {
            for _ in 0..3 {
                yields(1).await;
                shared.set(shared.get() + 1);
            }
        }
        .wait();
        assert_eq!(count.get(), 3);
    });
}

#[test]
fn others_run_while_one_waits_and_while_a_future_yields() {
    within_limit(|| {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let ran = Arc::new(AtomicUsize::new(0));
                let (giver, value) = promise();
                let counted = Arc::clone(&ran);
                spawn(move || giver.give(counted.fetch_add(1, Ordering::SeqCst)));
                assert_eq!(value.wait(), 0);
                let counted = Arc::clone(&ran);
                let other = spawn(move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                });
                yields(1).wait();
                assert!(other.is_finished(), "a future that yields lets the others run");
                // One that is always ready does not keep the worker for itself either.
                let other = spawn(|| ());
                let mut rounds = 0;
                while !other.is_finished() {
                    rounds += 1;
                    assert!(rounds < 1_000_000);
                    async {}.wait();
                }
            })
            .unwrap();
    });
}

/// Each level waits for the next in the middle of its own poll, and is woken in between.
fn nested(depth: usize) -> usize {
    let (giver, value) = promise();
    let other = std::thread::spawn(move || giver.give(1));
    let count = async {
        yields(1).await;
        let deeper = if depth == 0 { 0 } else { nested(depth - 1) };
        value.await + deeper
    }
    .wait();
    other.join().unwrap();
    count
}

#[test]
fn waits_for_futures_nest() {
    everywhere(|| assert_eq!(nested(10), 11));
}

#[test]
fn a_wait_within_a_poll_takes_no_wake_up_from_the_outer_one() {
    everywhere(|| {
        let (outer_giver, outer) = promise();
        let (inner_giver, inner) = promise();
        let (mut outer, mut inner) = (pin!(outer), Some(inner));
        let mut givers = Some((outer_giver, inner_giver));
        let value = poll_fn(|context| {
            let polled = outer.as_mut().poll(context);
            if let (Some(inner), Some((outer_giver, inner_giver))) = (inner.take(), givers.take()) {
                assert!(polled.is_pending());
                let other = std::thread::spawn(move || {
                    // The outer one's wake-up comes while the inner one waits.
                    outer_giver.give("outer");
                    std::thread::sleep(SHORT);
                    inner_giver.give("inner");
                });
                assert_eq!(inner.wait(), "inner");
                other.join().unwrap();
            }
            polled
        })
        .wait();
        assert_eq!(value, "outer");
    });
}

#[test]
fn all_polls_of_a_thread_are_given_one_waker() {
    everywhere(|| {
        let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).wait();
        let mut first = true;
        poll_fn(|context| {
            assert!(context.waker().will_wake(&waker));
            if std::mem::replace(&mut first, false) {
                waker.wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .wait();
        let other =
            spawn(move || poll_fn(|context| Poll::Ready(context.waker().will_wake(&waker))).wait());
        assert!(!other.join().unwrap());
    });
}

#[test]
fn a_kept_waker_is_harmless() {
    on_all_runtimes(|| {
        let kept = poll_fn(|context| Poll::Ready(context.waker().clone())).wait();
        // In another wait of the same green thread.
        let semaphore = Arc::new(Semaphore::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (waker, stopped) = (kept.clone(), Arc::clone(&stop));
        let noise = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                waker.wake_by_ref();
            }
        });
        for _ in 0..20 {
            assert!(semaphore.acquire_timeout(Duration::from_micros(500)).is_none());
            assert!(pending::<()>().wait_timeout(Duration::from_micros(500)).is_err());
            let begin = Instant::now();
            sleep(Duration::from_micros(500));
            assert!(begin.elapsed() >= Duration::from_micros(500));
        }
        stop.store(true, Ordering::SeqCst);
        noise.join().unwrap();
        kept.wake_by_ref();
        drop(kept);
    });
    // After the green thread, and after its runtime.
    within_limit(|| {
        let runtime = workers(2);
        let take = || poll_fn(|context| Poll::Ready(context.waker().clone())).wait();
        let wakers: Vec<Waker> =
            (0..100).map(|_| runtime.spawn(take)).map(|handle| handle.join().unwrap()).collect();
        wakers.iter().for_each(Waker::wake_by_ref);
        drop(runtime);
        wakers.iter().for_each(Waker::wake_by_ref);
        let copies = wakers.clone();
        wakers.into_iter().for_each(Waker::wake);
        // After its OS thread as well.
        let of_os_thread = std::thread::spawn(take).join().unwrap();
        copies.into_iter().chain([of_os_thread]).for_each(|waker| {
            std::thread::spawn(move || waker.wake()).join().unwrap();
        });
    });
}

#[test]
fn a_green_thread_that_was_given_up_is_not_woken() {
    within_limit(|| {
        let (giver, value) = promise::<()>();
        let runtime = workers(1);
        let (began, begin) = std::sync::mpsc::channel();
        // It swallows every kill, and is given up in the wait.
        let stuck = runtime.spawn(move || {
            let mut value = value;
            began.send(()).unwrap();
            loop {
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    Pin::new(&mut value).wait();
                }));
            }
        });
        begin.recv().unwrap();
        assert_eq!(runtime.shutdown(SHORT).unwrap_err().given_up().len(), 1);
        assert!(stuck.join().is_err());
        let waker = giver.waker();
        giver.give(());
        waker.into_iter().for_each(Waker::wake);
    });
}

#[test]
fn a_wait_with_a_deadline_ends_in_time_and_leaves_the_future() {
    everywhere(|| {
        let (giver, value) = promise();
        let mut value = pin!(value);
        assert!(value.as_mut().wait_timeout(SHORT).is_err());
        assert!(value.as_mut().wait_deadline(Instant::now()).is_err());
        assert!(value.as_mut().wait_timeout(Duration::ZERO).is_err());
        giver.give(7);
        assert_eq!(value.as_mut().wait_timeout(Duration::ZERO), Ok(7), "what is there is not late");
        // A future that wakes itself all the time cannot prevent it.
        let restless = yields(usize::MAX);
        assert_eq!(restless.wait_timeout(SHORT).unwrap_err().to_string(), "the timeout elapsed");
        assert_eq!(async { 1 }.wait_timeout(Duration::MAX), Ok(1));
    });
}

#[test]
fn a_timeout_unwinds_out_of_a_wait_and_drops_the_future_in_place() {
    everywhere(|| {
        let dropped = Cell::new(0);
        for restless in [false, true] {
            let result = timeout(SHORT, || {
                async {
                    let _drop = OnDrop(|| dropped.set(dropped.get() + 1));
                    if restless { yields(usize::MAX).await } else { pending().await }
                }
                .wait();
            });
            assert!(result.is_err());
        }
        assert_eq!(dropped.get(), 2);
        // One that has a deadline of its own, which is later, and earlier.
        assert!(timeout(SHORT, || pending::<()>().wait_timeout(FOR_EVER)).is_err());
        assert!(timeout(FOR_EVER, || pending::<()>().wait_timeout(SHORT)).unwrap().is_err());
    });
}

/// Spawns one that waits for a future, and returns when it does.
fn waiting(
    future: impl Future<Output = ()> + Send + 'static,
    dropped: &Arc<AtomicUsize>,
) -> JoinHandle<()> {
    let polled = Arc::new(AtomicBool::new(false));
    let (seen, dropped) = (Arc::clone(&polled), Arc::clone(dropped));
    let handle = spawn(move || {
        let future = async move {
            let _drop = OnDrop(move || {
                dropped.fetch_add(1, Ordering::SeqCst);
            });
            future.await
        };
        let mut future = pin!(future);
        poll_fn(|context| {
            let result = future.as_mut().poll(context);
            seen.store(true, Ordering::SeqCst);
            result
        })
        .wait()
    });
    until(|| polled.load(Ordering::SeqCst));
    handle
}

#[test]
fn a_kill_unwinds_out_of_a_wait_and_drops_the_future_in_place() {
    on_all_runtimes(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        for restless in [false, true] {
            let future =
                async move { if restless { yields(usize::MAX).await } else { pending().await } };
            let handle = waiting(future, &dropped);
            handle.kill();
            assert!(handle.join().unwrap_err().is_killed());
        }
        assert_eq!(dropped.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_future_whose_destructor_panics_may_be_dropped_by_an_interruption() {
    struct Panics(Arc<AtomicUsize>);
    impl Future for Panics {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Poll::Pending
        }
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(10, Ordering::SeqCst);
            resume_unwind(Box::new("dropped"));
        }
    }
    on_all_runtimes(|| {
        let count = Arc::new(AtomicUsize::new(0));
        let future = Panics(Arc::clone(&count));
        let waits = spawn(move || future.wait());
        until(|| count.load(Ordering::SeqCst) == 1);
        waits.kill();
        assert!(waits.join().unwrap_err().is_killed());
        let future = Panics(Arc::clone(&count));
        assert!(timeout(Duration::from_millis(1), || future.wait()).is_err());
        assert_eq!(count.load(Ordering::SeqCst) / 10, 2);
    });
}

#[test]
fn a_kill_during_a_poll_strikes_at_the_next_wait_or_not_at_all() {
    on_all_runtimes(|| {
        let ends = |ready: bool| {
            let (handle_giver, handle) = promise::<Arc<JoinHandle<()>>>();
            let (value_giver, value) = promise();
            let doomed = spawn(move || {
                let own = handle.wait();
                let value = poll_fn(|_| {
                    own.kill();
                    if ready { Poll::Ready("done") } else { Poll::Pending }
                })
                .wait();
                value_giver.give(value);
            });
            let doomed = Arc::new(doomed);
            handle_giver.give(Arc::clone(&doomed));
            until(|| doomed.is_finished());
            value.wait_timeout(Duration::ZERO).ok()
        };
        assert_eq!(ends(true), Some("done"), "what was there is not taken back");
        assert_eq!(ends(false), None);
    });
}

#[test]
fn a_shield_keeps_a_kill_out_of_a_wait() {
    on_all_runtimes(|| {
        let (giver, value) = promise();
        let got = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&got);
        let handle = spawn(move || {
            shield(|| seen.store(value.wait(), Ordering::SeqCst));
            yield_now();
        });
        until(|| giver.polls() > 0);
        handle.kill();
        sleep(SHORT);
        giver.give(5);
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(got.load(Ordering::SeqCst), 5);
    });
}

#[test]
fn a_panic_in_a_poll_drops_the_future_and_goes_on_to_the_caller() {
    everywhere(|| {
        let dropped = Cell::new(false);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            async {
                let _drop = OnDrop(|| dropped.set(true));
                yields(1).await;
                std::panic::resume_unwind(Box::new("from a poll"));
            }
            .wait();
        }));
        assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "from a poll");
        assert!(dropped.get());
        assert_eq!(async { 1 }.wait(), 1, "the next wait is not concerned");
    });
}

#[test]
fn a_destructor_may_wait_for_a_future_while_its_thread_unwinds() {
    everywhere(|| {
        let got = Cell::new(0);
        let result = catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _drop = OnDrop(|| {
                let (giver, value) = promise();
                let other = spawn(move || {
                    yield_now();
                    giver.give(3);
                });
                yields(2).wait();
                got.set(value.wait());
                other.join().unwrap();
            });
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(result.is_err());
        assert_eq!(got.get(), 3);
    });
}

/// A future that waits for another one when it is dropped.
struct Farewell<'a>(&'a Cell<u32>);

impl Future for Farewell<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        yields(3).wait();
        let (giver, value) = promise();
        let other = std::thread::spawn(move || giver.give(1));
        self.0.set(self.0.get() + value.wait());
        other.join().unwrap();
    }
}

#[test]
fn a_future_may_wait_for_another_while_it_is_dropped_by_a_timeout() {
    everywhere(|| {
        let count = Cell::new(0);
        assert!(timeout(SHORT, || Farewell(&count).wait()).is_err());
        assert!(Farewell(&count).wait_timeout(SHORT).is_err());
        assert_eq!(count.get(), 2);
    });
}

#[test]
fn a_thousand_waits_nested_three_deep_with_locks_held_share_a_worker() {
    for runtime in [workers(1), workers(2)] {
        within_limit(move || {
            runtime
                .run(|| {
                    let turn = Arc::new(Mutex::new(0));
                    let seats = Arc::new(Semaphore::new(3));
                    let handles: Vec<_> = (0..1000)
                        .map(|i| {
                            let (turn, seats) = (Arc::clone(&turn), Arc::clone(&seats));
                            spawn(move || {
                                // Whatever ran on this stack in between would leave another value here.
                                let own = Cell::new(i);
                                let (giver, value) = promise();
                                let level_one = async {
                                    let seat = seats.acquire();
                                    let inner = async {
                                        yields(2).await;
                                        let mut turn = turn.lock().unwrap();
                                        let other = spawn(move || giver.give(1));
                                        *turn += value.wait();
                                        drop(turn);
                                        other.join().unwrap();
                                    };
                                    inner.wait();
                                    drop(seat);
                                    yields(1).await;
                                };
                                level_one.wait();
                                assert_eq!(own.get(), i);
                            })
                        })
                        .collect();
                    handles.into_iter().for_each(|handle| handle.join().unwrap());
                    assert_eq!(*turn.lock().unwrap(), 1000);
                    assert_eq!(seats.available(), 3);
                })
                .unwrap();
        });
    }
}

#[test]
fn a_storm_of_kills_loses_no_wake_up_and_no_future() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);

    struct Counted;

    impl Drop for Counted {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::SeqCst);
        }
    }

    for count in [1, 2] {
        within_limit(move || {
            workers(count)
                .run(|| {
                    let mut random = Random(0x1234_5678_9abc_def1);
                    for _ in 0..300 {
                        let rounds: Vec<_> = (0..20)
                            .map(|_| {
                                let (giver, value) = promise();
                                let handle = spawn(move || {
                                    ALIVE.fetch_add(1, Ordering::SeqCst);
                                    let counted = Counted;
                                    async move {
                                        let _counted = counted;
                                        yields(1).await;
                                        value.await
                                    }
                                    .wait()
                                });
                                (giver, handle)
                            })
                            .collect();
                        let kills: Vec<bool> =
                            rounds.iter().map(|_| random.below(2) == 0).collect();
                        let (givers, handles): (Vec<_>, Vec<_>) = rounds.into_iter().unzip();
                        let giving = if random.below(2) == 0 {
                            Some(std::thread::spawn(move || {
                                givers.into_iter().for_each(|giver| giver.give(9));
                            }))
                        } else {
                            spawn(move || givers.into_iter().for_each(|giver| giver.give(9)));
                            None
                        };
                        for (handle, kill) in handles.iter().zip(&kills) {
                            if *kill {
                                handle.kill();
                            }
                        }
                        for (handle, kill) in handles.into_iter().zip(kills) {
                            match handle.join() {
                                Ok(value) => assert_eq!(value, 9),
                                Err(error) => assert!(kill && error.is_killed()),
                            }
                        }
                        giving.into_iter().for_each(|thread| thread.join().unwrap());
                    }
                    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
                })
                .unwrap();
        });
    }
}

#[test]
fn waits_that_take_turns_in_the_middle_of_their_polls_all_see_their_wake_ups() {
    everywhere(|| {
        let (giver, value) = promise();
        let mut generator = Generator::new(move |yielder: &Yielder<()>| {
            let mut value = pin!(value);
            let got = poll_fn(|context| {
                let polled = value.as_mut().poll(context);
                if polled.is_pending() {
                    yielder.yield_(());
                }
                polled
            })
            .wait();
            assert_eq!(got, "for the generator");
        });
        // The generator is left in the middle of its poll, and its wake-up comes while this poll goes on.
        let mut giver = Some(giver);
        poll_fn(|_| match giver.take() {
            Some(giver) => {
                assert!(generator.next().is_some());
                giver.give("for the generator");
                Poll::Pending
            }
            None => Poll::Ready(()),
        })
        .wait();
        assert!(generator.next().is_none());
    });
}
