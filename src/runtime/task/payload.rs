//! The payload of a panic.

use crate::util::dropping::Held;
use std::any::Any;

/// The payload of a panic, which may be shared between threads: by a shared reference it gives out only what is `Sync`.
pub(crate) struct Payload(Held<Box<dyn Any + Send>>);

// SAFETY: by a shared reference there is only what asks for the payload's type, which runs no code of the payload's, and
// gives it out if it is a certain type that is `Sync`.
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
