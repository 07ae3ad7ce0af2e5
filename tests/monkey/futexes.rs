//! `futex` itself, in the forms that others than std use: green waiters in std's form beside OS threads in any.

use crate::{LIMIT, join_all, on, until_waits_exceed, waits};
use greenthread::spawn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PRIVATE: i32 = libc::FUTEX_PRIVATE_FLAG;
const WAIT_BITSET: i32 = libc::FUTEX_WAIT_BITSET | PRIVATE;
const ANY: u32 = u32::MAX;

fn done(result: i64) -> Result<i64, i32> {
    match result {
        -1 => Err(std::io::Error::last_os_error().raw_os_error().unwrap()),
        result => Ok(result),
    }
}

/// Waits while the word is zero, in std's form if the mask is [`ANY`].
fn wait(word: &AtomicU32, mask: u32, until: Option<libc::timespec>) -> Result<i64, i32> {
    let time = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word and the time are valid.
    done(unsafe {
        let none = std::ptr::null::<u32>();
        libc::syscall(libc::SYS_futex, word, WAIT_BITSET, 0u32, time, none, mask)
    })
}

/// Any operation that wakes: with `second` as its fourth argument, which is a number for all of these.
fn wake(
    word: &AtomicU32,
    operation: i32,
    most: i32,
    second: usize,
    other: &AtomicU32,
    last: u32,
) -> Result<i64, i32> {
    // SAFETY: both words are valid.
    done(unsafe {
        libc::syscall(libc::SYS_futex, word, operation | PRIVATE, most, second, other, last)
    })
}

fn wake_bitset(word: &AtomicU32, most: i32, mask: u32) -> Result<i64, i32> {
    wake(word, libc::FUTEX_WAKE_BITSET, most, 0, word, mask)
}

/// Lets others run until the operation has woken one.
fn until_woken(mut wakes: impl FnMut() -> Result<i64, i32>) {
    let end = Instant::now() + LIMIT;
    while wakes() == Ok(0) {
        assert!(Instant::now() < end, "nobody is woken");
        std::thread::sleep(Duration::from_micros(100));
    }
}

#[test]
fn a_wake_up_by_bits_wakes_green_threads_and_of_os_threads_those_who_wait_for_them() {
    for workers in [1, 2] {
        on(workers, || {
            let word = Arc::new(AtomicU32::new(0));
            let green = || {
                let (word, before) = (Arc::clone(&word), waits("syscall"));
                let green = spawn(move || wait(&word, ANY, None));
                until_waits_exceed("syscall", before);
                green
            };
            // A mask of nothing is an error, and wakes nobody; with any bit it wakes who waits for all.
            let one = green();
            assert_eq!(wake_bitset(&word, 9, 0), Err(libc::EINVAL));
            assert!(!one.is_finished());
            assert_eq!(wake_bitset(&word, 0, ANY), Ok(0));
            assert_eq!(wake_bitset(&word, 9, 0b10), Ok(1));
            assert_eq!(one.join().unwrap(), Ok(0));

            // An OS thread that waits for one bit, and a green thread beside it.
            let (own, ends) = (Arc::clone(&word), Arc::new(AtomicUsize::new(0)));
            let ended = Arc::clone(&ends);
            let thread = std::thread::spawn(move || {
                let result = wait(&own, 0b01, None);
                ended.fetch_add(1, Ordering::SeqCst);
                result
            });
            let two = [green(), green()];
            assert_eq!(wake_bitset(&word, 1, 0b10), Ok(1), "the first alone");
            assert_eq!(wake_bitset(&word, 9, 0b10), Ok(1), "the second, and no OS thread");
            assert_eq!(join_all(two), [Ok(0); 2]);
            assert_eq!(ends.load(Ordering::SeqCst), 0);
            until_woken(|| wake_bitset(&word, 9, 0b01));
            assert_eq!(thread.join().unwrap(), Ok(0));
        });
    }
}

#[test]
fn a_green_thread_that_waits_for_bits_blocks_its_worker_until_one_of_them_comes() {
    on(1, || {
        let word = Arc::new(AtomicU32::new(0));
        let own = Arc::clone(&word);
        let waker = std::thread::spawn(move || {
            assert_eq!(wake_bitset(&own, 9, 0b01), Ok(0));
            until_woken(|| wake_bitset(&own, 9, 0b10));
        });
        assert_eq!(wait(&word, 0b10, None), Ok(0));
        waker.join().unwrap();
    });
}

#[test]
fn waiters_that_are_moved_to_another_word_are_woken_there_or_at_once() {
    for workers in [1, 2] {
        on(workers, || {
            for compares in [false, true] {
                let words = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
                let ends = Arc::new(AtomicUsize::new(0));
                let before = waits("syscall");
                let waiter = || {
                    let (words, ends) = (Arc::clone(&words), Arc::clone(&ends));
                    move || {
                        assert_eq!(wait(&words.0, ANY, None), Ok(0));
                        ends.fetch_add(1, Ordering::SeqCst);
                    }
                };
                let green: Vec<_> = (0..3).map(|_| spawn(waiter())).collect();
                let threads: Vec<_> = (0..2).map(|_| std::thread::spawn(waiter())).collect();
                let end = Instant::now() + LIMIT;
                while waits("syscall") < before + 3 {
                    assert!(Instant::now() < end);
                    greenthread::yield_now();
                }
                let (first, second) = (&words.0, &words.1);
                if compares {
                    let moves = libc::FUTEX_CMP_REQUEUE;
                    // The word is not what the caller takes it for: nobody has to be woken, and nobody is lost.
                    assert_eq!(wake(first, moves, 1, 9, second, 7), Err(libc::EAGAIN));
                }
                // Who was woken for nothing has returned; the others are moved, and then woken by the second word.
                while ends.load(Ordering::SeqCst) < 5 {
                    assert!(Instant::now() < end, "{ends:?} of 5");
                    let moves =
                        if compares { libc::FUTEX_CMP_REQUEUE } else { libc::FUTEX_REQUEUE };
                    wake(first, moves, 0, 9, second, 0).unwrap();
                    wake(second, libc::FUTEX_WAKE, 9, 0, second, 0).unwrap();
                    std::thread::sleep(Duration::from_micros(100));
                }
                join_all(green);
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            }
        });
    }
}

#[test]
fn two_words_are_woken_by_one_operation() {
    on(1, || {
        let words = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let before = waits("syscall");
        let (one, two) = (Arc::clone(&words), Arc::clone(&words));
        let both = [spawn(move || wait(&one.0, ANY, None)), spawn(move || wait(&two.1, ANY, None))];
        while waits("syscall") < before + 2 {
            greenthread::yield_now();
        }
        // Stores 5 in the second word if that is 0, and wakes by both: FUTEX_OP_SET, FUTEX_OP_CMP_EQ.
        let change = 5 << 12;
        wake(&words.0, libc::FUTEX_WAKE_OP, 9, 9, &words.1, change).unwrap();
        assert_eq!(words.1.load(Ordering::SeqCst), 5);
        assert_eq!(join_all(both), [Ok(0); 2]);
    });
}

fn now_and(clock: libc::clockid_t, more: i64) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time.
    assert_eq!(unsafe { libc::clock_gettime(clock, &mut time) }, 0);
    let nanos = time.tv_nsec + more;
    libc::timespec {
        tv_sec: time.tv_sec + nanos.div_euclid(1_000_000_000),
        tv_nsec: nanos.rem_euclid(1_000_000_000),
    }
}

#[test]
fn the_times_of_all_forms_are_what_the_kernel_takes_them_for() {
    on(1, || {
        let word = AtomicU32::new(0);
        // std's form: an absolute time, of the monotonic clock.
        let monotonic = libc::CLOCK_MONOTONIC;
        let began = Instant::now();
        assert_eq!(wait(&word, ANY, Some(now_and(monotonic, 5_000_000))), Err(libc::ETIMEDOUT));
        assert!(began.elapsed() >= Duration::from_millis(4));
        assert_eq!(wait(&word, ANY, Some(now_and(monotonic, -5_000_000))), Err(libc::ETIMEDOUT));
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(wait(&word, ANY, Some(zero)), Err(libc::ETIMEDOUT));
        for wrong in [
            libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 },
            libc::timespec { tv_sec: 0, tv_nsec: -1 },
            libc::timespec { tv_sec: -1, tv_nsec: 0 },
        ] {
            assert_eq!(wait(&word, ANY, Some(wrong)), Err(libc::EINVAL));
        }
        let never = libc::timespec { tv_sec: i64::MAX, tv_nsec: 0 };
        word.store(1, Ordering::SeqCst);
        assert_eq!(wait(&word, ANY, Some(never)), Err(libc::EAGAIN), "the word is another one");
        word.store(0, Ordering::SeqCst);
        // The others block: an absolute time of the real clock, and one that counts from now.
        let real = now_and(libc::CLOCK_REALTIME, 5_000_000);
        let from_now = libc::timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let forms = [
            (WAIT_BITSET | libc::FUTEX_CLOCK_REALTIME, real),
            (libc::FUTEX_WAIT | PRIVATE, from_now),
            (libc::FUTEX_WAIT, from_now),
        ];
        for (operation, time) in forms {
            let began = Instant::now();
            // SAFETY: the word and the time are valid.
            let result = done(unsafe {
                let none = std::ptr::null::<u32>();
                libc::syscall(libc::SYS_futex, &word, operation, 0u32, &time, none, ANY)
            });
            assert_eq!(result, Err(libc::ETIMEDOUT), "{operation}");
            assert!(began.elapsed() >= Duration::from_millis(4), "{operation}");
        }
    });
}
