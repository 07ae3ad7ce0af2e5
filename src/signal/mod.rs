//! Signals.
mod number;

pub use number::Signal;
