//! Items between a `Select` that received them and the call that asks for them.
#![forbid(unsafe_code)]

use parking_lot::Mutex;

/// A `Select` does not know the type of what it receives; the channel does, and so here one hands it to the other. Within
/// one call: several that are in it at once may swap their items, as any two that receive at the same time.
#[derive(Debug)]
pub(crate) struct Hands<T>(Mutex<Vec<T>>);

impl<T> Hands<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn put(&self, item: T) {
        self.0.lock().push(item);
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().pop()
    }
}
