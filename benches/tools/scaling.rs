//! How much more a server does with two workers than with one, where its handlers compute and its clients cost next to nothing.
//!
//!     cargo run --release --example scaling -- [ROUNDS]
//!
//! Both servers are in this process and are loaded by turns, by as many connections, whose clients are OS threads that wait nearly
//! always. Each round prints the requests of each turn in a second, and the processors that the process had in that time: on a
//! machine that does something else too, it is these that are missing.

#[path = "../../examples/shared/usage.rs"]
mod usage;

use greenthread::Runtime;
use greenthread::net::{SocketAddr, TcpStream};
use greenthread::server::StreamServer;
use std::hint::black_box;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str = "scaling [ROUNDS], 20 unless given";

/// How many connections each server has.
const CONNECTIONS: usize = 16;
/// How long one server is loaded before it is the other's turn.
const TURN: Duration = Duration::from_millis(500);
/// Steps of the computation of one request, some 300 µs.
const STEPS: u64 = 300_000;

/// The number of the server whose turn it is, and how many requests have been answered in it.
static TURN_OF: AtomicUsize = AtomicUsize::new(usize::MAX);
static DONE: AtomicU64 = AtomicU64::new(0);

fn compute(seed: u64) -> u64 {
    (0..STEPS).fold(seed | 1, |state, _| {
        let state = state ^ (state << 13);
        let state = state ^ (state >> 7);
        black_box(state ^ (state << 17))
    })
}

fn serve(runtime: &Runtime) -> SocketAddr {
    let start = || {
        let handler = |mut stream: TcpStream, _| -> std::io::Result<()> {
            let mut request = [0; 8];
            loop {
                stream.read_exact(&mut request)?;
                stream.write_all(&compute(u64::from_le_bytes(request)).to_le_bytes())?;
            }
        };
        let server = StreamServer::bind("127.0.0.1:0", handler).expect("bind");
        server.start().expect("start");
        let address = server.local_addr().expect("an address");
        // It serves until the process ends.
        std::mem::forget(server);
        address
    };
    runtime.spawn(start).join().expect("a server")
}

/// A client of server `at`: asks one thing after the other while it is the server's turn.
fn client(at: usize, address: SocketAddr) {
    let mut stream = std::net::TcpStream::connect(address).expect("connect");
    stream.set_nodelay(true).expect("set");
    let mut seed = 7u64;
    loop {
        while TURN_OF.load(Ordering::Relaxed) != at {
            std::thread::park();
        }
        stream.write_all(&seed.to_le_bytes()).expect("write");
        let mut reply = [0; 8];
        stream.read_exact(&mut reply).expect("read");
        seed = u64::from_le_bytes(reply);
        DONE.fetch_add(1, Ordering::Relaxed);
    }
}

/// User and system time of the process so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let rounds = match usage::arguments(USAGE, &[]).as_slice() {
        [] => 20,
        [rounds] => rounds.parse().unwrap_or_else(|_| usage::usage(USAGE)),
        _ => usage::usage(USAGE),
    };
    let workers = |count| Runtime::builder().workers(count).build().expect("a runtime");
    let runtimes = [workers(1), workers(2)];
    let clients = [0, 1].map(|at| {
        let address = serve(&runtimes[at]);
        (0..CONNECTIONS)
            .map(|_| std::thread::spawn(move || client(at, address)))
            .collect::<Vec<_>>()
    });
    // Requests in a second, and processors used.
    let turn = |at: usize| {
        TURN_OF.store(at, Ordering::Relaxed);
        clients[at].iter().for_each(|client| client.thread().unpark());
        std::thread::sleep(Duration::from_millis(50));
        let (begin, used, done) = (Instant::now(), processor_time(), DONE.load(Ordering::Relaxed));
        std::thread::sleep(TURN);
        let done = DONE.load(Ordering::Relaxed) - done;
        let (took, used) = (begin.elapsed(), processor_time() - used);
        TURN_OF.store(usize::MAX, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(50));
        (done as f64 / took.as_secs_f64(), used.div_duration_f64(took))
    };
    let (mut ratios, mut by_processor) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let ((one, used_by_one), (two, used_by_two)) = (turn(0), turn(1));
        println!(
            "one worker {one:.0}/s with {used_by_one:.2} processors, two {two:.0}/s with {used_by_two:.2}: {:.2} times as many",
            two / one
        );
        ratios.push(two / one);
        by_processor.push((two / used_by_two) / (one / used_by_one));
    }
    let most = ratios.iter().copied().fold(0.0, f64::max);
    println!(
        "median {:.2}, at most {most:.2}; for each second of processor time {:.3} times as many",
        median(ratios),
        median(by_processor)
    );
    std::process::exit(0);
}
