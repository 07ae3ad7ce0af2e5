//! Objects that live for ever and are handed out again and again.
//!
//! A thread that wakes another may still touch the sleeper's shared state a moment after the sleeper has gone. State
//! of that kind comes from a pool of leaked objects: never freed, so a late touch is harmless, and reused, so the
//! memory is bounded by the largest number in use at once.
#![forbid(unsafe_code)]

use crate::util::lock::Mutex;

/// A pool of leaked `T`s.
pub(crate) struct StaticPool<T: 'static> {
    idle: Mutex<Vec<&'static T>>,
}

impl<T: Sync> StaticPool<T> {
    pub(crate) const fn new() -> Self {
        Self { idle: Mutex::new(Vec::new()) }
    }

    /// An idle object, or a new one made by `make`.
    pub(crate) fn take(&self, make: impl FnOnce() -> T) -> &'static T {
        let idle = self.idle.lock().pop();
        idle.unwrap_or_else(|| Box::leak(Box::new(make())))
    }

    /// Gives an object back; the caller has brought it to its initial state.
    pub(crate) fn give(&self, object: &'static T) {
        self.idle.lock().push(object);
    }
}
