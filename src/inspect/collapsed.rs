//! Profiles as the scripts of flame graphs read them.
#![forbid(unsafe_code)]

use super::Frame;
use super::profile::Sample;
use std::fmt::Write;

/// One line for each sample: the name and the stack, and microseconds.
pub(super) fn text<'a>(samples: impl Iterator<Item = &'a Sample>) -> String {
    let mut text = String::new();
    for sample in samples {
        let stack = stack(Some(&sample.thread), &sample.backtrace, sample.waits_for);
        let _ = writeln!(text, "{stack} {}", sample.time.as_micros());
    }
    text
}

/// The parts of a line, separated by semicolons: the name, the functions from the outermost on, and what is waited for.
pub(super) fn stack(
    name: Option<&str>,
    backtrace: &[Frame],
    waits_for: Option<&'static str>,
) -> String {
    let functions = backtrace.iter().rev().map(|frame| frame.function.as_str());
    let waits_for = waits_for.map(|what| format!("[{what}]"));
    let parts = name.into_iter().chain(functions).chain(waits_for.as_deref());
    parts.map(plain).collect::<Vec<_>>().join(";")
}

/// The name without the characters that separate parts and lines.
fn plain(name: &str) -> String {
    name.replace([';', '\n'], ":")
}
