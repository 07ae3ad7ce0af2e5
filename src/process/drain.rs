//! Reading two pipes at once.
#![forbid(unsafe_code)]

use super::{ChildStderr, ChildStdout};
use crate::runtime::park;
use crate::sys::thread as os_thread;
use crate::thread;
use std::io::{self, Read};
use std::panic::resume_unwind;

/// Reads both to their ends. If they were read one after the other, a process that fills the second pipe meanwhile
/// would wait for ever.
pub(super) fn both(
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (stdout, stderr) = match (stdout, stderr) {
        (Some(stdout), Some(stderr)) => together(|| all(stdout), || all(stderr))?,
        (stdout, stderr) => {
            (stdout.map_or(Ok(Vec::new()), all), stderr.map_or(Ok(Vec::new()), all))
        }
    };
    Ok((stdout?, stderr?))
}

fn all(mut pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs both closures at the same time: the second on a green thread if the caller is one, on an OS thread otherwise.
fn together<A, B: Send>(
    first: impl FnOnce() -> A,
    second: impl FnOnce() -> B + Send,
) -> io::Result<(A, B)> {
    if park::is_green() {
        thread::scope(|scope| {
            let second = thread::Builder::new().spawn_scoped(scope, second)?;
            let first = first();
            Ok((first, second.join().unwrap_or_else(|error| resume_unwind(error.into_panic()))))
        })
    } else {
        os_thread::beside("gt-pipes", first, second)
    }
}
