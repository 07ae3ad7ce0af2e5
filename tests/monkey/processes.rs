//! Forks and children, from green threads among others that wait.

use crate::children::{in_child, in_child_with};
use crate::{join_all, on};
use greenthread::{Builder, spawn};
use std::cell::{Cell, UnsafeCell};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Waits for a child of `fork`: its exit status.
fn status_of(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: a child of ours, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "it died: {status}");
    libc::WEXITSTATUS(status)
}

#[test]
fn a_green_thread_forks_and_its_child_executes_a_program() {
    for workers in [1, 2] {
        on(workers, || {
            let (mut a, b) = UnixStream::pair().unwrap();
            let reader = spawn(move || {
                let mut text = String::new();
                a.read_to_string(&mut text).unwrap();
                text
            });
            greenthread::yield_now();
            // SAFETY: between fork and exec the child calls functions that a signal handler may call.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: as above; the arguments are strings that end in a zero, and so does their list.
                unsafe {
                    libc::dup2(b.as_raw_fd(), 1);
                    let words =
                        [c"sh".as_ptr(), c"-c".as_ptr(), c"echo from the child; exit 7".as_ptr()];
                    libc::execv(
                        c"/bin/sh".as_ptr(),
                        [words[0], words[1], words[2], std::ptr::null()].as_ptr(),
                    );
                    libc::_exit(1);
                }
            }
            drop(b);
            assert_eq!(status_of(pid), 7);
            assert_eq!(reader.join().unwrap(), "from the child\n");
        });
    }
}

#[test]
fn a_forked_child_calls_what_is_patched_and_blocks() {
    on(1, || {
        // A neighbour waits in each of the tables, which the child must not find.
        let (mut a, mut peer) = UnixStream::pair().unwrap();
        let lock = Arc::new(Mutex::new(()));
        let guard = lock.lock().unwrap();
        let own = Arc::clone(&lock);
        let neighbours = [
            spawn(move || a.read_exact(&mut [0; 1]).unwrap()),
            spawn(move || drop(own.lock().unwrap())),
        ];
        std::thread::sleep(Duration::from_millis(2));
        // SAFETY: the child has one thread; what it does here is what is tested.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let good = std::panic::catch_unwind(|| {
                let (mut c, mut d) = UnixStream::pair().unwrap();
                std::thread::sleep(Duration::from_millis(1));
                c.write_all(b"x").unwrap();
                d.read_exact(&mut [0; 1]).unwrap();
                drop(guard);
                drop(lock.lock().unwrap());
                drop((c, d));
            });
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(good.is_err())) };
        }
        assert_eq!(status_of(pid), 0);
        drop(guard);
        peer.write_all(b"x").unwrap();
        join_all(neighbours);
    });
}

/// Taken around each fork, by handlers.
static AROUND: Mutex<u32> = Mutex::new(0);

thread_local! {
    static HELD: Cell<Option<MutexGuard<'static, u32>>> = const { Cell::new(None) };
}

extern "C" fn take() {
    // A green thread stays on its OS thread.
    HELD.set(Some(AROUND.lock().unwrap()));
}

extern "C" fn give_back() {
    drop(HELD.take());
}

#[test]
fn a_fork_waits_for_a_lock_that_a_suspended_neighbour_holds() {
    let outcome =
        in_child("processes::a_fork_waits_for_a_lock_that_a_suspended_neighbour_holds", || {
            // SAFETY: the handlers take a lock and give it back.
            unsafe { libc::pthread_atfork(Some(take), Some(give_back), Some(give_back)) };
            for workers in [1, 2] {
                on(workers, || {
                    let holder = spawn(|| {
                        let mut guard = AROUND.lock().unwrap();
                        std::thread::sleep(Duration::from_millis(20));
                        *guard += 1;
                    });
                    std::thread::sleep(Duration::from_millis(2));
                    let forks: Vec<_> = (0..3)
                        .map(|_| {
                            spawn(|| {
                                // SAFETY: the child only looks at the lock, and ends.
                                let pid = unsafe { libc::fork() };
                                if pid == 0 {
                                    let code = i32::from(AROUND.try_lock().is_err());
                                    // SAFETY: ends the child.
                                    unsafe { libc::_exit(code) };
                                }
                                status_of(pid)
                            })
                        })
                        .collect();
                    holder.join().unwrap();
                    assert_eq!(join_all(forks), [0; 3]);
                    assert_eq!(Command::new("true").status().unwrap().code(), Some(0));
                });
            }
        });
    outcome.works();
}

/// A lock of the C library's, which nothing stands in for, taken around each fork by handlers.
struct Foreign(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: only the functions of the C library touch it.
unsafe impl Sync for Foreign {}

static FOREIGN: Foreign = Foreign(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

extern "C" fn take_foreign() {
    // SAFETY: it is initialized, and is never moved.
    assert_eq!(unsafe { libc::pthread_mutex_lock(FOREIGN.0.get()) }, 0);
}

extern "C" fn give_foreign_back() {
    // SAFETY: as above; the calling thread holds it.
    assert_eq!(unsafe { libc::pthread_mutex_unlock(FOREIGN.0.get()) }, 0);
}

/// A green thread forks while another one of its worker waits that holds what the handlers want. No child can come of it, and that is
/// told.
#[test]
fn a_fork_that_wants_a_foreign_mutex_of_a_suspended_neighbour_is_told_of() {
    let test = "processes::a_fork_that_wants_a_foreign_mutex_of_a_suspended_neighbour_is_told_of";
    let forks = || {
        // SAFETY: the child ends at once.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) };
        }
        assert_eq!(status_of(pid), 0);
    };
    let outcome = in_child_with(&[], &[("GREENTHREAD_WATCHDOG_MS", "300")], test, || {
        let give_back = Some(give_foreign_back as unsafe extern "C" fn());
        // SAFETY: the handlers take a lock and give it back.
        unsafe { libc::pthread_atfork(Some(take_foreign), give_back, give_back) };
        on(1, move || {
            let holds = |held: Duration| {
                take_foreign();
                std::thread::sleep(held);
                give_foreign_back();
            };
            // An OS thread gives it back.
            let holder = std::thread::spawn(move || holds(Duration::from_millis(20)));
            forks();
            holder.join().unwrap();
            let holder = spawn(move || holds(Duration::from_millis(20)));
            greenthread::yield_now();
            Builder::new().name("forks".into()).spawn(forks).unwrap().join().unwrap();
            holder.join().unwrap();
        });
    });
    outcome.hangs_and_tells("green thread 'forks' has kept worker 'greenthread-0'");
}

#[test]
fn a_green_thread_ends_the_process_while_others_wait() {
    let outcome = in_child("processes::a_green_thread_ends_the_process_while_others_wait", || {
        extern "C" fn at_exit() {
            // In an exit handler everything blocks: nobody is suspended there.
            std::thread::sleep(Duration::from_millis(1));
            let (mut a, mut b) = UnixStream::pair().unwrap();
            a.write_all(b"x").unwrap();
            b.read_exact(&mut [0; 1]).unwrap();
        }
        // SAFETY: the handler may be called at exit.
        unsafe { libc::atexit(at_exit) };
        on(2, || {
            let (mut a, _peer) = UnixStream::pair().unwrap();
            spawn(move || a.read_exact(&mut [0; 1]));
            spawn(|| std::thread::sleep(Duration::from_secs(100)));
            std::thread::sleep(Duration::from_millis(2));
            spawn(|| std::process::exit(0)).join().unwrap();
        });
        unreachable!();
    });
    outcome.works();
}
