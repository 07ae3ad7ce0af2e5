//! Green threads that futures are spawned on: each rests while its future is pending.

use super::{promise, yields};
use crate::support::{
    FOR_EVER, OnDrop, Random, everywhere, on_all_runtimes, until, within_limit, workers,
};
use greenthread::future::{self, FutureExt as _, block_on};
use greenthread::greenlet::{Greenlet, switch_to_parent};
use greenthread::sync::{Mutex, mpsc};
use greenthread::thread::{current, enumerate};
use greenthread::{Builder, Runtime, green_local, sleep, yield_now};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

/// An address on the calling stack, but for where on it.
fn this_stack() -> usize {
    let here = 0u8;
    std::ptr::from_ref(&here).addr() / (32 << 10)
}

/// Notes on which stacks it is polled until the promise is kept.
async fn noting<T>(stacks: Rc<RefCell<HashSet<usize>>>, promise: super::Promise<T>) -> T {
    let mut promise = Box::pin(promise);
    poll_fn(move |context| {
        stacks.borrow_mut().insert(this_stack());
        promise.as_mut().poll(context)
    })
    .await
}

fn on_one_thread(test: impl FnOnce() + Send + 'static) {
    within_limit(move || Runtime::new_current_thread().unwrap().run_local(test).unwrap());
}

#[test]
fn a_pending_one_has_no_stack() {
    on_one_thread(|| {
        let stacks = Rc::default();
        let (givers, promises): (Vec<_>, Vec<_>) = (0..100).map(|_| promise()).unzip();
        let spawn = |promise| future::spawn_local(noting(Rc::clone(&stacks), promise));
        let handles: Vec<_> = promises.into_iter().map(spawn).collect();
        yield_now();
        until(|| givers.iter().all(|giver| giver.polls() == 1));
        for (i, giver) in givers.into_iter().enumerate() {
            giver.give(i);
        }
        for (i, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), i);
        }
        // All were polled one after another on the stack that was used last.
        assert!(stacks.borrow().len() <= 3, "{} stacks", stacks.borrow().len());
    });
}

#[test]
fn one_that_wakes_itself_rests_too_and_lets_the_others_run() {
    on_one_thread(|| {
        let (stacks, log) =
            (Rc::new(RefCell::new(HashSet::new())), Rc::new(RefCell::new(Vec::new())));
        let handles: Vec<_> = (0..50)
            .map(|i| {
                let (stacks, log) = (Rc::clone(&stacks), Rc::clone(&log));
                future::spawn_local(async move {
                    for round in 0..3 {
                        stacks.borrow_mut().insert(this_stack());
                        log.borrow_mut().push((round, i));
                        yields(1).await;
                    }
                })
            })
            .collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        let log = log.borrow();
        assert_eq!(log.len(), 150);
        assert!(log.windows(2).all(|pair| pair[0].1 != pair[1].1), "{log:?}");
        assert!(stacks.borrow().len() <= 3, "{} stacks", stacks.borrow().len());
    });
}

#[test]
fn it_is_one_green_thread_at_every_poll() {
    everywhere(|| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&seen);
        let (giver, promise) = promise();
        let outer = Builder::new().label("kind", "outer").spawn(move || {
            let mut promise = Box::pin(promise);
            future::spawn(poll_fn(move |context| {
                let thread = current();
                note.lock().unwrap().push((thread.id(), thread.label("kind").map(str::to_string)));
                promise.as_mut().poll(context)
            }))
        });
        let handle = outer.unwrap().join().unwrap();
        until(|| giver.polls() == 1);
        let id = handle.thread().id();
        assert!(enumerate().iter().any(|thread| thread.id() == id));
        giver.give(1);
        assert_eq!(handle.join().unwrap(), 1);
        assert_eq!(*seen.lock().unwrap(), vec![(id, Some("outer".to_string())); 2]);
        assert!(!enumerate().iter().any(|thread| thread.id() == id));
    });
}

#[test]
fn a_kill_drops_what_is_pending_in_its_green_thread() {
    everywhere(|| {
        let dropped_by = Arc::new(Mutex::new(None));
        let note = Arc::clone(&dropped_by);
        let (giver, promise) = promise::<()>();
        let handle = future::spawn(async move {
            let _note = OnDrop(move || {
                // A destructor may wait.
                sleep(Duration::from_millis(1));
                *note.lock().unwrap() = Some(current().id());
            });
            promise.await;
        });
        until(|| giver.polls() == 1);
        let kept = giver.waker().unwrap();
        let id = handle.thread().id();
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(*dropped_by.lock().unwrap(), Some(id));
        assert_eq!(giver.polls(), 1, "it is not polled again");
        // A waker may be kept for ever.
        kept.wake_by_ref();
        giver.give(());
    });
}

#[test]
fn killed_before_its_first_poll_or_while_it_is_woken_it_is_not_polled_again() {
    on_one_thread(|| {
        let (giver, first) = promise::<()>();
        let handle = future::spawn(first);
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(giver.polls(), 0);
        let (giver, second) = promise::<()>();
        let handle = future::spawn(second);
        until(|| giver.polls() == 1);
        giver.waker().unwrap().wake();
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(giver.polls(), 1);
    });
}

#[test]
fn a_poll_may_wait_as_any_green_thread() {
    everywhere(|| {
        let lock = Arc::new(Mutex::new(0));
        let (sender, receiver) = mpsc::channel();
        let held = lock.lock().unwrap();
        let handles: Vec<_> = (0..20)
            .map(|i| {
                let (lock, sender) = (Arc::clone(&lock), sender.clone());
                future::spawn(async move {
                    yields(1).await;
                    sender.send(i).unwrap();
                    // Blocking calls in `async` code: only this green thread waits.
                    *lock.lock().unwrap() += 1;
                    sleep(Duration::from_millis(1));
                    block_on(yields(2));
                    yields(1).await;
                    current().id()
                })
            })
            .collect();
        let mut begun: Vec<i32> = (0..20).map(|_| receiver.recv().unwrap()).collect();
        begun.sort_unstable();
        assert!(begun.into_iter().eq(0..20), "each has got to the lock, behind no other");
        drop(held);
        for handle in handles {
            let id = handle.thread().id();
            assert_eq!(handle.join().unwrap(), id);
        }
        assert_eq!(*lock.lock().unwrap(), 20);
    });
}

#[test]
fn a_kill_ends_a_poll_that_waits() {
    everywhere(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        let count = Arc::clone(&drops);
        let handle = future::spawn(async move {
            let _outer = OnDrop(|| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            yields(1).await;
            sender.send(()).unwrap();
            sleep(FOR_EVER);
        });
        receiver.recv().unwrap();
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_kill_that_a_poll_has_caught_strikes_when_it_is_pending() {
    on_all_runtimes(|| {
        let (giver, promise) = promise::<()>();
        let (sender, receiver) = mpsc::channel();
        let handle = future::spawn(async move {
            yields(1).await;
            sender.send(()).unwrap();
            let caught = std::panic::catch_unwind(|| sleep(FOR_EVER));
            assert!(caught.is_err());
            promise.await;
        });
        receiver.recv().unwrap();
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        giver.give(());
    });
}

#[test]
fn a_panic_of_a_later_poll_is_what_join_returns() {
    everywhere(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&drops);
        let handle = future::spawn(async move {
            let _count = OnDrop(|| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            yields(2).await;
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        let error = handle.join().unwrap_err();
        assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"on purpose"));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

/// Counts in each of these when it is dropped.
#[derive(Default)]
struct Ends(RefCell<Vec<Arc<AtomicUsize>>>);

impl Drop for Ends {
    fn drop(&mut self) {
        for count in self.0.take() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

green_local! {
    static ENDS: Ends = Ends::default();
    static ROUND: Cell<u32> = Cell::new(0);
}

#[test]
fn values_and_greenlets_of_its_green_thread_last_from_poll_to_poll() {
    on_all_runtimes(|| {
        let ended = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ended);
        let handle = future::spawn(async move {
            ENDS.with(|ends| ends.0.borrow_mut().push(count));
            for round in 1..=5 {
                ROUND.with(|at| assert_eq!(at.replace(round), round - 1));
                yields(1).await;
            }
        });
        handle.join().unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    });
    on_one_thread(|| {
        let handle = future::spawn_local(async {
            let doubles = Greenlet::new(|first: u32| {
                let second: u32 = switch_to_parent(first * 2).unwrap();
                second * 2
            });
            yields(1).await;
            assert_eq!(doubles.switch(1).unwrap(), 2);
            yields(2).await;
            assert_eq!(doubles.switch(21).unwrap(), 42);
        });
        handle.join().unwrap();
    });
}

#[test]
fn run_waits_for_what_is_pending() {
    for count in [1, 2] {
        within_limit(move || {
            let (giver, promise) = promise();
            let done = Arc::new(AtomicUsize::new(0));
            let count_it = Arc::clone(&done);
            workers(count)
                .run(move || {
                    future::spawn(async move {
                        promise.await;
                        count_it.fetch_add(1, Ordering::SeqCst);
                    });
                    std::thread::spawn(move || {
                        while giver.polls() == 0 {
                            std::thread::yield_now();
                        }
                        giver.give(());
                    });
                })
                .unwrap();
            assert_eq!(done.load(Ordering::SeqCst), 1);
        });
    }
}

#[test]
fn the_end_of_a_runtime_drops_what_is_pending() {
    for count in [1, 2] {
        within_limit(move || {
            let drops = Arc::new(AtomicUsize::new(0));
            let runtime = workers(count);
            let (givers, promises): (Vec<_>, Vec<_>) = (0..100).map(|_| promise::<()>()).unzip();
            let counted = Arc::clone(&drops);
            let spawned = runtime.spawn(move || {
                let spawn = |promise| {
                    let drops = Arc::clone(&counted);
                    future::spawn(async move {
                        let _count = OnDrop(|| {
                            drops.fetch_add(1, Ordering::SeqCst);
                        });
                        promise.await;
                    })
                };
                promises.into_iter().map(spawn).collect::<Vec<_>>()
            });
            let handles = spawned.join().unwrap();
            until(|| givers.iter().all(|giver| giver.polls() == 1));
            drop(runtime);
            assert_eq!(drops.load(Ordering::SeqCst), 100);
            assert!(handles.into_iter().all(|handle| handle.join().unwrap_err().is_killed()));
        });
    }
}

/// A future that waits: its waker, and what it waits for.
type Asked = (Waker, Arc<AtomicUsize>);

/// Wakers are used from everywhere, also while a poll runs, late, and again; and some are killed meanwhile.
#[test]
fn no_wake_up_is_lost() {
    const TASKS: u64 = 64;
    const ROUNDS: u64 = 40;
    for count in [1, 2, 4] {
        within_limit(move || {
            let runtime = workers(count);
            let wakers: Arc<std::sync::Mutex<Vec<Asked>>> = Arc::default();
            let stop = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..2)
                .map(|seed| {
                    let (wakers, stop) = (Arc::clone(&wakers), Arc::clone(&stop));
                    std::thread::spawn(move || {
                        let mut random = Random(seed + 1);
                        let mut late: Vec<Waker> = Vec::new();
                        while stop.load(Ordering::SeqCst) == 0 {
                            let taken = {
                                let mut wakers = wakers.lock().unwrap();
                                let len = wakers.len() as u64;
                                (len > 0).then(|| wakers.swap_remove(random.below(len) as usize))
                            };
                            let Some((waker, ready)) = taken else {
                                late.drain(..).for_each(Waker::wake);
                                std::thread::yield_now();
                                continue;
                            };
                            if random.below(4) == 0 {
                                late.push(waker.clone());
                            }
                            ready.store(1, Ordering::SeqCst);
                            waker.wake();
                        }
                    })
                })
                .collect();
            let spawn_one = |i: u64| {
                let wakers = Arc::clone(&wakers);
                runtime.spawn(move || {
                    future::spawn(async move {
                        let mut done = 0;
                        for _ in 0..ROUNDS {
                            let ready = Arc::new(AtomicUsize::new(0));
                            let mut asked = false;
                            poll_fn(|context| {
                                if ready.load(Ordering::SeqCst) == 1 {
                                    return Poll::Ready(());
                                }
                                if !std::mem::replace(&mut asked, true) {
                                    let entry = (context.waker().clone(), Arc::clone(&ready));
                                    wakers.lock().unwrap().push(entry);
                                }
                                Poll::Pending
                            })
                            .await;
                            done += 1;
                        }
                        (i, done)
                    })
                })
            };
            let spawned: Vec<_> = (0..TASKS).map(spawn_one).collect();
            let handles: Vec<_> = spawned.into_iter().map(|one| one.join().unwrap()).collect();
            let mut killed = 0;
            for (i, handle) in handles.into_iter().enumerate() {
                if i % 8 == 7 {
                    handle.kill();
                    killed += usize::from(handle.join().is_err());
                } else {
                    assert_eq!(handle.join().unwrap(), (i as u64, ROUNDS));
                }
            }
            assert!(killed <= TASKS as usize / 8);
            stop.store(1, Ordering::SeqCst);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

#[test]
fn it_can_be_awaited_for_a_time_and_then_joined() {
    everywhere(|| {
        let (giver, promise) = promise();
        let mut handle = future::spawn(promise).into_future();
        assert!((&mut handle).wait_timeout(Duration::from_millis(1)).is_err());
        giver.give(7);
        assert_eq!(handle.wait().unwrap(), 7);
    });
}
