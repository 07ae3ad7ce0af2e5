//! What the library tells its users where there is nobody to return it to.
#![forbid(unsafe_code)]

use std::io::Write;

/// Tells the user what went wrong where there is nobody to return it to. Unlike `eprintln` it does not panic where standard
/// error is gone: it may be called in a destructor.
pub(crate) fn report(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "greenthread: {what}");
}
