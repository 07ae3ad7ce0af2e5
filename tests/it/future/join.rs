//! Green threads awaited by others.

use super::promise;
use crate::support::{FOR_EVER, everywhere, on_all_runtimes, until, within_limit, workers};
use greenthread::future::{FutureExt as _, Joining, block_on, green};
use greenthread::sync::{Arc, Event};
use greenthread::thread::{Join, scope, spawn_local};
use greenthread::{Builder, JoinHandle, Runtime, sleep, spawn, yield_now};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_green_thread_is_awaited_from_everywhere() {
    everywhere(|| {
        block_on(async {
            assert_eq!(spawn(|| 1).await.unwrap(), 1);
            let slow = spawn(|| {
                sleep(SHORT);
                2
            });
            assert_eq!(slow.await.unwrap(), 2);
            let panics = spawn(|| -> () { std::panic::resume_unwind(Box::new("on purpose")) });
            assert!(panics.await.unwrap_err().is_panic());
            let ended = spawn(|| 3);
            until(|| ended.is_finished());
            assert_eq!(ended.await.unwrap(), 3);
            let paused = Builder::new().start_paused().spawn(|| 4).unwrap();
            assert_eq!(paused.await.unwrap(), 4, "it is let go");
            let killed = spawn(|| sleep(FOR_EVER));
            killed.kill();
            assert!(killed.await.unwrap_err().is_killed());
        });
        let sum = scope(|s| {
            let parts = [1, 2, 3].map(|i| s.spawn(move || i));
            block_on(async {
                let mut sum = 0;
                for part in parts {
                    sum += part.await.unwrap();
                }
                sum
            })
        });
        assert_eq!(sum, 6);
    });
    on_all_runtimes(|| {
        let shared = Rc::new(5);
        let inner = Rc::clone(&shared);
        assert_eq!(*spawn_local(move || inner).wait().unwrap(), 5);
        // Its own end is not waited for.
        let (giver, own) = promise::<JoinHandle<bool>>();
        let handle = spawn(move || own.wait().wait().is_err());
        let ended = Arc::new(Event::new());
        let end = Arc::clone(&ended);
        handle.link(move |result| {
            assert!(*result.as_ref().unwrap());
            end.set();
        });
        giver.give(handle);
        ended.wait();
    });
}

#[test]
fn dropping_the_future_of_a_green_thread_leaves_it_running_unless_told_to_kill_it() {
    on_all_runtimes(|| {
        for kill in [false, true] {
            let go = Arc::new(Event::new());
            let ended = Arc::new(AtomicUsize::new(0));
            let (gate, count) = (Arc::clone(&go), Arc::clone(&ended));
            let dropped = Arc::clone(&ended);
            // The kill may come before it has begun.
            let on_drop = crate::support::OnDrop(move || {
                dropped.fetch_add(1, Ordering::SeqCst);
            });
            let handle = spawn(move || {
                let _on_drop = on_drop;
                gate.wait();
                count.fetch_add(10, Ordering::SeqCst);
            });
            let future = handle.into_future();
            let future = if kill { future.kill_on_drop() } else { future };
            assert!(future.wait_timeout(SHORT).is_err());
            if kill {
                until(|| ended.load(Ordering::SeqCst) == 1);
            }
            go.set();
            until(|| ended.load(Ordering::SeqCst) == if kill { 1 } else { 11 });
        }
    });
}

#[test]
fn blocking_code_begins_with_the_first_poll_and_ends_with_its_future() {
    everywhere(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        drop(green(move || count.fetch_add(1, Ordering::SeqCst)));
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        assert_eq!(green(|| 7).wait().unwrap(), 7);
        let error = green(|| -> () { std::panic::resume_unwind(Box::new(())) }).wait().unwrap_err();
        assert!(error.is_panic());
        let (count, over) = (Arc::clone(&ran), Arc::new(Event::new()));
        let end = Arc::clone(&over);
        let slow = green(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let _drop = crate::support::OnDrop(|| end.set());
            sleep(FOR_EVER);
        });
        let mut slow = Box::pin(slow);
        while ran.load(Ordering::SeqCst) == 0 {
            assert!(slow.as_mut().wait_timeout(SHORT).is_err());
        }
        drop(slow);
        over.wait();
    });
}

/// An executor that polls where it is woken, in the middle of whatever wakes it: the rudest there can be.
struct Inline {
    future: std::sync::Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    again: AtomicBool,
}

impl Inline {
    fn start(future: impl Future<Output = ()> + Send + 'static) {
        let task = Inline {
            future: std::sync::Mutex::new(Some(Box::pin(future))),
            again: AtomicBool::new(false),
        };
        Arc::new(task).wake();
    }
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        self.again.store(true, Ordering::SeqCst);
        while self.again.swap(false, Ordering::SeqCst) {
            // Somebody else polls it, and looks again.
            let Ok(mut slot) = self.future.try_lock() else {
                return self.again.store(true, Ordering::SeqCst);
            };
            let Some(mut future) = slot.take() else { return };
            let waker = Waker::from(Arc::clone(&self));
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                *slot = Some(future);
            }
        }
    }
}

#[test]
fn an_executor_that_polls_where_it_is_woken_may_do_what_it_likes_there() {
    on_all_runtimes(|| {
        let done = Arc::new(Event::new());
        for _ in 0..50 {
            let end = Arc::clone(&done);
            let go = Arc::new(Event::new());
            let gate = Arc::clone(&go);
            let first = spawn(move || gate.wait());
            Inline::start(async move {
                first.await.unwrap();
                // In the middle of the end of a green thread: spawn, wait, kill, and await the next.
                let other = spawn(yield_now);
                other.kill();
                assert_eq!(spawn(|| 1).await.unwrap(), 1);
                end.set();
            });
            go.set();
            done.wait();
            done.clear();
        }
    });
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("a waker"));
    }
}

#[test]
fn a_waker_that_panics_is_nobody_elses_concern() {
    on_all_runtimes(|| {
        let go = Arc::new(Event::new());
        let gate = Arc::clone(&go);
        let handle = spawn(move || gate.wait());
        let waker = Waker::from(Arc::new(Panics));
        let mut joining = pin!(handle.into_future());
        assert!(joining.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        go.set();
        until(|| joining.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(spawn(|| 1).join().unwrap(), 1, "its worker goes on");
    });
}

/// Polls once with each of several wakers; the last one counts.
#[test]
fn the_waker_of_the_last_poll_is_used() {
    everywhere(|| {
        let go = Arc::new(Event::new());
        let gate = Arc::clone(&go);
        let mut joining = pin!(spawn(move || gate.wait()).into_future());
        let first = Waker::from(Arc::new(Panics));
        assert!(joining.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
        let mut go = Some(go);
        let result = poll_fn(|context| {
            let polled = joining.as_mut().poll(context);
            go.take().into_iter().for_each(|go| go.set());
            polled
        });
        assert!(result.wait().is_ok());
    });
}

#[test]
fn a_green_thread_is_awaited_after_its_runtime_has_ended() {
    within_limit(|| {
        let runtime = workers(2);
        let handles = [(); 20].map(|()| runtime.spawn(|| sleep(FOR_EVER)));
        let mut all: Vec<_> =
            handles.into_iter().map(|handle| Box::pin(handle.into_future())).collect();
        let mut context = Context::from_waker(Waker::noop());
        assert!(all.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
        let waiting = std::thread::spawn(move || {
            all.into_iter().map(|one| one.wait()).all(|result| result.unwrap_err().is_killed())
        });
        drop(runtime);
        assert!(waiting.join().unwrap());
        let late = workers(1).spawn(|| 1);
        let _ = late.wait();
    });
}

#[test]
fn a_green_thread_is_awaited_by_a_thousand_others_and_by_one_after_the_other() {
    within_limit(|| {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let handle = spawn(|| sleep(SHORT));
                let mut joining = handle.into_future();
                for _ in 0..1000 {
                    let mut context = Context::from_waker(Waker::noop());
                    assert!(Pin::new(&mut joining).poll(&mut context).is_pending());
                }
                joining.wait().unwrap();
                let handles: Vec<_> = (0..1000).map(|i| spawn(move || i)).collect();
                let sum = block_on(async {
                    let mut sum = 0;
                    for handle in handles {
                        sum += handle.await.unwrap();
                    }
                    sum
                });
                assert_eq!(sum, 499_500);
            })
            .unwrap();
    });
}

#[test]
fn what_is_ready_is_ready_once() {
    fn polled_twice<H: Join>(joining: &mut Joining<H>) {
        let mut context = Context::from_waker(Waker::noop());
        until(|| Pin::new(&mut *joining).poll(&mut context).is_ready());
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = Pin::new(&mut *joining).poll(&mut context).is_ready();
        }));
        assert!(again.is_err());
    }
    polled_twice(&mut spawn(|| 1).into_future());
    let _: Poll<()> = Poll::Pending;
}
