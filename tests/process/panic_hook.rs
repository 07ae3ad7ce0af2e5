//! Panic hooks.

use crate::{FOR_EVER, child, finish, is_child, passes, workers};
use greenthread::future::FutureExt as _;
use greenthread::generator::{Generator, Yielder};
use greenthread::{Builder, Runtime, sleep, spawn, timeout, yield_now};
use std::io::{self};
use std::panic::catch_unwind;
use std::process::Stdio;
use std::task::Poll;
use std::time::Duration;

#[test]
fn a_panic_hook_that_waits() {
    const NAME: &str = "panic_hook::a_panic_hook_that_waits";
    if is_child(NAME) {
        for before in [true, false] {
            let set = || {
                std::panic::set_hook(Box::new(|_| {
                    sleep(Duration::from_millis(2));
                    yield_now();
                }));
            };
            if before {
                set();
            }
            let runtime = workers(1);
            if !before {
                set();
            }
            let handles: Vec<_> = (0..10)
                .map(|_| {
                    runtime.spawn(|| {
                        yield_now();
                        panic!("on purpose")
                    })
                })
                .collect();
            let handles: Vec<greenthread::JoinHandle<()>> = handles;
            for handle in handles {
                assert!(handle.join().unwrap_err().is_panic());
            }
            assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
        }
        return;
    }
    passes(NAME);
}

/// In the hook a wait blocks the worker, so that it is another thread that wakes.
#[test]
fn a_panic_hook_that_waits_for_a_future() {
    const NAME: &str = "panic_hook::a_panic_hook_that_waits_for_a_future";
    if is_child(NAME) {
        std::panic::set_hook(Box::new(|_| {
            let mut polls = 0;
            std::future::poll_fn(|context| {
                polls += 1;
                let waker = context.waker().clone();
                std::thread::spawn(move || waker.wake());
                if polls < 4 { Poll::Pending } else { Poll::Ready(()) }
            })
            .wait();
        }));
        let runtime = workers(1);
        let handles = [(); 10].map(|()| runtime.spawn(|| panic!("on purpose")));
        for handle in handles {
            let handle: greenthread::JoinHandle<()> = handle;
            assert!(handle.join().unwrap_err().is_panic());
        }
        return;
    }
    passes(NAME);
}

#[test]
fn a_panic_names_the_green_thread() {
    const NAME: &str = "panic_hook::a_panic_names_the_green_thread";
    if is_child(NAME) {
        let handle = Builder::new().name("careless".into()).spawn(|| panic!("oh no")).unwrap();
        assert!(handle.join().is_err());
        let asleep = workers(1);
        asleep.spawn(|| sleep(FOR_EVER));
        drop(asleep);
        // Nor is a timeout, nor what ends the siblings of one that failed.
        assert!(greenthread::timeout(Duration::ZERO, yield_now).is_err());
        let failed = greenthread::thread::group(|group| {
            group.spawn(|| {
                sleep(FOR_EVER);
                Ok(())
            });
            group.spawn(|| -> Result<(), &str> { Err("an error") });
            sleep(FOR_EVER);
            Ok(())
        });
        assert_eq!(failed.unwrap_err().errors().len(), 1);
        return;
    }
    let end = finish(child(NAME));
    assert_eq!(end.code, Some(0), "{}", end.text);
    assert!(end.text.contains("green thread 'careless'") && end.text.contains("oh no"));
    assert_eq!(end.text.matches("panicked").count(), 1, "a kill is no panic: {}", end.text);
}

#[test]
fn a_panic_while_nobody_reads_standard_error() {
    const NAME: &str = "panic_hook::a_panic_while_nobody_reads_standard_error";
    if is_child(NAME) {
        assert!(spawn(|| panic!("unheard")).join().is_err());
        std::process::exit(5);
    }
    let mut command = child(NAME);
    let (read, write) = io::pipe().unwrap();
    drop(read);
    let status = command.stdout(Stdio::null()).stderr(write).status().unwrap();
    assert_eq!(status.code(), Some(5), "{status}");
}

#[test]
fn the_panic_hook_that_could_not_be_set_while_unwinding_is_set_later() {
    const NAME: &str =
        "panic_hook::the_panic_hook_that_could_not_be_set_while_unwinding_is_set_later";
    if is_child(NAME) {
        struct FirstUse;
        impl Drop for FirstUse {
            fn drop(&mut self) {
                assert!(std::thread::panicking());
                let runtime = Runtime::builder().workers(1).build().unwrap();
                let handle = Builder::new().name("first".into()).spawn(|| panic!("on a worker"));
                handle.unwrap().join().unwrap_err();
                std::mem::forget(runtime);
            }
        }
        let unwound = catch_unwind(|| {
            let _first_use = FirstUse;
            panic!("the first of all");
        });
        unwound.unwrap_err();
        return;
    }
    let end = finish(child(NAME));
    assert!(end.code == Some(0) && end.text.contains("green thread 'first' ("), "{}", end.text);
}

/// Neighbours of one worker that unwind, and are killed meanwhile, whoever's hook is in place.
#[test]
fn a_hook_that_is_set_later_changes_nothing() {
    const NAME: &str = "panic_hook::a_hook_that_is_set_later_changes_nothing";
    struct SleepInDrop;
    impl Drop for SleepInDrop {
        fn drop(&mut self) {
            sleep(Duration::from_millis(20));
        }
    }
    if is_child(NAME) {
        for count in [0, 1, 2] {
            let runtime = match count {
                0 => Runtime::new_current_thread().unwrap(),
                count => workers(count),
            };
            std::panic::set_hook(Box::new(|info| println!("{info}")));
            let main = || {
                let panics = || {
                    let _sleep = SleepInDrop;
                    panic!("on purpose");
                };
                let handles: Vec<greenthread::JoinHandle<()>> =
                    (0..8).map(|_| spawn(panics)).collect();
                sleep(Duration::from_millis(5));
                greenthread::thread::kill_all(&handles);
                for handle in handles {
                    assert!(handle.join().is_err());
                }
                let lock = greenthread::sync::Mutex::new(());
                let _ = catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _guard = lock.lock();
                    panic!("with the lock held");
                }));
                assert!(lock.is_poisoned());
                assert!(greenthread::timeout(Duration::ZERO, yield_now).is_err());
            };
            runtime.run(main).unwrap();
        }
        return;
    }
    passes(NAME);
}

/// The first runtime of a process may be made, and used, inside a panic hook.
#[test]
fn a_panic_hook_that_makes_the_first_runtime_is_not_waited_for() {
    const NAME: &str = "panic_hook::a_panic_hook_that_makes_the_first_runtime_is_not_waited_for";
    if is_child(NAME) {
        std::panic::set_hook(Box::new(|_| {
            let use_both = |_: &Yielder<u8>| {
                assert_eq!(workers(2).run(|| spawn(|| 5).join().unwrap()).unwrap(), 5);
                assert_eq!(Runtime::new_current_thread().unwrap().run(|| 6).unwrap(), 6);
            };
            use_both_in_and_outside_of_a_generator(use_both);
        }));
        assert!(catch_unwind(|| panic!("on purpose")).is_err());
        return;
    }
    passes(NAME);
}

fn use_both_in_and_outside_of_a_generator(both: fn(&Yielder<u8>)) {
    assert_eq!(Generator::new(both).next(), None);
    assert_eq!(workers(1).run(|| 7).unwrap(), 7);
}

/// It holds std's lock, as the hook that resumes it does.
#[test]
fn a_generator_that_waits_in_a_panic_hook_blocks_the_worker() {
    const NAME: &str = "panic_hook::a_generator_that_waits_in_a_panic_hook_blocks_the_worker";
    if is_child(NAME) {
        std::panic::set_hook(Box::new(|_| {
            let mut waits = Generator::new(|y: &Yielder<u8>| {
                sleep(Duration::from_millis(2));
                y.yield_(1);
            });
            assert_eq!(waits.next(), Some(1));
        }));
        let runtime = workers(1);
        let panics: Vec<_> =
            (0..4).map(|_| runtime.spawn(|| catch_unwind(|| panic!("on purpose")))).collect();
        let sets = || drop(std::panic::take_hook());
        runtime.spawn(sets).join().unwrap();
        for panics in panics {
            assert!(panics.join().unwrap().is_err());
        }
        return;
    }
    passes(NAME);
}

/// std loses count of the panics of an OS thread where anything unwinds inside a hook.
#[test]
fn a_timeout_does_not_strike_in_a_panic_hook() {
    const NAME: &str = "panic_hook::a_timeout_does_not_strike_in_a_panic_hook";
    if is_child(NAME) {
        std::panic::set_hook(Box::new(|_| {
            let slept = timeout(Duration::from_millis(1), || sleep(Duration::from_millis(20)));
            assert_eq!(slept, Ok(()));
        }));
        let panics = || {
            assert!(catch_unwind(|| panic!("on purpose")).is_err());
            assert!(!std::thread::panicking());
        };
        workers(1).run(panics).unwrap();
        return;
    }
    passes(NAME);
}

/// A backtrace shows the body and what it calls, and nothing of what runs green threads.
#[test]
fn a_backtrace_ends_at_the_body_of_a_green_thread() {
    const NAME: &str = "panic_hook::a_backtrace_ends_at_the_body_of_a_green_thread";
    #[inline(never)]
    fn what_the_user_wrote() {
        panic!("seen from inside");
    }
    if is_child(NAME) {
        assert!(spawn(what_the_user_wrote).join().is_err());
        std::process::exit(0);
    }
    let mut command = child(NAME);
    command.env("RUST_BACKTRACE", "1");
    let end = finish(command);
    assert_eq!(end.code, Some(0), "{}", end.text);
    assert!(end.text.contains("what_the_user_wrote"), "{}", end.text);
    for inner in ["greenthread::", "corosensei::"] {
        assert!(!end.text.contains(inner), "{}", end.text);
    }
}
