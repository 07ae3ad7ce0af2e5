//! Sends that are made together by one system call, with an io_uring.
//!
//! With `MSG_DONTWAIT` the kernel makes each send while it takes it in, or says that it would block. So a buffer is
//! lent to the kernel only for the time of [`Outbox::flush`], which waits for every completion in any case. Nothing is
//! ever cancelled.

use super::fault::{self, Syscall};
use super::{clock, socket};
use io_uring::{IoUring, Probe, opcode, types};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::slice;

/// How many sends wait for the next flush at most. With 1000 busy connections many sends at a time cost less than few: beside a
/// system call each, 16 saved 2 % of an echo's processor time, 64 saved 4 %, and 512 saved 15 %; 1024 were no better.
const CAPACITY: usize = 512;
/// For how many ticks, about a millisecond, a send waits for others. Half as many made smaller batches, and four times as
/// many were no better.
const PATIENCE: u64 = 1 << 21;

/// The result of a send. It lies on the stack of the sender, who waits for it.
#[derive(Debug, Default)]
pub(crate) struct SendResult(Cell<Option<i32>>);

impl SendResult {
    /// `None` before the flush.
    pub(crate) fn result(&self) -> Option<io::Result<usize>> {
        self.0.get().map(|result| {
            usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
        })
    }
}

#[derive(Debug)]
struct QueuedSend {
    fd: RawFd,
    buffer: *const u8,
    length: u32,
    ticket: *const SendResult,
}

enum Uring {
    /// No two sends have met yet, so no ring was opened.
    Unopened,
    Open(Box<IoUring>),
    /// The system gives us no ring: each send is a system call of its own.
    Refused,
}

/// The sends that the green threads of one hub have under way.
pub(crate) struct Outbox {
    entries: RefCell<Vec<QueuedSend>>,
    /// When the first of them was put here, in ticks.
    since: Cell<u64>,
    ring: RefCell<Uring>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            entries: RefCell::default(),
            since: Cell::new(0),
            ring: RefCell::new(Uring::Unopened),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    /// Whether a send has waited for as long as it may.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        !self.is_empty() && clock::ticks().wrapping_sub(self.since.get()) > PATIENCE
    }

    /// Whether a send that is put here may go out together with others.
    #[inline]
    pub(crate) fn is_of_use(&self) -> bool {
        !matches!(*self.ring.borrow(), Uring::Refused)
    }

    /// Puts a send here; after an error it is not. If there is no room left, what is here is sent first.
    ///
    /// # Safety
    /// Until `ticket` has a result, the descriptor stays open and the buffer and the ticket stay where they are; or the
    /// outbox is never flushed again.
    pub(crate) unsafe fn add(
        &self,
        fd: BorrowedFd<'_>,
        buffer: &[u8],
        ticket: &SendResult,
    ) -> io::Result<()> {
        fault::check(Syscall::Send)?;
        if self.entries.borrow().len() == CAPACITY {
            self.flush();
        }
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let (fd, buffer) = (fd.as_raw_fd(), buffer.as_ptr());
        let mut entries = self.entries.borrow_mut();
        if entries.is_empty() {
            self.since.set(clock::ticks());
        }
        entries.push(QueuedSend { fd, buffer, length, ticket });
        Ok(())
    }

    /// Makes all sends. From here on each ticket has its result.
    pub(crate) fn flush(&self) {
        let mut entries = self.entries.borrow_mut();
        let mut ring = self.ring.borrow_mut();
        if entries.len() > 1 && matches!(*ring, Uring::Unopened) {
            *ring = open().map_or(Uring::Refused, Uring::Open);
        }
        if let Uring::Open(open) = &mut *ring
            && entries.len() > 1
            && send_all(open, &entries).is_err()
        {
            *ring = Uring::Refused;
        }
        for entry in entries.iter() {
            // SAFETY: the caller of `add` keeps the ticket until it has a result, and the buffer and the descriptor too.
            unsafe {
                if (*entry.ticket).0.get().is_none() {
                    let fd = BorrowedFd::borrow_raw(entry.fd);
                    let result = socket::send(
                        fd,
                        slice::from_raw_parts(entry.buffer, entry.length as usize),
                    );
                    (*entry.ticket).0.set(Some(as_number(result)));
                }
            }
        }
        entries.clear();
    }
}

fn as_number(result: io::Result<usize>) -> i32 {
    match result {
        Ok(sent) => i32::try_from(sent).unwrap_or(i32::MAX),
        Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
    }
}

/// A ring that can send.
fn open() -> io::Result<Box<IoUring>> {
    fault::check(Syscall::UringSetup)?;
    let ring = Box::new(IoUring::new(CAPACITY as u32)?);
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe)?;
    if !probe.is_supported(opcode::Send::CODE) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(ring)
}

/// Makes these sends. Where that fails, those without a result were not made, and the ring must not be used again.
fn send_all(ring: &mut IoUring, entries: &[QueuedSend]) -> io::Result<()> {
    fault::check(Syscall::UringEnter)?;
    let mut queue = ring.submission();
    for (at, entry) in entries.iter().enumerate() {
        let send = opcode::Send::new(types::Fd(entry.fd), entry.buffer, entry.length)
            .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            .build()
            .user_data(at as u64);
        // SAFETY: the buffer stays where it is until the ticket has a result, says `add`. Where the kernel does not take
        // the entry in it never will: the ring is closed then.
        let pushed = unsafe { queue.push(&send) };
        pushed.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    }
    drop(queue);
    let mut missing = entries.len();
    let mut submitted = ring.submit();
    loop {
        for completion in ring.completion() {
            let entry = &entries[completion.user_data() as usize];
            // SAFETY: the caller of `add` keeps the ticket until it has a result.
            unsafe { &*entry.ticket }.0.set(Some(completion.result()));
            missing -= 1;
        }
        match submitted {
            _ if missing == 0 => return Ok(()),
            // The sends that the kernel took in have to be waited for, as it has their buffers.
            Err(error)
                if error.kind() != io::ErrorKind::Interrupted
                    && ring.submission().len() == missing =>
            {
                return Err(error);
            }
            _ => submitted = ring.submit_and_wait(missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::Take;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// Sends `text` on each socket together, and returns the results.
    fn send_on(outbox: &Outbox, sockets: &[&UnixStream], text: &[u8]) -> Vec<Result<usize, i32>> {
        let tickets: Vec<SendResult> = sockets.iter().map(|_| SendResult::default()).collect();
        for (socket, ticket) in sockets.iter().zip(&tickets) {
            assert!(ticket.result().is_none());
            // SAFETY: all that is given lives until the flush has returned.
            unsafe { outbox.add(socket.as_fd(), text, ticket).unwrap() };
        }
        outbox.flush();
        assert!(outbox.is_empty());
        let number = |error: io::Error| error.raw_os_error().unwrap();
        tickets.iter().map(|ticket| ticket.result().unwrap().map_err(number)).collect()
    }

    fn received(socket: &UnixStream) -> usize {
        socket::recv(socket.as_fd(), &mut [0; 1000], Take::Consume).unwrap_or(0)
    }

    /// Sends on a socket that works, on one that is full, and on one whose peer has gone.
    fn send_on_all_kinds(outbox: &Outbox) {
        let [(good, peer), (full, _full_peer), (broken, gone)] =
            [(); 3].map(|()| UnixStream::pair().unwrap());
        while socket::send(full.as_fd(), &[0; 1000]).is_ok() {}
        drop(gone);
        let results = send_on(outbox, &[&good, &full, &broken, &good], b"abc");
        assert_eq!(results, [Ok(3), Err(libc::EAGAIN), Err(libc::EPIPE), Ok(3)]);
        assert_eq!(received(&peer), 6);
    }

    #[test]
    fn each_send_has_its_own_result() {
        let outbox = Outbox::new();
        for _ in 0..100 {
            send_on_all_kinds(&outbox);
        }
        assert_eq!(outbox.is_of_use(), open().is_ok(), "it used a ring if there is any");
    }

    #[test]
    fn as_many_as_there_is_room_for() {
        let (outbox, (one, peer)) = (Outbox::new(), UnixStream::pair().unwrap());
        let tickets: Vec<_> = (0..CAPACITY + 2).map(|_| SendResult::default()).collect();
        let done = || tickets.iter().filter(|ticket| ticket.result().is_some()).count();
        for (at, ticket) in tickets.iter().enumerate() {
            assert_eq!(done(), if at > CAPACITY { CAPACITY } else { 0 });
            // SAFETY: all that is given lives until the flush has returned.
            unsafe { outbox.add(one.as_fd(), b"x", ticket).unwrap() };
        }
        outbox.flush();
        assert_eq!(done(), tickets.len());
        // The socket may have less room.
        let sent = tickets.iter().filter(|ticket| ticket.result().unwrap().is_ok()).count();
        assert_eq!(received(&peer), sent);
    }

    #[test]
    fn a_send_is_due_after_a_while() {
        let (outbox, (one, _peer)) = (Outbox::new(), UnixStream::pair().unwrap());
        assert!(!outbox.is_due());
        for _ in 0..2 {
            let ticket = SendResult::default();
            // SAFETY: all that is given lives until the flush has returned.
            unsafe { outbox.add(one.as_fd(), b"x", &ticket).unwrap() };
            let put = clock::ticks();
            while clock::ticks().wrapping_sub(put) <= PATIENCE {
                std::hint::spin_loop();
            }
            assert!(outbox.is_due());
            outbox.flush();
            assert!(!outbox.is_due());
        }
    }

    #[test]
    fn one_alone_needs_no_ring() {
        let (outbox, (one, peer)) = (Outbox::new(), UnixStream::pair().unwrap());
        assert_eq!(send_on(&outbox, &[&one], b"abc"), [Ok(3)]);
        assert!(matches!(*outbox.ring.borrow(), Uring::Unopened));
        assert_eq!(received(&peer), 3);
    }

    #[test]
    fn where_the_system_refuses_each_is_sent_for_itself() {
        for (call, errno) in [
            (Syscall::UringSetup, libc::EPERM),
            (Syscall::UringSetup, libc::ENOSYS),
            (Syscall::UringEnter, libc::ENOMEM),
        ] {
            let outbox = Outbox::new();
            fault::fail(call, 0, 1, errno);
            assert!(outbox.is_of_use());
            send_on_all_kinds(&outbox);
            assert!(!outbox.is_of_use(), "and nobody waits for others any more");
            send_on_all_kinds(&outbox);
        }
    }

    #[test]
    fn a_ring_that_fails_half_way_is_not_used_again() {
        let mut ring = match open() {
            Ok(ring) => ring,
            // The system has no ring that could be made to fail.
            Err(_) => return,
        };
        // The queue is so full that it has no room for these, so the ring sends none of them.
        let nothing = opcode::Nop::new().build();
        // SAFETY: it refers to no memory.
        while unsafe { ring.submission().push(&nothing) }.is_ok() {}
        let outbox = Outbox::new();
        *outbox.ring.borrow_mut() = Uring::Open(ring);
        send_on_all_kinds(&outbox);
        assert!(!outbox.is_of_use());
    }
}
