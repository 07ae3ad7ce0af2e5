//! A function to be called with the result at the end of a task.

use super::error::JoinError;
use std::fmt;

/// A callback for the result of a task. Those who make it and those who call it know the type of the result.
///
/// It is not `Send`: whoever adds one knows on which threads it may be called.
pub(crate) struct ResultLink(Box<dyn FnOnce(*const ())>);

impl ResultLink {
    pub(super) fn new<T: 'static>(f: impl FnOnce(&Result<T, JoinError>) + 'static) -> Self {
        Self(Box::new(move |result| {
            // SAFETY: `call`'s caller passes a result of this type.
            f(unsafe { &*result.cast::<Result<T, JoinError>>() });
        }))
    }

    /// # Safety
    /// `result` points to a `Result<T, JoinError>` of the `T` that the link was made with.
    pub(super) unsafe fn call(self, result: *const ()) {
        (self.0)(result);
    }
}

impl fmt::Debug for ResultLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}
