//! What dumps of a busy server cost its clients: echo latencies with one dump after the other, and without, by turns.
//!
//!     cargo bench -p greenthread-benches --features inspect --bench inspect -- [CONNECTIONS] [SECONDS] [PER_SECOND] [json]
//!
//! Unless told otherwise, 10,000 connections for 60 seconds. Server and clients are in this process, each on a runtime with one worker;
//! a client sends 64 bytes so many times in a second, unless told otherwise two; 0 is as often as it can. Of each pair of turns the
//! 50th and 99th percentile are printed, and of the dumps how long one takes and how many green threads it tells of. Every byte is
//! compared, each backtrace must name the function that waits, and the last dump of each turn is read as JSON after it. With `json`
//! each dump is made JSON of within the turn, which takes another processor longer than the dump.

use greenthread::Runtime;
use greenthread::inspect::dump;
use greenthread::net::{TcpListener, TcpStream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

const TURN: Duration = Duration::from_secs(5);

static CONNECTED: AtomicUsize = AtomicUsize::new(0);
static OVER: AtomicBool = AtomicBool::new(false);
static PAUSE: OnceLock<Duration> = OnceLock::new();
static LATENCIES: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

#[inline(never)]
fn answer(mut stream: TcpStream) {
    let mut message = [0; 64];
    while stream.read_exact(&mut message).is_ok() {
        stream.write_all(&message).expect("write");
    }
}

#[inline(never)]
fn ask(address: SocketAddr, number: usize) {
    let mut stream = TcpStream::connect(address).expect("connect");
    CONNECTED.fetch_add(1, Ordering::SeqCst);
    let message = [number as u8; 64];
    let mut reply = [0; 64];
    let pause = *PAUSE.get().expect("it is set first");
    greenthread::sleep(pause.mul_f64(number as f64 % 100.0 / 100.0));
    while !OVER.load(Ordering::Relaxed) {
        let begun = Instant::now();
        stream.write_all(&message).expect("write");
        stream.read_exact(&mut reply).expect("read");
        assert_eq!(message, reply);
        let taken = begun.elapsed();
        LATENCIES.lock().expect("no panic").push(taken);
        if !pause.is_zero() {
            greenthread::sleep(pause.saturating_sub(taken));
        }
    }
}

/// Those since the last time, which are added to `together`.
fn percentiles(together: &mut Vec<Duration>) -> (Duration, Duration) {
    let all = std::mem::take(&mut *LATENCIES.lock().expect("no panic"));
    together.extend_from_slice(&all);
    percentiles_of(all)
}

fn percentiles_of(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort_unstable();
    let at = |share: f64| all.get((all.len() as f64 * share) as usize).copied().unwrap_or_default();
    (at(0.5), at(0.99))
}

fn main() {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|it| it.parse().ok()).collect();
    let connections = given.first().copied().unwrap_or(10_000);
    let until = Instant::now() + Duration::from_secs(given.get(1).map_or(60, |it| *it as u64));
    let per_second = given.get(2).map_or(2, |it| *it as u64);
    let pause = Duration::from_secs(1).checked_div(per_second as u32).unwrap_or_default();
    PAUSE.set(pause).expect("once");
    let json = std::env::args().any(|it| it == "json");
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("its own limit");
    let room = limit.maximum.map_or(usize::MAX, |most| (most as usize).saturating_sub(100) / 2);
    let connections = connections.min(room);
    println!("{connections} connections");
    let build = |name| Runtime::builder().workers(1).thread_name(name).build().expect("a runtime");
    let (servers, clients) = (build("server"), build("client"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("an address");
    drop(servers.spawn(move || {
        for stream in listener.incoming().flatten() {
            greenthread::spawn(move || answer(stream));
        }
    }));
    for number in 0..connections {
        drop(clients.spawn(move || ask(address, number)));
        while CONNECTED.load(Ordering::SeqCst) + 64 < number {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    while CONNECTED.load(Ordering::SeqCst) < connections {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The first one looks up names.
    drop(dump());
    let (mut dumps, mut seen, mut all) = (0, 0, Duration::ZERO);
    let (mut all_without, mut all_with) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        let _ = percentiles(&mut Vec::new());
        std::thread::sleep(TURN);
        let without = percentiles(&mut all_without);
        let (turn, mut last) = (Instant::now(), None);
        while turn.elapsed() < TURN {
            let begun = Instant::now();
            let dump = dump();
            all += begun.elapsed();
            dumps += 1;
            seen += dump.threads.len();
            assert!(dump.threads.len() > 2 * connections);
            let named = dump.threads.iter().filter(|it| it.is_in("answer") || it.is_in("ask"));
            assert!(named.count() >= 2 * connections - connections / 100, "{dump}");
            if json {
                drop(dump.to_json());
            }
            last = Some(dump);
        }
        let with = percentiles(&mut all_with);
        check_json(&last.expect("one took no turn").to_json(), 2 * connections);
        println!(
            "p50 {:?} without, {:?} with; p99 {:?} without, {:?} with: {:.2} times",
            without.0,
            with.0,
            without.1,
            with.1,
            with.1.as_secs_f64() / without.1.as_secs_f64()
        );
    }
    let (without, with) = (percentiles_of(all_without).1, percentiles_of(all_with).1);
    let times = with.as_secs_f64() / without.as_secs_f64();
    println!("p99 of all turns {without:?} without, {with:?} with: {times:.2} times");
    println!("{dumps} dumps of {} green threads, {:?} each", seen / dumps, all / dumps as u32);
    OVER.store(true, Ordering::SeqCst);
    std::process::exit(0);
}

/// It is JSON, which tells of more green threads than that, each with a state.
fn check_json(json: &str, more_than: usize) {
    let value: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
    let threads = value["threads"].as_array().expect("a list");
    assert!(threads.len() > more_than && threads.iter().all(|it| it["state"].is_string()));
}
