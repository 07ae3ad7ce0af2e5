//! A page that shows the green threads of a process live.
//!
//! Invariant: no request changes anything; and the names that the program has given go to the page as data, never as
//! markup.

mod answers;
mod http;
mod looks;
mod rows;
mod serve;

pub use serve::{Console, ServeBuilder, serve};
