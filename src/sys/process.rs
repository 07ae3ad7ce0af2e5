//! Whole-process events: the beginning of `exit`, and a `fork`.

use super::fault::{self, Syscall};
use super::proc;
use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering};
use std::sync::{Once, OnceLock};
use std::time::Duration;

/// A bit for each of the reasons below, for which a suspension is not a plain one.
static SPECIAL: AtomicU8 = AtomicU8::new(0);
/// Some OS thread ends the process.
const EXITING: u8 = 1;
/// There are functions to be called around suspensions.
const HOOKED: u8 = 2;
/// How many forks lie between this process and the one that first used the library.
static GENERATION: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// Whether this OS thread is the one that runs the exit handlers.
    static EXITS: Cell<bool> = const { Cell::new(false) };
}

extern "C" fn mark_exiting() {
    begin_exit();
}

/// The calling OS thread has begun to end the process.
pub(crate) fn begin_exit() {
    EXITS.set(true);
    SPECIAL.fetch_or(EXITING, Ordering::Relaxed);
}

/// A function that a forked child calls before anything else.
static IN_CHILD: OnceLock<fn()> = OnceLock::new();

unsafe extern "C" fn mark_forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    if let Some(in_child) = IN_CHILD.get() {
        in_child();
    }
}

/// Installs the handlers that keep [`is_exiting`] and [`generation`] up to date. Later calls do nothing.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: both handlers only store, to atomics and to a thread-local without a destructor, which is allowed at
        // exit and in a forked child.
        unsafe {
            libc::atexit(mark_exiting);
            libc::pthread_atfork(None, None, Some(mark_forked));
        }
    });
}

/// Has `then` called in each child of a `fork` from here on, on the thread that forked. It must only store to atomics.
pub(crate) fn in_forked_child(then: fn()) {
    watch();
    let _ = IN_CHILD.set(then);
}

/// Whether the calling OS thread runs the process's exit handlers. Meanwhile the other OS threads go on, and a handler
/// may wait for them.
#[inline]
pub(crate) fn is_exiting() -> bool {
    SPECIAL.load(Ordering::Relaxed) & EXITING != 0 && exits_here()
}

/// Whether suspensions are plain: no OS thread ends the process, and no functions are to be called around them. It is
/// one look, as it is asked at every suspension.
#[inline(always)]
pub(crate) fn is_plain() -> bool {
    SPECIAL.load(Ordering::Relaxed) == 0
}

/// Notes that from here on there are functions to be called around suspensions.
pub(crate) fn note_hooks() {
    SPECIAL.fetch_or(HOOKED, Ordering::Release);
}

/// Whether there are functions to be called around suspensions.
#[inline(always)]
pub(crate) fn has_hooks() -> bool {
    SPECIAL.load(Ordering::Relaxed) & HOOKED != 0
}

#[cold]
#[inline(never)]
fn exits_here() -> bool {
    EXITS.get()
}

/// A number that differs between a child of `fork` and its parent. What was made under another number belongs to the
/// parent.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// The error for something that was made under another [`generation`].
pub(crate) fn belongs_to_parent(what: &str) -> io::Error {
    let text = format!(
        "{what} belongs to the process that this one was forked from; it does not run here"
    );
    io::Error::new(io::ErrorKind::Unsupported, text)
}

/// The file of the program that this process runs.
#[allow(dead_code, reason = "the console alone tells it")]
pub(crate) fn program() -> io::Result<PathBuf> {
    fault::check(Syscall::Proc)?;
    std::env::current_exe()
}

/// How many OS threads the process has; `None` where the system does not tell.
pub(crate) fn threads() -> Option<usize> {
    proc::entries("/proc/self/task").ok()
}

/// Whether the process has a handler for any signal but those that report a fault of the program. Where the system does
/// not tell, the answer is yes.
pub(crate) fn handles_signals() -> bool {
    let faults =
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT];
    let faults = faults.iter().fold(0, |all, signal| all | 1u64 << (signal - 1));
    // The handler of the feature `watchdog`, which wakes nobody.
    let own = if cfg!(feature = "watchdog") { 1u64 << (libc::SIGURG - 1) } else { 0 };
    // The C library's own handlers.
    let internal = 0b11 << 31;
    let caught = || {
        let status = proc::read("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    caught().is_none_or(|caught| caught & !(faults | own | internal) != 0)
}

/// The number by which the system knows the calling OS thread.
pub(crate) fn this_thread() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// How much processor time an OS thread of this process has used; `None` if there is none with that number.
pub(crate) fn time_of_thread(thread: i32) -> Option<Duration> {
    // This is how the kernel names the clock of a thread; the C library's `clock_getcpuclockid` does the same for
    // processes.
    let clock = (!thread << 3) | 6;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    fault::check(Syscall::ClockOfThread).ok()?;
    // SAFETY: the timespec is valid for the call; a clock that does not exist is an error.
    let got = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (got == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Whether an OS thread of this process sleeps in the system, rather than runs or waits for a processor.
pub(crate) fn thread_sleeps(thread: i32) -> bool {
    state_of_thread(thread).is_some_and(|state| state != 'R')
}

/// What an OS thread of this process does, in words: "computes", or the system call that it sleeps in. For a thread
/// that computes this takes some milliseconds, as one that a signal (such as the watchdog's) has woken for a moment
/// soon sleeps again.
pub(crate) fn doing_of_thread(thread: i32) -> String {
    let pauses = [0, 1, 2, 4, 8].into_iter().map(std::time::Duration::from_millis);
    let sleeps = |pause| {
        std::thread::sleep(pause);
        thread_sleeps(thread)
    };
    if !pauses.into_iter().any(sleeps) {
        return "computes".to_string();
    }
    let text = proc::read(&format!("/proc/self/task/{thread}/syscall"));
    let number: Option<i64> =
        text.ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
    match number {
        Some(number) => match CALLS.iter().find(|(call, _)| *call == number) {
            Some((_, name)) => format!("sleeps in the system call {name}"),
            None => format!("sleeps in the system call {number}"),
        },
        None => "sleeps in the system".to_string(),
    }
}

/// The system calls that programs sleep in most often.
const CALLS: &[(i64, &str)] = &[
    (libc::SYS_futex, "futex (a lock, channel, condition or join of std's, say)"),
    (libc::SYS_read, "read"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_write, "write"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_recvfrom, "recv"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_sendto, "send"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_accept, "accept"),
    (libc::SYS_accept4, "accept"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_ppoll, "poll"),
    (libc::SYS_epoll_pwait, "epoll_wait"),
    (libc::SYS_pselect6, "select"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_clock_nanosleep, "nanosleep"),
    (libc::SYS_wait4, "wait"),
    (libc::SYS_waitid, "wait"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_fcntl, "fcntl (a lock on a file, say)"),
    (libc::SYS_openat, "open"),
    (libc::SYS_fsync, "fsync"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_select, "select"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open"),
];

fn state_of_thread(thread: i32) -> Option<char> {
    let text = proc::read(&format!("/proc/self/task/{thread}/stat")).ok()?;
    // The thread's name comes before it in parentheses, and may have parentheses itself.
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

/// The exit status of a process whose `main` returned, or panicked.
pub(crate) fn status(good: bool) -> i32 {
    if good { 0 } else { 101 }
}

/// A value of which each process has one, made when it is first asked for. A forked child makes one of its own, as a
/// lock in its parent's may be held by a thread that the child does not have.
#[derive(Debug)]
pub(crate) struct PerProcess<T: 'static>(AtomicPtr<Made<T>>);

#[derive(Debug)]
struct Made<T> {
    generation: u32,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The process's own value. If two threads make one at the same time, one of the two is dropped.
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> &'static T {
        watch();
        let generation = generation();
        let present = self.0.load(Ordering::Acquire);
        // SAFETY: null, or a leaked box.
        match unsafe { present.as_ref() } {
            Some(made) if made.generation == generation => return &made.value,
            _ => {}
        }
        let new = Box::into_raw(Box::new(Made { generation, value: make() }));
        match self.0.compare_exchange(present, new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: leaked here, and never freed from now on.
            Ok(_) => unsafe { &(*new).value },
            Err(other) => {
                // SAFETY: ours alone, since it was not stored; the other was stored by a thread of this process.
                unsafe {
                    drop(Box::from_raw(new));
                    &(*other).value
                }
            }
        }
    }
}
