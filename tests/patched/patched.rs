//! Blocking crates and C libraries of others, unmodified, on patched green threads.
//!
//! What needs `nginx`, `redis-server` or PostgreSQL is ignored unless asked for: `cargo test -p greenthread-patched -- --include-ignored`.
//! The programs beside this are run as tests too, with what their documentation says that they print.

#[path = "../monkey/cases.rs"]
mod cases;
#[path = "../monkey/children.rs"]
mod children;
mod clients;
mod databases;
mod examples;
mod must_block;
mod prints;
mod reports;
#[path = "../async/server.rs"]
mod server;
mod servers;
mod support;
mod thread_locals;
mod threads;
mod tls;

use cases::{LIMIT, join_all, on, waits};
