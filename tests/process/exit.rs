//! The end of the process.

use crate::{FOR_EVER, child, finish, is_child, passes, workers};
use greenthread::net::TcpListener;
use greenthread::sync::{Mutex, mpsc};
use greenthread::thread::{group, park};
use greenthread::{Runtime, blocking, scope, shield, sleep, spawn, timeout, yield_now};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

fn block_in_all_ways() {
    for _ in 0..20 {
        spawn(|| sleep(FOR_EVER));
        spawn(|| drop(spawn(|| sleep(FOR_EVER)).join()));
        spawn(|| drop(TcpListener::bind("127.0.0.1:0").unwrap().accept()));
        spawn(|| {
            loop {
                yield_now();
            }
        });
    }
    sleep(Duration::from_millis(5));
}

#[test]
fn main_returns_while_others_are_blocked() {
    const NAME: &str = "exit::main_returns_while_others_are_blocked";
    if is_child(NAME) {
        return block_in_all_ways();
    }
    passes(NAME);
}

#[test]
fn exit_inside_a_green_thread() {
    const NAME: &str = "exit::exit_inside_a_green_thread";
    if is_child(NAME) {
        block_in_all_ways();
        spawn(|| std::process::exit(7)).join().unwrap();
    }
    for _ in 0..5 {
        let end = finish(child(NAME));
        assert_eq!(end.code, Some(7), "{:?} {}", end.signal, end.text);
    }
}

extern "C" fn waits_at_exit() {
    sleep(Duration::from_millis(3));
    yield_now();
    let text = "slept at exit\n";
    print!("{text}");
}

#[test]
fn exit_handlers_may_wait() {
    const NAME: &str = "exit::exit_handlers_may_wait";
    if is_child(NAME) {
        let register = || {
            // SAFETY: the handler is a plain function.
            assert_eq!(unsafe { libc::atexit(waits_at_exit) }, 0);
        };
        // One runs after the library's own handler, the other before it.
        register();
        block_in_all_ways();
        register();
        if std::env::var_os("ON_MAIN").is_some() {
            std::process::exit(9);
        }
        spawn(|| std::process::exit(9)).join().unwrap();
    }
    for on_main in [false, true] {
        let mut command = child(NAME);
        if on_main {
            command.env("ON_MAIN", "1");
        }
        let end = finish(command);
        assert_eq!(end.code, Some(9), "{:?} {}", end.signal, end.text);
        assert_eq!(end.text.matches("slept at exit").count(), 2, "{}", end.text);
    }
}

/// Exit handlers on one thread do not keep green threads of others from waiting for each other.
#[test]
fn green_threads_go_on_while_another_thread_exits() {
    const NAME: &str = "exit::green_threads_go_on_while_another_thread_exits";
    if is_child(NAME) {
        extern "C" fn joins() {
            let runtime = RUNTIME.get().unwrap();
            let handle = runtime.spawn(|| {
                (0..10)
                    .map(|i| {
                        spawn(move || {
                            yield_now();
                            i
                        })
                        .join()
                        .unwrap()
                    })
                    .sum::<i32>()
            });
            println!("joined {}", handle.join().unwrap());
        }
        static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
        // SAFETY: the handler is a plain function. It runs after the library's own, which is registered later.
        assert_eq!(unsafe { libc::atexit(joins) }, 0);
        RUNTIME.get_or_init(|| workers(1));
        std::process::exit(3);
    }
    let end = finish(child(NAME));
    assert_eq!(end.code, Some(3), "{:?} {}", end.signal, end.text);
    assert!(end.text.contains("joined 45"), "{}", end.text);
}

/// Uses what may wait, where nothing may be suspended any more.
extern "C" fn waits_in_all_ways() {
    let before = TURNS.load(Ordering::SeqCst);
    sleep(Duration::from_millis(5));
    yield_now();
    assert!(timeout(Duration::from_millis(5), park).is_err());
    let lock = Mutex::new(1);
    *lock.lock().unwrap() += shield(|| blocking(|| 1));
    let (sender, receiver) = mpsc::channel::<()>();
    assert!(receiver.recv_timeout(Duration::from_millis(5)).is_err());
    drop(sender);
    if !ELSEWHERE.load(Ordering::SeqCst) {
        assert_eq!(TURNS.load(Ordering::SeqCst), before, "another ran on this OS thread");
    }
    // On another worker, or nowhere.
    let mut scoped = 0;
    scope(|s| {
        s.spawn(|| {
            sleep(Duration::from_millis(1));
            scoped += 1;
        });
    });
    let joined = spawn(|| 4).join();
    assert!(joined.as_ref().map_or_else(|error| error.is_killed(), |four| *four == 4));
    assert_eq!(joined.is_ok(), scoped == 1);
    let failed = group(|g| {
        g.spawn(|| Err::<(), _>("no"));
        Ok(())
    });
    assert_eq!(failed.is_err(), joined.is_ok());
    // A runtime of its own has a thread that is like any other.
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert_eq!(runtime.run(|| spawn(|| 5).join().unwrap()).unwrap(), 5);
    let _ = Runtime::new_current_thread().unwrap().run(|| spawn(|| 6).join().unwrap());
    println!("waited, {}", if joined.is_ok() { "spawned" } else { "not spawned" });
}

static TURNS: AtomicU64 = AtomicU64::new(0);
/// Whether there are workers on which green threads go on.
static ELSEWHERE: AtomicBool = AtomicBool::new(false);

/// Exits on a worker; the handler is set after the library's own, so that it runs before that.
fn exit_with_a_late_handler() {
    spawn(|| {
        for _ in 0..4 {
            spawn(|| {
                loop {
                    TURNS.fetch_add(1, Ordering::SeqCst);
                    yield_now();
                }
            });
        }
        sleep(Duration::from_millis(2));
        // SAFETY: the handler is a plain function.
        assert_eq!(unsafe { libc::atexit(waits_in_all_ways) }, 0);
        std::process::exit(9);
    })
    .join()
    .unwrap();
}

#[test]
fn late_exit_handlers_wait_without_being_suspended() {
    const NAME: &str = "exit::late_exit_handlers_wait_without_being_suspended";
    if is_child(NAME) {
        match std::env::var("ON").unwrap().as_str() {
            "global" => exit_with_a_late_handler(),
            "workers" => {
                ELSEWHERE.store(true, Ordering::SeqCst);
                exit_with_a_late_handler();
            }
            _ => {
                ELSEWHERE.store(true, Ordering::SeqCst);
                Runtime::new_current_thread().unwrap().run_local(exit_with_a_late_handler).unwrap();
            }
        }
    }
    for (on, workers, spawned) in
        [("global", "1", false), ("workers", "4", true), ("own", "1", true), ("own", "2", true)]
    {
        let mut command = child(NAME);
        command.env("ON", on).env("GREENTHREAD_WORKERS", workers);
        let end = finish(command);
        assert_eq!(end.code, Some(9), "{on} {workers}: {:?} {}", end.signal, end.text);
        let said = if spawned { "waited, spawned" } else { "waited, not spawned" };
        assert!(end.text.contains(said), "{on} {workers}: {}", end.text);
    }
}

static LENT_IS_DROPPED: AtomicBool = AtomicBool::new(false);

struct Lent(AtomicU64);

impl Drop for Lent {
    fn drop(&mut self) {
        LENT_IS_DROPPED.store(true, Ordering::SeqCst);
    }
}

thread_local! {
    static LENT: Lent = const { Lent(AtomicU64::new(0)) };
}

/// Lends a thread-local of its worker to another OS thread, for ever.
fn lend() {
    LENT.with(|lent| {
        std::thread::scope(|s| {
            s.spawn(|| {
                loop {
                    lent.0.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                }
            });
            sleep(FOR_EVER);
        });
    });
}

extern "C" fn says_what_is_dropped() {
    println!("dropped: {}", LENT_IS_DROPPED.load(Ordering::SeqCst));
}

#[test]
fn exit_on_a_thread_without_green_threads_leaves_thread_locals_alone() {
    const NAME: &str = "exit::exit_on_a_thread_without_green_threads_leaves_thread_locals_alone";
    if is_child(NAME) {
        // SAFETY: the handler is a plain function.
        assert_eq!(unsafe { libc::atexit(says_what_is_dropped) }, 0);
        let main = || {
            greenthread::thread::spawn_local(lend);
            sleep(Duration::from_millis(20));
            blocking(|| std::process::exit(7))
        };
        if std::env::var_os("ON_MAIN").is_some() {
            Runtime::new_current_thread().unwrap().run_local(main).unwrap();
        }
        workers(1).run(main).unwrap();
    }
    for on_main in [false, true] {
        let mut command = child(NAME);
        if on_main {
            command.env("ON_MAIN", "1");
        }
        let end = finish(command);
        assert_eq!(end.code, Some(7), "{:?} {}", end.signal, end.text);
        assert!(end.text.contains("dropped: false"), "{}", end.text);
    }
}
