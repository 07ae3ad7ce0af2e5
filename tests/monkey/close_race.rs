//! Numbers that are closed in the very moment in which a wait for them begins.
//!
//! The numbers are high ones, which nobody else is given, so that a wait that begins after its number was closed finds none: each
//! wait ends, whichever came first. (Where a number is given out anew in between, who comes late waits for what it means by
//! then, as on OS threads.)

use crate::{join_all, on, until_waits_exceed, waits};
use greenthread::spawn;
use std::io::{PipeReader, PipeWriter, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a wait of each manner is for, and whatever else has to stay open meanwhile.
enum Waited {
    Stream(UnixStream, #[expect(dead_code, reason = "kept open")] UnixStream),
    Pipe(PipeReader, #[expect(dead_code, reason = "kept open")] PipeWriter),
    Listener(TcpListener),
    /// All of them have the same inode.
    Event(OwnedFd),
}

impl Waited {
    fn new(manner: Manner) -> Self {
        match manner {
            Manner::Accept => Self::Listener(TcpListener::bind("127.0.0.1:0").unwrap()),
            Manner::ReadPipe => {
                let (reader, writer) = std::io::pipe().unwrap();
                Self::Pipe(reader, writer)
            }
            Manner::ReadEvent => {
                // SAFETY: the descriptor is a new one.
                Self::Event(unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) })
            }
            _ => {
                let (a, b) = UnixStream::pair().unwrap();
                if manner == Manner::Write {
                    a.set_nonblocking(true).unwrap();
                    while (&a).write(&[0; 4096]).is_ok() {}
                    a.set_nonblocking(false).unwrap();
                }
                Self::Stream(a, b)
            }
        }
    }

    /// What its number is to mean next: for a pipe a socket, and the other way round.
    fn next(manner: Manner) -> Self {
        Self::new(match manner {
            Manner::Read => Manner::ReadPipe,
            Manner::ReadPipe => Manner::Read,
            same => same,
        })
    }

    fn own(&self) -> RawFd {
        match self {
            Self::Stream(a, _) => a.as_raw_fd(),
            Self::Pipe(reader, _) => reader.as_raw_fd(),
            Self::Listener(listener) => listener.as_raw_fd(),
            Self::Event(event) => event.as_raw_fd(),
        }
    }

    /// A copy of it, with a number that nobody else uses.
    fn copy(&self, number: RawFd) -> RawFd {
        // SAFETY: takes numbers only; nobody uses that one.
        let copy = unsafe { libc::fcntl(self.own(), libc::F_DUPFD_CLOEXEC, number) };
        assert_eq!(copy, number);
        copy
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Read,
    RecvAll,
    RecvMessage,
    Write,
    ReadPipe,
    ReadEvent,
    Accept,
    PollOne,
    PollSeveral,
    Select,
}

impl Manner {
    const ALL: [Self; 10] = [
        Self::Read,
        Self::RecvAll,
        Self::RecvMessage,
        Self::Write,
        Self::ReadPipe,
        Self::ReadEvent,
        Self::Accept,
        Self::PollOne,
        Self::PollSeveral,
        Self::Select,
    ];

    /// The name of the function that waits.
    fn symbol(self) -> &'static str {
        match self {
            Self::Read | Self::ReadPipe | Self::ReadEvent => "read",
            Self::RecvAll => "recv",
            Self::RecvMessage => "recvmsg",
            Self::Write => "write",
            Self::Accept => "accept",
            Self::PollOne | Self::PollSeveral => "poll",
            Self::Select => "select",
        }
    }

    /// Waits until the number is closed, and says whether the call has told that.
    fn is_told(self, fd: RawFd) -> bool {
        let none = std::ptr::null_mut::<libc::c_void>();
        let entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut two = [entry, libc::pollfd { events: libc::POLLPRI, ..entry }];
        let mut room = [0u8; 8];
        let buffer = room.as_mut_ptr().cast();
        // SAFETY: the buffer has eight bytes, the entries and the message are valid, the set has room for the number.
        let result = unsafe {
            match self {
                Self::Read | Self::ReadPipe | Self::ReadEvent => libc::read(fd, buffer, 8),
                Self::RecvAll => libc::recv(fd, buffer, 4, libc::MSG_WAITALL),
                Self::RecvMessage => {
                    let mut piece = libc::iovec { iov_base: buffer, iov_len: 4 };
                    let mut message: libc::msghdr = std::mem::zeroed();
                    (message.msg_iov, message.msg_iovlen) = (&mut piece, 1);
                    libc::recvmsg(fd, &mut message, 0)
                }
                Self::Write => libc::write(fd, buffer, 4),
                Self::Accept => libc::accept(fd, none.cast(), none.cast()) as isize,
                Self::PollOne => libc::poll(two.as_mut_ptr(), 1, -1) as isize,
                Self::PollSeveral => libc::poll(two.as_mut_ptr(), 2, -1) as isize,
                Self::Select => {
                    let mut set: libc::fd_set = std::mem::zeroed();
                    libc::FD_SET(fd, &mut set);
                    libc::select(fd + 1, &mut set, none.cast(), none.cast(), none.cast()) as isize
                }
            }
        };
        let errno = std::io::Error::last_os_error().raw_os_error();
        let is_told = match self {
            Self::PollOne | Self::PollSeveral => {
                two.iter().any(|entry| entry.revents == libc::POLLNVAL)
            }
            _ => result == -1 && errno == Some(libc::EBADF),
        };
        if !is_told {
            eprintln!("{self:?}: {result}, {errno:?}, {:?}", two.map(|entry| entry.revents));
        }
        is_told
    }
}

/// Nobody is given these: others get the lowest ones that are free.
const HIGH: RawFd = 900;

/// How many rounds there are for each manner; many by `GREENTHREAD_STORM`.
fn rounds() -> u32 {
    std::env::var("GREENTHREAD_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}

/// Takes about so many turns of a loop, unless it yields instead.
fn linger(turns: u32, by_yielding: bool) {
    for _ in 0..turns {
        if by_yielding { greenthread::yield_now() } else { std::hint::spin_loop() }
    }
}

/// How the number of a round is closed.
fn close(fd: RawFd, replacement: &Waited, round: u32) {
    // SAFETY: the numbers are the caller's own.
    let closes = move || assert_eq!(unsafe { libc::close(fd) }, 0);
    match round % 3 {
        0 => closes(),
        1 => std::thread::spawn(closes).join().unwrap(),
        _ => {
            // Used again at once. Who comes late waits for what it means then, until that is closed too.
            // SAFETY: as above.
            assert_eq!(unsafe { libc::dup2(replacement.own(), fd) }, fd);
            linger(round % 5, true);
            closes();
        }
    }
}

fn storm(manner: Manner, fd: RawFd) {
    let (waited, replacement) = (Waited::new(manner), Waited::next(manner));
    for round in 0..rounds() {
        assert_eq!(waited.copy(fd), fd);
        let begun = Arc::new(AtomicU32::new(0));
        let begins = Arc::clone(&begun);
        let waiter = spawn(move || {
            begins.store(1, Ordering::SeqCst);
            manner.is_told(fd)
        });
        // In step with it at first, so that the length of the pause decides which comes first.
        while begun.load(Ordering::SeqCst) == 0 {
            greenthread::yield_now();
        }
        linger(round * 37 % 1000, false);
        linger(round % 4, true);
        close(fd, &replacement, round);
        assert!(waiter.join().unwrap(), "{manner:?}");
    }
}

#[test]
fn a_number_that_is_closed_while_a_wait_begins_ends_it() {
    for workers in [1, 2, 4] {
        on(workers, || {
            // One after the other and all at the same time.
            for (number, manner) in (HIGH..).zip(Manner::ALL) {
                storm(manner, number);
            }
            join_all(
                (HIGH..)
                    .zip(Manner::ALL)
                    .map(|(number, manner)| spawn(move || storm(manner, number)))
                    .collect::<Vec<_>>(),
            );
        });
    }
}

#[test]
fn whoever_waits_for_a_number_is_told_though_it_is_used_again_at_once() {
    for workers in [1, 2] {
        on(workers, || {
            for manner in Manner::ALL {
                // Nothing ever comes there either, so who waited for the replacement would wait for ever.
                let (waited, replacement) = (Waited::new(manner), Waited::next(manner));
                let fd = waited.copy(HIGH);
                let before = waits(manner.symbol());
                let waiter = spawn(move || manner.is_told(fd));
                until_waits_exceed(manner.symbol(), before);
                // SAFETY: the number is ours.
                assert_eq!(unsafe { libc::dup2(replacement.own(), fd) }, fd);
                assert!(waiter.join().unwrap(), "{manner:?}");
                // SAFETY: as above.
                assert_eq!(unsafe { libc::close(fd) }, 0);
            }
        });
    }
}
