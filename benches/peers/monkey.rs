//! What monkey patching costs: a patched call off green threads beside the C library's own, a lock of std's that nobody wants
//! beside the same lock unpatched, and the processor time of an echo server of patched std beside one of `greenthread::net`.
//!
//!     cargo bench -p greenthread-benches --features monkey --bench monkey [-- ROUNDS [SECONDS]]

#[path = "servers/echo.rs"]
mod echo;
mod servers;

use echo::{compare, green_echo};
use greenthread::monkey;
use greenthread_benches::median;
use servers::Peer;
use std::ffi::{CStr, c_int, c_void};
use std::hint::black_box;
use std::io;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

const PEERS: &[Peer] = &[("patched_std", patched_std), ("greenthread_net", greenthread_net)];

fn patch() {
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    unsafe { monkey::patch_all() };
}

fn patched_std() -> io::Result<()> {
    patch();
    green_echo!(std::net::TcpListener)
}

fn greenthread_net() -> io::Result<()> {
    green_echo!(greenthread::net::TcpListener)
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

fn print_differences(when: &str) -> io::Result<()> {
    type Read = unsafe extern "C" fn(c_int, *mut c_void, usize) -> isize;
    type Write = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
    type Poll = unsafe extern "C" fn(*mut libc::pollfd, libc::nfds_t, c_int) -> c_int;
    type Close = unsafe extern "C" fn(c_int) -> c_int;
    // SAFETY: the functions have these types.
    let (read, write, poll, close) = unsafe {
        (
            std::mem::transmute::<*mut c_void, Read>(own(c"read")),
            std::mem::transmute::<*mut c_void, Write>(own(c"write")),
            std::mem::transmute::<*mut c_void, Poll>(own(c"poll")),
            std::mem::transmute::<*mut c_void, Close>(own(c"close")),
        )
    };
    // What reads nothing and takes everything.
    let file = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    let fd = black_box(file.as_raw_fd());
    let mut byte = [0u8; 1];
    let byte = byte.as_mut_ptr().cast::<c_void>();
    let none = std::ptr::null_mut();
    // SAFETY: the descriptor is open and the buffer has a byte; `poll` has no descriptors; both close a copy just made.
    unsafe {
        print_difference("read", when, || libc::read(fd, byte, 1), || read(fd, byte, 1));
        print_difference("write", when, || libc::write(fd, byte, 1), || write(fd, byte, 1));
        print_difference("poll", when, || libc::poll(none, 0, 0), || poll(none, 0, 0));
        let closed = (|| libc::close(libc::dup(fd)), || close(libc::dup(fd)));
        print_difference("dup and close", when, closed.0, closed.1);
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
    compare(PEERS)
}
