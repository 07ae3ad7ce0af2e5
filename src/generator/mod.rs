//! Generators: functions that yield one value after the other, used as ordinary iterators. They are those of Python.
//!
//! ```
//! use greenthread::generator::{Generator, Yielder};
//!
//! let squares = Generator::new(|y: &Yielder<u32>| {
//!     for n in 1.. {
//!         y.yield_(n * n);
//!     }
//! });
//! let odd: Vec<u32> = squares.filter(|n| n % 2 == 1).take(3).collect();
//! assert_eq!(odd, [1, 9, 25]);
//! ```
//!
//! # Which one to use
//!
//! | | who runs next | stack | use it for |
//! |---|---|---|---|
//! | plain [`Iterator`] | the caller, one `next` at a time | none | sequences whose state is a few fields |
//! | [`Generator`] | the caller, one `next` at a time | its own | sequences written as loops and recursion: walks, parsers, simulations |
//! | [`Greenlet`](crate::greenlet::Greenlet) | the one that you switch to | its own | control that goes back and forth between equals, or out of deep callbacks |
//! | [green thread](crate::thread) | the scheduler decides, when something blocks | its own | concurrency: thousands of tasks that sleep, lock, read sockets |
//!
//! Take the first that fits. An iterator needs no stack, and the optimizer sees through it. A generator costs two stack
//! switches for each item (some nanoseconds: `cargo run --release --example switch_ratios`) and saves turning the control flow inside out. A greenlet can also switch to
//! its siblings; each switch names its target, and nothing is concurrent. Green threads need a scheduler, which wakes each
//! of them when what it waits for has happened. The first three work inside a green thread as well as without any runtime.
//! If they call something that blocks, it blocks the green thread, or OS thread, that they run in.
//!
//! # Cost
//! `next` switches to the body and back and allocates nothing. Making a generator takes a stack from the thread's cache and
//! one small allocation. A suspended body keeps the pages of its stack that it has touched, at least one.

// Invariant: a body runs only during a call on its handle. When the handle is gone, the body has ended, or is unwound
// or leaked.
#![forbid(unsafe_code)]

mod core;
mod error;
#[expect(clippy::module_inception, reason = "a file is named after its type")]
mod generator;
mod scoped;
mod yielder;

pub use error::{CloseError, SendError};
pub use generator::Generator;
pub use scoped::{Scoped, scope};
pub use yielder::Yielder;
