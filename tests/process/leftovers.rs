//! Nothing is left behind.

use crate::{FOR_EVER, is_child, passes, until, workers};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::thread::{SwitchHook, add_switch_hook};
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
