//! The twin with the feature `io-uring`: sending together with other green threads of the hub.

use crate::runtime::lane::current;
use crate::runtime::lane::local::Lane;
use crate::runtime::wait::yielding::suspend_calm;
use crate::sys::outbox::SendResult;
use crate::sys::{process, socket};
use std::io;
use std::os::fd::BorrowedFd;

/// To copy more bytes than this takes so long that one more system call does not matter.
const SMALL: usize = 16 << 10;

/// Like [`socket::send`], but lets the other ready green threads of the hub run first, and then sends together with
/// what these send.
///
/// If no other is ready, or the caller may not be suspended here, it sends at once.
#[inline]
pub(crate) fn send(fd: BorrowedFd<'_>, buffer: &[u8]) -> io::Result<usize> {
    if buffer.len() > SMALL {
        return socket::send(fd, buffer);
    }
    let ticket = SendResult::default();
    let mut refused = Ok(());
    let suspended = give_way_after(|lane| {
        if !lane.outbox.is_of_use() || (!lane.has_ready() && lane.outbox.is_empty()) {
            return false;
        }
        // SAFETY: the caller's borrows last until this function returns, which it does when the ticket has a result.
        // It never unwinds in between; and a green thread that is given up is left with its stack, and the outbox with
        // it: a hub flushes before it gives up anything, and drops its outbox unflushed.
        refused = unsafe { lane.outbox.add(fd, buffer, &ticket) };
        refused.is_ok()
    });
    refused?;
    if !suspended {
        return socket::send(fd, buffer);
    }
    loop {
        if let Some(result) = ticket.result() {
            return result;
        }
        current::with_lane(|lane| lane.outbox.flush());
    }
}

/// Calls `prepare`, and if that returns `true` lets every other ready green thread run first. Kills and timeouts do not
/// end this. Returns `false` if `prepare` did, or if the caller may not be suspended here; in the second case `prepare`
/// was not called.
#[inline]
fn give_way_after(prepare: impl FnOnce(&Lane) -> bool) -> bool {
    let queued = current::with_lane(|lane| {
        let started = lane.current()?;
        if process::is_exiting() || std::thread::panicking() || !prepare(lane) {
            return None;
        }
        lane.push_ready(started);
        Some((started, lane.root()))
    });
    let Some((started, root)) = queued.flatten() else { return false };
    suspend_calm(started, root);
    true
}
