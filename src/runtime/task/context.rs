//! The values of context variables, as they are passed on.
#![forbid(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::sync::Arc;

type Value = Arc<dyn Any + Send + Sync>;

/// Values by the keys of their variables. Copied by reference count, changed by copying.
#[derive(Clone, Default)]
pub(crate) struct Context(Option<Arc<Vec<(usize, Value)>>>);

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.iter().flat_map(|entries| entries.iter().map(|entry| entry.0));
        f.debug_set().entries(keys).finish()
    }
}

impl Context {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|entries| entries.is_empty())
    }

    pub(crate) fn get(&self, key: usize) -> Option<Value> {
        let entries = self.0.as_ref()?;
        entries.iter().find(|entry| entry.0 == key).map(|entry| Arc::clone(&entry.1))
    }

    /// Sets a value, or takes it away; returns the one before.
    pub(crate) fn set(&mut self, key: usize, value: Option<Value>) -> Option<Value> {
        let entries = Arc::make_mut(self.0.get_or_insert_default());
        let before = entries.iter().position(|entry| entry.0 == key);
        let before = before.map(|at| entries.swap_remove(at).1);
        entries.extend(value.map(|value| (key, value)));
        before
    }
}
