//! The values of context variables, as green threads inherit them.
#![forbid(unsafe_code)]

use crate::util::values::Values;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The values of one green thread, by the keys of their variables.
#[derive(Clone, Default)]
pub(crate) struct Context(pub(crate) Values<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
