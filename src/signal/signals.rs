//! Waiting for signals.
#![forbid(unsafe_code)]

use super::{Signal, dispatch};
use crate::runtime::outside::Expectation;
use crate::sync::mpmc::{self, Receiver};
use crate::sys::process;
use crate::util::dropping::each;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::time::Duration;

/// How many signals are kept for somebody who does not wait at the moment; further ones are lost.
const KEEP: usize = 128;

/// Signals that are sent to this process while this value lives: an endless iterator, and an arm of
/// [`select!`](crate::select). As Go's `signal.Notify`, and Python's `loop.add_signal_handler`.
///
/// - While it lives, the signals do not do what they do by default, such as ending the process. They do so again when
///   the last `Signals` that has them is dropped.
/// - Several that live at once get each signal each.
/// - Equal signals that are sent in quick succession may come as one; that is how the system treats them.
/// - Up to 128 are kept while nobody waits; further ones are lost.
///
/// It is for signals that are sent to the process, not to one of its threads. A child process has the default actions
/// again, a forked one too.
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
#[doc(alias = "signal_handler")]
#[doc(alias = "Notify")]
#[doc(alias = "add_signal_handler")]
#[doc(alias = "sigaction")]
pub struct Signals {
    id: u64,
    generation: u32,
    receiver: Receiver<Signal>,
    _expectation: Option<Expectation>,
}

impl Signals {
    /// Begins to catch these signals. Does not suspend.
    ///
    /// # Errors
    /// Nothing is caught then.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) for a number that is no signal, for those that no program can
    ///   catch (KILL and STOP), and for those that tell of a fault of the program (SEGV, ILL, FPE).
    /// - Too many open files (`EMFILE` or `ENFILE`), or no room for the OS thread that passes signals on; only the
    ///   first `Signals` of a process needs these.
    ///
    /// # Examples
    /// ```
    /// use greenthread::signal::{Signal, Signals};
    /// use std::io::ErrorKind;
    ///
    /// // HUP, by which daemons are told to read their configuration again, ends this process no more.
    /// let _signals = Signals::new([Signal::HUP])?;
    /// // No program can catch this one.
    /// let refused = Signals::new([Signal::from_raw(9)]).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        Self::expecting(signals, Some(Expectation::new()))
    }

    /// As [`new`](Self::new), for one that waits and wakes no green thread: where none can run, that is a deadlock all the same.
    #[allow(dead_code, reason = "dumps alone use it")]
    pub(crate) fn waking_nobody(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        Self::expecting(signals, None)
    }

    fn expecting(
        signals: impl IntoIterator<Item = Signal>,
        expectation: Option<Expectation>,
    ) -> io::Result<Self> {
        let mut signals: Vec<_> = each(signals).collect();
        signals.sort_unstable();
        signals.dedup();
        let (sender, receiver) = mpmc::bounded(KEEP);
        let id = dispatch::subscribe(signals, sender)?;
        Ok(Self { id, generation: process::generation(), receiver, _expectation: expectation })
    }

    /// Waits for the next signal. Suspends.
    ///
    /// # Examples
    /// A green thread that does nothing else:
    /// ```
    /// use greenthread::signal::{Signal, Signals};
    ///
    /// let signals = Signals::new([Signal::USR1])?;
    /// let waiter = greenthread::spawn(move || signals.wait());
    /// # let own = std::process::id().to_string();
    /// # greenthread::process::Command::new("kill").args(["-USR1", &own]).status()?;
    /// assert_eq!(waiter.join().unwrap(), Signal::USR1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait(&self) -> Signal {
        match self.receiver.recv() {
            Ok(signal) => signal,
            // This never happens: the other end stays as long as this one.
            Err(_) => loop {
                crate::thread::park();
            },
        }
    }

    /// Like [`wait`](Self::wait), for at most `timeout`; `None` if no signal came.
    ///
    /// # Examples
    /// ```
    /// use greenthread::signal::{Signal, Signals};
    /// use std::time::Duration;
    ///
    /// let signals = Signals::new([Signal::USR2])?;
    /// assert_eq!(signals.try_wait(), None);
    /// assert_eq!(signals.wait_timeout(Duration::from_millis(1)), None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Signal> {
        self.receiver.recv_timeout(timeout).ok()
    }

    /// A signal that has come already, if there is one. Does not suspend.
    pub fn try_wait(&self) -> Option<Signal> {
        self.receiver.try_recv().ok()
    }
}

/// It can be used as a receiver: in [`select!`](crate::select), and by the receiver's other methods.
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

/// Waits for the next of these signals, and says which it was. Suspends. When this has returned, the signals do again
/// what they do by default: the first Ctrl-C ends this wait, and a second one ends the process at once, whatever it is
/// doing.
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
#[doc(alias = "sigwait")]
pub fn wait(signals: impl IntoIterator<Item = Signal>) -> io::Result<Signal> {
    Ok(Signals::new(signals)?.wait())
}

/// Waits for the next Ctrl-C, as [`wait`] does for SIGINT. Suspends. As tokio's `signal::ctrl_c`.
///
/// # Errors
/// As [`Signals::new`].
///
/// # Examples
/// ```no_run
/// greenthread::spawn(|| loop {
///     greenthread::sleep(std::time::Duration::from_secs(1));
///     println!("working");
/// });
/// greenthread::signal::ctrl_c()?;
/// println!("good bye");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "KeyboardInterrupt")]
#[doc(alias = "SIGINT")]
pub fn ctrl_c() -> io::Result<()> {
    wait([Signal::INT]).map(drop)
}
