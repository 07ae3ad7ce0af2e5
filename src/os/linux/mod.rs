//! Extensions that only Linux has, as [`std::os::linux`].

// Invariant: nothing here waits at all.

pub mod net;
