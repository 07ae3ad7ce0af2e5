//! What it costs to start and join a green thread, an OS thread and a process.
//!
//!     cargo run --release --example start_cost -- [COUNT]
//!
//! Each is started and joined COUNT times (2000 unless given; processes a hundredth of that), one after the other.

mod shared {
    pub mod usage;
}

use greenthread::{Runtime, process::Command, spawn};
use shared::usage;
use std::error::Error;
use std::time::{Duration, Instant};

const USAGE: &str = "start_cost [COUNT], at least 1 and 2000 unless given";

/// The time that one of `count` calls takes.
fn each<E>(count: u32, mut call: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let start = Instant::now();
    for _ in 0..count {
        call()?;
    }
    Ok(start.elapsed() / count)
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = match usage::arguments(USAGE, &[]).as_slice() {
        [] => 2000,
        [text] => {
            text.parse().ok().filter(|count| *count > 0).unwrap_or_else(|| usage::usage(USAGE))
        }
        _ => usage::usage(USAGE),
    };
    let (green, threads, processes) = Runtime::new_current_thread()?.run(move || {
        let green = each(count, || spawn(|| ()).join().map_err(|error| error.to_string()))?;
        let threads = each(count, || {
            std::thread::spawn(|| ())
                .join()
                .map_err(|_| "a thread that does nothing panicked".to_string())
        })?;
        let processes = each(count.div_ceil(100), || {
            Command::new("true").status().map(drop).map_err(|error| error.to_string())
        })?;
        Ok::<_, String>((green, threads, processes))
    })??;
    let times = |duration: Duration| duration.as_secs_f64() / green.as_secs_f64();
    println!("green thread: {:.2} µs", green.as_secs_f64() * 1e6);
    println!(
        "OS thread: {:.2} µs, {:.0} times as much",
        threads.as_secs_f64() * 1e6,
        times(threads)
    );
    println!(
        "process: {:.0} µs, {:.0} times as much",
        processes.as_secs_f64() * 1e6,
        times(processes)
    );
    Ok(())
}
