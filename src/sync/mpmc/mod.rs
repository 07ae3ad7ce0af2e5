//! Channels from many senders to many receivers, with the names of crossbeam-channel and of std's unstable `mpmc`.
//!
//! They are Go's channels: each item goes to one receiver, and [`select!`](crate::select) waits for the first of several. Waiting
//! suspends a green thread and blocks an OS thread; either may be at either end. The error types are std's where std has
//! them, and give the item back. A green thread that is killed while it waits loses no item. Items that are left when the last
//! receiver is dropped are dropped too.
//!
//! crossbeam-channel itself blocks the worker, and with it every green thread there: it is for OS threads.
//!
//! # Examples
//! ```
//! use greenthread::sync::mpmc;
//! let (sender, receiver) = mpmc::bounded(4);
//! let workers: Vec<_> = (0..3)
//!     .map(|_| {
//!         let receiver = receiver.clone();
//!         greenthread::spawn(move || receiver.iter().sum::<u32>())
//!     })
//!     .collect();
//! for i in 0..100 {
//!     sender.send(i).unwrap();
//! }
//! drop(sender);
//! let sum: u32 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
//! assert_eq!(sum, 4950);
//! ```

// Invariant: nothing here waits by itself; these types only wrap the common channel.

mod error;
mod iter;
mod make;
mod receiver;
mod sender;

pub use super::select::{
    ReadyTimeoutError, Select, SelectTimeoutError, SelectedOperation, TryReadyError, TrySelectError,
};
pub use error::SendTimeoutError;
pub use iter::{IntoIter, Iter, TryIter};
pub use make::{after, at, bounded, channel, never, sync_channel, tick, unbounded};
pub(super) use receiver::ItemsFrom;
pub use receiver::Receiver;
pub use sender::Sender;
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
