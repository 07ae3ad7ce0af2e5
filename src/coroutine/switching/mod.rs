//! Tells the watchdog, if there is one, that the stack is being switched, as `sys/look.rs` must not look at it then.
//!
//! Invariant: the note is set from before the first change of a switch until after its last one. Both twins have the
//! function `set_switching`; without the feature `watchdog` it does nothing, and a switch takes no instruction more.

#[cfg(not(feature = "watchdog"))]
mod disabled;
#[cfg(feature = "watchdog")]
mod enabled;

#[cfg(not(feature = "watchdog"))]
pub(super) use disabled::set_switching;
#[cfg(feature = "watchdog")]
pub(super) use enabled::set_switching;
