//! Profiles in the protocol of pprof: those few messages of `profile.proto` that are needed.
#![forbid(unsafe_code)]

use super::Frame;
use super::profile::{Profile, Sample};
use crate::sys::clock;
use std::collections::HashMap;
use std::time::SystemTime;

/// A message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A field that is a number; zero is left out.
    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, of: impl FnOnce(&mut Message)) {
        let mut message = Message::default();
        of(&mut message);
        self.bytes(field, &message.0);
    }

    /// A field that is several numbers.
    fn numbers(&mut self, field: u64, values: impl IntoIterator<Item = u64>) {
        let mut all = Message::default();
        values.into_iter().for_each(|value| all.varint(value));
        self.bytes(field, &all.0);
    }
}

/// Things to which the profile refers by numbers, in the order of these.
struct NumberedThings<T>(Vec<T>, HashMap<T, u64>);

impl<T: Clone + Eq + std::hash::Hash> NumberedThings<T> {
    fn new() -> Self {
        Self(Vec::new(), HashMap::new())
    }

    fn at(&mut self, value: &T) -> u64 {
        if let Some(at) = self.1.get(value) {
            return *at;
        }
        let at = self.0.len() as u64;
        self.0.push(value.clone());
        self.1.insert(value.clone(), at);
        at
    }
}

pub(super) fn encode(profile: &Profile) -> Vec<u8> {
    let mut strings = NumberedThings::<String>::new();
    let mut frames = NumberedThings::<Frame>::new();
    // The first one is empty by definition.
    strings.at(&String::new());
    let mut text = |text: &str| strings.at(&text.to_string());
    let mut out = Message::default();
    for (what, unit) in [("samples", "count"), ("cpu", "nanoseconds"), ("wait", "nanoseconds")] {
        out.message(1, |out| {
            out.number(1, text(what));
            out.number(2, text(unit));
        });
    }
    for sample in &profile.samples {
        out.message(2, |out| {
            out.numbers(1, sample.backtrace.iter().map(|frame| frames.at(frame) + 1));
            let nanos = sample.time.as_nanos() as u64;
            let (ran, waited) = if sample.waits_for.is_none() { (nanos, 0) } else { (0, nanos) };
            out.numbers(2, [sample.count, ran, waited]);
            for (key, value) in labels(sample) {
                out.message(3, |out| {
                    out.number(1, text(key));
                    out.number(2, text(value));
                });
            }
        });
    }
    for (frame, id) in frames.0.iter().zip(1..) {
        out.message(4, |out| {
            out.number(1, id);
            out.message(4, |out| {
                out.number(1, id);
                out.number(2, frame.line.unwrap_or(0).into());
            });
        });
        out.message(5, |out| {
            out.number(1, id);
            out.number(2, text(&frame.function));
            out.number(4, text(frame.file.as_deref().unwrap_or("")));
        });
    }
    let now = clock::date().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let begun = now.saturating_sub(profile.duration);
    let default = text("cpu");
    for string in &strings.0 {
        out.bytes(6, string.as_bytes());
    }
    out.number(9, begun.as_nanos() as u64);
    out.number(10, profile.duration.as_nanos() as u64);
    out.number(14, default);
    out.0
}

fn labels(sample: &Sample) -> impl Iterator<Item = (&str, &str)> {
    let place = sample.spawned_at.as_deref().map(|place| ("spawned_at", place));
    let waits_for = sample.waits_for.map(|what| ("waits_for", what));
    let own = [("thread", sample.thread.as_str())].into_iter().chain(place).chain(waits_for);
    own.chain(sample.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}
