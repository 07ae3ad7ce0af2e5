//! Extensions that only Linux has, as [`std::os::linux`].

pub mod net;
