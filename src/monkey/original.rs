//! The C library's own functions, for code that is to block its OS thread even on a green thread.

pub use super::close::original::*;
pub use super::connection::original::*;
pub use super::file::original::*;
pub use super::futex::original_syscall as syscall;
pub use super::names::original::*;
pub use super::poll::original::*;
pub use super::process::original::*;
pub use super::socket::original::*;
pub use super::time::original::*;
