//! Servers: a green thread for each connection or datagram, and what a server needs around that.
//!
//! [`StreamServer`] is gevent's: it takes connections, runs a handler on a green thread of its own for each, no more than
//! it is allowed to at once, survives panics of handlers and the system's running out of descriptors, and stops with
//! grace. [`DatagramServer`] does the same for datagrams. Both work on TCP or UDP and on Unix sockets.

// Invariant: `core` knows how to begin, count and end handlers, and nothing of sockets; what is below it in this folder
// knows sockets, and nothing of green threads.

mod backoff;
mod core;
mod datagram;
mod frame;
mod listener;
mod stats;
mod stream;

pub use datagram::{DatagramServer, DatagramServerBuilder, DatagramSocket};
pub use listener::Listener;
pub use stats::Stats;
pub use stream::{StreamServer, StreamServerBuilder};
