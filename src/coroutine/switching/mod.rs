//! Tells the watchdog, where there is one, that the stack is being switched: `sys/look.rs` must not look at it then.
//!
//! Invariant: from before the first change of a switch until after its last one, the note is set.

#[cfg(not(feature = "watchdog"))]
mod disabled;
#[cfg(feature = "watchdog")]
mod enabled;

#[cfg(not(feature = "watchdog"))]
pub(super) use disabled::set_switching;
#[cfg(feature = "watchdog")]
pub(super) use enabled::set_switching;
