//! What a blocked green thread costs: resident bytes and page tables of 100,000 of them, beside may and tokio.
//!
//!     cargo bench -p greenthread-benches --bench memory [-- N...]
//!
//! `-- 100000 1000000` measures a million too. Each figure is from a process of its own: this program starts itself.

use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PEERS: &[&str] = &["greenthread", "may", "tokio"];
/// How long one process may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What `/proc/self/status` says in the line `key`, which is in KiB, in bytes.
fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a known line");
    let kib = line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
    kib.expect("a number") * 1024
}

/// Counts those that are up, and takes the figures when all are.
struct Census {
    up: Arc<AtomicU64>,
    resident: u64,
    tables: u64,
    start: Instant,
}

impl Census {
    fn begin() -> Self {
        Self {
            up: Arc::default(),
            resident: status("VmRSS:"),
            tables: status("VmPTE:"),
            start: Instant::now(),
        }
    }

    fn is_over(&self, n: u64) -> bool {
        self.up.load(Ordering::Relaxed) == n
    }

    /// Prints the figures and ends the process: the threads never do.
    fn end(&self, n: u64) -> ! {
        let took = self.start.elapsed().as_nanos() as u64 / n;
        let resident = status("VmRSS:").saturating_sub(self.resident) / n;
        let tables = status("VmPTE:").saturating_sub(self.tables) / n;
        println!(
            "{} B each: {resident} resident, {tables} of page tables; {took} ns each to start",
            resident + tables
        );
        std::process::exit(0);
    }
}

fn greenthread(n: u64) {
    let runtime = greenthread::Runtime::builder().workers(1).build().expect("a runtime");
    let measured = runtime.spawn(move || {
        let census = Census::begin();
        for _ in 0..n {
            let up = Arc::clone(&census.up);
            greenthread::spawn(move || {
                up.fetch_add(1, Ordering::Relaxed);
                greenthread::sleep(Duration::MAX);
            });
        }
        while !census.is_over(n) {
            greenthread::sleep(Duration::from_millis(1));
        }
        census.end(n);
    });
    let never: Result<(), _> = measured.join();
    never.expect("it ends the process");
}

fn may(n: u64) {
    may::config().set_workers(1);
    let measured = may::go!(move || {
        let gate = Arc::new(may::sync::Semphore::new(0));
        let census = Census::begin();
        for _ in 0..n {
            let (up, gate) = (Arc::clone(&census.up), Arc::clone(&gate));
            may::go!(move || {
                up.fetch_add(1, Ordering::Relaxed);
                gate.wait();
            });
        }
        while !census.is_over(n) {
            may::coroutine::sleep(Duration::from_millis(1));
        }
        census.end(n);
    });
    let never: Result<(), _> = measured.join();
    never.expect("it ends the process");
}

fn tokio(n: u64) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
    let measured = runtime.spawn(async move {
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let census = Census::begin();
        for _ in 0..n {
            let (up, gate) = (Arc::clone(&census.up), Arc::clone(&gate));
            tokio::spawn(async move {
                up.fetch_add(1, Ordering::Relaxed);
                drop(gate.acquire().await);
            });
        }
        while !census.is_over(n) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        census.end(n);
    });
    let never: Result<(), _> = runtime.block_on(measured);
    never.expect("it ends the process");
}

/// The figures of one peer from a fresh process, which has a minute: may, out of stacks, would wait for ever.
fn measure(peer: &str, n: u64) -> std::io::Result<String> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--child", peer, &n.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + LIMIT;
    while child.try_wait()?.is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let output = child.wait_with_output()?;
    Ok(match String::from_utf8_lossy(&output.stdout).trim() {
        "" => format!("did not get there ({})", output.status),
        figures => figures.to_string(),
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child, peer, n] = arguments.as_slice()
        && child == "--child"
    {
        let n = n.parse().expect("a number");
        match peer.as_str() {
            "greenthread" => greenthread(n),
            "may" => may(n),
            _ => tokio(n),
        }
        return ExitCode::FAILURE;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut sizes: Vec<u64> =
        arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.push(100_000);
    }
    for n in sizes {
        for peer in PEERS {
            match measure(peer, n) {
                Ok(figures) => println!("{n} blocked threads, {peer}: {figures}"),
                Err(error) => {
                    eprintln!("memory: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}
