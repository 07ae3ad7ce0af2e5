//! What monkey patching costs: a patched call off green threads beside the C library's own, a lock of std's that nobody wants
//! beside the same lock unpatched, and the processor time of an echo server of patched std beside one of `greenthread::net`.
//!
//!     cargo bench -p greenthread-benches --features monkey --bench monkey [-- ROUNDS [SECONDS]]

use greenthread::monkey;
use greenthread_benches::median;
use greenthread_benches::servers::{Peer, echo};
use std::ffi::{CStr, c_int, c_long, c_void};
use std::hint::black_box;
use std::io;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

const PEERS: &[Peer] = &[("patched_std", patched_std), ("greenthread_net", greenthread_net)];

fn patch() {
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    unsafe { monkey::patch_all() };
}

fn patched_std() -> io::Result<()> {
    patch();
    echo::std_on_green_threads()
}

fn greenthread_net() -> io::Result<()> {
    echo::greenthread(1, echo::ECHO)
}

/// Nanoseconds of one call.
fn time<T>(calls: u32, mut call: impl FnMut() -> T) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        call();
    }
    began.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// The C library's own function.
fn own(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends in a zero.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "{name:?}");
    found
}

/// What a call costs more than the C library's own, which alternate in short runs: the median of the differences.
fn print_difference<T>(
    name: &str,
    when: &str,
    mut ours: impl FnMut() -> T,
    mut theirs: impl FnMut() -> T,
) {
    const RUNS: usize = 2001;
    const CALLS: u32 = 500;
    let mut all = Vec::with_capacity(RUNS);
    let mut bare = Vec::with_capacity(RUNS);
    for run in 0..RUNS {
        let (a, b) = if run % 2 == 0 {
            let a = time(CALLS, &mut ours);
            (a, time(CALLS, &mut theirs))
        } else {
            let b = time(CALLS, &mut theirs);
            (time(CALLS, &mut ours), b)
        };
        all.push(a - b);
        bare.push(b);
    }
    println!(
        "off green threads, {when}: {name} takes {:.1} ns more than the C library's {:.1}",
        median(all),
        median(bare)
    );
}

/// Prints the differences of calls of the C library's functions that are named with their types, which they must have.
macro_rules! differences {
    ($when:expr; $($what:literal: $name:ident($($type:ty),*) -> $result:ty, |$call:ident| $use:expr;)*) => {
        $({
            type Function = unsafe extern "C" fn($($type),*) -> $result;
            let name = CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()).unwrap();
            let theirs = std::mem::transmute::<*mut c_void, Function>(own(name));
            let ours: Function = libc::$name;
            let run = |$call: Function| $use;
            print_difference($what, $when, || run(black_box(ours)), || run(black_box(theirs)));
        })*
    };
}

fn print_differences(when: &str) -> io::Result<()> {
    // What reads nothing and takes everything.
    let file = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    let fd = black_box(file.as_raw_fd());
    let mut bytes = [0u8; 8];
    let byte = bytes.as_mut_ptr().cast::<c_void>();
    let none = std::ptr::null_mut::<c_void>();
    let (word, time) = (AtomicU32::new(0), libc::timespec { tv_sec: 0, tv_nsec: -1 });
    let word = word.as_ptr();
    let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let listener = listener.as_raw_fd();
    let length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the descriptors are open, the buffers have a byte or are not used, what is closed is a copy just made, the word is
    // valid, and calls that the kernel refuses touch nothing.
    unsafe {
        differences! { when;
            "read": read(c_int, *mut c_void, usize) -> isize, |call| call(fd, byte, 1);
            "write": write(c_int, *const c_void, usize) -> isize, |call| call(fd, byte, 1);
            "recv of no socket": recv(c_int, *mut c_void, usize, c_int) -> isize, |call| call(fd, byte, 1, 0);
            "send to no socket": send(c_int, *const c_void, usize, c_int) -> isize, |call| call(fd, byte, 1, 0);
            "accept of none": accept(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int, |call| call(listener, none.cast(), none.cast());
            "connect of no socket": connect(c_int, *const libc::sockaddr, libc::socklen_t) -> c_int, |call| call(fd, byte.cast(), 2);
            "setsockopt": setsockopt(c_int, c_int, c_int, *const c_void, libc::socklen_t) -> c_int, |call| call(listener, libc::SOL_SOCKET, libc::SO_KEEPALIVE, byte, length);
            "poll of none": poll(*mut libc::pollfd, libc::nfds_t, c_int) -> c_int, |call| call(none.cast(), 0, 0);
            "dup and close": close(c_int) -> c_int, |call| call(libc::dup(fd));
            "close of none": close(c_int) -> c_int, |call| call(-1);
            "sleep that is refused": clock_nanosleep(libc::clockid_t, c_int, *const libc::timespec, *mut libc::timespec) -> c_int, |call| call(libc::CLOCK_MONOTONIC, 0, &time, none.cast());
        }
        type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;
        let theirs = std::mem::transmute::<*mut c_void, Syscall>(own(c"syscall"));
        let wakes = |call: Syscall| call(libc::SYS_futex, word, wake, 1, none, none, 0);
        print_difference(
            "futex, which wakes nobody,",
            when,
            || wakes(black_box(libc::syscall as Syscall)),
            || wakes(black_box(theirs)),
        );
    }
    Ok(())
}

/// Nanoseconds of taking and giving back a lock that nobody else wants.
fn lock() -> f64 {
    let lock = Mutex::new(0u64);
    median((0..501).map(|_| time(2000, || *black_box(&lock).lock().unwrap() += 1)).collect())
}

fn calls() -> io::Result<()> {
    print_differences("not patched")?;
    let runtime = greenthread::Runtime::builder().workers(1).build()?;
    let before = (lock(), runtime.run(lock).expect("a figure"));
    patch();
    print_differences("patched")?;
    let after = (lock(), runtime.run(lock).expect("a figure"));
    println!(
        "a lock of std's that nobody wants: {:.2} ns on an OS thread, {:.2} on a green thread; patched {:.2} and {:.2}",
        before.0, before.1, after.0, after.1
    );
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--bench")
        && let Err(error) = calls()
    {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    echo::compare(PEERS)
}
