//! What is Unix's own.

pub mod fs;
pub mod net;
pub mod process;
