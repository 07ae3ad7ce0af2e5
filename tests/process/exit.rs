//! The end of the process.

use crate::{FOR_EVER, child, finish, is_child, passes, workers};
use greenthread::net::TcpListener;
use greenthread::{Runtime, sleep, spawn, yield_now};
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
