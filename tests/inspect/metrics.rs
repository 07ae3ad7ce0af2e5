//! What workers count.

use greenthread::metrics::{self, Metrics};
use greenthread::sync::Event;
use greenthread::thread::park;
use greenthread::{Runtime, blocking, sleep, spawn, yield_now};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runtimes of several kinds.
fn runtimes() -> Vec<Runtime> {
    let workers = [1, 2, 4].map(|count| Runtime::builder().workers(count).build().unwrap());
    [Runtime::new_current_thread().unwrap()].into_iter().chain(workers).collect()
}

/// The numbers when they are so; they are brought up to date a moment after what they tell of.
fn until(runtime: &Runtime, is_so: impl Fn(&Metrics) -> bool) -> Metrics {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = runtime.metrics();
        if is_so(&metrics) {
            return metrics;
        }
        assert!(Instant::now() < end, "{metrics}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn each_spawn_start_end_and_failure_is_counted_once() {
    for runtime in runtimes() {
        runtime
            .run(|| {
                let good: Vec<_> = (0..100).map(|_| spawn(|| ())).collect();
                let bad: Vec<_> =
                    (0..5).map(|_| spawn(|| std::panic::resume_unwind(Box::new(1)))).collect();
                good.into_iter().for_each(|one| one.join().unwrap());
                bad.into_iter().for_each(|one| assert!(one.join().is_err()));
            })
            .unwrap();
        let metrics = until(&runtime, |metrics| metrics.total().ended == 106);
        let total = metrics.total();
        // `main` comes from outside, but for a current-thread runtime's, whose thread is the worker.
        assert_eq!(total.spawned + metrics.spawned_outside, 106, "{metrics}");
        assert_eq!((total.started, total.failed, total.live, metrics.alive), (106, 5, 0, 0));
    }
}

#[test]
fn a_turn_is_a_yield_a_wait_by_its_reason_or_an_end() {
    for runtime in runtimes() {
        runtime
            .run(|| {
                let yields: Vec<_> =
                    (0..10).map(|_| spawn(|| (0..100).for_each(|_| yield_now()))).collect();
                let event = Arc::new(Event::new());
                let waits: Vec<_> = (0..7)
                    .map(|_| {
                        let event = Arc::clone(&event);
                        spawn(move || event.wait())
                    })
                    .collect();
                sleep(Duration::from_millis(20));
                event.set();
                yields.into_iter().chain(waits).for_each(|one| one.join().unwrap());
            })
            .unwrap();
        // Of a series of turns is told when it is over.
        let metrics = until(&runtime, |metrics| {
            let total = metrics.total();
            let suspensions = total.yielded + total.parked_in_all() + total.rested + total.ended;
            total.ended == 18 && total.resumed == suspensions
        });
        let total = metrics.total();
        assert!(total.yielded >= 1000, "{metrics}");
        assert_eq!(total.parked.get("the end of a sleep"), Some(&1), "{metrics}");
        assert!(total.parked.get("an event").is_some_and(|&count| count <= 7), "{metrics}");
        assert!(total.timers_fired >= 1);
        assert!(total.latency.count() > 0, "some were followed\n{metrics}");
    }
}

/// The numbers of what has happened only go up, whoever reads them meanwhile.
#[test]
fn no_count_ever_goes_down() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let stop = Arc::new(Event::new());
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let stop = Arc::clone(&stop);
            runtime.spawn(move || {
                while !stop.is_set() {
                    yield_now();
                    spawn(yield_now).join().unwrap();
                    sleep(Duration::ZERO);
                }
            })
        })
        .collect();
    let counts = |metrics: &Metrics| {
        let of = |worker: &metrics::Worker| {
            [
                worker.spawned,
                worker.started,
                worker.ended,
                worker.resumed,
                worker.yielded,
                worker.parked_in_all(),
                worker.polls,
                worker.sleeps,
                worker.latency.count(),
                worker.latency.sum,
            ]
        };
        metrics.workers.iter().flat_map(of).collect::<Vec<_>>()
    };
    let mut before = counts(&runtime.metrics());
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        let now = counts(&runtime.metrics());
        assert!(before.iter().zip(&now).all(|(before, now)| before <= now), "{before:?} {now:?}");
        before = now;
    }
    stop.set();
    busy.into_iter().for_each(|one| one.join().unwrap());
}

/// One that was woken by another thread while a hog ran has waited for as long as that did.
#[test]
fn a_hog_is_seen_in_the_waits_for_a_turn() {
    const HOG: Duration = Duration::from_millis(60);
    let runtime = Runtime::new_current_thread().unwrap();
    runtime
        .run(|| {
            let waits = spawn(park);
            yield_now();
            let waiting = waits.thread().clone();
            let waker = std::thread::spawn(move || waiting.unpark());
            waker.join().unwrap();
            let until = Instant::now() + HOG;
            while Instant::now() < until {}
            waits.join().unwrap();
        })
        .unwrap();
    let worker = &runtime.metrics().workers[0];
    assert_eq!(worker.woken_by_others, 1);
    let longest = worker.latency.quantile(1.0);
    assert!(longest > HOG.as_nanos() as u64 / 2, "{longest} {:?}", worker.latency);
}

#[test]
fn readiness_stacks_and_blocking_calls_are_counted() {
    for runtime in runtimes() {
        runtime
            .run(|| {
                let (mut here, mut there) = greenthread::os::unix::net::UnixStream::pair().unwrap();
                let reader = spawn(move || {
                    let mut buffer = [0; 1];
                    (0..50).for_each(|_| there.read_exact(&mut buffer).unwrap());
                });
                for _ in 0..50 {
                    sleep(Duration::from_micros(100));
                    here.write_all(b"x").unwrap();
                }
                reader.join().unwrap();
                blocking(|| ());
            })
            .unwrap();
        let metrics = until(&runtime, |metrics| metrics.total().ended == 2);
        let total = metrics.total();
        assert!(total.events.sum > 0 && total.events.count() == total.polls, "{metrics}");
        assert!(total.latency.count() > 0, "{metrics}");
        assert!(total.parked.contains_key("something to read"), "{metrics}");
        assert!(metrics.blocking.iter().any(|pool| pool.name == "user" && pool.threads > 0));
        assert!(total.stacks.mapped > 0 && total.stacks.used > 0, "{metrics}");
    }
}

/// A hub that an ended runtime leaves is another's, which begins at zero.
#[test]
fn another_runtime_begins_at_zero() {
    for _ in 0..3 {
        let runtime = Runtime::new_current_thread().unwrap();
        let total = runtime.metrics().total();
        assert_eq!(
            (total.spawned, total.resumed, total.latency.count(), total.polls),
            (0, 0, 0, 0)
        );
        runtime.run(|| spawn(yield_now).join().unwrap()).unwrap();
        assert_eq!(runtime.metrics().total().ended, 2);
        runtime.run(|| spawn(yield_now).join().unwrap()).unwrap();
        assert_eq!(runtime.metrics().total().ended, 4, "the same goes on");
    }
}

#[test]
fn they_are_json_and_a_table() {
    let runtime = Runtime::builder().workers(2).thread_name("counted").build().unwrap();
    runtime.run(|| sleep(Duration::from_millis(1))).unwrap();
    let metrics = runtime.metrics();
    let json = serde_json::to_value(&metrics).unwrap();
    assert_eq!(json["name"], "counted");
    assert_eq!(json["workers"].as_array().unwrap().len(), 2);
    assert!(json["workers"][0]["latency"]["counts"].is_array());
    let text = metrics.to_string();
    assert!(
        text.starts_with("counted: ") && text.contains("waited for the end of a sleep: 1"),
        "{text}"
    );
    assert!(metrics::all().iter().any(|other| other.name.as_deref() == Some("counted")));
}
