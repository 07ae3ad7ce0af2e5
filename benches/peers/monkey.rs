//! What monkey patching costs: a patched call off green threads beside the C library's own, a lock of std's that nobody wants
//! beside the same lock unpatched, and the processor time of an echo server of patched std beside one of `greenthread::net`.
//!
//!     cargo bench -p greenthread-benches --features monkey --bench monkey [-- ROUNDS [SECONDS]]

mod servers;

use greenthread::monkey;
use greenthread_benches::median;
use servers::{Load, Peer};
use std::ffi::{CStr, c_int, c_void};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

const PEERS: &[Peer] = &[("patched_std", patched_std), ("greenthread_net", greenthread_net)];
const MESSAGE: usize = 64;

fn patch() {
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    unsafe { monkey::patch_all() };
}

/// An echo server on a listener of the type given: std's and ours have the same functions.
macro_rules! serve {
    ($listener:ty) => {{
        let runtime = greenthread::Runtime::builder().workers(1).build()?;
        let server = runtime.spawn(|| -> io::Result<()> {
            let listener = <$listener>::bind("127.0.0.1:0")?;
            println!("{}", listener.local_addr()?);
            for stream in listener.incoming() {
                let mut stream = stream?;
                greenthread::spawn(move || -> io::Result<()> {
                    stream.set_nodelay(true)?;
                    let mut buffer = [0; 4096];
                    loop {
                        match stream.read(&mut buffer)? {
                            0 => return Ok(()),
                            n => stream.write_all(&buffer[..n])?,
                        }
                    }
                });
            }
            Ok(())
        });
        server.join().expect("the server does not end")
    }};
}

fn patched_std() -> io::Result<()> {
    patch();
    serve!(std::net::TcpListener)
}

fn greenthread_net() -> io::Result<()> {
    serve!(greenthread::net::TcpListener)
}

/// Nanoseconds of one call.
fn time(calls: u32, mut call: impl FnMut()) -> f64 {
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
fn print_difference(name: &str, when: &str, mut ours: impl FnMut(), mut theirs: impl FnMut()) {
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
    // SAFETY: the descriptor is open and the buffer has a byte; here and below.
    print_difference(
        "read",
        when,
        || unsafe { drop(libc::read(fd, byte, 1)) },
        || unsafe {
            drop(read(fd, byte, 1));
        },
    );
    // SAFETY: as above.
    print_difference(
        "write",
        when,
        || unsafe { drop(libc::write(fd, byte, 1)) },
        || unsafe {
            drop(write(fd, byte, 1));
        },
    );
    let none = std::ptr::null_mut();
    // SAFETY: no descriptors.
    print_difference(
        "poll",
        when,
        || unsafe { drop(libc::poll(none, 0, 0)) },
        || unsafe {
            drop(poll(none, 0, 0));
        },
    );
    // SAFETY: both close a copy that was just made.
    print_difference(
        "dup and close",
        when,
        || unsafe { drop(libc::close(libc::dup(fd))) },
        || unsafe {
            drop(close(libc::dup(fd)));
        },
    );
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
    let load = |label, connections| Load {
        label,
        connections,
        request: vec![b'm'; MESSAGE],
        reply: MESSAGE,
        units: 1,
    };
    let loads = [load("64 connections", 64), load("1000 connections", 1000)];
    servers::main(PEERS, &loads, "message")
}
