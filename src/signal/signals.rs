//! Waiting for signals.
#![forbid(unsafe_code)]

use super::{Signal, dispatch};
use crate::runtime::outside::Expectation;
use crate::sync::mpmc::{self, Receiver};
use crate::sys::process;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::time::Duration;

/// So many signals are kept for one who does not wait just now; more are lost.
const KEEP: usize = 128;

/// Signals that this process is sent, while this value lives: an endless iterator, and an arm of
/// [`select!`](crate::select).
///
/// What a signal does by default it does not do meanwhile. It does again when no `Signals` is left that has it. Several that
/// live at once get each signal each. Equal signals that are sent in quick succession may come as one; that is the system's
/// way. Up to 128 are kept for whoever does not wait just now.
///
/// Signals that are sent to the process are meant; the system lets its handler run on any OS thread. As Python's
/// `loop.add_signal_handler` and Go's `signal.Notify`.
///
/// A child process has the default actions again, also a forked one. An OS thread of the library's own passes signals on.
///
/// # Examples
/// ```
/// use greenthread::signal::{Signal, Signals};
///
/// let signals = Signals::new([Signal::HUP, Signal::USR1])?;
/// # let own = std::process::id().to_string();
/// # greenthread::process::Command::new("kill").args(["-USR1", &own]).status()?;
/// assert_eq!(signals.wait(), Signal::USR1);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Beside other things that may come:
/// ```no_run
/// use greenthread::select;
/// use greenthread::signal::{Signal, Signals};
/// use greenthread::sync::mpsc;
///
/// let signals = Signals::new([Signal::INT, Signal::TERM])?;
/// let (sender, lines) = mpsc::channel::<String>();
/// loop {
///     select! {
///         recv(signals) -> signal => {
///             println!("{}", signal.unwrap());
///             break;
///         }
///         recv(lines) -> line => println!("{line:?}"),
///     }
/// }
/// # drop(sender);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Signals {
    id: u64,
    generation: u32,
    receiver: Receiver<Signal>,
    _expectation: Expectation,
}

impl Signals {
    /// Begins to wait for these signals. Does not suspend.
    ///
    /// # Errors
    /// `InvalidInput` for a number that is no signal, and for those that the system does not leave to programs (KILL and
    /// STOP) or that tell of a fault (SEGV, ILL, FPE). What the system said, such as too many open files.
    pub fn new(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        let mut signals: Vec<_> = signals.into_iter().collect();
        signals.sort_unstable();
        signals.dedup();
        let (sender, receiver) = mpmc::bounded(KEEP);
        let expectation = Expectation::new();
        let id = dispatch::subscribe(signals, sender)?;
        Ok(Self { id, generation: process::generation(), receiver, _expectation: expectation })
    }

    /// Waits for the next one. Suspends.
    pub fn wait(&self) -> Signal {
        match self.receiver.recv() {
            Ok(signal) => signal,
            // The other end stays while this one does.
            Err(_) => loop {
                crate::thread::park();
            },
        }
    }

    /// Like [`wait`](Self::wait), for at most `timeout`.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Signal> {
        self.receiver.recv_timeout(timeout).ok()
    }

    /// One that has come already. Does not suspend.
    pub fn try_wait(&self) -> Option<Signal> {
        self.receiver.try_recv().ok()
    }
}

/// For [`select!`](crate::select), and for what else receivers can do.
impl Deref for Signals {
    type Target = Receiver<Signal>;

    fn deref(&self) -> &Receiver<Signal> {
        &self.receiver
    }
}

impl Iterator for Signals {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        Some(self.wait())
    }
}

impl Iterator for &Signals {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        Some(self.wait())
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if process::generation() == self.generation {
            dispatch::unsubscribe(self.id);
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

/// Waits for the next of these signals, and says which. Suspends. See [`Signals`]; what a signal does by default it does
/// again when this has returned.
///
/// So the first Ctrl-C ends this wait, and a second one ends the process at once, whatever it is doing then.
///
/// # Errors
/// As [`Signals::new`].
///
/// # Examples
/// ```no_run
/// use greenthread::server::StreamServer;
/// use greenthread::signal::{self, Signal};
/// use std::time::Duration;
///
/// let server = StreamServer::bind("127.0.0.1:8080", |stream, _| drop(stream))?;
/// server.start()?;
/// let why = signal::wait([Signal::INT, Signal::TERM])?;
/// eprintln!("{why}: waiting for clients; once more ends it now");
/// server.stop(Duration::from_secs(10));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait(signals: impl IntoIterator<Item = Signal>) -> io::Result<Signal> {
    Ok(Signals::new(signals)?.wait())
}

/// Waits for the next Ctrl-C, as [`wait`] does for SIGINT. Suspends.
///
/// # Errors
/// As [`Signals::new`].
pub fn ctrl_c() -> io::Result<()> {
    wait([Signal::INT]).map(drop)
}
