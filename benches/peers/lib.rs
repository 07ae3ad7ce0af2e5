//! What the benchmarks share: servers and their load, workloads, the peers set up with one worker each, and ratios from alternating
//! runs.

pub mod servers;
pub mod workloads;

use std::sync::OnceLock;
use std::time::Duration;

/// This library with one worker.
pub fn greenthread() -> &'static greenthread::Runtime {
    static RUNTIME: OnceLock<greenthread::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| greenthread::Runtime::builder().workers(1).build().expect("a runtime"))
}

/// tokio with one worker.
pub fn tokio() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A contestant: its name, and what runs a piece of work of the size given and says how long it took.
pub type Contestant = (&'static str, fn(u64) -> Duration);

/// The median of the ratios of the first contestant to each other one, over nine rounds in which they alternate.
pub fn print_ratios(what: &str, size: u64, contestants: &[Contestant]) {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    for (_, run) in contestants {
        run(size);
    }
    let rounds: Vec<Vec<f64>> = (0..9)
        .map(|_| contestants.iter().map(|(_, run)| run(size).as_nanos() as f64).collect())
        .collect();
    for (at, (name, _)) in contestants.iter().enumerate() {
        let each = median(rounds.iter().map(|round| round[at] / size as f64).collect());
        let ratio = median(rounds.iter().map(|round| round[0] / round[at]).collect());
        let beside = match at {
            0 => String::new(),
            _ => format!("; {} takes {ratio:.3} of it", contestants[0].0),
        };
        println!("{what}: {name} {each:.1} ns each{beside}");
    }
}
