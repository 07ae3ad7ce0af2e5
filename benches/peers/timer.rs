//! 100,000 sleeps of 0 to 1 s beside tokio's, and how exact short sleeps are.
//!
//! The rounds run in one process, so from the second on the stacks are there already; what the first one pays for them is
//! told apart. The later half of all rounds is what N rounds take beyond N/2.
//!
//! Beside them is a measure of how much there is to save: as many coroutines on stacks of their own that are resumed when
//! their time has come, and nothing else. No tasks, no handles, no queues, no guards between the stacks.

use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static LATE: AtomicU64 = AtomicU64::new(0);
static LATEST: AtomicU64 = AtomicU64::new(0);

/// What a round has shown: the delay of the whole in milliseconds, the mean and the greatest lateness of a sleep in
/// microseconds, and the processor time in seconds.
type Figures = [f64; 4];

fn durations(n: u64) -> impl Iterator<Item = Duration> {
    let mut seed = 42u64;
    (0..n).map(move |_| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        Duration::from_millis(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) % 1001)
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn note(begin: Instant, duration: Duration) {
    let late = begin.elapsed().saturating_sub(duration).as_nanos() as u64;
    LATE.fetch_add(late, Ordering::Relaxed);
    LATEST.fetch_max(late, Ordering::Relaxed);
}

fn cpu() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to the one place that it is given.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) }, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn measured(n: u64, round: impl FnOnce()) -> Figures {
    LATE.store(0, Ordering::Relaxed);
    LATEST.store(0, Ordering::Relaxed);
    let (begin, before) = (Instant::now(), cpu());
    round();
    let over = begin.elapsed().as_secs_f64() * 1e3 - 1000.0;
    let mean = LATE.load(Ordering::Relaxed) as f64 / n as f64 / 1e3;
    [over, mean, LATEST.load(Ordering::Relaxed) as f64 / 1e3, cpu() - before]
}

fn ours(runtime: &greenthread::Runtime, n: u64) -> Figures {
    measured(n, || {
        let main = move || {
            let sleep = |duration| {
                greenthread::spawn(move || {
                    let begin = Instant::now();
                    greenthread::sleep(duration);
                    note(begin, duration);
                })
            };
            let all: Vec<_> = durations(n).map(sleep).collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        };
        runtime.run(main).unwrap();
    })
}

fn tokios(runtime: &tokio::runtime::Runtime, n: u64) -> Figures {
    measured(n, || {
        let main = async move {
            let sleep = |duration| {
                tokio::spawn(async move {
                    let begin = Instant::now();
                    tokio::time::sleep(duration).await;
                    note(begin, duration);
                })
            };
            let all: Vec<_> = durations(n).map(sleep).collect();
            for one in all {
                one.await.unwrap();
            }
        };
        runtime.block_on(async { tokio::spawn(main).await.unwrap() });
    })
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

fn bare(places: &Places, n: u64) -> Figures {
    measured(n, || {
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
    })
}

/// One after the other, while nothing else runs: how late they end, in microseconds.
fn short(runtime: &greenthread::Runtime, duration: Duration) -> f64 {
    let main = move || {
        let late = (0..200).map(|_| {
            let begin = Instant::now();
            greenthread::sleep(black_box(duration));
            (begin.elapsed() - duration).as_secs_f64() * 1e6
        });
        median(late.collect())
    };
    runtime.run(main).unwrap()
}

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench");
    let (n, rounds) = if full { (100_000, 9) } else { (100, 1) };
    for workers in [1, 2] {
        let own = greenthread::Runtime::builder().workers(workers).build().unwrap();
        let other = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_time()
            .build();
        let other = other.unwrap();
        let cold = (ours(&own, n), tokios(&other, n));
        println!(
            "{n} sleeps, {workers} workers, first round: cpu s {:.3}, delay ms {:.3}; tokio {:.3}, {:.3}",
            cold.0[3], cold.0[0], cold.1[3], cold.1[0]
        );
        let rounds: Vec<_> = (0..rounds).map(|_| (ours(&own, n), tokios(&other, n))).collect();
        let later = &rounds[rounds.len() / 2..];
        let cpu = |of: fn(&(Figures, Figures)) -> Figures| -> f64 {
            later.iter().map(|round| of(round)[3]).sum::<f64>() / later.len() as f64
        };
        let (own_cpu, other_cpu) = (cpu(|round| round.0), cpu(|round| round.1));
        println!(
            "{n} sleeps, {workers} workers, cpu s of each of the later half of the rounds: {own_cpu:.3}; tokio \
             {other_cpu:.3}; ours takes {:.3} of it",
            own_cpu / other_cpu
        );
        for (at, what) in ["delay ms", "mean us", "max us", "cpu s"].into_iter().enumerate() {
            let own = median(rounds.iter().map(|round| round.0[at]).collect());
            let other = median(rounds.iter().map(|round| round.1[at]).collect());
            let ratio = median(rounds.iter().map(|round| round.0[at] / round.1[at]).collect());
            println!(
                "{n} sleeps, {workers} workers, {what}: {own:.3}; tokio {other:.3}; ours takes {ratio:.3} of it"
            );
        }
        if workers == 1 {
            let places = Places::map(n + AHEAD);
            bare(&places, n);
            let rounds: Vec<_> =
                rounds.iter().map(|_| (bare(&places, n)[3], tokios(&other, n)[3])).collect();
            let cpu = median(rounds.iter().map(|round| round.0).collect());
            let ratio = median(rounds.iter().map(|round| round.0 / round.1).collect());
            println!("{n} sleeps, coroutines alone, cpu s: {cpu:.3}, {ratio:.3} of tokio's");
        }
        for micros in [1, 10, 100, 500, 1000] {
            let late = short(&own, Duration::from_micros(micros));
            println!("a sleep of {micros} us, {workers} workers: {late:.0} us late");
        }
    }
}
