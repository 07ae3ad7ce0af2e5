//! Green threads that sum slices of one array, which they borrow: nothing is copied, and no `Arc` is needed.

use greenthread::scope;

fn main() {
    let numbers: Vec<u64> = (1..=1_000_000).collect();
    let sums: Vec<u64> = scope(|s| {
        let parts: Vec<_> =
            numbers.chunks(250_000).map(|part| s.spawn(|| part.iter().sum::<u64>())).collect();
        parts.into_iter().map(|part| part.join().unwrap()).collect()
    });
    println!("sums of the quarters: {sums:?}");

    // Each may also change a part of its own.
    let mut squares = numbers;
    scope(|s| {
        for part in squares.chunks_mut(250_000) {
            s.spawn(|| part.iter_mut().for_each(|number| *number *= *number));
        }
    });
    println!("sum {}, the last square {}", sums.iter().sum::<u64>(), squares[999_999]);
}
