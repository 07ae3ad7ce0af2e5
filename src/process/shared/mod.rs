//! What several processes use together: queues, pipes, a lock, an event, a counter, a map. As what Python's
//! `multiprocessing` has of them and as its `Manager`.
//!
//! Each of these lives in the process that made it, on an OS thread that is there for them. What others have are handles:
//! serde passes them on as part of arguments of a [`Process`](super::Process), through a [`Queue`], or into a [`Map`]. Each
//! operation is a message to that process and one back, over a Unix socket without a name in the file system; waiting suspends
//! only the calling green thread. Values are encoded by serde and postcard.
//!
//! An object is there as long as a handle of it is, in whatever process, or is under way to one. When the process that made it
//! ends, operations elsewhere fail with an error of the kind `ConnectionAborted`. A process that ends in the middle of something
//! leaves nothing half done: an item that it has not received is the next one's, a lock that it holds is released.
//!
//! # Examples
//! ```
//! use greenthread::process::shared::Queue;
//!
//! let queue = Queue::new(2)?;
//! let other = queue.clone();
//! let sender = greenthread::spawn(move || {
//!     for number in 0..5 {
//!         other.put(&number)?;
//!     }
//!     other.close()
//! });
//! let numbers: Vec<i32> = queue.iter().collect();
//! sender.join().unwrap()?;
//! assert_eq!(numbers, [0, 1, 2, 3, 4]);
//! # Ok::<(), std::io::Error>(())
//! ```

// Invariant: what the client has not confirmed is taken back when its connection ends.

mod counter;
mod event;
mod link;
mod lock;
mod map;
mod object;
mod pipe;
mod queue;
mod server;

pub use counter::Counter;
pub use event::Event;
pub use lock::{Lock, LockError, LockGuard};
pub use map::Map;
pub use pipe::{PipeEnd, pipe};
pub use queue::{Iter, Queue};
