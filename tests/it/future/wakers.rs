//! What wakers of other executors do where a worker uses them: they are code of users, and so are the destructors of what they keep.

use crate::support::{on_all_runtimes, until, within_limit, workers};
use greenthread::sync::{Event, Mutex};
use greenthread::thread::spawn_local;
use greenthread::{Runtime, spawn, yield_now};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

struct Calls<F>(F);

impl<F: Fn() + Send + Sync> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

struct CallsAtEnd<F: Fn()>(F);

impl<F: Fn() + Send + Sync> Wake for CallsAtEnd<F> {
    fn wake(self: Arc<Self>) {}
}

impl<F: Fn()> Drop for CallsAtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

type Awaits = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What awaits the end of a green thread, which waits for `go`, once it has left that waker there.
fn awaits_end(waker: Waker, go: &Arc<Event>) -> Awaits {
    let go = Arc::clone(go);
    let handle = spawn(move || go.wait()).into_future();
    let mut awaits: Awaits = Box::pin(async move { drop(handle.await) });
    assert!(awaits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    awaits
}

/// Who holds the lock is on the same worker, and gives it back once the waker waits for it.
fn waits_for_a_neighbour(waker: impl Fn(Box<dyn Fn() + Send + Sync>) -> Waker) {
    let lock = Arc::new(Mutex::new(()));
    let [begun, taken, over] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    let (held, is_taken, may_go) = (Arc::clone(&lock), Arc::clone(&taken), Arc::clone(&begun));
    let neighbour = spawn_local(move || {
        let _guard = held.lock().unwrap();
        is_taken.store(true, Ordering::SeqCst);
        until(|| may_go.load(Ordering::SeqCst));
    });
    until(|| taken.load(Ordering::SeqCst));
    let is_over = Arc::clone(&over);
    let waits = move || {
        begun.store(true, Ordering::SeqCst);
        drop(lock.lock().unwrap());
        is_over.store(true, Ordering::SeqCst);
    };
    let waker = waker(Box::new(waits));
    let ended = spawn_local(|| ());
    let mut awaits = Box::pin(ended.into_future());
    assert!(awaits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    until(|| over.load(Ordering::SeqCst));
    neighbour.join().unwrap();
}

#[test]
fn a_waker_may_wait_for_others_of_the_worker_that_uses_it() {
    on_all_runtimes(|| {
        waits_for_a_neighbour(|waits| Waker::from(Arc::new(Calls(waits))));
        waits_for_a_neighbour(|waits| Waker::from(Arc::new(CallsAtEnd(waits))));
    });
}

#[test]
fn a_waker_that_waits_keeps_no_other_from_being_used() {
    on_all_runtimes(|| {
        let event = Arc::new(Event::new());
        let heard = Arc::new(AtomicUsize::new(0));
        let (sets, hears) = (Arc::clone(&event), Arc::clone(&heard));
        let waits = Waker::from(Arc::new(Calls(move || {
            event.wait();
            hears.fetch_add(1, Ordering::SeqCst);
        })));
        let go = Arc::new(Event::new());
        let mut all: Vec<Awaits> = (0..3).map(|_| awaits_end(waits.clone(), &go)).collect();
        all.push(awaits_end(Waker::from(Arc::new(Calls(move || sets.set()))), &go));
        go.set();
        until(|| heard.load(Ordering::SeqCst) == 3);
        drop(all);
    });
}

#[test]
fn no_waker_is_left_unused_when_a_runtime_ends() {
    within_limit(|| {
        for round in 0..50 {
            let used = Arc::new(AtomicUsize::new(0));
            let waker = || {
                let used = Arc::clone(&used);
                let uses = move || {
                    yield_now();
                    used.fetch_add(1, Ordering::SeqCst);
                };
                Waker::from(Arc::new(Calls(uses)))
            };
            let wakers = [waker(), waker(), waker()];
            let main = move || {
                let go = Arc::new(Event::new());
                let awaits = wakers.map(|waker| awaits_end(waker, &go));
                go.set();
                awaits
            };
            let runtime = match round % 2 {
                0 => Runtime::new_current_thread().unwrap(),
                _ => workers(2),
            };
            let awaits = runtime.run(main).unwrap();
            until(|| used.load(Ordering::SeqCst) == 3);
            drop((awaits, runtime));
            assert_eq!(used.load(Ordering::SeqCst), 3);
        }
    });
}
