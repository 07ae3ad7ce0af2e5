//! Stackful coroutines and green threads.
mod coroutine;
mod stack;
mod sys;
mod util;
