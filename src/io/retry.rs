//! Waiting where the system gives no sign that the wait is over.
#![forbid(unsafe_code)]

use crate::runtime::park;
use crate::sys::clock;
use crate::thread::sleep;
use std::io;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Repeats an operation that would block, with pauses that grow.
///
/// Some events Linux tells only to those who block for them: that there is room in the backlog of a Unix listener, that
/// there is room in the queue of a datagram socket that the sender is not connected to, and that the lock of a file is
/// free. So these operations are tried again and again.
///
/// # Errors
/// Those of the operation; `WouldBlock` when the deadline has passed.
pub(crate) fn retry<T>(
    deadline: Option<Instant>,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    // This comes before the operation, as a kill or a timeout that strikes here must not lose what the operation has
    // got.
    park::spend_budget();
    let mut pause = FIRST_PAUSE;
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = deadline.map(|at| at.saturating_duration_since(clock::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    return Err(error);
                }
                sleep(left.map_or(pause, |left| left.min(pause)));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}
