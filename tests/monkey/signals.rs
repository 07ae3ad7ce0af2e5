//! Signals: waits go on, handlers are never left in the middle, and programs see the handlers that they have set.

use crate::{on, until_waits_exceed, waits};
use greenthread::spawn;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

static HANDLED: AtomicU32 = AtomicU32::new(0);
/// A pipe that handlers write to.
static PIPE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn write_and_sleep(_: i32) {
    // SAFETY: a byte. A sleep of a handler's holds its thread, and no longer than that.
    unsafe {
        libc::write(PIPE.load(Ordering::Relaxed), b"x".as_ptr().cast(), 1);
        libc::usleep(200);
    }
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

fn set(signal: i32, handler: extern "C" fn(i32), flags: i32) {
    // SAFETY: the handler only stores, writes and sleeps.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

fn handler_of(signal: i32) -> (usize, i32) {
    // SAFETY: asks only.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(signal, std::ptr::null(), &mut action), 0);
        (action.sa_sigaction, action.sa_flags & (libc::SA_SIGINFO | libc::SA_RESTART))
    }
}

fn raise_on(thread: libc::pthread_t, signal: i32) {
    // SAFETY: the thread lives: it is the worker that waits for us.
    assert_eq!(unsafe { libc::pthread_kill(thread, signal) }, 0);
}

fn own_thread() -> libc::pthread_t {
    // SAFETY: takes nothing.
    unsafe { libc::pthread_self() }
}

#[test]
fn a_signal_that_interrupts_the_worker_ends_no_wait() {
    on(1, || {
        // Without SA_RESTART, so that system calls fail with EINTR.
        set(libc::SIGUSR1, count, 0);
        let (a, mut peer) = UnixStream::pair().unwrap();
        let (mut pipe, mut pipe_end) = std::io::pipe().unwrap();
        let before = (waits("recv"), waits("read"));
        let readers = [
            spawn(move || {
                // SAFETY: room for one byte. Not by std, which would go on after EINTR.
                unsafe { libc::recv(a.as_raw_fd(), [0u8].as_mut_ptr().cast(), 1, 0) == 1 }
            }),
            spawn(move || pipe.read(&mut [0; 1]).unwrap() == 1),
        ];
        until_waits_exceed("recv", before.0);
        until_waits_exceed("read", before.1);
        let worker = own_thread();
        let handled = HANDLED.load(Ordering::SeqCst);
        let raiser = std::thread::spawn(move || {
            for _ in 0..20 {
                raise_on(worker, libc::SIGUSR1);
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        raiser.join().unwrap();
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(20));
        assert!(began.elapsed() >= Duration::from_millis(20));
        assert!(HANDLED.load(Ordering::SeqCst) > handled);
        peer.write_all(b"1").unwrap();
        pipe_end.write_all(b"2").unwrap();
        assert!(readers.into_iter().all(|reader| reader.join().unwrap()));
    });
}

#[test]
fn a_handler_that_calls_what_is_patched_is_not_left_in_the_middle() {
    for workers in [1, 2] {
        on(workers, || {
            let (mut a, b) = UnixStream::pair().unwrap();
            PIPE.store(b.as_raw_fd(), Ordering::SeqCst);
            set(libc::SIGUSR2, write_and_sleep, libc::SA_RESTART);
            let worker = own_thread();
            let raiser = std::thread::spawn(move || {
                for _ in 0..200 {
                    raise_on(worker, libc::SIGUSR2);
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
            // Busy in the allocator and in this library's own locks, where a suspended handler would leave them taken.
            let busy: Vec<_> = (0..4)
                .map(|_| {
                    spawn(move || {
                        let (mut a, mut b) = UnixStream::pair().unwrap();
                        for size in 1..2000 {
                            let block = vec![1u8; size % 50 + 1];
                            a.write_all(&block).unwrap();
                            b.read_exact(&mut vec![0; block.len()]).unwrap();
                            if size % 64 == 0 {
                                std::thread::sleep(Duration::from_micros(50));
                            }
                        }
                    })
                })
                .collect();
            busy.into_iter().for_each(|one| one.join().unwrap());
            raiser.join().unwrap();
            PIPE.store(-1, Ordering::SeqCst);
            drop(b);
            let mut all = Vec::new();
            a.read_to_end(&mut all).unwrap();
            assert!(!all.is_empty());
        });
    }
}

#[test]
fn a_program_is_told_of_the_handlers_that_it_has_set() {
    on(1, || {
        let own = count as *const () as usize;
        set(libc::SIGWINCH, count, libc::SA_RESTART);
        assert_eq!(handler_of(libc::SIGWINCH), (own, libc::SA_RESTART));
        // SAFETY: these handlers only store.
        unsafe {
            assert_eq!(libc::signal(libc::SIGWINCH, libc::SIG_IGN), own);
            assert_eq!(handler_of(libc::SIGWINCH).0, libc::SIG_IGN);
            assert_eq!(libc::signal(libc::SIGWINCH, own), libc::SIG_IGN);
            assert_eq!(handler_of(libc::SIGWINCH), (own, libc::SA_RESTART));
            let before = HANDLED.load(Ordering::SeqCst);
            assert_eq!(libc::raise(libc::SIGWINCH), 0);
            assert_eq!(HANDLED.load(Ordering::SeqCst), before + 1);
            assert_eq!(libc::signal(libc::SIGWINCH, libc::SIG_DFL), own);
            assert_eq!(libc::signal(libc::SIGKILL, own), libc::SIG_ERR);
            assert_eq!(libc::signal(1000, own), libc::SIG_ERR);
        }
    });
}
