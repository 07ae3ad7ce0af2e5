//! Channels from many senders to one receiver, with the names of [`std::sync::mpsc`].
//!
//! Waiting suspends a green thread and blocks an OS thread; either may be at either end. The error types are std's own. A green
//! thread that is killed while it waits loses no item. Items that are left when the receiver is dropped are dropped too.
//!
//! std's own channels block the worker, and with it every green thread there: they are for OS threads. Channels of
//! [`mpmc`](super::mpmc) have several receivers, timers, and more ways to wait. The ends of both are arms of
//! [`select!`](crate::select).
//!
//! # Examples
//! ```
//! use greenthread::sync::mpsc;
//! let (sender, receiver) = mpsc::channel();
//! for id in 0..3 {
//!     let sender = sender.clone();
//!     greenthread::spawn(move || sender.send(id).unwrap());
//! }
//! drop(sender);
//! let mut ids: Vec<i32> = receiver.iter().collect();
//! ids.sort();
//! assert_eq!(ids, [0, 1, 2]);
//! ```

// Invariant: nothing here waits by itself; these types only wrap the common channel.

mod iter;
mod receiver;
mod sender;
mod sync_sender;

pub use iter::{IntoIter, Iter, TryIter};
pub use receiver::Receiver;
pub use sender::{Sender, channel};
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
pub use sync_sender::{SyncSender, sync_channel};
