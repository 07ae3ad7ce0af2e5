//! Signals: each test sends them to a process of its own.

use crate::{LIMIT, child, finish, finish_once_told, is_child, passes, until_told};
use greenthread::process::Command;
use greenthread::signal::{self, Signal, Signals};
use greenthread::sync::mpsc;
use greenthread::{Runtime, select, spawn};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

fn send(signal: Signal) {
    // SAFETY: it touches no memory.
    assert_eq!(unsafe { libc::kill(libc::getpid(), signal.as_raw()) }, 0);
}

/// On green threads of each kind of runtime, and on an OS thread.
fn everywhere(case: fn()) {
    case();
    for count in [1, 2] {
        Runtime::builder().workers(count).build().unwrap().run(case).unwrap();
    }
    Runtime::new_current_thread().unwrap().run(case).unwrap();
}

fn come() {
    let signals = Signals::new([Signal::USR1, Signal::TERM, Signal::INT, Signal::HUP]).unwrap();
    for signal in [Signal::USR1, Signal::INT, Signal::TERM, Signal::HUP, Signal::INT] {
        send(signal);
        assert_eq!(signals.wait(), signal);
    }
    assert_eq!(signals.try_wait(), None);
    assert_eq!(signals.wait_timeout(Duration::from_millis(1)), None);
    // Both are told.
    let others = Signals::new([Signal::USR1]).unwrap();
    send(Signal::USR1);
    assert_eq!((signals.wait(), others.wait()), (Signal::USR1, Signal::USR1));
    // As an iterator, and in the middle of a wait.
    let waiter = spawn(move || (&others).take(2).count());
    for _ in 0..2 {
        send(Signal::USR1);
        assert_eq!(signals.wait(), Signal::USR1);
    }
    assert_eq!(waiter.join().unwrap(), 2);
}

#[test]
fn signals_come_to_all_who_wait() {
    let name = "signal::signals_come_to_all_who_wait";
    if is_child(name) {
        return everywhere(come);
    }
    passes(name);
}

fn selected() {
    let signals = Signals::new([Signal::USR2]).unwrap();
    let (sender, receiver) = mpsc::channel::<u8>();
    let choose = || {
        select! {
            recv(signals) -> signal => Some(signal.unwrap()),
            recv(receiver) -> item => { item.unwrap(); None }
        }
    };
    sender.send(1).unwrap();
    assert_eq!(choose(), None);
    let later = spawn(|| {
        greenthread::sleep(Duration::from_millis(2));
        send(Signal::USR2);
    });
    assert_eq!(choose(), Some(Signal::USR2));
    later.join().unwrap();
}

#[test]
fn a_signal_is_an_arm_of_select() {
    let name = "signal::a_signal_is_an_arm_of_select";
    if is_child(name) {
        return everywhere(selected);
    }
    passes(name);
}

#[test]
fn what_is_no_signal_or_not_the_programs_is_refused() {
    for number in [0, -5, 99, 9, 19, 11] {
        let error = Signals::new([Signal::USR1, Signal::from_raw(number)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}");
        assert!(error.to_string().contains(&format!("signal {number}")));
    }
}

/// The first ends the wait; the second the process, which is hung by then.
#[test]
fn a_second_ctrl_c_ends_the_process_at_once() {
    let name = "signal::a_second_ctrl_c_ends_the_process_at_once";
    if is_child(name) {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        return runtime
            .run(|| {
                let first = spawn(|| {
                    greenthread::sleep(Duration::from_millis(5));
                    send(Signal::INT);
                });
                signal::ctrl_c().unwrap();
                first.join().unwrap();
                println!("gracefully");
                std::thread::spawn(|| {
                    std::thread::sleep(Duration::from_millis(5));
                    send(Signal::INT);
                });
                let end = Instant::now() + LIMIT;
                while Instant::now() < end {}
            })
            .unwrap();
    }
    let end = finish(child(name));
    assert_eq!(end.signal, Some(libc::SIGINT), "{}", end.text);
    assert!(end.text.contains("gracefully"));
}

/// Nothing else moves, and that is not reported as a deadlock; without the wait for signals it is.
#[test]
fn waiting_for_a_signal_is_no_deadlock() {
    let name = "signal::waiting_for_a_signal_is_no_deadlock";
    if is_child(name) {
        let runtime = Runtime::new_current_thread().unwrap();
        let got = runtime.run(|| {
            let signals = Signals::new([Signal::ALRM]).unwrap();
            // SAFETY: it touches no memory.
            unsafe { libc::alarm(1) };
            signals.wait()
        });
        assert_eq!(got.unwrap(), Signal::ALRM);
        println!("no signals from here on");
        runtime
            .run(|| {
                let parked = greenthread::current();
                std::thread::spawn(move || {
                    until_told();
                    parked.unpark();
                });
                greenthread::thread::park();
            })
            .unwrap();
        return;
    }
    let mut command = child(name);
    command.env("GREENTHREAD_DEADLOCK_MS", "100");
    let end = finish_once_told(command, &["waits for an unpark"]);
    assert_eq!(end.code, Some(0), "{}", end.text);
    // Standard output comes first in this text.
    let reports = end.text.matches("no green thread of this runtime can run").count();
    assert_eq!(reports, 1, "{}", end.text);
    assert!(end.text.contains("waits for an unpark"), "{}", end.text);
}

#[test]
fn children_have_the_default_actions() {
    let name = "signal::children_have_the_default_actions";
    if is_child(name) {
        let signals = Signals::new([Signal::USR1, Signal::INT]).unwrap();
        use std::os::unix::process::ExitStatusExt;
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        child.send_signal(Signal::USR1).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGUSR1));
        // One that has not become another program.
        // SAFETY: the child calls nothing but what may be called there.
        let pid = match unsafe { libc::fork() } {
            // SAFETY: as above.
            0 => unsafe {
                libc::kill(libc::getpid(), libc::SIGINT);
                libc::_exit(0)
            },
            pid => pid,
        };
        let mut status = 0;
        // SAFETY: the pointer is to a local.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGINT);
        assert_eq!(signals.try_wait(), None);
        return;
    }
    passes(name);
}

/// Every call that the system interrupts goes on.
#[test]
fn signals_disturb_nothing_else() {
    let name = "signal::signals_disturb_nothing_else";
    if is_child(name) {
        let signals = Signals::new([Signal::USR1]).unwrap();
        // SAFETY: it touches no memory.
        let own = unsafe { libc::getpid() };
        let storm = std::thread::spawn(move || {
            let end = Instant::now() + Duration::from_millis(500);
            while Instant::now() < end {
                // SAFETY: as above.
                unsafe { libc::kill(own, libc::SIGUSR1) };
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        everywhere(|| {
            for _ in 0..5 {
                let output =
                    Command::new("sh").args(["-c", "echo x; echo y >&2"]).output().unwrap();
                assert_eq!(
                    (output.stdout.as_slice(), output.stderr.as_slice()),
                    (&b"x\n"[..], &b"y\n"[..])
                );
                let mut child = Command::new("sleep").arg("0.01").spawn().unwrap();
                while child.wait_timeout(Duration::from_millis(3)).unwrap().is_none() {}
            }
        });
        storm.join().unwrap();
        assert_eq!(signals.wait(), Signal::USR1);
        return;
    }
    passes(name);
}
