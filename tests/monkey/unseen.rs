//! What blocks past everything that is stood in for: it works where somebody else ends it, and is told of where only a neighbour
//! could.

use crate::children::in_child_with;
use crate::{join_all, on};
use greenthread::{Builder, spawn};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

/// The report of a worker that is held up comes this soon.
const SOON: [(&str, &str); 1] = [("GREENTHREAD_WATCHDOG_MS", "300")];

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("greenthread-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn fifo(name: &str) -> PathBuf {
    let path = scratch(name);
    let text = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name ends in a zero.
    assert_eq!(unsafe { libc::mkfifo(text.as_ptr(), 0o600) }, 0);
    path
}

#[test]
fn opening_a_fifo_waits_for_the_other_end() {
    on(1, || {
        let path = fifo("opened");
        let other = path.clone();
        let thread = std::thread::spawn(move || {
            File::options().write(true).open(other).unwrap().write_all(b"hello").unwrap();
        });
        let mut text = String::new();
        File::open(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        thread.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn a_fifo_that_a_neighbour_is_to_open_is_told_of() {
    let test = "unseen::a_fifo_that_a_neighbour_is_to_open_is_told_of";
    let outcome = in_child_with(&[], &SOON, test, || {
        on(1, || {
            let path = fifo("neighbours");
            let other = path.clone();
            let opens = Builder::new().name("opens it".into()).spawn(move || File::open(other));
            let writes = spawn(move || File::options().write(true).open(path));
            drop(opens.unwrap().join().unwrap());
            drop(writes.join().unwrap());
        });
    });
    outcome.hangs_and_tells("green thread 'opens it' has kept worker 'greenthread-0'");
}

fn flock(file: &File, operation: i32) {
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::flock(file.as_raw_fd(), operation) }, 0);
}

/// Locks the first byte of a file for the description that the descriptor is of.
fn lock_a_byte(file: &File, kind: i32) {
    // SAFETY: all-zero is a valid `flock`, and the call only reads it.
    unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        (lock.l_type, lock.l_len) = (kind as libc::c_short, 1);
        assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLKW, &lock), 0);
    }
}

#[test]
fn locks_of_files_are_waited_for() {
    on(1, || {
        let path = scratch("locked");
        let open = || {
            let options =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
            options.open(&path).unwrap()
        };
        let (own, other) = (open(), open());
        flock(&other, libc::LOCK_EX);
        lock_a_byte(&other, libc::F_WRLCK);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            flock(&other, libc::LOCK_UN);
            std::thread::sleep(Duration::from_millis(5));
            lock_a_byte(&other, libc::F_UNLCK);
        });
        flock(&own, libc::LOCK_EX);
        lock_a_byte(&own, libc::F_WRLCK);
        thread.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn a_lock_of_a_file_that_a_neighbour_holds_is_told_of() {
    let test = "unseen::a_lock_of_a_file_that_a_neighbour_holds_is_told_of";
    let outcome = in_child_with(&[], &SOON, test, || {
        on(1, || {
            let path = scratch("neighbours-lock");
            let take = move |path: PathBuf, held: Duration| {
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
                let file = file.unwrap();
                flock(&file, libc::LOCK_EX);
                std::thread::sleep(held);
                flock(&file, libc::LOCK_UN);
            };
            let other = path.clone();
            let holder = spawn(move || take(other, Duration::from_millis(100)));
            let wants = Builder::new().name("wants it".into());
            let wants = wants.spawn(move || take(path, Duration::ZERO)).unwrap();
            join_all([holder, wants]);
        });
    });
    outcome.hangs_and_tells("green thread 'wants it' has kept worker 'greenthread-0'");
}

extern "C" fn nothing(_: i32) {}

#[test]
fn signals_are_waited_for() {
    on(1, || {
        // SAFETY: the handler does nothing; the sets are valid; the thread that is signalled waits for the other one.
        unsafe {
            libc::signal(libc::SIGHUP, nothing as *const () as usize);
            let mut set: libc::sigset_t = std::mem::zeroed();
            let mut before = set;
            libc::sigaddset(&mut set, libc::SIGALRM);
            assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before), 0);
            let worker = libc::pthread_self();
            let (over, ends) = std::sync::mpsc::channel::<()>();
            let raiser = std::thread::spawn(move || {
                // Until it has been seen: one that comes before `pause` is lost.
                while ends.recv_timeout(Duration::from_millis(1)).is_err() {
                    libc::pthread_kill(worker, libc::SIGHUP);
                }
                libc::pthread_kill(worker, libc::SIGALRM);
            });
            assert_eq!(libc::pause(), -1);
            over.send(()).unwrap();
            let mut got = 0;
            assert_eq!(libc::sigwait(&set, &mut got), 0);
            assert_eq!(got, libc::SIGALRM);
            raiser.join().unwrap();
            assert_eq!(libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()), 0);
        }
    });
}
