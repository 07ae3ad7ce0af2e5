//! What a switch hook does: it runs in the middle of the suspension of a green thread.

use crate::{is_child, passes, until, workers};
use greenthread::future::block_on;
use greenthread::greenlet::{self, Greenlet};
use greenthread::sync::mpmc;
use greenthread::thread::{SwitchHook, add_switch_hook, spawn_local};
use greenthread::{Runtime, shield, sleep, spawn, timeout, yield_now};
use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Nobody waits for so long.
const LONG: Duration = Duration::from_secs(3600);

thread_local!(static ARMED: Cell<bool> = const { Cell::new(false) });

struct Hook<F>(F);

impl<F: Fn(&mut dyn FnMut()) + Send + Sync> SwitchHook for Hook<F> {
    fn suspend(&self, others_run: &mut dyn FnMut()) {
        if ARMED.take() { (self.0)(others_run) } else { others_run() }
    }
}

/// Has `act` called around the next suspension of who is armed.
fn hook(act: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) {
    add_switch_hook(Box::new(Hook(act)));
}

/// The rest of the green thread would run while it waits already.
#[test]
fn a_greenlet_is_not_left_inside_of_a_switch_hook() {
    const NAME: &str = "switch_hook::a_greenlet_is_not_left_inside_of_a_switch_hook";
    if is_child(NAME) {
        static REFUSED: AtomicUsize = AtomicUsize::new(0);
        hook(|others_run| {
            let switched = catch_unwind(|| greenlet::switch_to_parent::<i32, ()>(1).is_ok());
            REFUSED.fetch_add(usize::from(switched.is_err()), Ordering::SeqCst);
            others_run();
        });
        let waits: [fn(); 3] = [
            yield_now,
            || sleep(Duration::from_millis(1)),
            || {
                let (_sender, receiver) = mpmc::unbounded::<()>();
                assert!(receiver.recv_timeout(Duration::from_millis(1)).is_err());
            },
        ];
        let body = move || {
            for wait in waits {
                let child = Greenlet::new(move |()| {
                    ARMED.set(true);
                    wait();
                    2
                });
                assert_eq!(child.switch(()).unwrap(), 2);
                yield_now();
            }
        };
        workers(1).spawn(move || spawn_local(body).join().unwrap()).join().unwrap();
        assert_eq!(REFUSED.load(Ordering::SeqCst), 3);
        return;
    }
    passes(NAME);
}

#[test]
fn others_that_run_in_a_destructor_of_a_switch_hook_do_not_unwind() {
    const NAME: &str =
        "switch_hook::others_that_run_in_a_destructor_of_a_switch_hook_do_not_unwind";
    if is_child(NAME) {
        struct OnDrop<'a>(&'a mut dyn FnMut());
        impl Drop for OnDrop<'_> {
            fn drop(&mut self) {
                (self.0)();
            }
        }
        hook(|others_run| {
            let unwinds = || {
                let _others_run = OnDrop(others_run);
                resume_unwind(Box::new(()));
            };
            assert!(catch_unwind(AssertUnwindSafe(unwinds)).is_err());
        });
        let body = || {
            let (over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let (is_over, sees) = (Arc::clone(&over), Arc::clone(&seen));
            let neighbour = spawn_local(move || {
                while !is_over.load(Ordering::SeqCst) {
                    sees.fetch_add(usize::from(std::thread::panicking()), Ordering::SeqCst);
                    yield_now();
                }
            });
            let waits: [fn(); 3] = [
                yield_now,
                || sleep(Duration::from_millis(1)),
                || {
                    let mut polls = 0;
                    block_on(poll_fn(|context| {
                        polls += 1;
                        context.waker().wake_by_ref();
                        if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
                    }));
                },
            ];
            for wait in waits.iter().cycle().take(30) {
                ARMED.set(true);
                wait();
                assert!(!std::thread::panicking());
            }
            ARMED.set(false);
            over.store(true, Ordering::SeqCst);
            neighbour.join().unwrap();
            assert_eq!(seen.load(Ordering::SeqCst), 0);
        };
        workers(1).spawn(move || spawn_local(body).join().unwrap()).join().unwrap();
        return;
    }
    passes(NAME);
}

/// A hook blocks the worker, and so may wait for an OS thread that awaits what the hook sends to it.
#[test]
fn a_future_elsewhere_is_woken_while_a_switch_hook_runs() {
    const NAME: &str = "switch_hook::a_future_elsewhere_is_woken_while_a_switch_hook_runs";
    if is_child(NAME) {
        let (sender, receiver) = mpmc::bounded(1);
        let (answers, answer) = std::sync::mpsc::channel();
        let awaits = std::thread::spawn(move || {
            while let Ok(number) = block_on(receiver.recv_async()) {
                answers.send(number).unwrap();
            }
        });
        let answer = std::sync::Mutex::new(answer);
        hook(move |others_run| {
            for number in 0..3 {
                sender.send(number).unwrap();
                assert_eq!(answer.lock().unwrap().recv(), Ok(number));
            }
            others_run();
        });
        let runtime = workers(1);
        let body = || {
            for _ in 0..10 {
                ARMED.set(true);
                yield_now();
                sleep(Duration::from_millis(1));
            }
            spawn(|| ()).join().unwrap();
        };
        let main = runtime.spawn(body);
        until(|| main.is_finished());
        main.join().unwrap();
        assert!(!awaits.is_finished());
        return;
    }
    passes(NAME);
}

/// The OS thread waits in all of them.
#[test]
fn a_timeout_or_shield_of_one_switch_hook_is_none_of_others() {
    const NAME: &str = "switch_hook::a_timeout_or_shield_of_one_switch_hook_is_none_of_others";
    if is_child(NAME) {
        const MOMENT: Duration = Duration::from_millis(1);
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        static ENDED: AtomicUsize = AtomicUsize::new(0);
        hook(|others_run| {
            let ends_within = |moment, body: &mut dyn FnMut()| {
                let ended = timeout(moment, || {
                    body();
                    sleep(LONG);
                });
                assert!(ended.is_err());
                ENDED.fetch_add(1, Ordering::SeqCst);
            };
            match CALLS.fetch_add(1, Ordering::SeqCst) % 3 {
                0 => ends_within(MOMENT, others_run),
                1 => {
                    shield(|| {
                        others_run();
                        assert!(timeout(MOMENT, || sleep(2 * MOMENT)).is_ok());
                    });
                    ends_within(MOMENT, &mut || ());
                }
                _ => {
                    sleep(2 * MOMENT);
                    others_run();
                    sleep(2 * MOMENT);
                    ends_within(MOMENT, &mut || ());
                }
            }
        });
        let body = || {
            let yields = || {
                spawn_local(|| {
                    for _ in 0..4 {
                        ARMED.set(true);
                        yield_now();
                    }
                })
            };
            let all: Vec<_> = (0..3).map(|_| yields()).collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        };
        workers(1).spawn(move || spawn_local(body).join().unwrap()).join().unwrap();
        assert_eq!(ENDED.load(Ordering::SeqCst), 12);
        // Here the hooks are called inside of a timeout of the OS thread's own, which ends no wait of theirs.
        let runtime = Runtime::new_current_thread().unwrap();
        let ended = timeout(MOMENT, || {
            runtime.run_local(body).unwrap();
            sleep(LONG);
        });
        assert!(ended.is_err());
        assert_eq!(ENDED.load(Ordering::SeqCst), 24);
        return;
    }
    passes(NAME);
}
