//! The values of a context, by the numbers of their variables.
#![forbid(unsafe_code)]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A clone shares them; they are copied when one is changed.
#[derive(Clone)]
pub(crate) struct Values<V>(Option<Arc<Vec<(usize, V)>>>);

impl<V> Default for Values<V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<V> Drop for Values<V> {
    /// Every value is dropped, even if the destructor of another one panics: such a panic has been printed and goes no
    /// further.
    fn drop(&mut self) {
        for entry in self.0.take().and_then(Arc::into_inner).into_iter().flatten() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(entry))) {
                // The payload of the panic may panic again when it is dropped.
                mem::forget(payload);
            }
        }
    }
}

impl<V: Clone> Values<V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|entries| entries.is_empty())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> {
        self.0.iter().flat_map(|entries| entries.iter().map(|entry| entry.0))
    }

    pub(crate) fn get(&self, key: usize) -> Option<V> {
        let entries = self.0.as_ref()?;
        entries.iter().find(|entry| entry.0 == key).map(|entry| entry.1.clone())
    }

    /// Sets a value or removes it; returns the old one.
    pub(crate) fn set(&mut self, key: usize, value: Option<V>) -> Option<V> {
        let entries = Arc::make_mut(self.0.get_or_insert_default());
        let before = entries.iter().position(|entry| entry.0 == key);
        let before = before.map(|at| entries.swap_remove(at).1);
        entries.extend(value.map(|value| (key, value)));
        before
    }
}
