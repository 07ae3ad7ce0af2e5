//! Servers side by side: the processor time that each takes for a unit of work, in turns, under the same load.
//!
//! Each server is a process of its own (the benchmark, started again) with one worker, on the first processor that this
//! process may use; the load comes from here, on the second: in its turn, each connection always has one exchange under way.
//!
//! In a round the servers run beside each other and are loaded in turns of some hundredths of a second, so that what
//! else the machine does meets them alike; each round has new processes, and the ratios are medians over the rounds.
//! Times are the kernel's, as `/proc/PID/task/*/schedstat` has them.
//!
//! A turn ends when every reply has come. If it ended before, a server that is a little slower than the load would answer most of its
//! connections between two turns, where nobody measures it, and one that is a little faster none: with 1000 connections, a sixth of
//! the work.
//!
//! `without-turns` among the arguments measures in the middle of the load instead: a turn is ten times as long, and what its first
//! hundredth of a second and its end take is left out. So each server is busy without a pause, and its caches hold what it uses;
//! after a pause they hold what the others have used, and the first requests of a turn find nothing in them.
//!
//! Which share of the exchanges the busier half of the connections had tells in which order a server takes them. One that serves some
//! of its connections again while others wait keeps the memory of these in the caches, and takes less for a request.
//!
//! `EARLIER=PROGRAM` names the same benchmark as an earlier commit built it (in `target/release/deps`): its first server is one of
//! those compared then, called `earlier`.

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_millis(200);
/// For how long requests are sent to one server before it is the other's turn.
const TURN: Duration = Duration::from_millis(40);
/// For how long requests are sent to one server, and from when on it is measured, where that is done without turns.
const LONG_TURN: Duration = Duration::from_millis(400);
const UNDER_WAY: Duration = Duration::from_millis(40);
/// The argument that says so.
const WITHOUT_TURNS: &str = "without-turns";
/// By then a server has done what follows its last reply, and sleeps.
const AT_REST: Duration = Duration::from_micros(500);

/// A server: its name, and what prints its address on a line of its own and serves for ever. The first is compared with
/// the others.
pub(crate) type Peer = (&'static str, fn() -> io::Result<()>);

/// Begins the name of a server that is another program's.
const EARLIER: &str = "earlier ";

/// What the connections do.
pub(crate) struct Load {
    pub(crate) label: &'static str,
    pub(crate) connections: usize,
    /// What is written in one go.
    pub(crate) request: Vec<u8>,
    /// How many bytes come back for that.
    pub(crate) reply: usize,
    /// How many units of work that is.
    pub(crate) units: u64,
}

/// Serves as the peer of that name does, until standard input ends: then the process that started this one has gone.
fn serve(peers: &[Peer], name: &str) -> io::Result<()> {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let peer = peers.iter().find(|(known, _)| *known == name);
    peer.ok_or(io::ErrorKind::NotFound)?.1()
}

/// A server in a process of its own; ends with this value.
struct Server {
    process: Child,
    address: String,
    _lifeline: Option<ChildStdin>,
}

impl Server {
    fn start(peer: &str, processors: [usize; 2]) -> io::Result<Self> {
        let (program, peer) = match peer.strip_prefix(EARLIER) {
            Some(name) => (std::env::var_os("EARLIER").unwrap_or_default().into(), name),
            None => (std::env::current_exe()?, peer),
        };
        // The child inherits the place; then this process leaves it.
        pin(processors[0])?;
        let mut process = Command::new(program)
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
        let mut sum = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let used = text.split(' ').next().and_then(|field| field.parse::<u64>().ok());
            sum += used.ok_or(io::ErrorKind::InvalidData)?;
        }
        Ok(Duration::from_nanos(sum))
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
    done: u64,
}

impl Connection {
    fn begin(&mut self, load: &Load) -> io::Result<()> {
        self.missing = load.reply;
        self.stream.write_all(&load.request)
    }
}

/// A server under load.
struct Loaded {
    server: Server,
    poll: Poll,
    connections: Vec<Connection>,
    done: u64,
    used: Duration,
}

impl Loaded {
    /// Which share of the exchanges that half of the connections had that had more of them.
    fn busier_half(&self) -> f64 {
        let mut counts: Vec<u64> = self.connections.iter().map(|it| it.done).collect();
        counts.sort_unstable();
        let of = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
        of(&counts[counts.len() / 2..]) / of(&counts).max(1.0)
    }
}

/// Of one server in one round.
struct Figures {
    /// Of the server's processor time, for each unit.
    micros: f64,
    busier_half: f64,
}

impl Load {
    /// Keeps one exchange under way on each connection until the last of the `times`, and then waits for the replies; returns how many
    /// exchanges there were. At each of the times calls `at` with how many there have been.
    fn drive(
        &self,
        poll: &mut Poll,
        connections: &mut [Connection],
        times: &[Instant],
        mut at: impl FnMut(u64) -> io::Result<()>,
    ) -> io::Result<u64> {
        let mut times = times.iter().peekable();
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; self.reply + 1];
        let (mut done, mut under_way) = (0, connections.len());
        for connection in &mut *connections {
            connection.begin(self)?;
        }
        while under_way > 0 {
            let now = Instant::now();
            while times.next_if(|time| **time <= now).is_some() {
                at(done)?;
            }
            let goes_on = times.peek().is_some();
            poll.poll(&mut events, Some(Duration::from_secs(1)))?;
            for event in &events {
                let connection = &mut connections[event.token().0];
                // A short read leaves the socket empty: the next byte is a new event.
                match connection.stream.read(&mut buffer) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(n) if n > connection.missing => {
                        return Err(io::Error::other("more came back than was asked for"));
                    }
                    Ok(n) => connection.missing -= n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                }
                if connection.missing == 0 {
                    done += 1;
                    connection.done += 1;
                    if goes_on {
                        connection.begin(self)?;
                    } else {
                        under_way -= 1;
                    }
                }
            }
        }
        std::thread::sleep(AT_REST);
        Ok(done)
    }

    /// Starts a server and its load.
    fn start(&self, peer: &str, processors: [usize; 2]) -> io::Result<Loaded> {
        let server = Server::start(peer, processors)?;
        let mut poll = Poll::new()?;
        let mut connections = Vec::with_capacity(self.connections);
        for at in 0..self.connections {
            let mut stream = TcpStream::connect(&server.address)?;
            stream.set_nodelay(true)?;
            // One exchange at a time while they are opened: so none waits in the backlog.
            stream.write_all(&self.request)?;
            stream.read_exact(&mut vec![0; self.reply])?;
            stream.set_nonblocking(true)?;
            poll.registry().register(
                &mut SourceFd(&stream.as_raw_fd()),
                Token(at),
                Interest::READABLE,
            )?;
            connections.push(Connection { stream, missing: 0, done: 0 });
        }
        self.drive(&mut poll, &mut connections, &[Instant::now() + WARM_UP], |_| Ok(()))?;
        Ok(Loaded { server, poll, connections, done: 0, used: Duration::ZERO })
    }

    /// Loads a server for a turn, all of which is measured; returns how long it is.
    fn whole_turn(&self, loaded: &mut Loaded) -> io::Result<Duration> {
        let before = loaded.server.processor_time()?;
        let until = [Instant::now() + TURN];
        loaded.done += self.drive(&mut loaded.poll, &mut loaded.connections, &until, |_| Ok(()))?;
        loaded.used += loaded.server.processor_time()? - before;
        Ok(TURN)
    }

    /// Loads a server for a long turn, and measures between two moments of it at which each connection has a request under way.
    fn within_a_turn(&self, loaded: &mut Loaded) -> io::Result<Duration> {
        let now = Instant::now();
        let (times, mut seen) = ([now + UNDER_WAY, now + LONG_TURN], Vec::new());
        let server = &loaded.server;
        self.drive(&mut loaded.poll, &mut loaded.connections, &times, |done| {
            seen.push((done, server.processor_time()?));
            Ok(())
        })?;
        let &[(done_before, used_before), (done, used)] = seen.as_slice() else {
            return Err(io::Error::other("a turn has ended before it was measured"));
        };
        loaded.done += done - done_before;
        loaded.used += used - used_before;
        Ok(LONG_TURN - UNDER_WAY)
    }

    /// What each server took, each loaded for `duration`.
    fn measure(
        &self,
        peers: &[Peer],
        duration: Duration,
        processors: [usize; 2],
        turn: fn(&Self, &mut Loaded) -> io::Result<Duration>,
    ) -> io::Result<Vec<Figures>> {
        let mut all = Vec::new();
        for (name, _) in peers {
            all.push(self.start(name, processors)?);
        }
        let mut measured = Duration::ZERO;
        while measured < duration {
            let turns = all.iter_mut().map(|loaded| turn(self, loaded));
            measured += turns.collect::<io::Result<Vec<Duration>>>()?[0];
        }
        let each = |it: &Loaded| Figures {
            micros: it.used.as_secs_f64() * 1e6 / (it.done * self.units).max(1) as f64,
            busier_half: it.busier_half(),
        };
        Ok(all.iter().map(each).collect())
    }
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

fn compare(
    peers: &[Peer],
    loads: &[Load],
    unit: &str,
    rounds: usize,
    duration: Duration,
    turns: bool,
) -> io::Result<()> {
    let turn = if turns { Load::whole_turn } else { Load::within_a_turn };
    let processors = two_processors()?;
    for load in loads {
        let (mut figures, mut halves) =
            (vec![Vec::new(); peers.len()], vec![Vec::new(); peers.len()]);
        for _ in 0..rounds {
            let round = load.measure(peers, duration, processors, turn)?;
            for (at, figure) in round.into_iter().enumerate() {
                figures[at].push(figure.micros);
                halves[at].push(figure.busier_half);
            }
        }
        let ratios = |to: usize| (0..rounds).map(|at| figures[0][at] / figures[to][at]).collect();
        for (at, (name, _)) in peers.iter().enumerate() {
            let beside = match at {
                0 => String::new(),
                _ => format!("; {} takes {:.3} of it", peers[0].0, median(ratios(at))),
            };
            let micros = median(figures[at].clone());
            let half = median(halves[at].clone()) * 100.0;
            println!(
                "{}, {name}: {micros:.2} us of server per {unit}, {half:.1} % of them to the busier half{beside}",
                load.label
            );
        }
    }
    Ok(())
}

/// The `main` of a benchmark, whose arguments are `[ROUNDS [SECONDS]] [without-turns]`.
pub(crate) fn main(peers: &[Peer], loads: &[Load], unit: &str) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = if let [server, peer] = arguments.as_slice()
        && server == "--server"
    {
        serve(peers, peer)
    } else if arguments.iter().any(|argument| argument == "--bench") {
        let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<f64>().ok());
        let rounds = numbers.next().map_or(9, |rounds| (rounds as usize).max(1));
        let seconds = Duration::from_secs_f64(numbers.next().unwrap_or(0.6));
        let mut peers = peers.to_vec();
        if std::env::var_os("EARLIER").is_some() {
            let name = format!("{EARLIER}{}", peers[0].0).leak();
            peers.push((name, || unreachable!("it is run by another program")));
        }
        let turns = arguments.iter().all(|argument| argument != WITHOUT_TURNS);
        compare(&peers, loads, unit, rounds, seconds, turns)
    } else {
        Ok(())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
