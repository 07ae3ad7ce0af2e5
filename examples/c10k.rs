//! The main job: as many connections as the system allows in one process, a green thread at each end.
//!
//!     cargo run --release --example c10k -- [SECONDS] [CONNECTIONS]
//!
//! An echo server and its clients run side by side. Every client sends messages with content of its own for some
//! seconds (5 unless given), always one at a time, and compares each reply byte for byte. The exit code is 0 only if every
//! connection came about and every byte was right. All figures are measured in this run.
//!
//! Ctrl-C ends it early: the clients finish what they have begun, and the figures are of what was done. A second one ends it
//! at once.
//!
//! With the feature `console`, `--console 127.0.0.1:7669` behind the rest shows all of it in a browser meanwhile.
//!
//! With `C10K_FLIP` in the environment the server falsifies one byte of one reply, to show that this is noticed.

mod shared {
    pub mod usage;
}

use greenthread::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use greenthread::signal::{Signal, Signals};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shared::usage;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str = "c10k [SECONDS [CONNECTIONS]] [--console [ADDRESS]]";

/// Bytes of a message.
const MESSAGE: usize = 64;
/// Connections made at a time: fewer than the 128 that std lets wait to be accepted.
const WAVE: u64 = 100;
/// Descriptors left for other things than connections: the listener, the pollers, the standard streams, `/proc`.
const SPARE: u64 = 64;
/// How often a client that is connected looks whether all are. It costs next to nothing, and a lock of std's would block
/// the worker and every green thread on it.
const GATE: Duration = Duration::from_millis(250);
/// So long without one message verified means that something hangs.
const STALL: Duration = Duration::from_secs(30);

static CONNECTED: AtomicU64 = AtomicU64::new(0);
static VERIFIED: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
static GO: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);
/// Whether somebody wants it to end.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Whether the server is still to falsify a byte.
static FLIP: AtomicBool = AtomicBool::new(false);
static LATENCIES: Latencies = Latencies::new();

/// Latencies in microseconds, in buckets at most 1/32 wide.
struct Latencies([AtomicU64; 32 * 32]);

impl Latencies {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 32 * 32])
    }

    fn add(&self, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        let power = micros.checked_ilog2().unwrap_or(0).saturating_sub(5);
        let bucket = (power * 32 + (micros >> power)) as usize;
        self.0[bucket.min(self.0.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// The upper end of the bucket below which `share` of all latencies lie.
    fn quantile(&self, share: f64) -> Duration {
        let total: u64 = self.0.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum();
        let mut left = (total as f64 * share) as u64;
        for (at, bucket) in (0u64..).zip(&self.0) {
            let here = bucket.load(Ordering::Relaxed);
            if left < here {
                let power = (at / 32).saturating_sub(1);
                return Duration::from_micros((at - power * 32 + 1) << power);
            }
            left -= here;
        }
        Duration::ZERO
    }
}

/// Message `number` of client `id`: no two are alike.
fn message(id: u64, number: u64) -> [u8; MESSAGE] {
    let mut state = id << 32 ^ number;
    let mut bytes = [0; MESSAGE];
    for word in bytes.chunks_exact_mut(8) {
        // splitmix64: a bijection of its counter, so the first word alone tells two messages apart.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes
}

/// The server's end of a connection.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4 * MESSAGE];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => {
                if FLIP.load(Ordering::Relaxed) && FLIP.swap(false, Ordering::Relaxed) {
                    buffer[n / 2] ^= 1;
                }
                stream.write_all(&buffer[..n])?;
            }
        }
    }
}

fn accept_all(listener: &TcpListener) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                greenthread::spawn(move || note_failure("server", serve(stream)));
            }
            Err(error) => {
                note_failure("accept", Err(error));
                greenthread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// Sends one message and compares what comes back.
fn exchange(stream: &mut TcpStream, id: u64, number: u64) -> io::Result<()> {
    let sent = message(id, number);
    let mut received = [0; MESSAGE];
    stream.write_all(&sent)?;
    stream.read_exact(&mut received)?;
    let wrong = sent.iter().zip(&received).filter(|(a, b)| a != b).count();
    if wrong > 0 {
        WRONG.fetch_add(wrong as u64, Ordering::Relaxed);
        return Err(io::Error::other(format!(
            "{wrong} wrong bytes in message {number} of client {id}"
        )));
    }
    VERIFIED.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// The client's end of a connection.
fn client(id: u64, server: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    // With the first reply the connection is known to be accepted.
    exchange(&mut stream, id, 0)?;
    CONNECTED.fetch_add(1, Ordering::Relaxed);
    while !GO.load(Ordering::Relaxed) {
        greenthread::sleep(GATE);
    }
    let mut number = 0;
    while !STOP.load(Ordering::Relaxed) {
        number += 1;
        let before = Instant::now();
        exchange(&mut stream, id, number)?;
        LATENCIES.add(before.elapsed());
    }
    stream.shutdown(Shutdown::Write)?;
    match stream.read(&mut [0; MESSAGE])? {
        0 => Ok(()),
        more => {
            WRONG.fetch_add(more as u64, Ordering::Relaxed);
            Err(io::Error::other(format!("{more} bytes that client {id} never sent")))
        }
    }
}

/// Counts a failure, and prints the first few.
fn note_failure(who: &str, result: io::Result<()>) {
    if let Err(error) = result
        && FAILED.fetch_add(1, Ordering::Relaxed) < 5
    {
        eprintln!("\n{who}: {error}");
    }
}

/// What `/proc/self/status` says in the line `key`.
fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a known line");
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

/// Resident bytes and bytes of page tables.
fn memory() -> u64 {
    (status("VmRSS:") + status("VmPTE:")) * 1024
}

/// Raises the limit of open files as far as it goes; returns what it is then.
fn raise_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// How many connections to one address there is room for, by open files and by ports, and which of the two decides.
fn room(files: u64) -> (u64, &'static str) {
    let by_files = files.saturating_sub(SPARE) / 2;
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let ports = range.and_then(|range| {
        let mut ends = range.split_whitespace().map_while(|end| end.parse::<u64>().ok());
        let (first, last) = (ends.next()?, ends.next()?);
        Some((last + 1).saturating_sub(first))
    });
    match ports {
        Some(ports) if ports < by_files => (ports, "local ports"),
        _ => (by_files, "open files"),
    }
}

/// A line that is rewritten in place on a terminal, and printed once a second elsewhere.
struct Progress {
    live: bool,
    printed: Instant,
}

impl Progress {
    fn new() -> Self {
        Self { live: io::stderr().is_terminal(), printed: Instant::now() }
    }

    fn show(&mut self, share: f64, text: &str) {
        if self.live {
            let done = (share.clamp(0.0, 1.0) * 30.0) as usize;
            eprint!("\r[{:<30}] {text}\x1b[K", "#".repeat(done));
        } else if self.printed.elapsed() >= Duration::from_secs(1) {
            self.printed = Instant::now();
            eprintln!("{text}");
        }
    }

    fn clear(&self) {
        if self.live {
            eprint!("\r\x1b[K");
        }
    }
}

/// Waits until `over`, showing progress; `false` where nothing moves any more.
fn watch(
    progress: &mut Progress,
    over: impl Fn() -> bool,
    show: impl Fn() -> (f64, String),
) -> bool {
    let moved = || {
        VERIFIED.load(Ordering::Relaxed)
            + ENDED.load(Ordering::Relaxed)
            + FAILED.load(Ordering::Relaxed)
    };
    let (mut last, mut since) = (moved(), Instant::now());
    while !over() {
        if moved() != last {
            (last, since) = (moved(), Instant::now());
        } else if since.elapsed() > STALL {
            eprintln!("\nnothing has moved for {} s", STALL.as_secs());
            return false;
        }
        let (share, text) = show();
        progress.show(share, &text);
        // This is the main thread of the process, no green thread: it only watches.
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Waits for the first Ctrl-C or SIGTERM. The next one does what it does by default.
fn notice_interrupts() -> io::Result<()> {
    let signals = Signals::new([Signal::INT, Signal::TERM])?;
    greenthread::spawn(move || {
        let why = signals.wait();
        drop(signals);
        eprintln!("{why}: no more messages; once more ends it at once");
        INTERRUPTED.store(true, Ordering::Relaxed);
    });
    Ok(())
}

fn run(seconds: f64, wanted: Option<u64>) -> io::Result<bool> {
    notice_interrupts()?;
    let interrupted = || INTERRUPTED.load(Ordering::Relaxed);
    let files = raise_limit()?;
    let (room, bound) = room(files);
    let connections = wanted.unwrap_or(room);
    println!("limit of open files {files}: {connections} connections ({bound} allow {room})");

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    FLIP.store(std::env::var_os("C10K_FLIP").is_some(), Ordering::Relaxed);
    greenthread::spawn(move || accept_all(&listener));

    let mut progress = Progress::new();
    let memory_before = memory();
    let connecting = Instant::now();
    let mut begun = 0;
    while begun < connections && !interrupted() {
        for _ in 0..WAVE.min(connections - begun) {
            let id = begun;
            begun += 1;
            greenthread::spawn(move || {
                note_failure("client", client(id, server));
                ENDED.fetch_add(1, Ordering::Relaxed);
            });
        }
        let up = || CONNECTED.load(Ordering::Relaxed);
        let moving = watch(
            &mut progress,
            || up() == begun || FAILED.load(Ordering::Relaxed) > 0,
            || (up() as f64 / connections as f64, format!("{} connected", up())),
        );
        if !moving || FAILED.load(Ordering::Relaxed) > 0 {
            progress.clear();
            println!("FAILED while connecting: {} of {connections} up", up());
            return Ok(false);
        }
    }
    let connecting = connecting.elapsed();
    let connections = begun;

    let first = VERIFIED.load(Ordering::Relaxed);
    let (start, duration) = (Instant::now(), Duration::from_secs_f64(seconds));
    GO.store(true, Ordering::Relaxed);
    let verified = || VERIFIED.load(Ordering::Relaxed) - first;
    let moving = watch(
        &mut progress,
        || start.elapsed() >= duration || interrupted(),
        || {
            let elapsed = start.elapsed().as_secs_f64();
            let rate = verified() as f64 / elapsed.max(1e-3);
            let text = format!(
                "{elapsed:4.1} s  {connections} connections  {} messages verified  {rate:.0}/s  {} wrong",
                verified(),
                WRONG.load(Ordering::Relaxed)
            );
            (elapsed / seconds, text)
        },
    );
    let (messages, took) = (verified(), start.elapsed().as_secs_f64());
    // Now, while every connection is up.
    let per_connection = memory().saturating_sub(memory_before) / connections.max(1);
    let os_threads = status("Threads:");

    STOP.store(true, Ordering::Relaxed);
    let ended = moving
        && watch(
            &mut progress,
            || ENDED.load(Ordering::Relaxed) == connections,
            || (1.0, format!("{} closed", ENDED.load(Ordering::Relaxed))),
        );
    progress.clear();

    let (wrong, failed) = (WRONG.load(Ordering::Relaxed), FAILED.load(Ordering::Relaxed));
    let millis = |share| LATENCIES.quantile(share).as_secs_f64() * 1e3;
    println!("connections           {connections}, up in {:.2} s", connecting.as_secs_f64());
    println!("green threads         {}, one at each end", 2 * connections);
    println!("OS threads            {os_threads}, this one that watches among them");
    println!("messages verified     {messages} of {MESSAGE} bytes");
    println!("messages per second   {:.0}", messages as f64 / took);
    println!("latency               p50 {:.1} ms, p99 {:.1} ms", millis(0.5), millis(0.99));
    println!("memory per connection {per_connection} B, both ends, page tables included");
    println!("wrong bytes           {wrong}");
    println!("failed connections    {failed}");
    let good = ended && wrong == 0 && failed == 0 && (messages > 0 || interrupted());
    println!("{}", if good { "OK" } else { "FAILED" });
    Ok(good)
}

/// Has a browser look in, at the address that `--console` gives; it does for as long as what is returned is kept.
#[cfg(feature = "console")]
fn console(address: &str) -> io::Result<greenthread::inspect::Console> {
    let console = greenthread::inspect::serve(address)?;
    println!("console on http://{}/", console.local_addr());
    Ok(console)
}

#[cfg(not(feature = "console"))]
fn console(_: &str) -> io::Result<()> {
    Err(io::Error::other("`--console` needs the feature of that name: --features console"))
}

fn main() -> ExitCode {
    let mut arguments = usage::arguments(USAGE, &["--console"]);
    let _console = match arguments.iter().position(|argument| argument == "--console") {
        None => None,
        Some(at) => {
            let given: Vec<String> = arguments.drain(at..).collect();
            match console(given.get(1).map_or("127.0.0.1:7669", String::as_str)) {
                Ok(console) => Some(console),
                Err(error) => {
                    eprintln!("c10k: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    };
    let seconds = arguments.first().map_or(Ok(5.0), |text| text.parse::<f64>());
    let connections = arguments.get(1).map(|text| text.parse::<u64>()).transpose();
    let (Ok(seconds @ 0.1..=86_400.0), Ok(None | Some(1..)), ..=2) =
        (seconds, &connections, arguments.len())
    else {
        usage::usage(USAGE);
    };
    match run(seconds, connections.ok().flatten()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("c10k: {error}");
            ExitCode::FAILURE
        }
    }
}
