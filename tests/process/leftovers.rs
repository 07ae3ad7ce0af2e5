//! Nothing is left behind.

use crate::{FOR_EVER, is_child, passes, until, workers};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::thread::{ContextVar, SwitchHook, add_switch_hook};
use greenthread::{Builder, Runtime, green_local, sleep, spawn, yield_now};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn runtimes_leave_nothing_behind() {
    const NAME: &str = "leftovers::runtimes_leave_nothing_behind";
    if is_child(NAME) {
        let count = |what| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let cycle = |round: usize| {
            let runtime = workers(1 + round % 3);
            let asleep: Vec<_> = (0..40).map(|_| runtime.spawn(|| sleep(FOR_EVER))).collect();
            let (listener, large) = runtime
                .run(|| {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    let address = listener.local_addr().unwrap();
                    let client = spawn(move || drop(TcpStream::connect(address).unwrap()));
                    assert_eq!(listener.accept().unwrap().0.read(&mut [0]).unwrap(), 0);
                    client.join().unwrap();
                    let large = Builder::new().stack_size(1 << 20).spawn(yield_now);
                    (listener, large.unwrap().join())
                })
                .unwrap();
            large.unwrap();
            drop(runtime);
            drop(listener);
            for handle in asleep {
                assert!(handle.join().unwrap_err().is_killed());
            }
            let local = Runtime::new_current_thread().unwrap();
            assert_eq!(local.run(|| spawn(|| 3).join().unwrap()).unwrap(), 3);
        };
        (0..20).for_each(cycle);
        let before = (count("task"), count("fd"), maps());
        (0..150).for_each(cycle);
        // An OS thread is gone a moment after it was joined.
        until(|| count("task") <= before.0);
        let after = (count("task"), count("fd"), maps());
        assert_eq!(after.1, before.1, "descriptors");
        assert!(after.2 <= before.2 + 8, "mappings: {before:?} {after:?}");
        return;
    }
    passes(NAME);
}

/// The destructor of what a switch hook has made runs in the green thread, where a panic goes no farther.
#[test]
fn what_a_switch_hook_makes_ends_with_its_green_thread() {
    const NAME: &str = "leftovers::what_a_switch_hook_makes_ends_with_its_green_thread";
    if is_child(NAME) {
        static DROPPED: AtomicUsize = AtomicUsize::new(0);
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                DROPPED.fetch_add(1, Ordering::SeqCst);
                panic!("a bomb");
            }
        }
        green_local! { static MADE_BY_HOOK: Bomb = Bomb }
        struct Makes;
        impl SwitchHook for Makes {
            fn suspend(&self, others_run: &mut dyn FnMut()) {
                let _ = MADE_BY_HOOK.try_with(|_| ());
                others_run();
            }
        }
        add_switch_hook(Box::new(Makes));
        let runtime = workers(1);
        for count in 1..=5 {
            runtime.spawn(yield_now).join().unwrap();
            assert_eq!(DROPPED.load(Ordering::SeqCst), count);
        }
        return;
    }
    passes(NAME);
}

/// What a green thread has from its spawner is there in a switch hook, and after one has set another variable for it.
#[test]
fn what_a_switch_hook_sets_hides_nothing_that_was_inherited() {
    const NAME: &str = "leftovers::what_a_switch_hook_sets_hides_nothing_that_was_inherited";
    if is_child(NAME) {
        static INHERITED: ContextVar<u32> = ContextVar::new();
        static SET_BY_HOOK: ContextVar<usize> = ContextVar::new();
        static SEEN: AtomicUsize = AtomicUsize::new(0);
        struct Sets;
        impl SwitchHook for Sets {
            fn suspend(&self, others_run: &mut dyn FnMut()) {
                if INHERITED.get() == Some(7) {
                    SET_BY_HOOK.set(SEEN.fetch_add(1, Ordering::SeqCst));
                }
                others_run();
            }
        }
        add_switch_hook(Box::new(Sets));
        for runtime in [Runtime::new_current_thread().unwrap(), workers(1), workers(2)] {
            let case = || {
                INHERITED.set(7);
                let own = |_| {
                    yield_now();
                    yield_now();
                    let set = SET_BY_HOOK.get();
                    let child = spawn(|| (INHERITED.get(), SET_BY_HOOK.get()));
                    assert_eq!(child.join().unwrap().0, Some(7));
                    (INHERITED.get(), set.is_some())
                };
                let all: Vec<_> = (0..4).map(|at| spawn(move || own(at))).collect();
                all.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), (Some(7), true)));
                INHERITED.clear();
            };
            runtime.run(case).unwrap();
        }
        // Others have nothing of it.
        let other = workers(1).run(|| {
            spawn(|| {
                yield_now();
                (INHERITED.get(), SET_BY_HOOK.get())
            })
            .join()
            .unwrap()
        });
        assert_eq!(other.unwrap(), (None, None));
        return;
    }
    passes(NAME);
}
