//! What was begun before anything is patched, and what is linked and never patched.

use crate::children::in_child;
use greenthread::{Runtime, monkey, spawn};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[test]
fn a_lock_that_is_made_held_and_waited_for_before_patching_works_after_it() {
    let test = "before::a_lock_that_is_made_held_and_waited_for_before_patching_works_after_it";
    let outcome = in_child(test, || {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let guard = shared.0.lock().unwrap();
        // One waits in the kernel for the lock, another one for the condition.
        let wants = Arc::clone(&shared);
        let waiter = std::thread::spawn(move || *wants.0.lock().unwrap() += 1);
        let wants = Arc::clone(&shared);
        let listener = std::thread::spawn(move || {
            let mut count = wants.0.lock().unwrap();
            while *count < 12 {
                count = wants.1.wait(count).unwrap();
            }
        });
        std::thread::sleep(Duration::from_millis(20));
        // SAFETY: nothing here is of the kinds that `patch_all` names.
        unsafe { monkey::patch_all() };
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let adders: Vec<_> = (0..10)
            .map(|_| {
                let shared = Arc::clone(&shared);
                runtime.spawn(move || {
                    let mut count = shared.0.lock().unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                    *count += 1;
                    shared.1.notify_all();
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(*guard, 0);
        drop(guard);
        adders.into_iter().for_each(|adder| adder.join().unwrap());
        waiter.join().unwrap();
        *shared.0.lock().unwrap() += 1;
        shared.1.notify_all();
        listener.join().unwrap();
    });
    outcome.works();
}

#[test]
fn a_socket_that_is_waited_for_when_patching_begins_goes_on_blocking() {
    let test = "before::a_socket_that_is_waited_for_when_patching_begins_goes_on_blocking";
    let outcome = in_child(test, || {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let (mut a, peer) = UnixStream::pair().unwrap();
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let reader = runtime.spawn(move || {
            begins.store(true, Ordering::SeqCst);
            a.read(&mut [0; 1]).unwrap()
        });
        while !begun.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(5));
        // SAFETY: as above.
        unsafe { monkey::patch_all() };
        drop(peer);
        assert_eq!(reader.join().unwrap(), 0);
    });
    outcome.works();
}

#[test]
fn what_is_linked_and_never_patched_blocks_and_counts_nothing() {
    let test = "before::what_is_linked_and_never_patched_blocks_and_counts_nothing";
    let outcome = in_child(test, || {
        let log = Runtime::builder().workers(1).build().unwrap().run(|| {
            let log = Arc::new(Mutex::new(Vec::new()));
            let own = Arc::clone(&log);
            let other = spawn(move || own.lock().unwrap().push("other"));
            // Without patching the worker is kept, so the other one has its turn afterwards.
            std::thread::sleep(Duration::from_millis(20));
            log.lock().unwrap().push("main");
            other.join().unwrap();
            Arc::into_inner(log).unwrap().into_inner().unwrap()
        });
        assert_eq!(log.unwrap(), ["main", "other"]);
        assert!(monkey::report().patched.is_empty() && monkey::report().used.is_empty());
    });
    outcome.works();
}
