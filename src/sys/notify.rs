//! Signals as numbers that an OS thread reads: the handler counts and rings a bell, nothing else.
//!
//! Signals that others wait for are chained to by `signal-hook-registry`, which also keeps `errno`.

use super::fault::{self, Syscall};
use super::process;
use crate::util::lock::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

/// Signals have the numbers from 1 to 64.
const NUMBERS: usize = 65;

/// For each signal, how many have come that the thread has not read yet; and how many wait for it.
static COUNTS: [AtomicUsize; NUMBERS] = [const { AtomicUsize::new(0) }; NUMBERS];
static WANTED: [AtomicUsize; NUMBERS] = [const { AtomicUsize::new(0) }; NUMBERS];
/// The eventfd, or -1, and the process that it belongs to.
static BELL: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicU32 = AtomicU32::new(0);

/// The handler that there was before ours, for each signal for which ours has been installed.
static BEFORE: Mutex<[Option<Predecessor>; NUMBERS]> = Mutex::new([None; NUMBERS]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Predecessor {
    Default,
    Other,
}

fn before(signal: i32) -> io::Result<Predecessor> {
    fault::check(Syscall::SigAction)?;
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action it only writes the old one, all of it if it succeeds.
    let action = unsafe {
        if libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        action.assume_init()
    };
    Ok(if action.sa_sigaction == libc::SIG_DFL { Predecessor::Default } else { Predecessor::Other })
}

/// Opens the bell of this process, which the caller reads from now on. Once for each process.
pub(crate) fn open() -> io::Result<OwnedFd> {
    fault::check(Syscall::EventFd)?;
    let reader = eventfd(0, EventfdFlags::CLOEXEC)?;
    fault::check(Syscall::Dup)?;
    let writer = reader.try_clone()?;
    process::watch();
    for number in COUNTS.iter().chain(&WANTED) {
        number.store(0, Ordering::Relaxed);
    }
    OWNER.store(process::generation(), Ordering::Relaxed);
    // Never closed: the handler may run at any time.
    BELL.store(writer.into_raw_fd(), Ordering::Release);
    Ok(reader)
}

/// Counts signals of this number from now on, for one more listener. The bell must have been opened.
pub(crate) fn want(signal: i32) -> io::Result<()> {
    let refused = |why: &str| {
        let text = format!("signal {signal} cannot be waited for: {why}");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    if !(1..NUMBERS as i32).contains(&signal) {
        return Err(refused("there is no such signal"));
    }
    if signal_hook_registry::FORBIDDEN.contains(&signal) {
        return Err(refused("the system does not leave it to the program"));
    }
    let mut all = BEFORE.lock();
    if all[signal as usize].is_none() {
        let before = before(signal)?;
        fault::check(Syscall::SigAction)?;
        // SAFETY: what it calls is allowed in a handler: atomics, write, signal, pthread_sigmask, raise, and _exit.
        unsafe { signal_hook_registry::register(signal, move || handle(signal, before)) }
            .map_err(|error| refused(&error.to_string()))?;
        all[signal as usize] = Some(before);
    }
    WANTED[signal as usize].fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// The opposite of [`want`], to be called in the same process.
pub(crate) fn unwant(signal: i32) {
    WANTED[signal as usize].fetch_sub(1, Ordering::SeqCst);
}

/// The signal handler. Runs in signal context.
fn handle(signal: i32, before: Predecessor) {
    let number = signal as usize;
    // A forked child has its parent's handler, and its bell, but not its thread.
    let own = OWNER.load(Ordering::Relaxed) == process::generation();
    if own && WANTED[number].load(Ordering::SeqCst) > 0 {
        COUNTS[number].fetch_add(1, Ordering::SeqCst);
        let one = 1u64.to_ne_bytes();
        // SAFETY: write reads the array only. A full counter rings as well.
        unsafe { libc::write(BELL.load(Ordering::Acquire), one.as_ptr().cast(), one.len()) };
    } else if before == Predecessor::Default {
        // SAFETY: all of these are allowed in a handler, and the set is initialized before it is used.
        unsafe {
            match signal {
                libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH => {}
                // If the default action were set for this one, it could not be waited for again after the process has
                // been continued.
                libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => {
                    libc::raise(libc::SIGSTOP);
                }
                _ => {
                    libc::signal(signal, libc::SIG_DFL);
                    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
                    libc::sigemptyset(set.as_mut_ptr());
                    libc::sigaddset(set.as_mut_ptr(), signal);
                    libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
                    libc::raise(signal);
                    // For the first process of a container, the system ignores its own signals where it has no handler.
                    // So it ends by a call.
                    libc::_exit(128 + signal);
                }
            }
        }
    }
}

/// Waits for the bell, then tells `each` of all signals that have come: which, and how many.
pub(crate) fn read(bell: &OwnedFd, mut each: impl FnMut(i32, usize)) -> io::Result<()> {
    fault::check(Syscall::Recv)?;
    match rustix::io::read(bell, &mut [0; 8]) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    for (number, count) in COUNTS.iter().enumerate() {
        let count = count.swap(0, Ordering::SeqCst);
        if count > 0 {
            each(number as i32, count);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forced_failures_and_bad_numbers() {
        fault::fail(Syscall::EventFd, 0, 1, libc::EMFILE);
        assert_eq!(open().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        fault::fail(Syscall::SigAction, 0, 1, libc::EINVAL);
        assert_eq!(want(libc::SIGUSR2).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        for bad in [0, -1, 65, libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV] {
            assert_eq!(want(bad).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
