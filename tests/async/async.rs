//! Async crates of others, unmodified.
