//! What is Unix's own.

pub mod net;
