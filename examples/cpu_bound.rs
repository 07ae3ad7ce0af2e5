//! Work that only computes, on one worker and on two: with two processors it is done in half the time, as green threads
//! run on all workers at once. (Threads and greenlets of CPython take turns at one.)

use greenthread::Runtime;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

fn count_primes(below: u32) -> usize {
    (2..black_box(below)).filter(|n| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0)).count()
}

/// Eight pieces of work on so many workers: how many primes they found, and how long that took.
fn on(workers: usize) -> io::Result<(usize, Duration)> {
    let runtime = Runtime::builder().workers(workers).build()?;
    let begin = Instant::now();
    let pieces: Vec<_> = (0..8).map(|_| runtime.spawn(|| count_primes(150_000))).collect();
    let found = pieces.into_iter().map(|piece| piece.join().expect("a count")).sum();
    Ok((found, begin.elapsed()))
}

fn main() -> io::Result<()> {
    let (found, one) = on(1)?;
    let (_, two) = on(2)?;
    println!("{found} primes: 1 worker {one:.0?}, 2 workers {two:.0?}");
    println!("speed-up {:.2}", one.as_secs_f64() / two.as_secs_f64());
    Ok(())
}
