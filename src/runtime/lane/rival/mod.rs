//! Sources of the same descriptor as another one, and those whose descriptor has been closed behind their back: with the feature
//! `monkey` there are such.

#[cfg(not(feature = "monkey"))]
mod disabled;
#[cfg(feature = "monkey")]
mod enabled;

#[cfg(not(feature = "monkey"))]
pub(super) use disabled::{check, lets_go};
#[cfg(feature = "monkey")]
pub(crate) use enabled::let_go_by;
#[cfg(feature = "monkey")]
pub(super) use enabled::{check, lets_go};
