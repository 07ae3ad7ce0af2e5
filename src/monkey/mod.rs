//! Monkey patching: unmodified blocking code suspends only its green thread.
//!
//! With the feature `monkey` the library brings functions named as those of the C library (`recv`, `poll`, `nanosleep`, ...),
//! and the linker gives these to the whole program: to std, to other crates, to C libraries. Until [`patch_all`] is called
//! they only pass on. From then on, one that is called by a green thread and would block suspends that green thread, and its
//! worker runs others. On plain OS threads nothing changes, ever. (As gevent's `monkey.patch_all`.)
//!
//! ```no_run
//! use std::io::{Read, Write};
//!
//! // SAFETY: nothing in this program keeps what Safety of `patch_all` speaks of.
//! unsafe { greenthread::monkey::patch_all() };
//! let ask = |host: &'static str| move || -> std::io::Result<usize> {
//!     // All of this is std's.
//!     let mut stream = std::net::TcpStream::connect((host, 80))?;
//!     write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
//!     stream.read_to_end(&mut Vec::new())
//! };
//! let sizes = greenthread::join_all([greenthread::spawn(ask("a.example")), greenthread::spawn(ask("b.example"))]);
//! # drop(sizes);
//! ```
//!
//! Only a final binary should enable the feature: it concerns the whole process, so no library should decide on it.
//!
//! # What works, and what does not
//!
//! | called by unmodified code on a green thread | after patching |
//! |---|---|
//! | sockets: `recv`, `send` and their families, `read`, `write`, `readv`, `writev`, `accept`, `connect` | suspend; timeouts set by `SO_RCVTIMEO` and `SO_SNDTIMEO` and `O_NONBLOCK` mean what they always do |
//! | pipes, FIFOs, `eventfd`s and other descriptors that can be polled | suspend |
//! | `close`, `dup2` of a descriptor that others wait for | those waits end with `EBADF`, even if the number is used again at once |
//! | `poll`, `ppoll`, `select`, `pselect` | suspend; with a signal mask they block |
//! | `epoll_wait`, `epoll_pwait` | suspend after [`patch`] of [`Patch::Epoll`], which `patch_all` leaves out |
//! | `sleep`, `usleep`, `nanosleep`, `clock_nanosleep` | suspend |
//! | `std::thread::yield_now` | yields the OS thread: spin locks call it while they are half taken. Use [`yield_now`](crate::yield_now) |
//! | `getaddrinfo`, `getnameinfo`, `gethostbyname_r`, `gethostbyname2_r`, `gethostbyaddr_r` | run on a pool of OS threads |
//! | std's `Mutex`, `RwLock`, `Condvar`, `Once`, `OnceLock`, `LazyLock`, `Barrier` | suspend, between green threads of one worker and of several, and beside OS threads |
//! | `std::thread::JoinHandle::join`, `waitpid`, `waitid`, `wait4`, `std::process::Command` | suspend |
//! | regular files | block as long as the disk takes; [`fs`](crate::fs) does not |
//! | `std::thread::park`, and what is made of it: `std::sync::mpsc`, `std::thread::scope`, crossbeam-channel | block the worker: their state belongs to the OS thread. Reported after a second |
//! | parking_lot's locks, where they are contended | block the worker: a node of theirs lies in a thread-local. Reported after a second |
//! | opening a FIFO, `flock`, `fcntl` locks, `pause`, `sigwait` | block the worker |
//! | system calls made past the C library (rustix's default, Go), and the C library's inner ones (`FILE *`) | block the worker |
//!
//! # Kills and timeouts
//! No unwind passes through code that was not made for it. A kill or a [`timeout`](crate::timeout()) that strikes a patched call makes it
//! fail with `ECANCELED`; a sleep ends as if its time were over; a wait for a lock of std's goes on. The green thread unwinds
//! at its next wait in a function of this library.
//!
//! Invariant: a patched call suspends only where [`is_on`] says so: on a green thread that neither unwinds nor ends the
//! process; everywhere else it is the C library's.

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
compile_error!(
    "the feature `monkey` stands in for functions of glibc and works on Linux with glibc only"
);

mod close;
mod file;
mod futex;
mod hook;
mod names;
pub mod original;
mod patch;
mod pieces;
mod poll;
mod process;
mod report;
mod socket;
mod table;
mod time;
mod wait;

pub use patch::{
    Patch, is_patched, patch, patch_all, patch_dns, patch_futex, patch_poll, patch_process,
    patch_socket, patch_time,
};
pub use report::{Report, Used, report};

pub(crate) use patch::is_on;
