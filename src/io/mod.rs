//! The one would-block loop that every descriptor goes through.
//!
//! Invariant: try first, then wait; a registration ends before its descriptor does.

mod handle;
mod socket;

pub(crate) use handle::Io;
pub(crate) use socket::{
    descriptor, listener_from_std, socket_from_std, socket_methods, stream_traits,
};
