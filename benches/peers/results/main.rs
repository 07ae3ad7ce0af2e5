//! Runs every workload with every peer, and writes `benches/RESULTS.md` and the plots in `benches/plots`.
//!
//!     cargo run --release -p greenthread-benches --bin results [-- [--fresh] [--rounds N] [MEASURE...]]
//!
//! A measure is taken in rounds, in each of which the peers take turns, each a process of its own that is measured from outside. Rounds
//! are kept in `target/results`, so that the whole can be measured in pieces: `MEASURE` is the name of one, or the beginning of
//! several with its hyphen, and `--fresh` forgets their earlier rounds. The report is written from all that are kept; `--report` writes
//! it only, `--list` names the measures. With `--features io-uring` servers are measured with that.
//!
//! `--quick` does everything with next to no work, in `target/results-quick`: it shows that everything runs, not how fast. The
//! peers in other languages are left out then.

mod elsewhere;
mod machine;
mod plan;
mod plots;
mod processes;
mod records;
mod report;
mod targets;

use elsewhere::Tools;
use greenthread_benches::servers::{self, Places};
use greenthread_benches::workloads::{self, Size};
use plan::{How, Measure};
use processes::Measurer;
use records::{Records, Round};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "results [--fresh] [--rounds N] [MEASURE...] | --list | --report | --quick, all measures unless some are named";

/// What the key of a measure ends with where it is one with io_uring.
pub(crate) const URING: &str = "-uring";

/// The name of a workload, from that of a measure.
pub(crate) fn workload_of(key: &str) -> &'static str {
    let known = workloads::ALL.iter().find(|(name, _)| *name == key);
    known.map(|(name, _)| *name).expect("a workload of that name")
}

/// Runs what is asked of this program as a peer; `None` where it is not asked for that.
fn as_a_peer(arguments: &[String]) -> Option<io::Result<()>> {
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok());
    let name = |at: usize| arguments.get(at).map_or("", |name| name.as_str());
    let workers = number(3).unwrap_or(1) as usize;
    match name(0) {
        "--run" => {
            let size = Size { workers, n: number(4).unwrap_or(1), threads: number(5).unwrap_or(1) };
            let run = workloads::find(name(1), name(2));
            Some(run.map(|run| run(size)).ok_or(io::ErrorKind::NotFound.into()))
        }
        "--server" => Some(servers::serve(|| processes::serve(name(1), name(2), workers))),
        _ => None,
    }
}

/// The measures that this program, as it is compiled, is asked for.
fn chosen(names: &[&str]) -> Vec<Measure> {
    let served = |measure: &Measure| matches!(measure.how, How::Served { .. });
    let asked = |measure: &Measure| {
        let fits = |name: &&str| {
            measure.key == **name || name.ends_with('-') && measure.key.starts_with(*name)
        };
        names.is_empty() || names.iter().any(fits)
    };
    let mut all = plan::all();
    all.retain(asked);
    if cfg!(feature = "io-uring") {
        all.retain(served);
        all.iter_mut().for_each(|measure| measure.key += URING);
    }
    all
}

fn measure(
    records: &Records,
    measurer: &Measurer,
    measures: &[Measure],
    rounds: Option<usize>,
) -> io::Result<()> {
    let mut failures = Vec::new();
    for measure in measures {
        for at in 0..rounds.unwrap_or(measure.rounds) {
            eprintln!("{}: {}, round {}", measure.key, measure.title, at + 1);
            let peers = measurer.round(measure).into_iter();
            let peers = peers.map(|(peer, figures)| {
                (peer.to_string(), figures.map_err(|error| error.to_string()))
            });
            let round =
                Round { date: machine::date(), commit: machine::commit(), peers: peers.collect() };
            records.add(&measure.key, &round)?;
            failures.extend(round.failures());
        }
        print!("{}", report::table(records, measure));
    }
    // One that dies while it is measured in earnest may have reached a limit of its own.
    if measurer.less > 1 && !failures.is_empty() {
        return Err(io::Error::other(failures.join("; ")));
    }
    Ok(())
}

/// What the program is asked for.
#[derive(Default)]
struct Asked {
    names: Vec<String>,
    rounds: Option<usize>,
    fresh: bool,
    report: bool,
    list: bool,
    quick: bool,
    help: bool,
}

impl Asked {
    fn read(arguments: &[String]) -> io::Result<Self> {
        let wrong = |what: String| Err(io::Error::other(format!("{what}; usage: {USAGE}")));
        let mut asked = Self::default();
        let mut left = arguments.iter();
        while let Some(argument) = left.next() {
            match argument.as_str() {
                "--fresh" => asked.fresh = true,
                "--report" => asked.report = true,
                "--list" => asked.list = true,
                "--quick" => asked.quick = true,
                "--help" | "-h" => asked.help = true,
                "--rounds" => match left.next().and_then(|text| text.parse().ok()) {
                    Some(rounds) => asked.rounds = Some(rounds),
                    None => return wrong("--rounds takes a number".into()),
                },
                option if option.starts_with('-') => {
                    return wrong(format!("there is no option {option}"));
                }
                name if chosen(&[name]).is_empty() => {
                    return wrong(format!("there is no measure {name}, --list names them"));
                }
                name => asked.names.push(name.into()),
            }
        }
        Ok(asked)
    }
}

fn run(arguments: &[String]) -> io::Result<()> {
    let asked = Asked::read(arguments)?;
    if asked.help {
        println!("usage: {USAGE}");
        return Ok(());
    }
    let measures = chosen(&asked.names.iter().map(String::as_str).collect::<Vec<_>>());
    if asked.list {
        measures.iter().for_each(|measure| println!("{:15} {}", measure.key, measure.title));
        return Ok(());
    }
    let quick = asked.quick;
    let target = machine::workspace().join("target");
    let kept = target.join(if quick { "results-quick" } else { "results" });
    std::fs::create_dir_all(&kept)?;
    let records = Records(kept.clone());
    let tools = if quick { Tools::none() } else { Tools::find(&kept) };
    let versions = tools.versions.clone();
    if !asked.report {
        if asked.fresh || quick {
            measures.iter().try_for_each(|measure| records.forget(&measure.key))?;
        }
        machine::allow_open_files();
        let measurer = Measurer {
            tools,
            less: if quick { 10_000 } else { 1 },
            loaded: Duration::from_millis(if quick { 1 } else { 600 }),
            apart: Places::apart()?,
            anywhere: Places::anywhere()?,
        };
        measure(&records, &measurer, &measures, if quick { Some(1) } else { asked.rounds })?;
    }
    let into = if quick { kept } else { machine::workspace().join("benches") };
    write_report(&records, &into, &versions)
}

fn write_report(records: &Records, into: &Path, versions: &[(String, String)]) -> io::Result<()> {
    std::fs::create_dir_all(into.join("plots"))?;
    for (name, picture) in plots::all(records)? {
        std::fs::write(into.join("plots").join(name), picture)?;
    }
    std::fs::write(into.join("RESULTS.md"), report::whole(records, versions)?)?;
    eprintln!("written: {}", into.join("RESULTS.md").display());
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match as_a_peer(&arguments).unwrap_or_else(|| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("results: {error}");
            ExitCode::FAILURE
        }
    }
}
