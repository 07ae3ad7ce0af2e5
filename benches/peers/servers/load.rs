//! The load of a server, and what its work takes.

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_millis(200);
/// For how long requests are sent to one server before it is the other's turn.
const TURN: Duration = Duration::from_millis(40);
/// For how long requests are sent to one server, and from when on it is measured, where that is done without turns.
const LONG_TURN: Duration = Duration::from_millis(400);
const UNDER_WAY: Duration = Duration::from_millis(40);
/// By then a server has done what follows its last reply, and sleeps.
const AT_REST: Duration = Duration::from_micros(500);

/// A program that is a server: prints its address on a line of its own, and serves until its standard input ends.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: String,
    pub command: Vec<OsString>,
}

/// What is measured of the time in which a server is loaded.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// All of a short turn.
    Whole,
    /// The middle of a long one.
    Within,
}

/// What a server's work takes.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Microseconds of its processor time for each unit.
    pub micros: f64,
    /// Units in a second of the load.
    pub each_second: f64,
    /// Which share of the exchanges that half of the connections had that had more of them.
    pub busier_half: f64,
}

/// What the connections do.
pub struct Load {
    pub label: &'static str,
    pub connections: usize,
    /// What is written in one go.
    pub request: Vec<u8>,
    /// How many bytes come back for that.
    pub reply: usize,
    /// How many units of work that is.
    pub units: u64,
}

/// A server in a process of its own; ends with this value.
struct Server {
    process: Child,
    address: String,
    _lifeline: Option<ChildStdin>,
}

impl Server {
    fn start(program: &Program, places: &Places) -> io::Result<Self> {
        // The child inherits the place; then this process leaves it.
        places.of_the_server()?;
        let mut process = Command::new(&program.command[0])
            .args(&program.command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        places.of_the_load()?;
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

    /// Bytes that it has in memory, page tables included.
    fn memory(&self) -> io::Result<u64> {
        in_memory(self.process.id())
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
    took: Duration,
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

    /// Connects to a server, with one exchange on each connection.
    fn connect(&self, server: &Server, poll: &Poll) -> io::Result<Vec<Connection>> {
        let connect = |at| -> io::Result<Connection> {
            let mut stream = TcpStream::connect(&server.address)?;
            stream.set_nodelay(true)?;
            // One exchange at a time while they are opened: so none waits in the backlog.
            stream.write_all(&self.request)?;
            stream.read_exact(&mut vec![0; self.reply])?;
            stream.set_nonblocking(true)?;
            let source = stream.as_raw_fd();
            poll.registry().register(&mut SourceFd(&source), Token(at), Interest::READABLE)?;
            Ok(Connection { stream, missing: 0, done: 0 })
        };
        (0..self.connections).map(connect).collect()
    }

    /// Starts a server and its load.
    fn start(&self, program: &Program, places: &Places) -> io::Result<Loaded> {
        let server = Server::start(program, places)?;
        let mut poll = Poll::new()?;
        let mut connections = self.connect(&server, &poll)?;
        self.drive(&mut poll, &mut connections, &[Instant::now() + WARM_UP], |_| Ok(()))?;
        let (used, took) = (Duration::ZERO, Duration::ZERO);
        Ok(Loaded { server, poll, connections, done: 0, used, took })
    }

    /// Bytes of a server's memory that each connection takes while it is idle.
    pub fn memory(&self, program: &Program, places: &Places) -> io::Result<f64> {
        let server = Server::start(program, places)?;
        let poll = Poll::new()?;
        // The first one finds out what a server has to set up once.
        let first = Load { connections: 1, request: self.request.clone(), ..*self };
        let _first = first.connect(&server, &poll)?;
        let before = server.memory()?;
        let _all = self.connect(&server, &poll)?;
        Ok(server.memory()?.saturating_sub(before) as f64 / self.connections as f64)
    }

    /// Loads a server for a turn, all of which is measured; returns how long it is.
    fn whole_turn(&self, loaded: &mut Loaded) -> io::Result<Duration> {
        let (before, begin) = (loaded.server.processor_time()?, Instant::now());
        let until = [begin + TURN];
        loaded.done += self.drive(&mut loaded.poll, &mut loaded.connections, &until, |_| Ok(()))?;
        loaded.took += begin.elapsed();
        loaded.used += loaded.server.processor_time()? - before;
        Ok(TURN)
    }

    /// Loads a server for a long turn, and measures between two moments of it at which each connection has a request under way.
    fn within_a_turn(&self, loaded: &mut Loaded) -> io::Result<Duration> {
        let now = Instant::now();
        let (times, mut seen) = ([now + UNDER_WAY, now + LONG_TURN], Vec::new());
        let server = &loaded.server;
        self.drive(&mut loaded.poll, &mut loaded.connections, &times, |done| {
            seen.push((done, server.processor_time()?, Instant::now()));
            Ok(())
        })?;
        let &[(done_before, used_before, begin), (done, used, end)] = seen.as_slice() else {
            return Err(io::Error::other("a turn has ended before it was measured"));
        };
        loaded.done += done - done_before;
        loaded.used += used - used_before;
        loaded.took += end - begin;
        Ok(LONG_TURN - UNDER_WAY)
    }

    /// What the work of each server takes, each loaded for `duration` and by turns.
    pub fn measure(
        &self,
        programs: &[Program],
        duration: Duration,
        places: &Places,
        turn: Turn,
    ) -> io::Result<Vec<Cost>> {
        let start = |program| self.start(program, places);
        let mut all = programs.iter().map(start).collect::<io::Result<Vec<_>>>()?;
        let mut measured = Duration::ZERO;
        while measured < duration {
            let turns = all.iter_mut().map(|loaded| match turn {
                Turn::Whole => self.whole_turn(loaded),
                Turn::Within => self.within_a_turn(loaded),
            });
            measured += turns.collect::<io::Result<Vec<Duration>>>()?[0];
        }
        let cost = |it: &Loaded| {
            let units = (it.done * self.units).max(1) as f64;
            Cost {
                micros: it.used.as_secs_f64() * 1e6 / units,
                each_second: units / it.took.as_secs_f64(),
                busier_half: it.busier_half(),
            }
        };
        Ok(all.iter().map(cost).collect())
    }
}

/// Bytes that a process has in memory, page tables included.
pub fn in_memory(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib = |key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
    };
    let both = kib("VmRSS:").zip(kib("VmPTE:"));
    both.map(|(resident, tables)| (resident + tables) * 1024).ok_or(io::ErrorKind::Other.into())
}

/// Which processors a server runs on, and its load.
#[derive(Clone, Debug)]
pub struct Places {
    server: CpuSet,
    load: CpuSet,
}

impl Places {
    /// The server on the first processor that this process may use, the load on the second; both on the one where there is no second.
    pub fn apart() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor));
        let mut next = || {
            let mut one = CpuSet::new();
            usable.next().map(|processor| one.set(processor)).map(|()| one)
        };
        let server = next().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { load: next().unwrap_or(server), server })
    }

    /// Both wherever this process may be.
    pub fn anywhere() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        Ok(Self { server: allowed, load: allowed })
    }

    /// Binds the calling thread to where servers run, and with it what it starts.
    pub fn of_the_server(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.server)?)
    }

    fn of_the_load(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.load)?)
    }
}
