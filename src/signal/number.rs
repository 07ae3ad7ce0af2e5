//! Which signal.
#![forbid(unsafe_code)]

use crate::sys::number;
use std::fmt;

/// A signal, by its number in the system.
///
/// # Examples
/// ```
/// use greenthread::signal::Signal;
///
/// assert_eq!(Signal::INT.as_raw(), 2);
/// assert_eq!(Signal::from_raw(15), Signal::TERM);
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// ```
#[doc(alias = "SIGINT")]
#[doc(alias = "SIGTERM")]
#[doc(alias = "SIGHUP")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(i32);

macro_rules! signals {
    ($($name:ident $long:ident $what:literal,)*) => {
        impl Signal {
            $(
                #[doc = concat!("`", stringify!($long), "`: ", $what)]
                pub const $name: Self = Self(number::$long);
            )*

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($long)),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    HUP SIGHUP "the terminal is gone; servers read their settings again.",
    INT SIGINT "Ctrl-C.",
    QUIT SIGQUIT "Ctrl-\\.",
    ABRT SIGABRT "the process has called `abort`.",
    KILL SIGKILL "ends a process, whatever it does.",
    USR1 SIGUSR1 "the program's own.",
    USR2 SIGUSR2 "the program's own.",
    PIPE SIGPIPE "a write to what nobody reads.",
    ALRM SIGALRM "a timer of `alarm`.",
    TERM SIGTERM "the process is asked to end.",
    CHLD SIGCHLD "a child process has ended or stopped.",
    CONT SIGCONT "a stopped process goes on.",
    STOP SIGSTOP "stops a process, whatever it does.",
    TSTP SIGTSTP "Ctrl-Z.",
    WINCH SIGWINCH "the terminal has another size.",
}

impl Signal {
    /// The signal with that number, even if the system has none.
    ///
    /// # Examples
    /// For those without a name here; [`as_raw`](Self::as_raw) gives the number again:
    /// ```
    /// use greenthread::signal::Signal;
    ///
    /// let urgent = Signal::from_raw(23);
    /// assert_eq!(urgent.as_raw(), 23);
    /// ```
    #[must_use]
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// The number of the signal.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
