//! Who waits for which signals, and the OS thread that tells them.
#![forbid(unsafe_code)]

use super::Signal;
use crate::runtime::outside;
use crate::sync::mpmc::Sender;
use crate::sys::process::PerProcess;
use crate::sys::{notify, thread};
use crate::util::lock::Mutex;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A `Signals` that is alive.
#[derive(Debug)]
struct Subscriber {
    id: u64,
    signals: Vec<Signal>,
    sender: Sender<Signal>,
}

#[derive(Debug, Default)]
struct Dispatch {
    /// What wakes the OS thread; there from the first try to start it.
    bell: Option<Arc<OwnedFd>>,
    /// Whether the OS thread runs.
    running: bool,
    last: u64,
    subscribers: Vec<Subscriber>,
}

static DISPATCH: PerProcess<Mutex<Dispatch>> = PerProcess::new();

/// From now on each of these signals is sent to `sender`, as long as there is room. Returns the number by which
/// [`unsubscribe`] ends that.
pub(super) fn subscribe(signals: Vec<Signal>, sender: Sender<Signal>) -> io::Result<u64> {
    let shared = DISPATCH.get(Mutex::default);
    let mut dispatch = shared.lock();
    if !dispatch.running {
        if dispatch.bell.is_none() {
            dispatch.bell = Some(Arc::new(notify::open()?));
        }
        let bell = dispatch.bell.clone();
        thread::start("gt-signals", None, move || bell.map(|bell| run(shared, &bell)))?;
        outside::count_thread();
        dispatch.running = true;
    }
    for (at, signal) in signals.iter().enumerate() {
        if let Err(error) = notify::want(signal.as_raw()) {
            signals[..at].iter().for_each(|signal| notify::unwant(signal.as_raw()));
            return Err(error);
        }
    }
    dispatch.last += 1;
    let id = dispatch.last;
    dispatch.subscribers.push(Subscriber { id, signals, sender });
    Ok(id)
}

/// Ends a subscription.
pub(super) fn unsubscribe(id: u64) {
    let mut dispatch = DISPATCH.get(Mutex::default).lock();
    let Some(at) = dispatch.subscribers.iter().position(|one| one.id == id) else { return };
    let gone = dispatch.subscribers.swap_remove(at);
    gone.signals.iter().for_each(|signal| notify::unwant(signal.as_raw()));
    drop(dispatch);
}

/// What the OS thread runs: it never ends.
fn run(shared: &Mutex<Dispatch>, bell: &OwnedFd) {
    loop {
        let mut come = Vec::new();
        // This fails only if the descriptor is bad, which nothing here can mend.
        if notify::read(bell, |number, count| come.push((Signal::from_raw(number), count))).is_err()
        {
            return;
        }
        for (signal, count) in come {
            let wanted = |one: &&Subscriber| one.signals.contains(&signal);
            // No lock is held while somebody is woken.
            let senders: Vec<_> = {
                let dispatch = shared.lock();
                dispatch.subscribers.iter().filter(wanted).map(|one| one.sender.clone()).collect()
            };
            for sender in senders {
                // If there is no room, nobody has been waiting for a long time, and the signal is lost.
                let _ = (0..count).try_for_each(|_| sender.try_send(signal));
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::signal::Signals;
    use crate::sys::fault::{self, Syscall};
    use std::io::ErrorKind;

    /// No other unit test waits for signals, so the thread has not been started.
    #[test]
    fn without_a_thread_for_signals_they_cannot_be_waited_for_and_nothing_stays_open() {
        let refused = |call, errno| {
            fault::fail(call, 0, 1, errno);
            Signals::new([Signal::USR1]).unwrap_err()
        };
        let bell = || DISPATCH.get(Mutex::default).lock().bell.as_ref().map(Arc::as_ptr);
        for call in [Syscall::EventFd, Syscall::Dup] {
            assert_eq!(refused(call, libc::EMFILE).raw_os_error(), Some(libc::EMFILE));
            assert_eq!(bell(), None);
        }
        let mut first = None;
        for _ in 0..3 {
            let error = refused(Syscall::ThreadSpawn, libc::EAGAIN);
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            let text = "cannot start the OS thread `gt-signals`: ";
            assert!(error.to_string().starts_with(text), "{error}");
            assert!(bell().is_some());
            assert_eq!(first.get_or_insert(bell()), &bell(), "the next try uses it");
        }
        for _ in 0..2 {
            let error = refused(Syscall::SigAction, libc::EINVAL);
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        }
        Signals::new([Signal::USR1]).unwrap();
    }
}
