//! Spawning, joining, names, panics.

use crate::support::{OnDrop, until, within_limit, workers};
use greenthread::future::{self, FutureExt};
use greenthread::{Builder, JoinError, JoinHandle, Runtime, current, sleep, spawn, yield_now};
use std::any::Any;
use std::cell::Cell;
use std::collections::HashSet;
use std::io;
use std::panic::{catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

#[test]
fn join_gives_the_value() {
    assert_eq!(spawn(|| 42).join().unwrap(), 42);
    let text = String::from("moved in and out");
    assert_eq!(spawn(move || text).join().unwrap(), "moved in and out");
    let large = spawn(|| [7u8; 4096]).join().unwrap();
    assert!(large.iter().all(|&byte| byte == 7));
    #[repr(align(64))]
    struct Aligned([u8; 100]);
    let value = spawn(|| Aligned([3; 100])).join().unwrap();
    assert!(value.0 == [3; 100] && (&raw const value).addr().is_multiple_of(64));
    spawn(|| ()).join().unwrap();
}

#[test]
fn join_gives_the_panic() {
    let handle = spawn(|| -> u8 { panic!("number {}", std::hint::black_box(7)) });
    let name = format!("green-{}", handle.id());
    let error = handle.join().unwrap_err();
    assert!(error.is_panic() && !error.is_killed() && error.io_error().is_none());
    assert_eq!(error.to_string(), format!("green thread '{name}' panicked: number 7"));
    let text = format!("JoinError::Panicked {{ thread: {name}, message: \"number 7\" }}");
    assert_eq!(format!("{error:?}"), text);
    assert_eq!(error.into_panic().downcast_ref::<String>().unwrap(), "number 7");

    let named = Builder::new().name("unlucky".into()).spawn(|| panic_any(13u16)).unwrap();
    let error = named.join().unwrap_err();
    assert_eq!(error.to_string(), "green thread 'unlucky' panicked: Box<dyn Any>");
    let payload: Box<dyn Any + Send> = error.into();
    assert_eq!(*payload.downcast::<u16>().unwrap(), 13);

    let error: io::Error = spawn(|| panic!("as io")).join().unwrap_err().into();
    assert!(error.to_string().contains("as io"));
}

#[test]
fn an_error_that_is_no_panic_gives_itself_back() {
    let runtime = greenthread::Runtime::new_current_thread().unwrap();
    let handle = runtime.spawn(|| ());
    drop(runtime);
    let error = handle.join().unwrap_err();
    assert!(error.is_killed() && !error.is_panic());
    let error = error.try_into_panic().unwrap_err();
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(io::Error::from(error));
    assert!(boxed.to_string().contains("killed"), "{boxed}");
}

#[test]
#[should_panic(expected = "into_panic on an error that is not a panic")]
fn into_panic_refuses_other_errors() {
    let runtime = greenthread::Runtime::new_current_thread().unwrap();
    let handle = runtime.spawn(|| ());
    drop(runtime);
    let _ = handle.join().unwrap_err().into_panic();
}

#[test]
fn a_detached_one_runs_on() {
    let (send, receive) = mpsc::channel();
    drop(spawn(move || {
        yield_now();
        send.send(1).unwrap();
    }));
    assert_eq!(receive.recv_timeout(crate::support::LIMIT), Ok(1));
}

#[test]
fn ten_thousand_return_their_values() {
    let handles: Vec<_> = (0..10_000u64)
        .map(|i| {
            spawn(move || {
                yield_now();
                i
            })
        })
        .collect();
    let sum: u64 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
    assert_eq!(sum, 49_995_000);
}

fn tree(depth: u32) -> u64 {
    if depth == 0 {
        return 1;
    }
    let children = [spawn(move || tree(depth - 1)), spawn(move || tree(depth - 1))];
    children.into_iter().map(|child| child.join().unwrap()).sum::<u64>() + 1
}

#[test]
fn spawned_ones_spawn_a_tree() {
    assert_eq!(within_limit(|| tree(9)), 1023);
}

#[test]
fn from_many_os_threads() {
    let threads: Vec<_> = (0..8)
        .map(|at| {
            std::thread::spawn(move || {
                (0..200).map(|i| spawn(move || i * at).join().unwrap()).sum::<u64>()
            })
        })
        .collect();
    let sum: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(sum, 19_900 * 28);
}

#[test]
fn a_panic_harms_neither_worker_nor_neighbours() {
    let runtime = workers(1);
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let neighbour = runtime.spawn(move || {
        for _ in 0..50 {
            counted.fetch_add(1, Ordering::Relaxed);
            yield_now();
        }
        std::thread::current().id()
    });
    for i in 0..50 {
        let panicking = runtime.spawn(move || {
            yield_now();
            if i % 2 == 0 { panic!("on purpose") } else { panic_any(i) }
        });
        assert!(panicking.join().unwrap_err().is_panic());
    }
    let worker = neighbour.join().unwrap();
    assert_eq!(steps.load(Ordering::Relaxed), 50);
    assert_eq!(runtime.spawn(|| std::thread::current().id()).join().unwrap(), worker);
}

/// Panics when dropped, with a payload that does so too.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(Bomb);
    }
}

#[test]
fn payloads_and_results_that_panic_when_dropped() {
    let runtime = workers(1);
    let done = Arc::new(AtomicUsize::new(0));
    let count = || {
        let done = Arc::clone(&done);
        OnDrop(move || {
            done.fetch_add(1, Ordering::SeqCst);
        })
    };
    // Detached, so nobody but the library drops what they leave.
    let guard = count();
    drop(runtime.spawn(move || {
        let _guard = guard;
        panic_any(Bomb)
    }));
    let guard = count();
    drop(runtime.spawn(move || {
        let _guard = guard;
        Bomb
    }));
    // Never run, so the library drops the body.
    let idle = greenthread::Runtime::new_current_thread().unwrap();
    let (guard, bomb) = (count(), Bomb);
    drop(idle.spawn(move || {
        let _all = (guard, bomb);
    }));
    drop(idle);
    until(|| done.load(Ordering::SeqCst) == 3);
    assert_eq!(runtime.spawn(|| 5).join().unwrap(), 5);
    // A handle that is dropped late drops the result itself: whether it is late must make no difference.
    let guard = count();
    let late = runtime.spawn(move || (guard, Bomb));
    until(|| late.is_finished());
    drop(late);
    assert_eq!(done.load(Ordering::SeqCst), 4);
    assert_eq!(runtime.spawn(|| 6).join().unwrap(), 6);
}

/// What is killed before it begins, or while it needs no stack, is dropped as by an unwind.
#[test]
fn a_second_kill_ends_no_destructor_that_the_first_began() {
    struct Slow(Arc<AtomicUsize>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            yield_now();
            sleep(Duration::from_millis(2));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let begin: [fn(Slow) -> JoinHandle<()>; 3] = [
        |slow| {
            spawn(move || {
                std::future::pending::<()>().wait();
                drop(slow);
            })
        },
        |slow| {
            future::spawn(async move {
                std::future::pending::<()>().await;
                drop(slow);
            })
        },
        |slow| Builder::new().start_paused().spawn(move || drop(slow)).unwrap(),
    ];
    let main = move || {
        for begin in begin {
            let steps = Arc::new(AtomicUsize::new(0));
            let doomed = begin(Slow(Arc::clone(&steps)));
            (0..3).for_each(|_| yield_now());
            doomed.kill();
            while steps.load(Ordering::SeqCst) == 0 {
                yield_now();
            }
            doomed.kill();
            assert!(doomed.join().unwrap_err().is_killed());
            assert_eq!(steps.load(Ordering::SeqCst), 2, "it was left in the middle");
        }
    };
    within_limit(move || Runtime::new_current_thread().unwrap().run_local(main).unwrap());
}

#[test]
fn destructors_of_results_and_closures_may_wait() {
    let runtime = workers(1);
    let (send, receive) = mpsc::channel();
    let other = send.clone();
    drop(runtime.spawn(move || {
        OnDrop(move || {
            sleep(Duration::from_millis(2));
            assert_eq!(spawn(|| 1).join().unwrap(), 1);
            send.send("result").unwrap();
        })
    }));
    let in_closure = OnDrop(move || {
        sleep(Duration::from_millis(2));
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        other.send("closure").unwrap();
    });
    runtime
        .spawn(move || {
            let _in_closure = &in_closure;
        })
        .join()
        .unwrap();
    let mut got: Vec<_> =
        (0..2).map(|_| receive.recv_timeout(crate::support::LIMIT).unwrap()).collect();
    got.sort_unstable();
    assert_eq!(got, ["closure", "result"]);
}

#[test]
fn a_destructor_may_wait_while_its_green_thread_unwinds() {
    let runtime = workers(1);
    let woken = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&woken);
    let unwinding = runtime.spawn(move || {
        let _in_drop = OnDrop(|| {
            assert!(std::thread::panicking());
            sleep(Duration::from_millis(5));
            assert_eq!(spawn(|| 3).join().unwrap(), 3);
            seen.store(true, Ordering::SeqCst);
        });
        panic!("on purpose");
    });
    // A neighbour panics, catches, waits meanwhile.
    let neighbour = runtime.spawn(|| {
        for _ in 0..20 {
            assert!(catch_unwind(|| panic!("caught")).is_err());
            sleep(Duration::from_micros(300));
        }
        assert!(spawn(|| panic!("joined")).join().is_err());
    });
    assert!(unwinding.join().unwrap_err().is_panic());
    neighbour.join().unwrap();
    assert!(woken.load(Ordering::SeqCst));
    assert!(!runtime.spawn(std::thread::panicking).join().unwrap());
}

#[test]
fn names_ids_and_current() {
    assert!(!current().is_green());
    assert_eq!(current().id(), current().id());
    assert_eq!(current().name(), std::thread::current().name());
    let handle = Builder::new()
        .name("with a gap and ü".into())
        .spawn(|| {
            assert!(current().is_green());
            let before = current();
            yield_now();
            assert_eq!(before, current());
            (current().name().map(str::to_string), current().id())
        })
        .unwrap();
    let thread = handle.thread().clone();
    assert!(format!("{handle:?} {thread:?}").contains("with"));
    let (name, id) = handle.join().unwrap();
    assert_eq!(name.as_deref(), Some("with a gap and ü"));
    assert_eq!((thread.id(), thread.name()), (id, name.as_deref()));

    let handles: Vec<_> = (0..1000).map(|_| spawn(|| current().id())).collect();
    let ids: HashSet<_> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
    assert_eq!(ids.len(), 1000);
}

#[test]
#[should_panic(expected = "null bytes")]
fn a_name_has_no_null_byte() {
    let _ = Builder::new().name("a\0b".into());
}

/// As with std's, an `Option` of an id needs no more room.
#[test]
fn there_is_no_id_of_zero() {
    assert_eq!(size_of::<Option<greenthread::thread::ThreadId>>(), size_of::<u64>());
}

/// The names of `Box<dyn Any>`, which is the error of std's `join`.
#[test]
fn the_panic_can_be_looked_at_as_stds() {
    fn text() -> greenthread::thread::Result<()> {
        spawn(|| panic!("a text")).join()
    }
    let error = text().unwrap_err();
    assert!(error.is::<&str>() && !error.is::<String>());
    assert_eq!(error.downcast_ref::<&str>(), Some(&"a text"));
    assert_eq!(error.downcast_ref::<u8>(), None);
    let error = error.downcast::<String>().unwrap_err();
    assert!(error.to_string().contains("a text"), "nothing of it is lost: {error}");
    assert_eq!(*error.downcast::<&str>().unwrap(), "a text");

    let error = spawn(|| panic_any(Cell::new(7))).join().unwrap_err();
    assert!(error.is::<Cell<i32>>());
    assert_eq!(error.downcast::<Cell<i32>>().unwrap().get(), 7);

    let handle = spawn(greenthread::thread::park);
    handle.kill();
    let error = handle.join().unwrap_err();
    assert!(!error.is::<&str>() && error.downcast_ref::<&str>().is_none());
    assert!(error.downcast::<&str>().unwrap_err().is_killed());
}

#[test]
fn is_finished_tells() {
    let go = Arc::new(AtomicBool::new(false));
    let wait_for = Arc::clone(&go);
    let handle = spawn(move || until(|| wait_for.load(Ordering::SeqCst)));
    assert!(!handle.is_finished());
    go.store(true, Ordering::SeqCst);
    until(|| handle.is_finished());
    handle.join().unwrap();
}

#[test]
fn bad_stack_sizes_are_refused() {
    for size in [0, usize::MAX, (1 << 40) + 1] {
        let error = Builder::new().stack_size(size).spawn(|| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_handle_can_be_joined_anywhere() {
    let a = workers(1);
    let b = workers(1);
    let slow = a.spawn(|| {
        sleep(Duration::from_millis(3));
        "slow"
    });
    // From another runtime, from an OS thread, and from a current-thread runtime.
    let through_b = b.spawn(move || slow.join().unwrap());
    let through_thread = std::thread::spawn(move || through_b.join().unwrap());
    let local = greenthread::Runtime::new_current_thread().unwrap();
    let value = local.run_local(move || spawn(move || through_thread.join().unwrap()).join());
    assert_eq!(value.unwrap().unwrap(), "slow");
}

#[test]
fn errors_and_handles_have_the_traits_of_stds() {
    fn is_error<T: std::error::Error + Send + 'static>() {}
    is_error::<JoinError>();
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<greenthread::Runtime>();
    is_send_and_sync::<greenthread::JoinHandle<u8>>();
    is_send_and_sync::<greenthread::thread::Thread>();
}

/// std's short backtraces end at a function of this name: what is below it is not the user's.
#[test]
fn a_backtrace_leads_from_the_body_to_where_short_ones_end() {
    let text = spawn(|| std::backtrace::Backtrace::force_capture().to_string()).join().unwrap();
    let (body, end) = (text.find("basics::"), text.find("__rust_begin_short_backtrace"));
    assert!(body.is_some() && body < end, "{text}");
}
