//! Signals of the operating system: a green thread waits for them as for anything else, and no other code is
//! interrupted.
//!
//! - [`wait`] and [`ctrl_c`] wait for the next one; [`Signals`] is for more than one, and for
//!   [`select!`](crate::select).
//! - [`Signal`] names them; [`Child::send_signal`](crate::process::Child::send_signal) sends one.
//!
//! Where a wait suspends a green thread, it blocks an OS thread.

// Invariant: the handler counts and rings; whoever is woken is woken by an OS thread that has no locks of others.

mod dispatch;
mod number;
mod signals;

pub use number::Signal;
pub use signals::{Signals, ctrl_c, wait};
