//! Who waits for which signals, and the OS thread that tells them.
#![forbid(unsafe_code)]

use super::Signal;
use crate::runtime::outside;
use crate::sync::mpmc::Sender;
use crate::sys::notify;
use crate::sys::process::PerProcess;
use crate::util::lock::Mutex;
use std::io;
use std::os::fd::OwnedFd;

/// A `Signals` that is alive.
#[derive(Debug)]
struct Subscriber {
    id: u64,
    signals: Vec<Signal>,
    sender: Sender<Signal>,
}

#[derive(Debug, Default)]
struct Dispatch {
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
        let bell = notify::open()?;
        let thread = std::thread::Builder::new().name("gt-signals".into());
        thread.spawn(move || run(shared, &bell))?;
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
