//! Integration tests, in modules that mirror `src`.

mod sync;
