//! What has been measured so far: a file for each measure, a line for each round, so that a measurement can be done in pieces.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

/// What one peer has shown in a round, by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// A round: of each peer its figures, or why there are none.
pub(crate) struct Round {
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) peers: BTreeMap<String, Result<Figures, String>>,
}

/// Where the records are.
pub(crate) struct Records(pub(crate) PathBuf);

/// The middle of some figures, and the least and the most of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { median: values[values.len() / 2], least, most })
    }
}

impl Records {
    fn file(&self, key: &str) -> PathBuf {
        self.0.join(format!("{key}.jsonl"))
    }

    pub(crate) fn forget(&self, key: &str) -> io::Result<()> {
        match std::fs::remove_file(self.file(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn add(&self, key: &str, round: &Round) -> io::Result<()> {
        let peer = |(name, figures): (&String, &Result<Figures, String>)| {
            let value = match figures {
                Ok(figures) => json!(figures),
                Err(reason) => json!(reason),
            };
            (name.clone(), value)
        };
        let peers: Map<String, Value> = round.peers.iter().map(peer).collect();
        let line = json!({ "date": round.date, "commit": round.commit, "peers": peers });
        let mut file = std::fs::File::options().create(true).append(true).open(self.file(key))?;
        writeln!(file, "{line}")
    }

    /// All rounds of a measure; none where it has not been measured.
    pub(crate) fn read(&self, key: &str) -> io::Result<Vec<Round>> {
        match std::fs::read_to_string(self.file(key)) {
            Ok(text) => text
                .lines()
                .map(|line| parse(line).ok_or(io::ErrorKind::InvalidData.into()))
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// A figure of a peer over all rounds.
    pub(crate) fn spread(&self, key: &str, peer: &str, figure: &str) -> Option<Spread> {
        let rounds = self.read(key).ok()?;
        Spread::of(rounds.iter().filter_map(|round| round.figure(peer, figure)).collect())
    }

    /// Of each round the ratio of one peer's figure to the least of the others'.
    pub(crate) fn ratio(
        &self,
        key: &str,
        figure: &str,
        ours: &str,
        others: &[&str],
    ) -> Option<Spread> {
        let rounds = self.read(key).ok()?;
        let ratio = |round: &Round| {
            let others = others.iter().filter_map(|other| round.figure(other, figure));
            Some(round.figure(ours, figure)? / others.reduce(f64::min)?)
        };
        Spread::of(rounds.iter().filter_map(ratio).collect())
    }
}

/// Begins what is said of a peer that was started and did not get to its end.
pub(crate) const ENDED: &str = "ended: ";

impl Round {
    /// The peers that were started and did not get to their end.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        let failed = |(peer, figures): (&String, &Result<Figures, String>)| {
            let reason = figures.as_ref().err().filter(|reason| reason.starts_with(ENDED))?;
            Some(format!("{peer} {reason}"))
        };
        self.peers.iter().filter_map(failed)
    }

    pub(crate) fn figure(&self, peer: &str, figure: &str) -> Option<f64> {
        self.peers.get(peer)?.as_ref().ok()?.get(figure).copied()
    }
}

fn parse(line: &str) -> Option<Round> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| Some(line.get(key)?.as_str()?.to_string());
    let peer = |(name, value): (&String, &Value)| {
        let figures = match value {
            Value::Object(figures) => Ok(figures
                .iter()
                .filter_map(|(name, it)| Some((name.clone(), it.as_f64()?)))
                .collect()),
            reason => Err(reason.as_str().unwrap_or_default().to_string()),
        };
        (name.clone(), figures)
    };
    let peers = line.get("peers")?.as_object()?.iter().map(peer).collect();
    Some(Round { date: text("date")?, commit: text("commit")?, peers })
}
