//! Contexts of the crate [`opentelemetry`](https://docs.rs/opentelemetry) that follow green threads.
//!
//! `opentelemetry` keeps the contexts that are attached for each OS thread, as a stack. One that
//! [`Context::attach`](https://docs.rs/opentelemetry/0.33/opentelemetry/struct.Context.html#method.attach) has put there stays current while its
//! green thread waits, so the neighbours' spans become children of a span that is not theirs; and where these end in another order, the
//! wrong ones stay. From outside, that stack cannot be taken apart. So this module has an [`attach`] of its own: what it attaches is
//! detached where the green thread is suspended, and attached again where it goes on. Use it instead of `Context::attach`, and of what
//! calls that (`mark_span_as_active`, `Tracer::in_span`), wherever the context stays while something waits. Futures `with_context` are
//! attached around their polls only, and need nothing.
//!
//! Contexts are not passed on to what is spawned, unless [`in_current_context`] does so. Programs that trace by the crate `tracing` and
//! `tracing-opentelemetry` need the feature `tracing` alone, whose spans take their contexts along; do not mix the two in one green
//! thread.
//!
//! # Examples
//! ```
//! use greenthread::{opentelemetry::{attach, in_current_context}, spawn, yield_now};
//! use opentelemetry::Context;
//!
//! #[derive(Debug, PartialEq)]
//! struct Order(u32);
//! let order = || Context::map_current(|context| context.get::<Order>().map(|order| order.0));
//!
//! let threads = [1, 2].map(|number| {
//!     spawn(move || {
//!         let _attached = attach(Context::current_with_value(Order(number)));
//!         yield_now();
//!         assert_eq!(order(), Some(number));
//!         let child = spawn(in_current_context(order));
//!         assert_eq!(child.join().unwrap(), Some(number));
//!     })
//! });
//! threads.into_iter().for_each(|thread| thread.join().unwrap());
//! ```

// Invariant: what a green thread has attached is attached while it runs, and only then.

mod attached;

pub use attached::{Attached, attach, in_current_context};
