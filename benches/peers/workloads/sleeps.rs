//! Batches of 100,000 sleeps of 0 to 1 s, the same times for everybody.
//!
//! From the second batch on the stacks are there already; what the first one pays for them is a process with one batch.
//! "coroutines alone" is no peer but a measure of how much there is to save: as many coroutines on stacks of their own that are
//! resumed when their time has come, and nothing else. No tasks, no handles, no queues, no guards between the stacks.

use super::{Peer, green, report, tokio, tokio_here};
use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

// may needs a mapping and two guards for each stack: 100,000 are more than the system lets a process have.
pub(super) const PEERS: &[Peer] = &[
    ("greenthread", |size| {
        green(size.workers, move || {
            batches(size.n, |n| {
                let sleep = |time| {
                    greenthread::spawn(move || {
                        let begin = Instant::now();
                        greenthread::sleep(time);
                        note(begin, time);
                    })
                };
                let all: Vec<_> = durations(n).map(sleep).collect();
                all.into_iter().for_each(|one| one.join().unwrap());
            });
        });
    }),
    ("tokio", |size| tokio(size.workers, tasks(size.n))),
    ("tokio, current thread", |size| tokio_here(tasks(size.n))),
    ("coroutines alone", |size| {
        let places = Places::map(BATCH.min(size.n) + AHEAD);
        batches(size.n, |n| bare(&places, n));
    }),
];

const BATCH: u64 = 100_000;

fn durations(n: u64) -> impl Iterator<Item = Duration> {
    let mut seed = 42u64;
    (0..n).map(move |_| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        Duration::from_millis(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) % 1001)
    })
}

/// The sizes of the batches for `n` sleeps in all.
fn sizes(n: u64) -> impl Iterator<Item = u64> {
    (0..n).step_by(BATCH as usize).map(move |done| BATCH.min(n - done))
}

static LATE: AtomicU64 = AtomicU64::new(0);

/// Notes how late a sleep has ended.
fn note(begin: Instant, time: Duration) {
    let late = begin.elapsed().saturating_sub(time).as_nanos() as u64;
    LATE.fetch_add(late, Ordering::Relaxed);
}

/// How much later than a second a batch has ended, and its sleeps on average. The last batch counts.
fn report_delay(begin: Instant, n: u64) {
    report("delay, ms", begin.elapsed().as_secs_f64() * 1e3 - 1000.0);
    report("late, us", LATE.swap(0, Ordering::Relaxed) as f64 / n as f64 / 1e3);
}

fn batches(n: u64, batch: impl Fn(u64)) {
    for size in sizes(n) {
        let begin = Instant::now();
        batch(size);
        report_delay(begin, size);
    }
}

async fn tasks(n: u64) {
    for size in sizes(n) {
        let begin = Instant::now();
        let sleep = |time| {
            tokio::spawn(async move {
                let begin = Instant::now();
                tokio::time::sleep(time).await;
                note(begin, time);
            })
        };
        let all: Vec<_> = durations(size).map(sleep).collect();
        for one in all {
            one.await.unwrap();
        }
        report_delay(begin, size);
    }
}

/// A place for one coroutine of the floor: its upper end.
#[derive(Clone, Copy)]
struct Place(StackPointer);

/// As far from one stack to the next as in the library.
const STRIDE: usize = 196 << 10;

// SAFETY: `Places` hands out each place once at a time, with `STRIDE` bytes below it that nothing else uses; what runs there
// needs a few hundred.
unsafe impl Stack for Place {
    fn base(&self) -> StackPointer {
        self.0
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.0.get() - STRIDE).unwrap_or(self.0)
    }
}

type Bare = Coroutine<(), Duration, (), Place>;

/// Memory for many coroutines side by side, mapped once.
struct Places(*mut u8);

impl Places {
    fn map(n: u64) -> Self {
        let length = STRIDE * n as usize;
        let (access, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        // SAFETY: a fresh mapping where the system has room.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0) };
        assert_ne!(at, libc::MAP_FAILED);
        // SAFETY: it is ours. Huge pages would be no measure: guards between stacks rule them out.
        unsafe { libc::madvise(at, length, libc::MADV_NOHUGEPAGE) };
        Self(at.cast())
    }

    fn top(&self, at: u64) -> *mut u8 {
        self.0.wrapping_add(STRIDE * (at as usize + 1))
    }

    fn place(&self, at: u64) -> Place {
        Place(StackPointer::new(self.top(at).expose_provenance()).expect("not at zero"))
    }

    /// Asks for what is touched first of a stack.
    fn prefetch(&self, at: u64) {
        let top = self.top(at);
        #[cfg(target_arch = "x86_64")]
        for line in 1..=8 {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint, which has no effect on memory at whatever address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(top.wrapping_sub(64 * line).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = top;
    }
}

/// How many stacks ahead are asked for.
const AHEAD: u64 = 16;

fn bare(places: &Places, n: u64) {
    let origin = Instant::now();
    // Those of each millisecond.
    let mut due: Vec<Vec<(u64, Bare)>> = (0..3000).map(|_| Vec::new()).collect();
    for (at, duration) in durations(n).enumerate() {
        let at = at as u64;
        places.prefetch(at + AHEAD);
        let mut one = Bare::with_stack(places.place(at), move |yielder, ()| {
            let begin = Instant::now();
            yielder.suspend(begin.duration_since(origin) + duration);
            note(begin, duration);
        });
        let CoroutineResult::Yield(until) = one.resume(()) else { unreachable!() };
        due[until.as_millis() as usize + 1].push((at, one));
    }
    for (millis, mut all) in due.into_iter().enumerate().filter(|(_, all)| !all.is_empty()) {
        let until = origin + Duration::from_millis(millis as u64);
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        let order: Vec<u64> = all.iter().map(|(at, _)| *at).collect();
        order.iter().take(AHEAD as usize).for_each(|at| places.prefetch(*at));
        for (next, (_, one)) in all.iter_mut().enumerate() {
            if let Some(at) = order.get(next + AHEAD as usize) {
                places.prefetch(*at);
            }
            one.resume(());
        }
    }
}
