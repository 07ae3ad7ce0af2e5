//! Integration tests, in modules that mirror `src`.

mod queue;
mod sync;
