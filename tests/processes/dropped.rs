//! Values whose destructors panic: a panic of their encoding or decoding must not meet one of these, which would end this process.

use crate::support::Tests;
use greenthread::executor::{Executor, GreenExecutor, ProcessPool, Remote};
use greenthread::process::shared::Map;
use greenthread::process::{Process, function};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) const TESTS: Tests = &[
    ("arguments_that_cannot_be_encoded_nor_dropped_end_no_process", arguments),
    ("values_of_a_map_that_cannot_be_dropped_end_no_process", values_of_a_map),
    ("a_result_that_cannot_be_dropped_is_given_up_quietly", results),
];

/// Its encoding panics, and so does its destructor.
#[derive(Deserialize)]
struct Bomb;

impl Serialize for Bomb {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("while encoding")
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

fn takes(bomb: Bomb) {
    std::mem::forget(bomb);
}

/// It is a panic, which has not ended the process.
fn panics<T>(call: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(|| drop(call()))).is_err());
}

fn arguments() {
    panics(|| Process::start(function!(takes), Bomb));
    panics(|| Remote::new(function!(takes), Bomb));
    let pool = ProcessPool::new(1).unwrap();
    panics(|| pool.apply(function!(takes), Bomb));
    panics(|| pool.submit(Remote::new(function!(takes), Bomb)));
    panics(|| GreenExecutor::new().submit(Remote::new(function!(takes), Bomb)));
    panics(|| ProcessPool::builder().initializer(function!(takes), Bomb));
    pool.shutdown(true, false);
}

/// Dropping it panics once it has been decoded; a large one cannot be decoded.
#[derive(Serialize)]
struct Number(u8);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            small @ ..10 => Ok(Self(small)),
            _ => panic!("while decoding"),
        }
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

fn values_of_a_map() {
    let map = Map::<u8, Number>::new().unwrap();
    for (key, value) in [(0, 1), (1, 2), (2, 100)] {
        let value = Number(value);
        map.insert(&key, &value).unwrap();
        std::mem::forget(value);
    }
    panics(|| map.items());
}

fn number() -> Number {
    Number(1)
}

fn results() {
    let pool = ProcessPool::new(1).unwrap();
    // Nobody takes them.
    for _ in 0..3 {
        drop(pool.submit(Remote::new(function!(number()), ())).unwrap());
    }
    let process = Process::start(function!(number()), ()).unwrap();
    let handle = process.handle();
    drop(process);
    assert!(handle.wait().is_ok());
    pool.shutdown(true, false);
}
