//! Libraries in C that block, loaded while the program runs.

use crate::children::in_child_with;
use crate::{on, until_waits_exceed, waits};
use greenthread::spawn;
use std::ffi::{CStr, CString, c_int, c_ulong, c_void};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::OnceLock;

/// Compiled with optimization and fortified, so that it calls `__read_chk` and its kind where the size of a buffer is known.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

int wait_by_read(int fd, size_t len) { char byte[4]; return read(fd, byte, len) == 1 ? byte[0] : -1; }
int wait_by_recv(int fd, size_t len) { char byte[4]; return recv(fd, byte, len, 0) == 1 ? byte[0] : -1; }
int wait_by_recvfrom(int fd, size_t len) { char byte[4]; return recvfrom(fd, byte, len, 0, 0, 0) == 1 ? byte[0] : -1; }
int wait_by_poll(int fd, size_t len) {
    struct pollfd one[2] = { { fd, POLLIN, 0 }, { -1, 0, 0 } };
    if (poll(one, len + 1, -1) != 1) return -1;
    return wait_by_read(fd, len);
}
int wait_by_ppoll(int fd, size_t len) {
    struct pollfd one[2] = { { fd, POLLIN, 0 }, { -1, 0, 0 } };
    if (ppoll(one, len + 1, 0, 0) != 1) return -1;
    return wait_by_read(fd, len);
}
int wait_by_select(int fd, size_t len) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    if (select(fd + 1, &set, 0, 0, 0) != 1) return -1;
    return wait_by_recv(fd, len);
}
int wait_by_sleeping(int fd, size_t len) {
    char byte;
    while (recv(fd, &byte, len, MSG_DONTWAIT) != 1) usleep(500);
    return byte;
}
static void *run(void *fd) { return (void *)(long)wait_by_read((int)(long)fd, 1); }
int wait_by_joining(int fd, size_t len) {
    pthread_t thread;
    void *result;
    (void)len;
    if (pthread_create(&thread, 0, run, (void *)(long)fd) || pthread_join(thread, &result)) return -1;
    return (int)(long)result;
}
__attribute__((noinline)) static void read_and_jump(int fd, size_t len, jmp_buf back, volatile int *got) {
    volatile char frame[256] = { 0 };
    *got = wait_by_read(fd, len) + frame[len];
    longjmp(back, 1);
}
int wait_and_jump(int fd, size_t len) {
    volatile int got = -1;
    jmp_buf back;
    if (setjmp(back) == 0) read_and_jump(fd, len, back, &got);
    return got;
}
"#;

type Wait = unsafe extern "C" fn(c_int, usize) -> c_int;

/// The library, which is compiled and loaded once.
fn library() -> usize {
    static LIBRARY: OnceLock<usize> = OnceLock::new();
    *LIBRARY.get_or_init(|| load().expose_provenance())
}

fn load() -> *mut c_void {
    let folder = std::env::temp_dir().join(format!("greenthread-library-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (source, object) = (folder.join("blocks.c"), folder.join("libblocks.so"));
    std::fs::write(&source, SOURCE).unwrap();
    let compiled = Command::new("cc")
        .args(["-O2", "-D_FORTIFY_SOURCE=2", "-shared", "-fPIC", "-o"])
        .args([&object, &source])
        .arg("-pthread")
        .status();
    assert!(compiled.expect("a C compiler").success());
    let name = CString::new(object.to_str().unwrap()).unwrap();
    // SAFETY: the library has no code that runs when it is loaded.
    let loaded = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!loaded.is_null());
    std::fs::remove_dir_all(&folder).unwrap();
    loaded
}

/// A function of the library.
fn function(library: usize, name: &CStr) -> Wait {
    // SAFETY: the library is loaded, and all of its functions have this type.
    unsafe {
        let found = libc::dlsym(std::ptr::with_exposed_provenance_mut(library), name.as_ptr());
        assert!(!found.is_null(), "{name:?}");
        std::mem::transmute(found)
    }
}

#[test]
fn a_library_in_c_that_is_loaded_later_suspends_as_well() {
    let library = library();
    for workers in [1, 2] {
        on(workers, move || {
            let cases = [
                (c"wait_by_read", "__read_chk"),
                (c"wait_by_recv", "__recv_chk"),
                (c"wait_by_recvfrom", "__recvfrom_chk"),
                (c"wait_by_poll", "__poll_chk"),
                (c"wait_by_ppoll", "__ppoll_chk"),
                (c"wait_by_select", "select"),
                (c"wait_by_sleeping", "usleep"),
                (c"wait_by_joining", "pthread_join"),
            ];
            for (name, symbol) in cases {
                let wait = function(library, name);
                let (a, mut peer) = UnixStream::pair().unwrap();
                let before = waits(symbol);
                // SAFETY: the descriptor is open, and one byte has room.
                let waiter = spawn(move || unsafe { wait(a.as_raw_fd(), 1) });
                until_waits_exceed(symbol, before);
                peer.write_all(b"c").unwrap();
                assert_eq!(waiter.join().unwrap(), i32::from(b'c'), "{name:?}");
            }
        });
    }
}

#[test]
fn longjmp_stays_on_the_stack_of_its_green_thread() {
    let library = library();
    for workers in [1, 2] {
        on(workers, move || {
            let wait = function(library, c"wait_and_jump");
            for _ in 0..10 {
                // Each is suspended between `setjmp` and `longjmp`, and they go on in the order in which they began.
                let waiters: Vec<_> = (0..5u8)
                    .map(|number| {
                        let (a, peer) = UnixStream::pair().unwrap();
                        let before = waits("__read_chk");
                        // SAFETY: as above; what it jumps over is its own.
                        let waiter = spawn(move || unsafe { wait(a.as_raw_fd(), 1) });
                        until_waits_exceed("__read_chk", before);
                        (number, peer, waiter)
                    })
                    .collect();
                for (number, mut peer, waiter) in waiters {
                    peer.write_all(&[number]).unwrap();
                    assert_eq!(waiter.join().unwrap(), i32::from(number));
                }
            }
        });
    }
}

unsafe extern "C" {
    fn __read_chk(fd: c_int, to: *mut c_void, len: usize, room: usize) -> isize;
    fn __recv_chk(fd: c_int, to: *mut c_void, len: usize, room: usize, flags: c_int) -> isize;
    fn __recvfrom_chk(
        fd: c_int,
        to: *mut c_void,
        len: usize,
        room: usize,
        flags: c_int,
        from: *mut c_void,
        from_len: *mut c_void,
    ) -> isize;
    fn __poll_chk(fds: *mut libc::pollfd, count: c_ulong, millis: c_int, room: usize) -> c_int;
    fn __ppoll_chk(
        fds: *mut libc::pollfd,
        count: c_ulong,
        time: *const libc::timespec,
        mask: *const c_void,
        room: usize,
    ) -> c_int;
}

#[test]
fn a_fortified_call_that_would_write_past_its_buffer_ends_the_process() {
    const VARIABLE: &str = "GREENTHREAD_TEST_FORTIFIED";
    let test = "libraries::a_fortified_call_that_would_write_past_its_buffer_ends_the_process";
    for symbol in ["__read_chk", "__recv_chk", "__recvfrom_chk", "__poll_chk", "__ppoll_chk"] {
        let outcome = in_child_with(&[], &[(VARIABLE, symbol)], test, || {
            on(1, || {
                let (a, _peer) = UnixStream::pair().unwrap();
                let fd = a.as_raw_fd();
                let mut room = [0u8; 4];
                let (to, none) = (room.as_mut_ptr().cast::<c_void>(), std::ptr::null_mut());
                let mut one = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
                // SAFETY: each finds out that there is less room than it is to use, and does not return.
                let _ = unsafe {
                    match std::env::var(VARIABLE).unwrap().as_str() {
                        "__read_chk" => __read_chk(fd, to, 5, 4),
                        "__recv_chk" => __recv_chk(fd, to, 5, 4, 0),
                        "__recvfrom_chk" => __recvfrom_chk(fd, to, 5, 4, 0, none, none),
                        "__poll_chk" => __poll_chk(&mut one, 2, -1, 8) as isize,
                        _ => __ppoll_chk(&mut one, 2, std::ptr::null(), none, 8) as isize,
                    }
                };
            });
        });
        let signal = outcome.status.and_then(|status| status.signal());
        assert_eq!(signal, Some(libc::SIGABRT), "{symbol}: {}", outcome.told);
        assert!(outcome.told.contains("buffer overflow detected"), "{symbol}: {}", outcome.told);
    }
}
