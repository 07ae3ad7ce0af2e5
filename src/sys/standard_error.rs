//! Messages to the user where there is nobody to return them to.
#![forbid(unsafe_code)]

use std::io::Write;

/// Writes a message to standard error. Unlike `eprintln!` it does not panic where that is closed, so it may be called
/// in a destructor.
pub(crate) fn report(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "greenthread: {what}");
}
