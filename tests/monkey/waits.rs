//! Sleeps, names, processes and OS threads.

use crate::{join_all, on, waits};
use greenthread::thread::on_worker_stack;
use greenthread::{spawn, yield_now};
use std::net::ToSocketAddrs;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

#[test]
fn sleeps_of_std_and_of_c_pass_side_by_side() {
    on(1, || {
        let began = Instant::now();
        let sleepers = (0..100).map(|number| {
            spawn(move || match number % 3 {
                0 => std::thread::sleep(Duration::from_millis(300)),
                // SAFETY: takes a number only.
                1 => assert_eq!(unsafe { libc::usleep(300_000) }, 0),
                _ => {
                    let time = libc::timespec { tv_sec: 0, tv_nsec: 300_000_000 };
                    // SAFETY: the time is valid.
                    assert_eq!(unsafe { libc::nanosleep(&time, std::ptr::null_mut()) }, 0);
                }
            })
        });
        join_all(sleepers.collect::<Vec<_>>());
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(15), "{took:?}");
    });
}

#[test]
fn a_sleep_on_the_stack_of_the_worker_blocks_it() {
    on(1, || {
        static RAN: AtomicBool = AtomicBool::new(false);
        let neighbour = spawn(|| RAN.store(true, SeqCst));
        let before = waits("clock_nanosleep");
        on_worker_stack(|| {
            std::thread::sleep(Duration::from_millis(20));
            drop(std::sync::Mutex::new(1).lock());
        });
        assert!(!RAN.load(SeqCst), "the caller was suspended there");
        assert_eq!(waits("clock_nanosleep"), before);
        while !RAN.load(SeqCst) {
            yield_now();
        }
        std::thread::sleep(Duration::from_millis(1));
        assert!(waits("clock_nanosleep") > before, "outside it waits as ever");
        neighbour.join().unwrap();
    });
}

#[test]
fn names_are_looked_up_elsewhere() {
    on(1, || {
        let found: Vec<_> = ("localhost", 80).to_socket_addrs().unwrap().collect();
        assert!(found.iter().all(|address| address.ip().is_loopback()) && !found.is_empty());
        assert!(("a name with spaces", 80).to_socket_addrs().is_err());
        let used = greenthread::monkey::report().used;
        assert!(used.iter().any(|used| used.name == "getaddrinfo" && used.waits >= 2));
    });
}

#[test]
fn children_are_waited_for_side_by_side() {
    for workers in [1, 2] {
        on(workers, || {
            let began = Instant::now();
            let children = (0..10).map(|number| {
                spawn(move || {
                    let script = format!("sleep 0.5; echo {number}; exit {number}");
                    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
                    assert_eq!(output.status.code(), Some(number));
                    assert_eq!(output.stdout, format!("{number}\n").as_bytes());
                })
            });
            join_all(children.collect::<Vec<_>>());
            assert!(
                began.elapsed() < Duration::from_millis(4900),
                "one after the other takes five seconds"
            );
            let mut child = Command::new("sleep").arg("100").stdin(Stdio::null()).spawn().unwrap();
            let pid = child.id();
            let waiter = spawn(move || child.wait().unwrap());
            std::thread::sleep(Duration::from_millis(5));
            // SAFETY: takes numbers only.
            assert_eq!(unsafe { libc::kill(pid as i32, libc::SIGKILL) }, 0);
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(waiter.join().unwrap().signal(), Some(libc::SIGKILL));
        });
    }
}

#[test]
fn os_threads_are_joined_while_others_run() {
    on(1, || {
        let (sender, receiver) = std::sync::mpsc::channel::<u32>();
        let thread = std::thread::spawn(move || receiver.recv().unwrap());
        let joiner = spawn(move || thread.join().unwrap());
        std::thread::sleep(Duration::from_millis(2));
        sender.send(7).unwrap();
        assert_eq!(joiner.join().unwrap(), 7);
    });
}
