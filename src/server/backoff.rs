//! What to do when taking a connection fails.
#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

/// gevent's figures.
const FIRST: Duration = Duration::from_millis(10);
const LAST: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// That one connection is gone; the next may be there.
    GoOn,
    /// The system is short of something, and asking again at once would spin.
    Pause(Duration),
    /// It will never work again.
    GiveUp,
}

/// Pauses that grow while failures follow each other.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    pub(super) fn succeeded(&mut self) {
        self.next = FIRST;
    }

    pub(super) fn failed(&mut self, error: &io::Error) -> Verdict {
        match error.raw_os_error() {
            // Not a listening socket, or not one any more.
            Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP) => Verdict::GiveUp,
            // The connection ended before it was taken; Linux also passes on what the network said of it (accept(2)).
            Some(
                libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::ECONNREFUSED
                | libc::EINTR
                | libc::EAGAIN
                | libc::EPERM
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET,
            ) => Verdict::GoOn,
            // EMFILE, ENFILE, ENOBUFS, ENOMEM, no room for a stack, and what nobody has thought of.
            _ => {
                let pause = self.next;
                self.next = (2 * pause).min(LAST);
                Verdict::Pause(pause)
            }
        }
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
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].repeat(3) {
            let Verdict::Pause(pause) = fail(errno) else { panic!("no pause for {errno}") };
            pauses.push(pause);
            assert_eq!(fail(libc::ECONNABORTED), Verdict::GoOn);
            assert_eq!(fail(libc::EINTR), Verdict::GoOn);
        }
        assert!(pauses[..7].is_sorted_by(|a, b| a < b), "{pauses:?}");
        assert_eq!((pauses[0], pauses[11]), (FIRST, LAST));
        assert_eq!(fail(libc::EBADF), Verdict::GiveUp);
        backoff.succeeded();
        let full = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(backoff.failed(&full), Verdict::Pause(FIRST));
    }
}
