//! Kills and timeouts: they end patched calls by errors, never by an unwind through code that was not made for it.

use crate::children::in_child;
use crate::{on, until_waits_exceed, waits};
use greenthread::{Runtime, spawn, timeout};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[test]
fn a_killed_read_fails_and_the_green_thread_unwinds_at_its_next_wait() {
    on(1, || {
        let (mut a, _peer) = UnixStream::pair().unwrap();
        let before = waits("recv");
        let reader = spawn(move || {
            let error = a.read(&mut [0; 1]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
            greenthread::sleep(Duration::from_secs(100));
        });
        until_waits_exceed("recv", before);
        reader.kill();
        assert!(reader.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_killed_sleep_of_std_ends_as_if_its_time_were_over() {
    on(1, || {
        let before = waits("clock_nanosleep");
        let sleeper = spawn(|| {
            std::thread::sleep(Duration::from_secs(100));
            greenthread::thread::park();
        });
        until_waits_exceed("clock_nanosleep", before);
        sleeper.kill();
        assert!(sleeper.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_timeout_strikes_a_patched_call() {
    on(1, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let result = timeout(Duration::from_millis(5), || {
            let error = listener.accept().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
            greenthread::yield_now();
        });
        assert!(result.is_err());
    });
}

#[test]
fn a_loop_that_skips_the_errors_of_a_kill_does_not_starve_its_neighbours() {
    on(1, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let before = waits("accept4");
        let stubborn = spawn(move || listener.incoming().filter(Result::is_err).take(30).count());
        until_waits_exceed("accept4", before);
        stubborn.kill();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(stubborn.join().unwrap(), 30);
    });
}

/// A call that blocks: the patched function by which it does, and the call, which tells its result and `errno`.
type Blocking = (&'static str, Box<dyn FnOnce() -> (i64, Option<i32>) + Send>);

/// Each function that suspends, in a state in which it blocks for ever.
fn blocking_calls() -> Vec<Blocking> {
    let pair = || UnixStream::pair().unwrap();
    let full = || {
        let (a, b) = pair();
        a.set_nonblocking(true).unwrap();
        while (&a).write(&[0; 4096]).is_ok() {}
        a.set_nonblocking(false).unwrap();
        (a, b)
    };
    let pipe = || std::io::pipe().unwrap();
    macro_rules! call {
        ($name:ident, $keep:ident, $call:expr) => {{
            (
                stringify!($name),
                Box::new(move || {
                    let mut room = [0u8; 8];
                    // SAFETY: the descriptors are open, and each buffer has eight bytes.
                    let result = unsafe { $call(&$keep, room.as_mut_ptr().cast()) };
                    let errno = std::io::Error::last_os_error().raw_os_error();
                    drop($keep);
                    (result as i64, errno)
                }) as Box<dyn FnOnce() -> (i64, Option<i32>) + Send>,
            )
        }};
    }
    let (p, q, r, s, t) = (pair(), pair(), full(), pipe(), pair());
    let (u, v, w, x, y) =
        (pair(), pair(), pair(), full(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (z, pipes) = (pair(), (pipe(), pipe()));
    let piece = |room: *mut libc::c_void| libc::iovec { iov_base: room, iov_len: 8 };
    let fd = |stream: &dyn AsRawFd| stream.as_raw_fd();
    vec![
        call!(recv, p, |k: &(UnixStream, UnixStream), room: *mut libc::c_void| libc::recv(
            fd(&k.0),
            room,
            8,
            0
        )),
        call!(read, q, |k: &(UnixStream, UnixStream), room: *mut libc::c_void| libc::read(
            fd(&k.0),
            room,
            8
        )),
        call!(send, r, |k: &(UnixStream, UnixStream), room: *mut libc::c_void| libc::send(
            fd(&k.0),
            room,
            8,
            0
        )),
        call!(readv, s, |k: &(PipeReader, PipeWriter), room: *mut libc::c_void| libc::readv(
            fd(&k.0),
            &piece(room),
            1
        )),
        call!(recvmsg, t, |k: &(UnixStream, UnixStream), room: *mut libc::c_void| {
            let mut piece = piece(room);
            let mut message: libc::msghdr = std::mem::zeroed();
            (message.msg_iov, message.msg_iovlen) = (&mut piece, 1);
            libc::recvmsg(fd(&k.0), &mut message, 0)
        }),
        call!(poll, u, |k: &(UnixStream, UnixStream), _room: *mut libc::c_void| {
            let mut one = libc::pollfd { fd: fd(&k.0), events: libc::POLLIN, revents: 0 };
            libc::poll(&mut one, 1, -1)
        }),
        call!(poll, v, |k: &(UnixStream, UnixStream), _room: *mut libc::c_void| {
            let one = libc::pollfd { fd: fd(&k.0), events: libc::POLLIN, revents: 0 };
            let mut several = [one, one, libc::pollfd { fd: fd(&k.1), ..one }];
            libc::poll(several.as_mut_ptr(), 3, 100_000)
        }),
        call!(select, w, |k: &(UnixStream, UnixStream), _room: *mut libc::c_void| {
            let mut set: libc::fd_set = std::mem::zeroed();
            libc::FD_SET(fd(&k.0), &mut set);
            let none = std::ptr::null_mut();
            libc::select(fd(&k.0) + 1, &mut set, none, none, std::ptr::null_mut())
        }),
        call!(writev, x, |k: &(UnixStream, UnixStream), room: *mut libc::c_void| libc::writev(
            fd(&k.0),
            &piece(room),
            1
        )),
        call!(accept, y, |k: &TcpListener, _room: *mut libc::c_void| libc::accept(
            fd(k),
            std::ptr::null_mut(),
            std::ptr::null_mut()
        )),
        call!(recvfrom, z, |k: &(UnixStream, UnixStream), room: *mut libc::c_void| libc::recvfrom(
            fd(&k.0),
            room,
            8,
            libc::MSG_WAITALL,
            std::ptr::null_mut(),
            std::ptr::null_mut()
        )),
        call!(splice, pipes, |k: &((PipeReader, PipeWriter), (PipeReader, PipeWriter)),
                              _room: *mut libc::c_void| {
            let none = std::ptr::null_mut();
            libc::splice(fd(&k.0.0), none, fd(&k.1.1), none, 8, 0)
        }),
    ]
}

#[test]
fn a_kill_ends_each_call_that_waits_by_an_error() {
    for workers in [1, 2] {
        on(workers, || {
            for (name, call) in blocking_calls() {
                let before = waits(name);
                let (sender, receiver) = greenthread::sync::mpsc::channel();
                let caller = spawn(move || {
                    let result = call();
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sender.send(result)))
                        .ok();
                    greenthread::thread::park();
                });
                until_waits_exceed(name, before);
                caller.kill();
                assert_eq!(receiver.recv().unwrap(), (-1, Some(libc::ECANCELED)), "{name}");
                assert!(caller.join().unwrap_err().is_killed(), "{name}");
            }
        });
    }
}

#[test]
fn a_kill_waits_for_the_end_of_what_runs_elsewhere_and_of_children() {
    on(1, || {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let pid = child.id() as i32;
        let before = waits("waitpid");
        let waiter = spawn(move || {
            // SAFETY: a child of ours, and no place for its status.
            let result = unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            assert_eq!(result, -1);
            greenthread::thread::park();
        });
        until_waits_exceed("waitpid", before);
        waiter.kill();
        assert!(waiter.join().unwrap_err().is_killed());
        child.kill().unwrap();
        child.wait().unwrap();

        let (mut a, b) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || (&b).read(&mut [0; 1]).unwrap());
        let before = waits("pthread_join");
        let joiner = spawn(move || {
            assert_eq!(thread.join().unwrap(), 1);
            greenthread::thread::park();
        });
        until_waits_exceed("pthread_join", before);
        joiner.kill();
        std::thread::sleep(Duration::from_millis(2));
        assert!(!joiner.is_finished(), "the thread's result is still to be written");
        a.write_all(b"x").unwrap();
        assert!(joiner.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_runtime_gives_up_a_loop_that_skips_the_errors_of_its_end() {
    let test = "kills::a_runtime_gives_up_a_loop_that_skips_the_errors_of_its_end";
    let outcome = in_child(test, || {
        crate::patch();
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let before = waits("accept4");
        let stubborn = runtime.spawn(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.incoming().flatten().for_each(drop);
        });
        while waits("accept4") == before {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It is told of after many calls, however long these take; the end of the runtime does not wait for it.
        let calls = || {
            let report = greenthread::monkey::report();
            report.used.iter().find(|used| used.name == "accept4").map_or(0, |used| used.calls)
        };
        let enough = calls() + 600;
        stubborn.kill();
        while calls() < enough {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(runtime.shutdown(Duration::from_millis(50)).unwrap_err().given_up().len(), 1);
    });
    assert!(outcome.told.contains("have failed with ECANCELED since"), "{}", outcome.told);
    outcome.works();
}
