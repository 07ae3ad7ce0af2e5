//! Tests through the public interface, one module for each module of the library.

mod control;
mod generator;
mod greenlet;
