//! A program whose global allocator calls the C library from the first allocation on, before `main` and before anything could
//! have been looked up; and again on green threads.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

struct Curious;

static LOOKED: AtomicU32 = AtomicU32::new(0);

/// Reads a file, as allocators do that want to know the machine, by functions that are stood in for. The first time also what
/// might suspend a green thread, which an allocator must not be left by.
fn look(first: bool) {
    // SAFETY: a name that ends in a zero, and buffers of the sizes that are named.
    unsafe {
        let fd = libc::open(c"/proc/self/statm".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let mut text = [0u8; 64];
        let piece = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: 32 };
        let got = libc::read(fd, text.as_mut_ptr().cast(), 16) + libc::readv(fd, &piece, 1);
        if first {
            libc::usleep(1);
            libc::poll(std::ptr::null_mut(), 0, 0);
            libc::signal(libc::SIGURG, libc::SIG_IGN);
        }
        libc::syscall(libc::SYS_futex, &raw const LOOKED, libc::FUTEX_WAKE, 1);
        assert!(fd >= 0 && libc::close(fd) == 0 && got > 0);
    }
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Curious {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // The first time, and then now and then.
        let before = LOOKED.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(1000) {
            look(before == 0);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Curious = Curious;

#[test]
fn an_allocator_that_reads_files_starts_and_works_on_green_threads() {
    assert!(LOOKED.load(Ordering::Relaxed) > 0);
    // SAFETY: this allocator takes no lock, and waits for nobody.
    unsafe { greenthread::monkey::patch_all() };
    for workers in [1, 2] {
        let runtime = greenthread::Runtime::builder().workers(workers).build().unwrap();
        let pairs = (0..50).map(|number: u8| {
            runtime.spawn(move || {
                let (mut a, mut b) = UnixStream::pair().unwrap();
                let reader = greenthread::spawn(move || {
                    let mut all = Vec::new();
                    b.read_to_end(&mut all).unwrap();
                    all
                });
                for _ in 0..20 {
                    a.write_all(&[number; 10]).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
                drop(a);
                assert_eq!(reader.join().unwrap(), [number; 200]);
            })
        });
        let pairs: Vec<_> = pairs.collect();
        pairs.into_iter().for_each(|pair| pair.join().unwrap());
    }
}
