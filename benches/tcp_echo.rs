//! A TCP echo server's processor time per message, beside may and tokio: 64-byte messages, 64 and 1000 connections.
//!
//!     cargo bench --bench tcp_echo [-- ROUNDS [SECONDS]]
//!
//! Each server is a process of its own (this program, started again) with one worker, on the first processor that this
//! process may use; the load comes from here, on the second: each connection always has one message under way. The
//! servers take turns, and the ratios are medians over the rounds. Times are the kernel's, as `/proc/PID/stat` has them.

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::param::clock_ticks_per_second;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const PEERS: &[&str] = &["greenthread", "may", "tokio"];
const CONNECTIONS: &[usize] = &[64, 1000];
const MESSAGE: usize = 64;
const WARM_UP: Duration = Duration::from_millis(300);

fn greenthread() -> io::Result<()> {
    let runtime = greenthread::Runtime::builder().workers(1).build()?;
    let server = runtime.spawn(|| -> io::Result<()> {
        let listener = greenthread::net::TcpListener::bind("127.0.0.1:0")?;
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
}

fn may() -> io::Result<()> {
    may::config().set_workers(1);
    let server = may::go!(|| -> io::Result<()> {
        let listener = may::net::TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        for stream in listener.incoming() {
            let mut stream = stream?;
            may::go!(move || -> io::Result<()> {
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
}

fn tokio() -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build()?;
    let server = runtime.spawn(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return io::Result::Ok(()),
                        n => stream.write_all(&buffer[..n]).await?,
                    }
                }
            });
        }
    });
    runtime.block_on(server).expect("the server does not end")
}

/// Serves as `peer` does, until standard input ends: then the process that started this one has gone.
fn serve(peer: &str) -> io::Result<()> {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    match peer {
        "greenthread" => greenthread(),
        "may" => may(),
        _ => tokio(),
    }
}

/// A server in a process of its own; ends with this value.
struct Server {
    process: Child,
    address: String,
    _lifeline: Option<ChildStdin>,
}

impl Server {
    fn start(peer: &str, processors: [usize; 2]) -> io::Result<Self> {
        // The child inherits the place; then this process leaves it.
        pin(processors[0])?;
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--server", peer])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        pin(processors[1])?;
        let mut address = String::new();
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut address)?;
        let lifeline = process.stdin.take();
        Ok(Self { process, address: address.trim().to_string(), _lifeline: lifeline })
    }

    /// Processor time that it has used, of all its threads, in user mode and in the kernel.
    fn processor_time(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The second field is the name in parentheses; what is counted follows it.
        let (_, fields) = stat.rsplit_once(") ").ok_or(io::ErrorKind::InvalidData)?;
        let ticks: u64 =
            fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Connection {
    stream: TcpStream,
    missing: usize,
}

/// Keeps one message under way on each connection until `until`; returns how many came back.
fn drive(poll: &mut Poll, connections: &mut [Connection], until: Instant) -> io::Result<u64> {
    let message = [b'm'; MESSAGE];
    let mut events = Events::with_capacity(1024);
    let mut back = 0;
    while Instant::now() < until {
        poll.poll(&mut events, Some(Duration::from_secs(1)))?;
        for event in &events {
            let connection = &mut connections[event.token().0];
            // A short read leaves the socket empty: the next byte is a new event.
            let mut buffer = [0; 2 * MESSAGE];
            match connection.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => connection.missing = connection.missing.saturating_sub(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if connection.missing == 0 {
                back += 1;
                connection.missing = MESSAGE;
                connection.stream.write_all(&message)?;
            }
        }
    }
    Ok(back)
}

/// Microseconds of the server's processor time for each message.
fn measure(
    peer: &str,
    count: usize,
    duration: Duration,
    processors: [usize; 2],
) -> io::Result<f64> {
    let server = Server::start(peer, processors)?;
    let mut poll = Poll::new()?;
    let mut connections = Vec::with_capacity(count);
    for at in 0..count {
        let mut stream = TcpStream::connect(&server.address)?;
        stream.set_nodelay(true)?;
        // One exchange at a time while they are opened: so none waits in the backlog.
        let mut message = [b'm'; MESSAGE];
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        stream.set_nonblocking(true)?;
        poll.registry().register(
            &mut SourceFd(&stream.as_raw_fd()),
            Token(at),
            Interest::READABLE,
        )?;
        connections.push(Connection { stream, missing: MESSAGE });
    }
    for connection in &mut connections {
        connection.stream.write_all(&[b'm'; MESSAGE])?;
    }
    drive(&mut poll, &mut connections, Instant::now() + WARM_UP)?;
    let before = server.processor_time()?;
    let messages = drive(&mut poll, &mut connections, Instant::now() + duration)?;
    let used = server.processor_time()? - before;
    Ok(used.as_secs_f64() * 1e6 / messages.max(1) as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The first two processors that this process may use; one twice where there is no second.
fn two_processors() -> io::Result<[usize; 2]> {
    let allowed = sched_getaffinity(None)?;
    let mut usable = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor));
    let first = usable.next().unwrap_or(0);
    Ok([first, usable.next().unwrap_or(first)])
}

/// Binds the calling process to one processor.
fn pin(processor: usize) -> io::Result<()> {
    let mut one = CpuSet::new();
    one.set(processor);
    Ok(sched_setaffinity(None, &one)?)
}

fn compare(rounds: usize, duration: Duration) -> io::Result<()> {
    let processors = two_processors()?;
    for &count in CONNECTIONS {
        let mut figures = vec![Vec::new(); PEERS.len()];
        for _ in 0..rounds {
            for (at, peer) in PEERS.iter().enumerate() {
                figures[at].push(measure(peer, count, duration, processors)?);
            }
        }
        let ratios = |to: usize| (0..rounds).map(|at| figures[0][at] / figures[to][at]).collect();
        for (at, peer) in PEERS.iter().enumerate() {
            let beside = match at {
                0 => String::new(),
                _ => format!("; {} takes {:.3} of it", PEERS[0], median(ratios(at))),
            };
            let micros = median(figures[at].clone());
            println!("{count} connections, {peer}: {micros:.2} us of server per message{beside}");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = if let [server, peer] = arguments.as_slice()
        && server == "--server"
    {
        serve(peer)
    } else if arguments.iter().any(|argument| argument == "--bench") {
        let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<f64>().ok());
        let rounds = numbers.next().map_or(3, |rounds| (rounds as usize).max(1));
        let seconds = Duration::from_secs_f64(numbers.next().unwrap_or(2.0));
        compare(rounds, seconds)
    } else {
        Ok(())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tcp_echo: {error}");
            ExitCode::FAILURE
        }
    }
}
