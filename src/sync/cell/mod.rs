//! The places where data that a lock protects is reached: all the `unsafe` of `sync`.
//!
//! Invariant: each file joins one state machine with the one `UnsafeCell` that it guards; the cell is reached only through a
//! guard that the state machine has granted.

mod lock;
mod mapped;
mod once_lock;
mod reentrant;
mod rw;

pub(crate) use lock::{LockCell, LockCellGuard};
pub(crate) use mapped::PartGuard;
pub use once_lock::OnceLock;
pub use reentrant::{MappedReentrantMutexGuard, ReentrantMutex, ReentrantMutexGuard};
pub(crate) use rw::{ReadGuard, RwCell, WriteGuard};
