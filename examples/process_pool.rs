//! A pool of processes: results as they come, and how much faster several processes count primes than one.
//!
//!     cargo run --release --features processes --example process_pool
//!
//! On two processors it ends with a line such as `speed-up 1.9`.

use greenthread::executor::{ProcessPool, as_completed};
use greenthread::process::{self, function};
use std::error::Error;
use std::time::Instant;

const PARTS: u32 = 16;
const NUMBERS: u32 = 200_000;

fn twice(number: u32) -> u32 {
    2 * number
}

/// How many primes there are in one part of the numbers. Slow on purpose.
fn primes(part: u32) -> usize {
    let numbers = (part * NUMBERS / PARTS)..((part + 1) * NUMBERS / PARTS);
    numbers.filter(|n| *n > 1 && (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0)).count()
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init();
    let pool = ProcessPool::builder().build()?;
    let futures: Vec<_> = (0..5)
        .map(|number| {
            let future = pool.apply_async(function!(twice), number)?;
            future.add_done_callback(move |future| match future.result() {
                Ok(value) => println!("Callback: result of process {number} is {value}"),
                Err(error) => println!("Callback: process {number} has none: {error}"),
            });
            Ok(future)
        })
        .collect::<Result<_, Box<dyn Error>>>()?;
    let sum: u32 = as_completed(&futures).map(|future| *future.result().unwrap_or(&0)).sum();
    assert_eq!(sum, 20);

    // Where a machine has less to do than usual, one run says little: the best of three.
    let mut best = f64::MIN;
    for _ in 0..3 {
        let start = Instant::now();
        let alone: usize = (0..PARTS).map(primes).sum();
        let one = start.elapsed();
        let start = Instant::now();
        let together: usize = pool.map(function!(primes), 0..PARTS)?.into_iter().sum();
        let many = start.elapsed();
        assert_eq!(alone, together);
        best = best.max(one.as_secs_f64() / many.as_secs_f64());
    }
    println!(
        "{} primes below {NUMBERS}",
        pool.map(function!(primes), 0..PARTS)?.iter().sum::<usize>()
    );
    println!("speed-up {best:.1}");
    pool.join();
    Ok(())
}
