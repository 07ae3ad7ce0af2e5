//! Everything at once, by seed; nothing may be lost.

use crate::support::{Random, within_limit, workers};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::{JoinHandle, sleep, spawn, yield_now};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What it did, as a number that depends on the seed alone.
fn mix(seed: u64, depth: u32, ended: &Arc<AtomicUsize>) -> u64 {
    let mut random = Random(seed | 1);
    let mut children: Vec<(bool, JoinHandle<u64>)> = Vec::new();
    let mut sum = 1;
    for _ in 0..random.below(8) + 2 {
        match random.below(7) {
            0 => yield_now(),
            1 => sleep(Duration::from_micros(random.below(300))),
            2 => {
                let (mut a, mut b) = pair();
                a.write_all(&seed.to_le_bytes()).unwrap();
                let back = spawn(move || {
                    let mut bytes = [0; 8];
                    b.read_exact(&mut bytes).unwrap();
                    u64::from_le_bytes(bytes)
                });
                assert_eq!(back.join().unwrap(), seed);
                sum += 1;
            }
            3 => {
                if let Some((panics, child)) = children.pop() {
                    sum += total(panics, child);
                }
            }
            4 if depth > 0 => {
                let ended = Arc::clone(ended);
                let child = spawn(move || {
                    yield_now();
                    ended.fetch_add(1, Ordering::SeqCst);
                    panic!("by seed")
                });
                children.push((true, child));
            }
            _ if depth > 0 => {
                let (ended, seed) = (Arc::clone(ended), random.below(u64::MAX));
                children.push((false, spawn(move || mix(seed, depth - 1, &ended))));
            }
            _ => sum += 3,
        }
    }
    for (panics, child) in children {
        sum += total(panics, child);
    }
    ended.fetch_add(1, Ordering::SeqCst);
    sum
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn total(panics: bool, child: JoinHandle<u64>) -> u64 {
    match child.join() {
        Ok(sum) => {
            assert!(!panics);
            sum
        }
        Err(error) => {
            assert!(panics && error.is_panic());
            7
        }
    }
}

#[test]
fn mixes_by_seed_give_the_same_on_any_number_of_workers() {
    within_limit(|| {
        for seed in [0x9e37_79b9_7f4a_7c15u64, 12_345, 987_654_321, 42] {
            let results: Vec<_> = [1, 2, 8]
                .map(|count| {
                    let runtime = workers(count);
                    let ended = Arc::new(AtomicUsize::new(0));
                    let inside = Arc::clone(&ended);
                    let sum = runtime.run(move || {
                        let all: Vec<_> = (0..12)
                            .map(|i| {
                                let ended = Arc::clone(&inside);
                                let seed = seed.wrapping_mul(i * 2 + 1);
                                spawn(move || mix(seed, 3, &ended))
                            })
                            .collect();
                        all.into_iter().map(|handle| handle.join().unwrap()).sum::<u64>()
                    });
                    (sum.unwrap(), ended.load(Ordering::SeqCst))
                })
                .into_iter()
                .collect();
            assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
        }
    });
}

#[test]
fn green_threads_join_across_runtimes() {
    within_limit(|| {
        let runtimes: Arc<Vec<_>> = Arc::new([1, 2, 3].map(workers).into_iter().collect());
        fn bounce(runtimes: &Arc<Vec<greenthread::Runtime>>, left: usize) -> usize {
            if left == 0 {
                return 0;
            }
            let next = Arc::clone(runtimes);
            let handle = runtimes[left % 3].spawn(move || bounce(&next, left - 1));
            handle.join().unwrap() + 1
        }
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let runtimes = Arc::clone(&runtimes);
                std::thread::spawn(move || {
                    for depth in 0..60 {
                        assert_eq!(bounce(&runtimes, depth), depth);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
