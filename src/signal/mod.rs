//! Signals: a green thread waits for them, and nothing else is interrupted.
//!
//! - [`wait`] and [`ctrl_c`] wait for the next one; [`Signals`] is for more than one, and for [`select!`](crate::select).
//! - [`Signal`] names them; [`Child::send_signal`](crate::process::Child::send_signal) sends one.

// Invariant: the handler counts and rings; whoever is woken is woken by an OS thread that has no locks of others.

mod dispatch;
mod number;
mod signals;

pub use number::Signal;
pub use signals::{Signals, ctrl_c, wait};
