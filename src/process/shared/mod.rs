//! Things that several processes use together: queues, pipes, a lock, an event, a counter, a map. They are as those of
//! Python's `multiprocessing` and of its `Manager`.
//!
//! Each object lives in the process that made it, and is served by an OS thread there. Other processes have handles to
//! it: serde passes handles on as part of the arguments of a [`Process`](super::Process), through a [`Queue`], or into
//! a [`Map`]. Each operation is a message to the process of the object and one back, over a Unix socket without a name
//! in the file system. So each operation suspends the calling green thread, and only that. Values are encoded by serde
//! and postcard.
//!
//! An object stays as long as there is a handle to it, in whatever process or on the way to one. When the process that
//! made it ends, operations in other processes fail with an error of the kind `ConnectionAborted`. A process that ends
//! in the middle of an operation leaves nothing half done: an item that it has not received goes to the next one who
//! asks, a lock that it holds is released.
//!
//! A queue and a map keep the objects of the handles that are in them until these have been taken out, replaced or
//! removed, or until the queue or map itself is dropped. So a handle that is a value of a map can be read any number of
//! times. A queue or map that contains a handle to itself lasts until its process ends, as a circle of `Rc`s does.
//!
//! Nobody can follow what a program encodes by itself, rather than through one of these objects or as the arguments of
//! a call: a handle in it can be decoded once, even if no other handle is left, and its object stays until that is
//! done. The same holds for the result of a function that runs in another process ([`Process`](super::Process),
//! [`ProcessPool`](crate::executor::ProcessPool)): it is decoded when it arrives, whether or not anybody asks for it.
//! But if the process that called has ended before, the objects of the handles in it stay until the processes that made
//! them end.
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
//!
//! A handle that is passed to another process:
//! ```no_run
//! use greenthread::process::{self, Process, shared::Counter};
//!
//! fn count(counter: Counter) {
//!     for _ in 0..1000 {
//!         counter.add(1).expect("the process that made the counter is still there");
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     process::init();
//!     let counter = Counter::new(0)?;
//!     let others = [(); 2].map(|()| Process::start(process::function!(count), counter.clone()));
//!     for other in others {
//!         other?.join()?;
//!     }
//!     assert_eq!(counter.get()?, 2000);
//!     Ok(())
//! }
//! ```

// Invariant: what a client has been given and has not confirmed is taken back when its connection ends.

mod connection;
mod counter;
mod event;
mod link;
mod lock;
mod map;
mod object;
mod pins;
mod pipe;
mod queue;
mod server;

pub(crate) use pins::UnderWay;

pub use counter::Counter;
pub use event::Event;
pub use lock::{Lock, LockError, LockGuard};
pub use map::Map;
pub use pipe::{PipeEnd, pipe};
pub use queue::{Iter, Queue};
