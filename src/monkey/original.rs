//! The C library's own functions, for code that wants to block its OS thread even on a green thread after patching.
//!
//! # Examples
//! ```
//! // SAFETY: this program does nothing that the Safety section of `patch_all` forbids.
//! unsafe { greenthread::monkey::patch_time() };
//! // Blocks the whole worker for 1,000 microseconds.
//! // SAFETY: `usleep` takes any number.
//! let slept = greenthread::spawn(|| unsafe { greenthread::monkey::original::usleep(1000) });
//! assert_eq!(slept.join().unwrap(), 0);
//! ```

pub use super::close::original::*;
pub use super::connection::original::*;
pub use super::epoll::original::*;
pub use super::file::original::*;
pub use super::futex::original_syscall as syscall;
pub use super::names::original::*;
pub use super::poll::original::*;
pub use super::process::original::*;
pub use super::select::original::*;
pub use super::socket::original::*;
pub use super::time::original::*;
