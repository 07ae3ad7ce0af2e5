//! Who is told when a worker finds nothing to do.
#![forbid(unsafe_code)]

use super::local::Hub;
use std::time::Duration;

/// An observer is passed to a worker, which calls it before and after it sleeps.
pub(crate) trait Observer {
    /// Called for a hub that has announced its sleep. Returns `false` if the hub must not sleep, as it would do so for
    /// ever.
    fn before_sleep(&self, hub: &Hub) -> bool;

    /// How long the hub may sleep before the observer wants to look again.
    fn look_after(&self, hub: &Hub) -> Option<Duration>;

    /// Called when the hub has slept; `undisturbed` if it slept for as long as [`look_after`](Self::look_after) said.
    fn after_sleep(&self, hub: &Hub, undisturbed: bool);
}
