//! Profiles as the scripts of flame graphs read them.
#![forbid(unsafe_code)]

use super::profile::Sample;
use std::fmt::Write;

/// One line for each sample: what is separated by semicolons, from the outermost on, and microseconds.
pub(super) fn text<'a>(samples: impl Iterator<Item = &'a Sample>) -> String {
    let mut text = String::new();
    for sample in samples {
        let functions = sample.backtrace.iter().rev().map(|frame| frame.function.as_str());
        let waits_for = sample.waits_for.map(|what| format!("[{what}]"));
        text.push_str(&plain(&sample.thread));
        for function in functions.chain(waits_for.as_deref()) {
            text.push(';');
            text.push_str(&plain(function));
        }
        let _ = writeln!(text, " {}", sample.time.as_micros());
    }
    text
}

/// Without what separates.
fn plain(name: &str) -> String {
    name.replace([';', '\n'], ":")
}
