//! Libraries in C that block, loaded while the program runs.

use crate::{on, until_waits_exceed, waits};
use greenthread::spawn;
use std::ffi::{CString, c_int, c_void};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

/// Compiled with optimization and fortified, so that it calls `__read_chk` and its kind where the size of a buffer is known.
const SOURCE: &str = r#"
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

int wait_by_read(int fd, size_t len) { char byte[4]; return read(fd, byte, len) == 1 ? byte[0] : -1; }
int wait_by_recv(int fd, size_t len) { char byte[4]; return recv(fd, byte, len, 0) == 1 ? byte[0] : -1; }
int wait_by_poll(int fd, size_t len) {
    struct pollfd one[2] = { { fd, POLLIN, 0 }, { -1, 0, 0 } };
    if (poll(one, len + 1, -1) != 1) return -1;
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
"#;

type Wait = unsafe extern "C" fn(c_int, usize) -> c_int;

fn library() -> *mut c_void {
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

#[test]
fn a_library_in_c_that_is_loaded_later_suspends_as_well() {
    let library = library().expose_provenance();
    for workers in [1, 2] {
        on(workers, move || {
            let cases = [
                (c"wait_by_read", "__read_chk"),
                (c"wait_by_recv", "__recv_chk"),
                (c"wait_by_poll", "__poll_chk"),
                (c"wait_by_select", "select"),
                (c"wait_by_sleeping", "usleep"),
                (c"wait_by_joining", "pthread_join"),
            ];
            for (function, symbol) in cases {
                // SAFETY: the library is loaded, and all of its functions have this type.
                let wait: Wait = unsafe {
                    let library = std::ptr::with_exposed_provenance_mut(library);
                    let found = libc::dlsym(library, function.as_ptr());
                    assert!(!found.is_null(), "{function:?}");
                    std::mem::transmute(found)
                };
                let (a, mut peer) = UnixStream::pair().unwrap();
                let before = waits(symbol);
                // SAFETY: the descriptor is open, and one byte has room.
                let waiter = spawn(move || unsafe { wait(a.as_raw_fd(), 1) });
                until_waits_exceed(symbol, before);
                peer.write_all(b"c").unwrap();
                assert_eq!(waiter.join().unwrap(), i32::from(b'c'), "{function:?}");
            }
        });
    }
}
