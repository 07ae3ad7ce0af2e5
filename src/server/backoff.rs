//! What a server does when it cannot take a connection.
#![forbid(unsafe_code)]

use crate::sys::number;
use std::io;
use std::time::Duration;

/// The first pause and the longest one: the same as gevent's.
const FIRST: Duration = Duration::from_millis(10);
const LAST: Duration = Duration::from_secs(1);

/// After this many failures of single connections in a row there is a short pause. They may be one failure that stays,
/// rather than failures of connections, and the server must not spin then.
const IN_A_ROW: u32 = 16;
const SHORT: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The failure concerned one connection, which is gone: try the next one at once.
    GoOn,
    /// Another try at once would only spin.
    Pause(Duration),
}

/// Whether this is not a listening socket, or not any more. This is the only list of errors that end a server.
pub(super) fn is_fatal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(number::EBADF | number::EINVAL | number::ENOTSOCK | number::EOPNOTSUPP)
    )
}

/// Whether the error concerns one connection only: it ended before it was accepted, or while it was made ready. Linux
/// also reports errors of the network in this way, see accept(2). An error without a number of the system's comes from
/// code around the socket, and concerns one connection too.
fn is_of_one_connection(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(errno) => matches!(
            errno,
            number::ECONNABORTED
                | number::ECONNRESET
                | number::ECONNREFUSED
                | number::ENOTCONN
                | number::EPIPE
                | number::ETIMEDOUT
                | number::EINTR
                | number::EPERM
                | number::EPROTO
                | number::ENOPROTOOPT
                | number::ENETDOWN
                | number::ENETUNREACH
                | number::EHOSTDOWN
                | number::EHOSTUNREACH
                | number::ENONET
        ),
        None => error.kind() != io::ErrorKind::OutOfMemory,
    }
}

/// Pauses that grow while one failure follows another.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    in_a_row: u32,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST, in_a_row: 0 }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::new();
    }

    /// What to do after accepting a connection has failed with an error that is not fatal.
    pub(super) fn failed(&mut self, error: &io::Error) -> Verdict {
        // The socket is in non-blocking mode: there is no connection now, and nothing tells when there is one.
        if error.kind() == io::ErrorKind::WouldBlock {
            return Verdict::Pause(FIRST);
        }
        if !is_of_one_connection(error) {
            // These are EMFILE, ENFILE, ENOBUFS, ENOMEM, and errors that nobody has thought of.
            return Verdict::Pause(self.longer());
        }
        self.in_a_row += 1;
        if self.in_a_row.is_multiple_of(IN_A_ROW) { Verdict::Pause(SHORT) } else { Verdict::GoOn }
    }

    /// The next pause, which is longer than the one before.
    pub(super) fn longer(&mut self) -> Duration {
        let pause = self.next;
        self.next = (2 * pause).min(LAST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new();
        let mut fail = |errno| backoff.failed(&io::Error::from_raw_os_error(errno));
        let mut pauses = Vec::new();
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::EIO].repeat(3) {
            let Verdict::Pause(pause) = fail(errno) else { panic!("no pause for {errno}") };
            pauses.push(pause);
        }
        assert!(pauses[..7].is_sorted_by(|a, b| a < b), "{pauses:?}");
        assert_eq!((pauses[0], pauses[11]), (FIRST, LAST));
        backoff.succeeded();
        let full = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(backoff.failed(&full), Verdict::Pause(FIRST));
    }

    #[test]
    fn what_concerns_one_connection_makes_pauses_that_stay_short() {
        let mut backoff = Backoff::new();
        let errors = || {
            let errnos = [libc::ECONNABORTED, libc::EINTR, libc::EPERM, libc::ETIMEDOUT];
            let kinds = [io::ErrorKind::InvalidInput, io::ErrorKind::UnexpectedEof];
            let errors = errnos.map(io::Error::from_raw_os_error).into_iter();
            errors.chain(kinds.map(io::Error::from))
        };
        for (at, error) in std::iter::repeat_with(errors).flatten().take(1000).enumerate() {
            let pauses = (at + 1) % IN_A_ROW as usize == 0;
            let wanted = if pauses { Verdict::Pause(SHORT) } else { Verdict::GoOn };
            assert_eq!(backoff.failed(&error), wanted);
            assert!(!is_fatal(&error));
        }
        let nothing = io::Error::from(io::ErrorKind::WouldBlock);
        assert_eq!([(); 3].map(|()| backoff.failed(&nothing)), [Verdict::Pause(FIRST); 3]);
        for fatal in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK, libc::EOPNOTSUPP] {
            assert!(is_fatal(&io::Error::from_raw_os_error(fatal)));
        }
    }
}
