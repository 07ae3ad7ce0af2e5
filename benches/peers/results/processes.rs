//! Processes that are measured from outside.

use crate::elsewhere::{Tools, is_absent};
use crate::plan::{self, How, Measure, US};
use crate::records::{ENDED, Figures};
use greenthread_benches::servers::{Load, Places, Program, Turn, echo, http, in_memory};
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long one process may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How often is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(1);
/// With more connections one server is loaded after the other: this process may not have more open files.
const BESIDE: usize = 8000;

/// Who measures: with how much of the work, for how long servers are loaded, and where.
pub(crate) struct Measurer {
    pub(crate) tools: Tools,
    /// All work is divided by this.
    pub(crate) less: u64,
    pub(crate) loaded: Duration,
    pub(crate) apart: Places,
    pub(crate) anywhere: Places,
}

/// What a whole process has used.
struct Used {
    processor: Duration,
    took: Duration,
    printed: String,
}

fn died(what: &str) -> io::Error {
    io::Error::other(format!("{ENDED}{what}"))
}

/// The error as one that should not be, unless the peer is not installed.
fn unexpected(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.starts_with(ENDED) || is_absent(&text) {
        true => error,
        false => died(&text),
    }
}

impl Measurer {
    /// One round of a measure: each peer once.
    pub(crate) fn round(&self, measure: &Measure) -> Vec<(&'static str, io::Result<Figures>)> {
        let figures = match measure.how {
            How::Served { .. } | How::Shared { .. } => self.servers(measure),
            _ => {
                let one = |peer: &&'static str| {
                    let possible = plan::possible(peer, measure.how).map_err(io::Error::other);
                    let figures =
                        possible.and_then(|()| self.one(peer, measure.how).map_err(unexpected));
                    (*peer, figures)
                };
                measure.peers.iter().map(one).collect()
            }
        };
        // What is started next may be anywhere.
        let _ = self.anywhere.of_the_server();
        figures
    }

    fn one(&self, peer: &str, how: How) -> io::Result<Figures> {
        let part = |workload, n: u64, threads: u64| {
            (n / plan::divisor(peer, workload) / self.less).max(threads * 4).max(4)
        };
        match how {
            How::Work { workload, workers, n, threads } => {
                let threads = (threads / self.less).max(10);
                let n = part(workload, n, threads);
                let half = self.run(peer, workload, workers, n / 2, threads)?;
                let whole = self.run(peer, workload, workers, n, threads)?;
                let each = |whole: Duration, half: Duration| {
                    (whole.as_nanos() as f64 - half.as_nanos() as f64) / (n - n / 2) as f64
                };
                let mut figures = printed(&whole.printed);
                figures.insert("ns".into(), each(whole.processor, half.processor));
                // With one worker that is the same, and what else the machine does.
                if workers > 1 {
                    figures.insert("ns until done".into(), each(whole.took, half.took));
                }
                Ok(figures)
            }
            How::Once { workload, workers, n } => {
                let n = part(workload, n, 1);
                let used = self.run(peer, workload, workers, n, 1)?;
                let mut figures = printed(&used.printed);
                figures.insert("ns".into(), used.processor.as_nanos() as f64 / n as f64);
                Ok(figures)
            }
            How::Memory { n } => self.memory(peer, (n / self.less).max(10)),
            How::Idle { connections } => {
                let connections = (connections / self.less as usize).max(10);
                let load = echo::load("", connections);
                let each = load.memory(&self.server(peer, "echo", 1)?, &self.apart)?;
                Ok(Figures::from([("bytes".into(), each)]))
            }
            How::Served { .. } | How::Shared { .. } => unreachable!("they run beside each other"),
        }
    }

    /// The command of a peer: of this program, or of another language.
    fn command(
        &self,
        peer: &str,
        kind: &str,
        what: &str,
        workers: usize,
    ) -> io::Result<Vec<OsString>> {
        if let Some(command) = self.tools.command(peer, workers) {
            return Ok(command?
                .into_iter()
                .chain([what.into(), workers.to_string().into()])
                .collect());
        }
        let program = std::env::current_exe()?.into_os_string();
        let rest = [kind, what, peer].map(OsString::from);
        Ok([program].into_iter().chain(rest).chain([workers.to_string().into()]).collect())
    }

    fn start(
        &self,
        peer: &str,
        what: &str,
        workers: usize,
        n: u64,
        threads: u64,
    ) -> io::Result<Child> {
        let command = self.command(peer, "--run", what, workers)?;
        // With one worker all of a process is on one processor; the OS threads have no other way to be.
        if workers == 1 { &self.apart } else { &self.anywhere }.of_the_server()?;
        let child = Command::new(&command[0])
            .args(&command[1..])
            .args([n.to_string(), threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        self.anywhere.of_the_server()?;
        child
    }

    /// Runs a process to its end.
    fn run(
        &self,
        peer: &str,
        what: &str,
        workers: usize,
        n: u64,
        threads: u64,
    ) -> io::Result<Used> {
        let begin = Instant::now();
        let mut child = self.start(peer, what, workers, n, threads)?;
        let mut stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (status, processor) = wait(child, begin + LIMIT)?;
        let took = begin.elapsed();
        let mut printed = String::new();
        // What it prints fits a pipe.
        stdout.read_to_string(&mut printed)?;
        if status != 0 {
            return Err(died(if took >= LIMIT { "took more than a minute" } else { "it failed" }));
        }
        Ok(Used { processor, took, printed })
    }

    /// Memory and processor time between the two stops of a process.
    fn memory(&self, peer: &str, n: u64) -> io::Result<Figures> {
        let mut child = self.start(peer, "memory", 1, n, 1)?;
        let figures = stops(&mut child, n);
        let _ = child.kill();
        let _ = child.wait();
        figures
    }

    fn server(&self, peer: &str, server: &str, workers: usize) -> io::Result<Program> {
        let mut command = self.command(peer, "--server", server, workers)?;
        if self.tools.command(peer, workers).is_some() {
            command.extend(["1".into(), "1".into()]);
        }
        Ok(Program { name: peer.into(), command })
    }

    fn servers(&self, measure: &Measure) -> Vec<(&'static str, io::Result<Figures>)> {
        let (server, connections, places, turn) = match measure.how {
            How::Served { server, connections } => (server, connections, &self.apart, Turn::Whole),
            How::Shared { server, connections } => {
                (server, connections, &self.anywhere, Turn::Within)
            }
            _ => return Vec::new(),
        };
        let connections = (connections / self.less as usize).max(1);
        let load = match server {
            "http" => http::load("", connections, 1),
            _ => echo::load("", connections),
        };
        let program = |peer: &&'static str| {
            let (name, workers) = plan::workers_of(peer);
            (*peer, self.server(name, server, workers))
        };
        let all: Vec<_> = measure.peers.iter().map(program).collect();
        let there: Vec<Program> =
            all.iter().filter_map(|(_, program)| program.as_ref().ok().cloned()).collect();
        let mut costs = if connections * there.len() > BESIDE {
            there
                .iter()
                .flat_map(|one| self.loaded(&load, std::slice::from_ref(one), places, turn))
                .collect()
        } else {
            self.loaded(&load, &there, places, turn)
        }
        .into_iter();
        let figures = |program: io::Result<Program>| {
            program.and_then(|_| costs.next().unwrap_or_else(|| Err(died("no figure"))))
        };
        let (names, programs): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        names.into_iter().zip(programs.into_iter().map(figures)).collect()
    }

    fn loaded(
        &self,
        load: &Load,
        servers: &[Program],
        places: &Places,
        turn: Turn,
    ) -> Vec<io::Result<Figures>> {
        match load.measure(servers, self.loaded, places, turn) {
            Ok(costs) => costs
                .into_iter()
                .map(|cost| {
                    Ok(Figures::from([
                        ("us".into(), cost.micros),
                        ("each second".into(), cost.each_second),
                    ]))
                })
                .collect(),
            Err(error) => servers.iter().map(|_| Err(died(&error.to_string()))).collect(),
        }
    }
}

/// The peer's own figures, a line each: a name, and a number at its end. The last of a name counts.
fn printed(text: &str) -> Figures {
    let figure = |line: &str| {
        let (name, number) = line.rsplit_once(' ')?;
        Some((name.to_string(), number.parse().ok()?))
    };
    text.lines().filter_map(figure).collect()
}

/// The end of a process: its exit code, -1 where a signal ended it, and its processor time in user mode and in the kernel.
fn wait(mut child: Child, until: Instant) -> io::Result<(i32, Duration)> {
    let process = child.id() as libc::pid_t;
    loop {
        let mut status = 0;
        // SAFETY: all bits zero are a value of this type.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both are places of the types that the call fills in.
        match unsafe { libc::wait4(process, &raw mut status, libc::WNOHANG, &raw mut usage) } {
            0 if Instant::now() < until => std::thread::sleep(LOOK),
            0 => {
                child.kill()?;
                let status = child.wait()?;
                return Ok((status.code().unwrap_or(-1), Duration::ZERO));
            }
            -1 => return Err(io::Error::last_os_error()),
            _ => {
                let time = |it: libc::timeval| {
                    Duration::from_secs(it.tv_sec as u64) + Duration::from_micros(it.tv_usec as u64)
                };
                let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 };
                return Ok((code, time(usage.ru_utime) + time(usage.ru_stime)));
            }
        }
    }
}

/// The processor time of another process so far.
fn processor_time(process: u32) -> io::Result<Duration> {
    let mut clock = 0;
    // SAFETY: the place is of the type that the call fills in.
    match unsafe { libc::clock_getcpuclockid(process as libc::pid_t, &raw mut clock) } {
        0 => {}
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as above.
    match unsafe { libc::clock_gettime(clock, &raw mut time) } {
        0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes a process through its two stops.
fn stops(child: &mut Child, n: u64) -> io::Result<Figures> {
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let _ = sender.send(line);
        }
    });
    let at = |expected| match lines.recv_timeout(LIMIT) {
        Ok(Ok(line)) if line == expected => {
            Ok((in_memory(child.id())?, processor_time(child.id())?))
        }
        Err(mpsc::RecvTimeoutError::Timeout) => Err(died("took more than a minute")),
        _ => Err(died("it failed")),
    };
    let before = at("ready")?;
    stdin.write_all(b"\n")?;
    let after = at("up")?;
    let bytes = after.0.saturating_sub(before.0) as f64 / n as f64;
    let nanos = (after.1 - before.1).as_nanos() as f64 / n as f64;
    Ok(Figures::from([("bytes".into(), bytes), ("ns".into(), nanos)]))
}

/// What this program does as a peer.
pub(crate) fn serve(server: &str, peer: &str, workers: usize) -> io::Result<()> {
    let work = if server == "compute" { echo::COMPUTE } else { echo::ECHO };
    match (server, peer) {
        ("http", US) => http::greenthread(workers),
        ("http", "tokio") => http::tokio(workers),
        ("http", "bare loop") => http::bare_loop(),
        (_, US) => echo::greenthread(workers, work),
        (_, "may") => echo::may(workers, work),
        (_, "tokio") => echo::tokio(workers, work),
        (_, "OS threads") => echo::os_threads(work),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}
