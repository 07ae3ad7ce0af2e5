//! Servers: a green thread for each connection or datagram, and what a server needs around that. As gevent's servers.
//!
//! [`StreamServer`] takes connections and runs a handler on a green thread of its own for each, no more than it is
//! allowed to at once. It goes on after a panic of a handler and when the system has run out of descriptors, and it
//! stops with grace. [`DatagramServer`] does the same for datagrams. Both work with TCP or UDP and with Unix sockets.
//! Where a method says that it suspends a green thread, it blocks an OS thread.
//!
//! # Examples
//! A server that ends with Ctrl-C, and gives its clients ten seconds to finish:
//! ```no_run
//! use greenthread::server::StreamServer;
//! use std::{io, time::Duration};
//!
//! let server = StreamServer::bind("127.0.0.1:7000", |stream, _peer| {
//!     io::copy(&mut &stream, &mut &stream)
//! })?;
//! server.start()?;
//! greenthread::signal::ctrl_c()?;
//! let cut_off = server.stop(Duration::from_secs(10));
//! println!("{} connections, {cut_off} of them cut off", server.stats().accepted);
//! # Ok::<(), io::Error>(())
//! ```

// Invariant: `core` knows how to start, count and end handlers, and nothing of sockets; the other files of this folder
// know sockets, and leave green threads to `core`.

mod acceptor;
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
