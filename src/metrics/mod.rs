//! Numbers of a running program: what each worker has done, how long green threads wait for their turn, and what there is.
//!
//! [`Runtime::metrics`](crate::Runtime::metrics) reads them for one runtime, [`all`] for every one, the global one among them. The
//! [`Metrics`] display as a table and serialize.
//!
//! Each worker counts for itself and nobody waits for it, so to read them costs a running program nothing. That they are counted is a
//! feature of its own, since a count takes a few instructions: with it on, a switch between green threads takes a hundredth or two
//! more (`cargo run --release --example workloads -- yield 1`, without and with `--features counters`).
//!
//! # Examples
//! ```
//! use greenthread::{Runtime, spawn, yield_now};
//!
//! let runtime = Runtime::builder().workers(2).build()?;
//! runtime.run(|| {
//!     let others: Vec<_> = (0..10).map(|_| spawn(yield_now)).collect();
//!     others.into_iter().for_each(|other| other.join().unwrap());
//! }).unwrap();
//! let all = runtime.metrics().total();
//! assert!(all.started >= 10);
//! println!("{}", runtime.metrics());
//! # Ok::<(), std::io::Error>(())
//! ```

// Invariant: what is counted is only read here.

mod of_runtime;
#[cfg(feature = "metrics")]
mod publisher;
mod text;

pub use crate::runtime::{Histogram, Stacks, Worker};
pub use of_runtime::{BlockingPool, Metrics, all};
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use publisher::Publisher;
