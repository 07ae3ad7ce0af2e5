//! The operating system, and the one door to it. Code above this folder makes no system call by itself, neither by the
//! C library, rustix, socket2 or mio nor by std's files and sockets; `tests/tidy/door.rs` sees to it. What code above
//! sees are descriptors as [`BorrowedFd`](std::os::fd::BorrowedFd), slices, and `io::Result`s.
//!
//! # What another system would have to supply
//!
//! | modules | what they stand for |
//! |---|---|
//! | `net`, `socket`, `ancillary`, `outbox` | sockets, of which nothing waits: what would is `WouldBlock` |
//! | `poll` | being told when a descriptor is ready: a hub's own wait with wakers from other threads, and waits for a few |
//! | `disk`, `file`, `transfer` | files, folders, pipes and standard input; `disk` may wait for one, and is called on the pool |
//! | `memory`, `signal` | stacks that cost nothing until they are touched, guards below them, a handler for who meets one |
//! | `child`, `process`, `notify` | children and their ends, forks, the end of the process, signals as events |
//! | `thread` | OS threads |
//! | `clock`, `time`, `random`, `secret` | what time it is, and chance |
//! | `number`, `limits`, `setting` | names of errors and signals, what there is room for, and what the environment sets |
//! | `panic_count`, `thread_end`, `unwind`, `look`, `linker`, `image`, `bare` | what std, the C library and the linker know and do not tell: see each |
//!
//! # Calls that could block a worker
//!
//! A worker that waits in the kernel holds up all of its green threads. So each call that the library makes is one of these;
//! `tests/tidy/faults.rs` sees to it that each kind of call has its row:
//!
//! | call | kinds of [`Call`](fault::Syscall) | why it does not block, or where it goes |
//! |---|---|---|
//! | `recv`, `send`, `recvmsg`, `sendmsg` | `Recv`, `Send` | `MSG_DONTWAIT`; then the green thread waits for readiness |
//! | `accept` | `Accept` | the listener is in non-blocking mode |
//! | `connect` of TCP | `Connect` | the socket is in non-blocking mode until the connection stands; of UDP it is only noted |
//! | `connect` of a Unix stream | `Connect` | non-blocking mode; a full backlog is tried again after pauses, as nothing tells when there is room |
//! | `socket`, `bind`, `listen`, `shutdown`, options and names of sockets | `Socket`, `Bind`, `Listen`, `Shutdown`, `SetSockOpt`, `GetSockOpt`, `GetName` | nothing is waited for; the path of a Unix socket is looked up where the call is made |
//! | `read`, `write` of pipes | `Recv`, `Send` | `RWF_NOWAIT`, or non-blocking mode where the system does not have that |
//! | `sendfile`, `splice` | `SendFile`, `SpliceIn`, `SpliceOut` | sockets and pipes are in non-blocking mode meanwhile; pages that are not in the cache are read by the pool first, as far as the ends of a piece tell |
//! | `read` of a file on a disk | `ReadCached`, `Recv` | `RWF_NOWAIT` for what is in the cache, the rest by the pool for files |
//! | all else on a disk: `open`, `write`, `stat`, `fsync`, `rename`, ... | `Disk`, `ReadDir`, `Send` | the pool for files: bounded, as a disk answers in the end |
//! | `open` of a FIFO | `Disk`, `Tee` | non-blocking, again after pauses until the other end is open; ended by a timeout at any time |
//! | `read` and `write` of FIFOs and terminals as files | `Recv`, `Send` | once they are ready, in a thread of its own, as another may be faster; so does standard input |
//! | `open` of a device, such as a terminal | `Disk` | a thread of its own: the driver may wait for what it likes |
//! | `flock` | `Disk` | tried on the pool, again after pauses |
//! | `close` of a TCP socket with `SO_LINGER` | `GetLinger` | a thread of its own while the green thread waits |
//! | `close` of anything else | – | gives back what is there. A file system of the network may send what was written: that holds up the worker |
//! | `lseek` | `Disk` | moves a number; on a file system of the network, `SeekFrom::End` asks the server: that holds up the worker |
//! | `fstat` of what is open, to see what it is and how long | `Stat` | the system knows; a file system of the network may ask its server: that holds up the worker |
//! | looking up names | `LookUp` | the pool for names: bounded, as resolvers give up |
//! | standard output and standard error | `Send` | at most `PIPE_BUF` bytes once they are ready; held up only where another process fills the pipe in between |
//! | `epoll_wait`, `poll` | `EpollWait`, `Poll` | the hub's own sleep; `poll` elsewhere is asked without a wait |
//! | `epoll_create`, `epoll_ctl`, `eventfd`, `pipe`, `dup`, `fcntl` | `EpollCreate`, `EpollCtl`, `EpollRemove`, `EventFd`, `Pipe`, `Dup`, `Fcntl` | the system changes what it keeps of a descriptor, and waits for nobody |
//! | sends made together, by `io_uring_enter` | `UringSetup`, `UringEnter` | each has `MSG_DONTWAIT`, so that all are done, or refused, when the call returns |
//! | the start of a program | `Start`, `Exec` | the pool for starts: bounded, as a program begins or fails in the end. What is given to `pre_exec` must not wait for others. `exec` replaces the process |
//! | `waitpid`, `kill`, `pidfd_open` | `Wait`, `Kill`, `PidFdOpen`, `DieWithParent` | `WNOHANG`: the green thread waits until the process's descriptor is readable, or tries again after pauses where there is none |
//! | the start of an OS thread | `ThreadSpawn` | whoever starts it does not wait until it runs |
//! | `mmap`, `munmap`, `mprotect`, `madvise` | `Mmap`, `Munmap`, `Mprotect`, `Madvise`, `Discard`, `GuardProbe` | memory that no file is behind; at most another thread's change of the process's memory comes before |
//! | `sigaction`, `sigaltstack` | `SigAction`, `SigAltStack` | a note that the system keeps |
//! | `/proc`, limits, clocks of threads, the slack of timers | `Proc`, `GetLimit`, `ClockOfThread`, `TimerSlack` | the system tells, from memory |
//! | `getrandom` | `Random` | waits only while the system itself starts |
//!
//! What may wait for others without a bound never takes a place in a pool that has one (`runtime/blocking`).
//!
//! Invariant: each call made here first asks [`fault`] whether a test wants it to fail, and each failure is an `io::Error`.
//! `tests/tidy/faults.rs` has the few that do not ask, with the reasons.

pub(crate) mod ancillary;
#[cfg(feature = "monkey")]
pub(crate) mod bare;
mod behind;
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod fault;
pub(crate) mod file;
#[cfg(feature = "processes")]
pub(crate) mod image;
pub(crate) mod limits;
#[cfg(feature = "monkey")]
pub(crate) mod linker;
#[cfg(feature = "watchdog")]
pub(crate) mod look;
pub(crate) mod memory;
pub(crate) mod net;
pub(crate) mod notify;
pub(crate) mod number;
#[cfg(feature = "io-uring")]
pub(crate) mod outbox;
pub(crate) mod panic_count;
pub(crate) mod poll;
pub(crate) mod prefetch;
mod proc;
pub(crate) mod process;
pub(crate) mod random;
#[cfg(feature = "counters")]
pub(crate) mod rate;
#[cfg(any(feature = "processes", feature = "console"))]
pub(crate) mod secret;
pub(crate) mod setting;
pub(crate) mod signal;
pub(crate) mod socket;
mod standard_error;
pub(crate) mod thread;
pub(crate) mod thread_end;
pub(crate) mod time;
pub(crate) mod transfer;
pub(crate) mod unwind;

pub(crate) use standard_error::report;
