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

pub mod echo;
pub mod http;
mod load;

pub use load::{Cost, Load, Places, Program, Turn, in_memory};

use crate::median;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// The argument that asks for figures from the middle of the load.
const WITHOUT_TURNS: &str = "without-turns";

/// A server: its name, and what prints its address on a line of its own and serves for ever. The first is compared with
/// the others.
pub type Peer = (&'static str, fn() -> io::Result<()>);

/// A server on tokio, for ever: prints the address of its listener, and runs what `serve` makes of each connection as a task.
pub fn on_tokio<C: Future<Output = io::Result<()>> + Send + 'static>(
    workers: usize,
    serve: impl Fn(tokio::net::TcpStream) -> C + Send + 'static,
) -> io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_all().build()?;
    let server = runtime.spawn(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            let set = stream.set_nodelay(true);
            let connection = serve(stream);
            tokio::spawn(async move {
                set?;
                connection.await
            });
        }
    });
    runtime.block_on(server).expect("the server does not end")
}

/// Serves until standard input ends: then the process that started this one has gone.
pub fn serve(server: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    server()
}

/// The peers as programs, and another program's first one where there is one.
fn programs(peers: &[Peer]) -> io::Result<Vec<Program>> {
    let program = std::env::current_exe()?.into_os_string();
    let server = |program: OsString, name: String, peer: &str| Program {
        name,
        command: vec![program, "--server".into(), peer.into()],
    };
    let own = peers.iter().map(|(name, _)| server(program.clone(), name.to_string(), name));
    let earlier = std::env::var_os("EARLIER");
    let earlier = earlier.map(|it| server(it, format!("earlier {}", peers[0].0), peers[0].0));
    Ok(own.chain(earlier).collect())
}

fn compare(
    peers: &[Program],
    loads: &[Load],
    unit: &str,
    rounds: usize,
    duration: Duration,
    turn: Turn,
) -> io::Result<()> {
    let places = Places::apart()?;
    for load in loads {
        let (mut figures, mut halves) =
            (vec![Vec::new(); peers.len()], vec![Vec::new(); peers.len()]);
        for _ in 0..rounds {
            let round = load.measure(peers, duration, &places, turn)?;
            for (at, cost) in round.into_iter().enumerate() {
                figures[at].push(cost.micros);
                halves[at].push(cost.busier_half);
            }
        }
        let ratios = |to: usize| (0..rounds).map(|at| figures[0][at] / figures[to][at]).collect();
        for (at, Program { name, .. }) in peers.iter().enumerate() {
            let beside = match at {
                0 => String::new(),
                _ => format!("; {} takes {:.3} of it", peers[0].name, median(ratios(at))),
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
pub fn main(peers: &[Peer], loads: &[Load], unit: &str) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_known = |argument: &&String| {
        ["--bench", "--server", WITHOUT_TURNS].contains(&argument.as_str())
            || argument.parse::<f64>().is_ok()
            || peers.iter().any(|(name, _)| name == *argument)
    };
    if let Some(unknown) = arguments.iter().find(|argument| !is_known(argument)) {
        eprintln!("`{unknown}` is none of [ROUNDS [SECONDS]] [{WITHOUT_TURNS}]");
        return ExitCode::from(2);
    }
    let result = if let [server, peer] = arguments.as_slice()
        && server == "--server"
    {
        let found = peers.iter().find(|(name, _)| name == peer);
        found.ok_or(io::ErrorKind::NotFound.into()).and_then(|(_, server)| serve(server))
    } else if arguments.iter().any(|argument| argument == "--bench") {
        let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<f64>().ok());
        let rounds = numbers.next().map_or(9, |rounds| (rounds as usize).max(1));
        let seconds = Duration::from_secs_f64(numbers.next().unwrap_or(0.6));
        let without_turns = arguments.iter().any(|argument| argument == WITHOUT_TURNS);
        let turn = if without_turns { Turn::Within } else { Turn::Whole };
        programs(peers).and_then(|all| compare(&all, loads, unit, rounds, seconds, turn))
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
