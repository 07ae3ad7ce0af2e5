//! The workloads that peers in other languages run too, one line of figures each.
//!
//!     cargo run --release --example workloads -- WORKLOAD WORKERS [N|PORT] [ROUNDS]
//!
//! `WORKLOAD` is `yield`, `spawn`, `spawn_yield`, `memory`, `chan`, `mpmc`, `mutex`, `timers`, `naps`, `hog`,
//! `storm`, `storm_small`, `echo`, `http`, or one of the steps whose instructions `.ci/instructions` counts; each line reads `WORKLOAD peer=greenthread n=N value=V unit=U`. `echo` and `http` serve
//! until they are ended.
//! With the feature `monkey`, `call_read_own`, `call_read_linked` and `call_read_patched` call the C library's `read`, what stands in for
//! it, and that after patching; `call_read_beside` the C library's own after patching, when the process has had several threads;
//! `call_close_own` and its like do so with `dup` and `close`, `call_futex_own` and its like with the system call that wakes nobody.
//! `timers` with ROUNDS tells of each the mean lateness and the processor time, and at last what each of the later half took:
//! a process has stacks and memory to make in its first rounds.
//! `storm` has N clients in a second process connect at once, echo one message each and stay; it tells what a connection
//! then takes, with a buffer of 4096 bytes on its stack or, small, of 256.

#[path = "../../examples/shared/usage.rs"]
mod usage;

use greenthread::executor::{Executor, GreenExecutor};
use greenthread::future::block_on;
use greenthread::net::{SocketAddr, TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::server::StreamServer;
use greenthread::sync::{Arc, Mutex, mpmc, mpsc};
use greenthread::thread::on_worker_stack;
use greenthread::{Runtime, blocking, sleep, spawn, timeout, yield_now};
#[cfg(feature = "monkey")]
use std::ffi::{CStr, c_int, c_long, c_void};
use std::future::{poll_fn, ready};
use std::hint::black_box;
use std::io::{self, BufRead, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
#[cfg(feature = "monkey")]
use std::{os::fd::AsRawFd, ptr, sync::atomic::AtomicU32};

const USAGE: &str = "workloads WORKLOAD WORKERS [N|PORT [ROUNDS|CLIENTS]]";

fn report(workload: &str, n: u64, value: f64, unit: &str) {
    println!("{workload} peer=greenthread n={n} value={value:.3} unit={unit}");
}

/// 1000 green threads that yield `each` times, timed from the end of a warm-up of ten.
fn yields(label: &str, each: u64) {
    static START: OnceLock<Instant> = OnceLock::new();
    let handles: Vec<_> = (0..1000)
        .map(|_| {
            spawn(move || {
                for _ in 0..10 {
                    yield_now();
                }
                START.get_or_init(Instant::now);
                for _ in 0..each {
                    yield_now();
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
    let n = 1000 * each;
    report(label, n, START.get().unwrap().elapsed().as_nanos() as f64 / n as f64, "ns");
}

/// Batches of 10,000 green threads with 32 captured bytes each.
fn spawns(label: &str, n: u64, yields: bool) {
    let start = Instant::now();
    let mut handles = Vec::with_capacity(10_000);
    for _ in 0..n / 10_000 {
        for i in 0..10_000u64 {
            let captured = black_box([i; 4]);
            handles.push(spawn(move || {
                if yields {
                    yield_now();
                }
                black_box(captured);
            }));
        }
        for handle in handles.drain(..) {
            handle.join().unwrap();
        }
    }
    report(label, n, start.elapsed().as_nanos() as f64 / n as f64, "ns");
}

/// One step of what is used most, `n` times; whether there is a step of this name. On one worker nothing but the step runs, so its
/// instructions can be counted.
fn steps(label: &str, name: &str, n: u64) -> bool {
    let start = Instant::now();
    match name {
        "lock" => {
            let lock = Mutex::new(0);
            (0..n).for_each(|_| *black_box(&lock).lock().unwrap() += 1);
        }
        // Each holds the lock while the other comes to wait for it.
        "lock_passed" => {
            let lock = Arc::new(Mutex::new(()));
            let turns = move |n| {
                let lock = Arc::clone(&lock);
                spawn(move || {
                    for _ in 0..n {
                        let _guard = lock.lock().unwrap();
                        yield_now();
                    }
                })
            };
            for turns in [turns(n / 2), turns(n / 2)] {
                turns.join().unwrap();
            }
        }
        "timeout" => (0..n).for_each(|_| timeout(Duration::from_secs(3600), yield_now).unwrap()),
        // A byte there and a byte back, each waited for.
        "io" => {
            let (mut here, mut there) = UnixStream::pair().unwrap();
            let other = spawn(move || io::copy(&mut there.try_clone().unwrap(), &mut there));
            let mut byte = [0];
            for _ in 0..n {
                here.write_all(&byte).unwrap();
                here.read_exact(&mut byte).unwrap();
            }
            drop(here);
            other.join().unwrap().unwrap();
        }
        "block_on" => (0..n).for_each(|i| assert_eq!(block_on(ready(i)), i)),
        "block_on_woken" => {
            for _ in 0..n {
                let mut woken = false;
                block_on(poll_fn(|context| {
                    if std::mem::replace(&mut woken, true) {
                        return Poll::Ready(());
                    }
                    context.waker().wake_by_ref();
                    Poll::Pending
                }));
            }
        }
        "submit" => {
            let executor = GreenExecutor::new();
            (0..n).for_each(|i| {
                assert_eq!(executor.submit(move || i).unwrap().result().ok(), Some(&i))
            });
        }
        "worker_stack" => (0..n).for_each(|i| assert_eq!(on_worker_stack(|| black_box(i)), i)),
        _ => return false,
    }
    report(label, n, start.elapsed().as_nanos() as f64 / n as f64, "ns");
    true
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn page_tables() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPTE:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// `n` green threads that wait for another one to end, which sleeps for ever.
fn memory(n: u64) {
    static UP: AtomicU64 = AtomicU64::new(0);
    let (resident_before, tables_before, start) = (resident(), page_tables(), Instant::now());
    for _ in 0..n {
        spawn(|| {
            UP.fetch_add(1, Ordering::Relaxed);
            greenthread::sleep(Duration::MAX);
        });
    }
    while UP.load(Ordering::Relaxed) < n {
        greenthread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed().as_nanos() as f64 / n as f64;
    let per_thread = |before: u64, now: u64| now.saturating_sub(before) as f64 / n as f64;
    report(&format!("memory/{n}"), n, per_thread(resident_before, resident()), "B/thread");
    report(&format!("memory_pte/{n}"), n, per_thread(tables_before, page_tables()), "B/thread");
    report(&format!("memory_create/{n}"), n, took, "ns/thread");
}

/// A message to another green thread and back, over two channels of capacity one.
fn ping_pong(label: &str, n: u64) {
    let (to_sender, to_receiver) = mpsc::sync_channel(1);
    let (back_sender, back_receiver) = mpsc::sync_channel(1);
    let other = spawn(move || {
        for _ in 0..n {
            back_sender.send(to_receiver.recv().unwrap() + 1).unwrap();
        }
    });
    let start = Instant::now();
    for i in 0..n {
        to_sender.send(i).unwrap();
        back_receiver.recv().unwrap();
    }
    report(label, n, start.elapsed().as_nanos() as f64 / n as f64, "ns");
    other.join().unwrap();
}

/// Four senders and four receivers on one channel of capacity 1024.
fn many_to_many(label: &str, n: u64) {
    let (sender, receiver) = mpmc::bounded(1024);
    let start = Instant::now();
    let mut handles = Vec::new();
    for _ in 0..4 {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        handles.push(spawn(move || {
            for i in 0..n / 4 {
                sender.send(i).unwrap();
            }
        }));
        handles.push(spawn(move || {
            for _ in 0..n / 4 {
                receiver.recv().unwrap();
            }
        }));
    }
    for handle in handles {
        handle.join().unwrap();
    }
    report(label, n, n as f64 / start.elapsed().as_secs_f64(), "msgs/s");
}

/// 1000 green threads that each lock one mutex 1000 times.
fn mutex(label: &str) {
    let mutex = Arc::new(Mutex::new(0u64));
    let start = Instant::now();
    let handles: Vec<_> = (0..1000)
        .map(|_| {
            let mutex = Arc::clone(&mutex);
            spawn(move || {
                for _ in 0..1000 {
                    *mutex.lock().unwrap() += 1;
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
    report(label, 1_000_000, start.elapsed().as_nanos() as f64 / 1e6, "ns");
    assert_eq!(*mutex.lock().unwrap(), 1_000_000);
}

/// User and system time of the process so far, in seconds.
fn cpu() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to the one place that it is given.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// `n` green threads that sleep 0 to 1000 ms, the same sequence as in the other programs: how much later than a second the
/// last one was joined. Several times, if asked to.
fn timers(label: &str, n: u64, rounds: u64) {
    let label = format!("{label}_{n}");
    let took: Vec<f64> = (0..rounds).map(|_| round_of_timers(&label, n)).collect();
    if rounds > 1 {
        let later = &took[took.len() / 2..];
        let each = later.iter().sum::<f64>() / later.len() as f64;
        report(&format!("{label}_cpu_of_a_later_round"), n, each, "s");
    }
}

fn round_of_timers(label: &str, n: u64) -> f64 {
    static LATE: AtomicU64 = AtomicU64::new(0);
    let mut seed = 42u64;
    let mut random = move || {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    LATE.store(0, Ordering::Relaxed);
    let (start, cpu_before) = (Instant::now(), cpu());
    let handles: Vec<_> = (0..n)
        .map(|_| {
            let duration = Duration::from_millis(random() % 1001);
            spawn(move || {
                let begin = Instant::now();
                sleep(duration);
                let late = begin.elapsed().saturating_sub(duration).as_nanos() as u64;
                LATE.fetch_add(late, Ordering::Relaxed);
            })
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
    let over = start.elapsed().as_secs_f64() * 1e3 - 1000.0;
    let cpu = cpu() - cpu_before;
    report(&format!("{label}_over"), n, over, "ms");
    report(&format!("{label}_late"), n, LATE.load(Ordering::Relaxed) as f64 / n as f64 / 1e3, "us");
    report(&format!("{label}_cpu"), n, cpu, "s");
    cpu
}

/// How late `n` sleeps of 100 µs end in the median: those of a green thread and std's, by turns.
fn naps(label: &str, n: u64) {
    const BATCH: u64 = 50;
    let nap = |sleep: fn(Duration)| {
        let duration = Duration::from_micros(100);
        let begin = Instant::now();
        sleep(duration);
        begin.elapsed() - duration
    };
    let batch = move |sleep| (0..BATCH).map(|_| nap(sleep)).collect::<Vec<_>>();
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for _ in 0..n / BATCH {
        own.extend(batch(sleep));
        let usual = move || {
            // An OS thread takes over the slack of the one that spawns it, here a worker: so it gets the system's default.
            // SAFETY: it changes nothing but a number of the calling thread.
            unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 50_000, 0, 0, 0) };
            batch(std::thread::sleep)
        };
        others.extend(blocking(move || std::thread::spawn(usual).join().unwrap()));
    }
    for (name, mut all) in [("", own), ("_of_std", others)] {
        all.sort();
        let median = all[all.len() / 2].as_secs_f64() * 1e6;
        report(&format!("{label}_late{name}"), all.len() as u64, median, "us");
    }
}

/// Echoes on `port` until the process is ended.
fn echo(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("bind");
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        spawn(move || -> std::io::Result<()> {
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
}

/// How many of 1000 sleepers and 50 echo connections `hog` holds up, which runs for `time`: those that do nothing for half of it. And
/// how late the others are.
fn lateness(label: &str, time: Duration, hog: impl FnOnce() + Send + 'static) {
    const PAUSE: Duration = Duration::from_millis(10);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let servers: Vec<_> = (0..50)
        .map(|_| {
            let client = TcpStream::connect(address).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            let handle = spawn(move || {
                let mut byte = [0];
                while server.read(&mut byte).is_ok_and(|n| n == 1) {
                    server.write_all(&byte).unwrap();
                }
            });
            (client, handle)
        })
        .collect();
    let begin = Instant::now() + Duration::from_millis(100);
    let end = begin + time;
    let measure = move |mut step: Box<dyn FnMut() -> Duration + Send>| {
        spawn(move || {
            sleep(begin.saturating_duration_since(Instant::now()));
            let (mut late, mut last, mut pause) = (Vec::new(), begin, Duration::ZERO);
            while Instant::now() < end {
                late.push(step());
                pause = pause.max(last.elapsed());
                last = Instant::now();
            }
            (late, pause.max(last.elapsed()) > time / 2)
        })
    };
    let sleepers: Vec<_> = (0..1000)
        .map(|_| {
            measure(Box::new(|| {
                let start = Instant::now();
                sleep(PAUSE);
                start.elapsed() - PAUSE
            }))
        })
        .collect();
    let (clients, servers): (Vec<_>, Vec<_>) = servers.into_iter().unzip();
    let echoes: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            measure(Box::new(move || {
                sleep(PAUSE);
                let start = Instant::now();
                client.write_all(b"x").unwrap();
                client.read_exact(&mut [0]).unwrap();
                start.elapsed()
            }))
        })
        .collect();
    sleep(begin.saturating_duration_since(Instant::now()));
    let hog = spawn(hog);
    for (what, handles) in [("sleep", sleepers), ("echo", echoes)] {
        let threads: Vec<(Vec<Duration>, bool)> =
            handles.into_iter().map(|handle| handle.join().unwrap()).collect();
        let held = threads.iter().filter(|(_, held)| *held).count();
        let others = threads.iter().filter(|(_, held)| !held);
        let mut all: Vec<Duration> = others.flat_map(|(late, _)| late).copied().collect();
        all.sort();
        let at = |percent: usize| {
            let last = all.len().saturating_sub(1);
            all.get(last * percent / 100).map_or(0.0, |late| late.as_secs_f64() * 1e3)
        };
        for (name, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
            report(&format!("{label}_{what}_{name}"), all.len() as u64, at(percent), "ms");
        }
        report(&format!("{label}_{what}_held_up"), threads.len() as u64, held as f64, "threads");
    }
    hog.join().unwrap();
    servers.into_iter().for_each(|server| server.join().unwrap());
}

/// Computes until `time` is over, calling `between` every millisecond or so.
fn compute(time: Duration, between: impl Fn()) {
    let start = Instant::now();
    while start.elapsed() < time {
        let slice = Instant::now();
        while slice.elapsed() < Duration::from_millis(1) {
            black_box(0);
        }
        between();
    }
}

/// One that computes for `millis`: none for comparison, one that never gives way, one that does, one on the pool.
fn hogs(label: &str, millis: u64) {
    let time = Duration::from_millis(millis);
    lateness(&format!("{label}_none"), time, || ());
    lateness(&format!("{label}_hog"), time, move || compute(time, || ()));
    lateness(&format!("{label}_yielding"), time, move || compute(time, yield_now));
    lateness(&format!("{label}_blocking"), time, move || blocking(move || compute(time, || ())));
}

const HELLO: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: greenthread\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\
    \r\nHello, World!";

/// Answers every HTTP request on `port` with a short text until the process is ended.
fn http(port: u16) {
    let server = StreamServer::bind(("127.0.0.1", port), |mut stream, _| -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut buffer, mut filled, mut replies) = ([0; 4096], 0, Vec::new());
        loop {
            match stream.read(&mut buffer[filled..])? {
                0 => return Ok(()),
                got => filled += got,
            }
            let mut used = 0;
            while used < filled {
                let mut headers = [httparse::EMPTY_HEADER; 16];
                let mut request = httparse::Request::new(&mut headers);
                match request.parse(&buffer[used..filled]).map_err(io::Error::other)? {
                    httparse::Status::Complete(length) => used += length,
                    httparse::Status::Partial => break,
                }
                replies.extend_from_slice(HELLO);
            }
            buffer.copy_within(used..filled, 0);
            filled -= used;
            stream.write_all(&replies)?;
            replies.clear();
        }
    });
    server.expect("bind").serve_forever().expect("accept");
}

/// Echoes with a buffer of `SIZE` bytes on the stack.
fn echo_with<const SIZE: usize>(mut stream: TcpStream, _: SocketAddr) -> io::Result<()> {
    let mut buffer = [0; SIZE];
    loop {
        match stream.read(black_box(&mut buffer))? {
            0 => return Ok(()),
            got => stream.write_all(&buffer[..got])?,
        }
    }
}

/// The clients of a storm, in their own process: `n` that connect at once, each with an echo. Then says so, and holds the
/// connections until standard input ends.
fn storm_clients(port: u16, n: u64) {
    let start = Instant::now();
    let clients: Vec<_> = (0..n)
        .map(|at| {
            spawn(move || -> io::Result<TcpStream> {
                let mut stream = TcpStream::connect(("127.0.0.1", port))?;
                let message = [at.to_le_bytes(); 8].concat();
                stream.write_all(&message)?;
                let mut back = [0; 64];
                stream.read_exact(&mut back)?;
                assert_eq!(message, back);
                Ok(stream)
            })
        })
        .collect();
    let clients: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let good = clients.iter().filter(|client| client.is_ok()).count();
    println!("{good} {}", start.elapsed().as_millis());
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

/// Bytes that the process has in memory, page tables included.
fn in_memory() -> u64 {
    resident() + page_tables()
}

/// One storm; prints what each connection takes once all of them are idle.
fn storm<const SIZE: usize>(label: &str, n: u64) -> io::Result<()> {
    let server = StreamServer::bind("127.0.0.1:0", echo_with::<SIZE>)?;
    server.start()?;
    let port = server.local_addr()?.port().to_string();
    let before = in_memory();
    let mut clients = Command::new(std::env::current_exe()?)
        .args(["storm_clients", "1", &port, &n.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = clients.stdout.take().expect("piped");
    let line = blocking(move || {
        let mut line = String::new();
        io::BufReader::new(output).read_line(&mut line).map(|_| line)
    })?;
    let during = in_memory();
    let (good, millis) = line.trim().split_once(' ').unwrap_or(("0", "0"));
    let live = server.stats().live;
    drop(clients.stdin.take());
    blocking(move || clients.wait())?;
    let left = server.stop(Duration::from_secs(10));
    let each = during.saturating_sub(before) as f64 / n as f64;
    report(&format!("{label}/memory"), n, each, "B/conn");
    report(&format!("{label}/time"), n, millis.parse().unwrap_or(0.0), "ms");
    if (good.parse(), live, left) != (Ok(n), n, 0) {
        return Err(io::Error::other(format!(
            "{good} of {n} clients had their echo, {live} were live, {left} had to be killed"
        )));
    }
    Ok(())
}

/// Calls a function of the C library `n` times off green threads: the C library's own, the one that stands in for it, and that
/// after patching. For counts of instructions; the kernel's are not among them.
#[cfg(feature = "monkey")]
fn call(workload: &str, n: u64) -> bool {
    type Read = unsafe extern "C" fn(c_int, *mut c_void, usize) -> isize;
    type Close = unsafe extern "C" fn(c_int) -> c_int;
    type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;
    let own = |name: &CStr| {
        // SAFETY: the name ends in a zero.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        assert!(!found.is_null());
        found
    };
    let (name, kind) = workload.rsplit_once('_').unwrap_or((workload, ""));
    // SAFETY: the functions have these types; and nothing here is of the kinds that `patch_all` names.
    let (read, close, syscall) = unsafe {
        if matches!(kind, "patched" | "beside") {
            greenthread::monkey::patch_all();
        }
        match kind {
            "own" | "beside" => (
                std::mem::transmute::<*mut c_void, Read>(own(c"read")),
                std::mem::transmute::<*mut c_void, Close>(own(c"close")),
                std::mem::transmute::<*mut c_void, Syscall>(own(c"syscall")),
            ),
            _ => (libc::read as Read, libc::close as Close, libc::syscall as Syscall),
        }
    };
    let Ok(file) = std::fs::File::open("/dev/null") else { return false };
    let mut byte = [0u8; 1];
    let word = AtomicU32::new(0);
    let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    let none = ptr::null::<c_void>();
    for _ in 0..n {
        // SAFETY: the descriptor is open, and the buffer has a byte; what is closed is a copy just made; the word is valid.
        unsafe {
            match name {
                "call_read" => black_box(read(file.as_raw_fd(), byte.as_mut_ptr().cast(), 1)),
                "call_futex" => {
                    black_box(
                        syscall(libc::SYS_futex, word.as_ptr(), wake, 1, none, none, 0) as isize
                    )
                }
                _ => black_box(close(libc::dup(file.as_raw_fd())) as isize),
            };
        }
    }
    report(workload, n, 0.0, "calls");
    true
}

fn main() -> ExitCode {
    let arguments = usage::arguments(USAGE, &[]);
    let number = |at: usize| arguments.get(at).map(|text| text.parse::<u64>());
    let (Some(workload), Some(Ok(workers)), None | Some(Ok(_)), None | Some(Ok(_)), ..=4) =
        (arguments.first().cloned(), number(1), number(2), number(3), arguments.len())
    else {
        usage::usage(USAGE);
    };
    let argument = number(2).and_then(Result::ok);
    #[cfg(feature = "monkey")]
    if workload.starts_with("call_") {
        return if call(&workload, argument.unwrap_or(1000)) {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    }
    let rounds = number(3).and_then(Result::ok).unwrap_or(1);
    let clients = arguments.get(3).and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let runtime = match Runtime::builder().workers(workers as usize).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("workloads: {error}");
            return ExitCode::from(2);
        }
    };
    let main = runtime.spawn(move || {
        let label = format!("{workload}/{workers}w");
        match workload.as_str() {
            "yield" => yields(&label, argument.unwrap_or(1000)),
            "spawn" => spawns(&label, argument.unwrap_or(1_000_000), false),
            "spawn_yield" => spawns(&label, argument.unwrap_or(1_000_000), true),
            "memory" => memory(argument.unwrap_or(100_000)),
            "chan" => ping_pong(&label, argument.unwrap_or(500_000)),
            "mpmc" => many_to_many(&label, argument.unwrap_or(2_000_000)),
            "mutex" => mutex(&label),
            "hog" => hogs(&label, argument.unwrap_or(2000)),
            "timers" => timers(&label, argument.unwrap_or(100_000), rounds),
            "naps" => naps(&label, argument.unwrap_or(2000).max(50)),
            // Two processes for the two sizes: what the stacks of the one have touched stays theirs.
            "storm" | "storm_small" => {
                let storm = if workload == "storm" { storm::<4096> } else { storm::<256> };
                if let Err(error) = storm(&label, argument.unwrap_or(10_000)) {
                    eprintln!("workloads: {error}");
                    return false;
                }
            }
            "storm_clients" => storm_clients(argument.unwrap_or(7000) as u16, clients),
            "http" => http(argument.unwrap_or(7000) as u16),
            "echo" => echo(argument.unwrap_or(7000) as u16),
            _ if steps(&label, &workload, argument.unwrap_or(1000)) => {}
            _ => {
                eprintln!("workloads: no workload {workload}");
                return false;
            }
        }
        true
    });
    let known = main.join().unwrap();
    // The threads of `memory` are still there; the process ends with them.
    std::process::exit(if known { 0 } else { 2 });
}
