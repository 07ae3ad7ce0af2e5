//! A page that shows the green threads of a process live.
//!
//! Invariant: nothing that is asked for changes anything; and what the program says of itself goes to the page as data, never as markup.

mod answers;
mod http;
mod looks;
mod rows;
mod serve;

pub use serve::{Console, ServeBuilder, serve};
