//! Who looks on where a worker finds nothing to do.
#![forbid(unsafe_code)]

use super::local::Hub;
use std::time::Duration;

/// What a worker is handed, to be told when it goes to sleep and has slept.
pub(crate) trait Observer {
    /// Looks at a hub that has announced its sleep. `false` if it need not sleep: it would do so for ever.
    fn before_sleep(&self, hub: &Hub) -> bool;

    /// For how long the hub may sleep before it is looked at again.
    fn look_after(&self, hub: &Hub) -> Option<Duration>;

    /// Called when the hub has slept; `undisturbed` if it slept for as long as [`look_after`](Self::look_after) said.
    fn after_sleep(&self, hub: &Hub, undisturbed: bool);
}
