//! OS threads that are cancelled, as the C library does it: by an unwind of its own out of a call that is a cancellation point.

use crate::children::in_child;
use crate::patch;
use std::ffi::{c_int, c_void};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

unsafe extern "C" {
    fn pthread_cancel(thread: libc::pthread_t) -> c_int;
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const c_void,
        main: extern "C-unwind" fn(*mut c_void) -> *mut c_void,
        value: *mut c_void,
    ) -> c_int;
}

unsafe extern "C-unwind" {
    // Declared as what unwinds, as a C program's compiler takes them for.
    fn read(fd: c_int, buffer: *mut c_void, len: usize) -> isize;
    fn recv(fd: c_int, buffer: *mut c_void, len: usize, flags: c_int) -> isize;
    fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, millis: c_int) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn nanosleep(time: *const libc::timespec, left: *mut libc::timespec) -> c_int;
}

static BEGUN: AtomicU32 = AtomicU32::new(0);

/// Blocks in one of several calls for ever; the value is a descriptor and which call.
extern "C-unwind" fn block(value: *mut c_void) -> *mut c_void {
    let value = value.addr();
    let (fd, which) = ((value >> 8) as c_int, value & 0xff);
    let mut buffer = [0u8; 1];
    BEGUN.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the buffer has room for one byte, the entry and the time are valid.
    unsafe {
        let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let time = libc::timespec { tv_sec: 100_000, tv_nsec: 0 };
        match which {
            0 => _ = read(fd, buffer.as_mut_ptr().cast(), 1),
            1 => _ = recv(fd, buffer.as_mut_ptr().cast(), 1, 0),
            2 => _ = poll(&mut entry, 1, -1),
            // Cancelled before it is called.
            3 => {
                pthread_cancel(libc::pthread_self());
                _ = close(fd);
            }
            _ => _ = nanosleep(&time, ptr::null_mut()),
        }
    }
    ptr::null_mut()
}

/// What the C library says that a thread has returned which was cancelled.
const CANCELED: usize = usize::MAX;

#[test]
fn an_os_thread_is_cancelled_in_a_patched_call() {
    let test = "cancel::an_os_thread_is_cancelled_in_a_patched_call";
    let outcome = in_child(test, || {
        patch();
        let (a, mut peer) = UnixStream::pair().unwrap();
        for which in 0..5 {
            let begun = BEGUN.load(Ordering::SeqCst);
            let value = ptr::without_provenance_mut((a.as_raw_fd() as usize) << 8 | which);
            let mut thread = 0;
            // SAFETY: a thread with a function that takes this value.
            assert_eq!(unsafe { pthread_create(&mut thread, ptr::null(), block, value) }, 0);
            while BEGUN.load(Ordering::SeqCst) == begun {
                std::thread::sleep(Duration::from_micros(100));
            }
            std::thread::sleep(Duration::from_millis(2));
            let mut result = ptr::null_mut();
            // SAFETY: the thread has not been joined yet.
            unsafe {
                pthread_cancel(thread);
                assert_eq!(libc::pthread_join(thread, &mut result), 0);
            }
            assert_eq!(result.addr(), CANCELED, "{which}");
        }
        // Nothing has been taken.
        peer.write_all(b"x").unwrap();
        std::io::Read::read_exact(&mut &a, &mut [0; 1]).unwrap();
    });
    outcome.works();
}
