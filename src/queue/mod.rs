//! Queues that hand out work and know when it is done: Python's `queue` module.
//!
//! [`Queue`] gives items in the order in which they were put, [`LifoQueue`] the last first, [`PriorityQueue`] the smallest first.
//! All have the same methods. [`put`](Queue::put) waits while a queue with a capacity is full, [`get`](Queue::get) while it is
//! empty: they suspend a green thread and block an OS thread. The variants with `try_` never wait, those with `_timeout` and
//! `_deadline` for a limited time. Errors give the item back. Green threads and OS threads may be at either end.
//!
//! Each item that is put counts as unfinished until [`task_done`](Queue::task_done) is called for it;
//! [`join`](Queue::join) waits until nothing is unfinished. [`shutdown`](Queue::shutdown) refuses new items and lets
//! what is there be taken; [`shutdown_now`](Queue::shutdown_now) drops it.
//!
//! [`select!`](crate::select) waits for an item, or for room, together with other things.
//!
//! If none of that is needed, a channel ([`mpmc`](crate::sync::mpmc)) is faster. std has no such queues; if nobody ever waits
//! for an item, a `std::sync::Mutex` around a `VecDeque` is better.
//!
//! Every operation lets other green threads run now and then, so that a loop over a queue that is never empty starves nobody. A
//! green thread that is killed, or whose [`timeout`](crate::timeout()) expires, while it waits for an item loses none.
//!
//! # Examples
//! ```
//! use greenthread::queue::{Queue, TryGetError};
//! use std::time::Duration;
//!
//! let jobs = Queue::with_capacity(10);
//! greenthread::scope(|s| {
//!     for _ in 0..2 {
//!         s.spawn(|| {
//!             while let Ok(job) = jobs.get() {
//!                 let _done: u32 = job;
//!                 jobs.task_done().unwrap();
//!             }
//!         });
//!     }
//!     (0..100).for_each(|job| jobs.put(job).unwrap());
//!     jobs.join(); // all 100 are done
//!     assert_eq!(jobs.try_get(), Err(TryGetError::Empty));
//!     jobs.shutdown(); // `get` fails from here on, and the workers end
//! });
//! ```

// Invariant: everything about a queue is in one lock. It is never held while anybody waits, unless the user's own order of the
// items waits.

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
