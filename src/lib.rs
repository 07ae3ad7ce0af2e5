//! Stackful coroutines and green threads.
mod coroutine;
pub mod generator;
pub mod greenlet;
mod stack;
mod sys;
mod util;
