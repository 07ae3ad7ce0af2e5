//! Places in the code.
#![forbid(unsafe_code)]

use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A function on the stack of a green thread, and a place in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Frame {
    /// The name of the function; its address if it has no name.
    pub function: String,
    /// The source file, if there is debug information that tells it.
    pub file: Option<String>,
    /// The line in the file.
    pub line: Option<u32>,
}

/// The function, and below it the file and line, as backtraces of std show them.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "\n    at {file}:{line}"),
            _ => Ok(()),
        }
    }
}

/// The folders of the code that is only the way from the function that a user calls to the wait.
const INSIDE: [&str; 3] = ["coroutine", "runtime", "sys"];

/// The folder of these folders, as debug information names it if the library was compiled where it is.
pub(super) const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");

/// The name of the function that calls a body, here and in std.
const BASE: &str = "__rust_begin_short_backtrace";

/// Finds names: of each address once, and of each sequence of addresses once.
#[derive(Default)]
pub(super) struct Names {
    at: HashMap<usize, Vec<Frame>>,
    of: HashMap<Vec<usize>, Arc<[Frame]>>,
}

impl Names {
    /// The functions at these addresses, innermost first, without those that lead to the wait and those that lead to the body.
    pub(super) fn of(&mut self, addresses: &[usize]) -> Arc<[Frame]> {
        if let Some(known) = self.of.get(addresses) {
            return Arc::clone(known);
        }
        for &address in addresses {
            self.at.entry(address).or_insert_with(|| resolve(address));
        }
        let frames = addresses.iter().flat_map(|address| &self.at[address]).cloned();
        let frames: Arc<[Frame]> = without_ends(frames).into();
        self.of.insert(addresses.to_vec(), Arc::clone(&frames));
        frames
    }
}

/// Leaves out the functions inside of a wait, above the one that the user has called, and the callers of the body. A
/// backtrace that does not begin inside of a wait is of no wait.
fn without_ends(frames: impl Iterator<Item = Frame>) -> Vec<Frame> {
    let mut frames = frames.peekable();
    if frames.peek().is_some_and(Frame::is_inside) {
        while frames.next_if(|frame| frame.is_inside() || frame.is_of_std()).is_some() {}
    }
    frames.take_while(|frame| !frame.function.contains(BASE)).collect()
}

impl Frame {
    fn is_inside(&self) -> bool {
        let name = self.function.trim_start_matches(['<', '&']).strip_prefix("greenthread::");
        let file = self.file.as_deref().and_then(|file| file.strip_prefix(SOURCES));
        let is_of = |path: Option<&str>, end: &str| {
            let rest = |folder: &str| path?.strip_prefix(folder)?.strip_prefix(end);
            INSIDE.iter().any(|folder| rest(folder).is_some())
        };
        // An inlined function has no path in its name if the debug information has lines only.
        is_of(name, "::") || is_of(file, "/") || self.function.starts_with("corosensei::")
    }

    pub(super) fn is_of_std(&self) -> bool {
        let name = self.function.trim_start_matches(['<', '&']);
        ["core::", "std::", "alloc::"].iter().any(|root| name.starts_with(root))
            || self.file.as_deref().is_some_and(|file| {
                file.starts_with("/rustc/") || file.contains("/lib/rustlib/src/rust/library/")
            })
    }
}

/// The function at a return address, and those that are inlined there, innermost first.
fn resolve(address: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    // A return address is the one behind the call.
    backtrace::resolve((address - 1) as *mut _, |symbol| {
        frames.push(Frame {
            function: symbol
                .name()
                .map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}")),
            file: symbol.filename().map(|file| file.display().to_string()),
            line: symbol.lineno(),
        });
    });
    if frames.is_empty() {
        frames.push(Frame { function: format!("{address:#x}"), file: None, line: None });
    }
    frames
}
