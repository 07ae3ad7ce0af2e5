//! Green threads that belong together, and a limit on how many there are at once: gevent's `pool` module.
//!
//! A [`Group`] knows its green threads, so that all of them can be waited for or killed. A [`Pool`] is a group with a
//! limit: its [`spawn`](Pool::spawn) waits while it is full. Both can call a function for many items, several at once.
//!
//! For tasks whose outcomes are asked for again and again, that are cancelled, or that run on OS threads or in other
//! processes, see [`executor`](crate::executor); for green threads that borrow and fail together, see
//! [`scope`](crate::scope) and [`thread::group`](crate::thread::group).

// Invariant: a green thread is counted by a guard that it owns, so that its place is given back however it ends, even
// if it never began.

mod group;
mod imap;
mod members;
#[expect(clippy::module_inception, reason = "the type has the name of the module")]
mod pool;

pub use group::Group;
pub use imap::{IMap, IMapUnordered};
pub use pool::{Pool, TrySpawnError};
