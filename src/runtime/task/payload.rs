//! What a panic left behind.

use std::any::Any;

/// A panic's payload that may be shared, since by a shared reference it gives nothing but its text.
pub(crate) struct Payload(Box<dyn Any + Send>);

// SAFETY: `text` is all there is by a shared reference. It asks for the payload's type, which runs no code of the
// payload's, and reads it only if it is a `&str` or a `String`, which are `Sync`.
unsafe impl Sync for Payload {}

impl Payload {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(payload)
    }

    pub(super) fn into_inner(self) -> Box<dyn Any + Send> {
        self.0
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
