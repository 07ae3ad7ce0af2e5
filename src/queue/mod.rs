//! Queues that hand out work and know when it is done: Python's `queue` module.
//!
//! [`Queue`] gives items in the order they came, [`LifoQueue`] the last first, [`PriorityQueue`] the smallest first. All
//! have the same methods. `put` waits while a queue with a capacity is full, `get` while it is empty; `try_` variants never
//! wait, `_timeout` and `_deadline` variants for a limited time. Errors give the item back. Green threads and OS threads may
//! be at either end.
//!
//! Each item that is put counts as unfinished until [`task_done`](Queue::task_done) is called for it;
//! [`join`](Queue::join) waits until nothing is unfinished. [`shutdown`](Queue::shutdown) refuses new items and lets
//! what is there be taken; [`shutdown_now`](Queue::shutdown_now) drops it.
//!
//! [`select!`](crate::select) waits for an item, or for room, together with other things.
//!
//! Where none of that is needed, a channel ([`mpmc`](crate::sync::mpmc)) is faster. std has no such queues; a
//! `std::sync::Mutex` around a `VecDeque` is better where nobody ever waits for an item.
//!
//! Every operation lets other green threads run now and then, so that a loop over a queue that is never empty starves nobody.

// Invariant: everything about a queue is in one lock, which is never held while anybody waits, but for a user's own order
// of items.

mod arm;
mod core;
mod error;
mod face;
mod fifo;
mod lifo;
mod priority;

#[doc(hidden)]
pub use arm::{GetArm, PutArm};
pub use error::{GetError, PutError, TaskDoneError, TryGetError, TryPutError};
pub use fifo::Queue;
pub use lifo::LifoQueue;
pub use priority::PriorityQueue;
