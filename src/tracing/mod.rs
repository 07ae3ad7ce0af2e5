//! Spans of the crate [`tracing`](https://docs.rs/tracing) that follow green threads.
//!
//! `tracing` keeps the spans that are entered for each OS thread. So without this, whatever another green thread of the worker does
//! while one waits inside of a span belongs to that span too, and spans are exited in an order that some subscribers do not bear.
//! [`follow_green_threads`] has each green thread exit its spans where it is suspended, and enter them again where it goes on:
//! subscribers that measure how long spans are entered leave out the waits.
//!
//! Spans are not passed on to what is spawned, unless [`in_current_span`] does so. A default subscriber that is set for an OS thread
//! ([`set_default`](https://docs.rs/tracing/0.1/tracing/subscriber/fn.set_default.html)) stays with that; green threads want the
//! global one. With `tracing-opentelemetry` the contexts of OpenTelemetry follow too, as its layer enters and exits them with the spans.
//!
//! # Examples
//! ```
//! use greenthread::{spawn, tracing::{follow_green_threads, in_current_span}, yield_now};
//! use tracing::{info, info_span};
//!
//! follow_green_threads();
//! let threads = ["ann", "ben"].map(|name| {
//!     spawn(move || {
//!         let _span = info_span!("order", name).entered();
//!         yield_now();
//!         info!("this is in the order of {name}");
//!         spawn(in_current_span(|| info!("and so is this"))).join().unwrap();
//!     })
//! });
//! threads.into_iter().for_each(|thread| thread.join().unwrap());
//! ```

// Invariant: what a green thread has entered is entered while it runs, and only then.

mod spans;

pub use spans::{follow_green_threads, in_current_span};
