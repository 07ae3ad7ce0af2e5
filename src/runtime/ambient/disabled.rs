//! The twin for builds without the feature `tokio`: there is no context, and both functions only call what they are
//! given.
#![forbid(unsafe_code)]

/// Runs a poll in the context.
#[inline(always)]
pub(crate) fn within<R>(poll: impl FnOnce() -> R) -> R {
    poll()
}

/// Runs `suspend`, which lets others run on the OS thread, outside of the context.
#[inline(always)]
pub(crate) fn outside<R>(suspend: impl FnOnce() -> R) -> R {
    suspend()
}
