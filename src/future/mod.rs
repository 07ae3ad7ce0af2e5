//! Waiting for futures in straight-line code, and green threads for code that is `async`.
//!
//! A green thread is a good place to wait for a future: it has a stack, so neither it nor its callers need be `async`, and
//! while it waits the others of its worker run.
//!
//! ```
//! use greenthread::future::FutureExt as _;
//!
//! async fn answer() -> u32 {
//!     42
//! }
//!
//! assert_eq!(answer().wait(), 42);
//! ```
//!
//! Invariant: a future is polled on the stack of whoever waits for it, where no other task ever runs.

mod awaited;
mod block_on;
mod channel;
mod event;
mod ext;
mod green;
mod join;
mod queue;
mod semaphore;
mod stream;

pub use block_on::block_on;
pub use channel::{Receiving, Sending};
pub use event::Happening;
pub use ext::FutureExt;
pub use green::{Green, green};
pub use join::Joining;
pub use semaphore::Acquiring;
pub use stream::{GreenStream, IntoItems, Items, Iter, iter, stream};
