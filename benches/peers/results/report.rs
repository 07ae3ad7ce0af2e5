//! The report, from the records.

use crate::machine;
use crate::plan::{self, How, Measure};
use crate::records::{Records, Round, Spread};
use crate::targets;
use crate::{URING, plots};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

const ACCOUNTS: &str = include_str!("accounts.md");

/// A number to some three places.
pub(crate) fn plain(value: f64) -> String {
    let text = match value.abs() {
        0.0..0.1 => return format!("{value:.3}"),
        0.1..10.0 => return format!("{value:.2}"),
        10.0..100.0 => return format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    let digits = text.len();
    let mut grouped = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (digits - at) % 3 == 0 && digit.is_ascii_digit() && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn spread(it: Spread) -> String {
    format!("{} ({}..{})", plain(it.median), plain(it.least), plain(it.most))
}

/// What a figure is, in words.
fn words(figure: &str) -> &str {
    match figure {
        "ns" => "ns of processor time",
        "us" => "µs of processor time",
        "bytes" => "bytes",
        "late, us" => "late, µs",
        other => other,
    }
}

/// The figures that the rounds have, the most telling first.
fn figures(rounds: &[Round]) -> Vec<String> {
    let all: BTreeSet<&String> = rounds
        .iter()
        .flat_map(|round| round.peers.values().flatten())
        .flat_map(|figures| figures.keys())
        .collect();
    let mut all: Vec<_> = all.into_iter().cloned().collect();
    let rank = |figure: &String| match figure.as_str() {
        "us" | "bytes" => 0,
        "ns" => 1,
        _ => 2,
    };
    all.sort_by_key(rank);
    all
}

/// The table of one measure; empty where it has not been taken.
pub(crate) fn table(records: &Records, measure: &Measure) -> String {
    let Ok(rounds) = records.read(&measure.key) else { return String::new() };
    let Some(last) = rounds.last() else { return String::new() };
    let figures = figures(&rounds);
    let mut text = String::new();
    let count = match rounds.len() {
        1 => "one round".to_string(),
        n => format!("{n} rounds"),
    };
    let _ = writeln!(text, "\n### {}\n\n`{}`, {count}.\n", measure.title, measure.key);
    let heads: Vec<_> = figures.iter().map(|figure| words(figure)).collect();
    let first = measure.peers[0];
    let _ = writeln!(text, "| | {} | {first} takes of it |", heads.join(" | "));
    let _ = writeln!(text, "|---|{}---|", "---|".repeat(figures.len()));
    for peer in measure.peers {
        if let Some(Err(reason)) = last.peers.get(*peer) {
            let _ = writeln!(text, "| {peer} | {reason} |{}", " |".repeat(figures.len()));
            continue;
        }
        let cell =
            |figure: &String| records.spread(&measure.key, peer, figure).map_or("–".into(), spread);
        let cells: Vec<_> = figures.iter().map(cell).collect();
        let ratio =
            figures.first().and_then(|figure| records.ratio(&measure.key, figure, first, &[peer]));
        let ratio = match ratio {
            Some(ratio) if *peer != first => spread(ratio),
            _ => "–".into(),
        };
        let _ = writeln!(text, "| {peer} | {} | {ratio} |", cells.join(" | "));
    }
    text
}

/// A curve as a table: the medians of a figure, a column for each size.
fn curve(records: &Records, prefix: &str, figure: &str, title: &str) -> String {
    let measures: Vec<_> =
        plan::all().into_iter().filter(|it| it.key.starts_with(prefix)).collect();
    let mut text = format!("\n{title}\n\n|");
    for measure in &measures {
        let size = measure.key.trim_start_matches(prefix).parse().unwrap_or(0.0);
        let _ = write!(text, " | {}", plots::count(size));
    }
    let _ = writeln!(text, " |\n|---|{}", "---|".repeat(measures.len()));
    for peer in measures.first().map_or(&[][..], |measure| measure.peers) {
        let cell = |measure: &Measure| {
            records.spread(&measure.key, peer, figure).map_or("–".into(), |it| plain(it.median))
        };
        let cells: Vec<_> = measures.iter().map(cell).collect();
        let _ = writeln!(text, "| {peer} | {} |", cells.join(" | "));
    }
    text
}

fn targets(records: &Records) -> String {
    let mut text =
        String::from("| work | beside | to reach | reached | |\n|---|---|---|---|---|\n");
    for row in targets::rows(records) {
        let (reached, verdict) = match row.reached {
            Some(reached) if row.kept => (spread(reached), "kept".into()),
            Some(reached) => (spread(reached), format!("missed: [why](#{})", row.account)),
            None => ("not measured".into(), String::new()),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {reached} | {verdict} |",
            row.work, row.beside, row.limit
        );
    }
    text
}

/// The first and the last day, and the commits.
fn when(records: &Records) -> io::Result<String> {
    let (mut dates, mut commits) = (BTreeSet::new(), BTreeSet::new());
    for measure in plan::all() {
        for key in [measure.key.clone(), measure.key + URING] {
            for round in records.read(&key)? {
                dates.insert(round.date);
                commits.insert(round.commit);
            }
        }
    }
    let days = match (dates.first(), dates.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(day), _) => day.clone(),
        _ => return Ok("never".into()),
    };
    let commits: Vec<_> = commits.into_iter().filter(|commit| !commit.is_empty()).collect();
    Ok(if commits.is_empty() { days } else { format!("{days}, at {}", commits.join(", ")) })
}

fn picture(name: &str, says: &str) -> String {
    format!("\n![{says}](plots/{name}.svg)\n")
}

/// The whole report.
pub(crate) fn whole(records: &Records, versions: &[(String, String)]) -> io::Result<String> {
    let mut text = String::from(
        "# Results\n\nWritten by `cargo run --release -p greenthread-benches --bin results`; not by hand.\n\n\
         Each figure is the median of several rounds, with the least and the most beside it. In a round the peers take turns, each as a \
         process of its own that is measured from outside: processor time in user mode and in the kernel, of all its threads; where there \
         are start-up costs, that of a process with all of the work minus that of one with half of it. A ratio is the median of the \
         rounds' ratios. The machine is a shared one with two cores: what else it does moves times by a few hundredths, ratios by \
         less, and what waits for a second core by more. So read ratios, and their spread.\n",
    );
    let _ = writeln!(text, "\n| | |\n|---|---|\n| Measured | {} |", when(records)?);
    for (name, value) in machine::description(versions) {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let _ = write!(
        text,
        "{}",
        picture(
            "overview",
            "How much processor time others take, as a multiple of what greenthread takes"
        )
    );
    let _ = write!(text, "\n## What is to be reached\n\n{}", targets(records));
    let _ = write!(text, "\n{ACCOUNTS}");
    text += "\n## Curves\n";
    text += &picture("yield", "Processor time of giving way, by the number of green threads");
    text += &curve(
        records,
        "yield-",
        "ns",
        "Giving way, ns of processor time, by the number of green threads:",
    );
    text += &picture("memory", "Memory of a blocked green thread, by how many there are");
    text += &curve(
        records,
        "memory-",
        "bytes",
        "A blocked green thread, bytes with page tables, by how many there are:",
    );
    text += &curve(records, "memory-", "ns", "Starting one of them, ns of processor time:");
    text += &picture(
        "connections",
        "Processor time of an echoed message, by the number of connections",
    );
    text += &curve(
        records,
        "echo-",
        "us",
        "An echoed message of 64 bytes, µs of the server's processor time, by the number of connections:",
    );
    text += &picture("workers", "Requests in a second with one worker and with two");
    text += "\n## Each workload\n";
    for measure in plan::all() {
        let of_a_curve = ["yield-", "memory-"].iter().any(|prefix| measure.key.starts_with(prefix));
        if of_a_curve {
            continue;
        }
        text += &table(records, &measure);
        if let How::Served { .. } = measure.how {
            let title = format!("{}, ours with `io-uring`", measure.title);
            text +=
                &table(records, &Measure { key: measure.key.clone() + URING, title, ..measure });
        }
    }
    Ok(text)
}
