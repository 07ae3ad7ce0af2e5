//! The payload of a panic.

use crate::util::dropping::Held;
use std::any::Any;

/// The payload of a panic, which threads may share: a shared reference to it gives access to a payload only if that is
/// `Sync`.
pub(crate) struct Payload(Held<Box<dyn Any + Send>>);

// SAFETY: a shared reference can only be used to ask for the payload's type, which runs no code of the payload's, and
// to get it as a certain type that is `Sync`.
unsafe impl Sync for Payload {}

impl Payload {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(Held::new(payload))
    }

    pub(super) fn into_inner(self) -> Box<dyn Any + Send> {
        self.0.into_inner()
    }

    pub(super) fn is<T: Any>(&self) -> bool {
        self.0.is::<T>()
    }

    pub(super) fn downcast_ref<T: Any + Sync>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }

    pub(super) fn text(&self) -> &str {
        if let Some(text) = self.0.downcast_ref::<&str>() {
            text
        } else if let Some(text) = self.0.downcast_ref::<String>() {
            text
        } else {
            "Box<dyn Any>"
        }
    }
}
