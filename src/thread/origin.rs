//! Whether two green threads would begin in the same surroundings.
#![forbid(unsafe_code)]

use super::context;
use crate::runtime::current;
use std::ptr;
use std::sync::Arc;

/// Where a green thread comes from: its runtime, and the `run` that waits for it. Two green threads of the same origin
/// differ only in their bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// These two are addresses; 0 stands for the global runtime, and for no `run`.
    scheduler: usize,
    family: usize,
}

/// The origin of what the caller spawns. `None` if the caller passes on more than that: labels, values of context
/// variables, or being a daemon.
#[inline]
pub(crate) fn origin() -> Option<Origin> {
    if context::were_used() {
        return None;
    }
    let own = current::with_hub(|hub| {
        let scheduler = Arc::as_ptr(&hub.scheduler).addr();
        let Some(started) = hub.current() else { return Some(Origin { scheduler, family: 0 }) };
        started.with(|task| {
            let family = task.family().map_or(0, |family| ptr::from_ref(family).addr());
            task.heritage().is_none().then_some(Origin { scheduler, family })
        })
    });
    own.unwrap_or(Some(Origin { scheduler: 0, family: 0 }))
}
