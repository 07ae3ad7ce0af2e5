//! Executors of green threads and OS threads, and their futures.

use crate::support::{LIMIT, OnDrop, everywhere, until, within_limit, workers};
use greenthread::executor::{
    Call, ExecutionError, Executor, Future, GatherError, GreenExecutor, ReturnWhen, Runs,
    SubmitError, ThreadPool, as_completed, as_completed_timeout, gather, gather_all, try_gather,
    wait, wait_timeout,
};
use greenthread::sync::{Event, Mutex};
use greenthread::thread::{set_uncaught_hook, take_uncaught_hook};
use greenthread::{Runtime, sleep, spawn, yield_now};
use std::collections::HashSet;
use std::hint::black_box;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(5);

fn bump(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::SeqCst);
}

fn green(limit: usize) -> GreenExecutor {
    GreenExecutor::builder().max_workers(limit).build().unwrap()
}

fn threads(limit: usize) -> ThreadPool {
    ThreadPool::new(limit).unwrap()
}

/// Runs a case for each executor that has so many workers.
macro_rules! for_each_executor {
    ($limit:expr, |$executor:ident| $case:expr) => {
        everywhere(|| {
            {
                let $executor = green($limit);
                $case
            }
            {
                let $executor = threads($limit);
                $case
            }
        });
    };
}

/// A task that runs until it is let go, and the event that does so.
fn held<E: Executor + Runs<Held>>(executor: &E) -> (Future<&'static str>, Arc<Event>, Arc<Event>) {
    let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let held = Held { begun: Arc::clone(&begun), go: Arc::clone(&go) };
    (executor.submit(held).unwrap(), begun, go)
}

struct Held {
    begun: Arc<Event>,
    go: Arc<Event>,
}

impl Call for Held {
    type Output = &'static str;

    fn call(self) -> &'static str {
        self.begun.set();
        self.go.wait();
        "held"
    }
}

#[test]
fn a_future_goes_from_pending_to_running_to_finished() {
    for_each_executor!(1, |executor| {
        let (first, begun, go) = held(&executor);
        let second = executor.submit(|| String::from("second")).unwrap();
        begun.wait();
        assert!(first.running() && !first.done());
        assert_eq!(format!("{first:?} {second:?}"), "Future(running) Future(pending)");
        assert!(!second.running() && second.try_result().is_none());
        assert!(first.result_timeout(SHORT).is_none());
        assert!(first.exception_timeout(SHORT).is_none());
        go.set();
        // Again and again, by several at once.
        for _ in 0..3 {
            assert_eq!(first.result().unwrap(), &"held");
        }
        assert!(first.done() && !first.running() && !first.cancelled());
        assert!(first.exception().is_none() && !first.cancel() && !first.kill());
        assert_eq!(second.into_result().unwrap(), "second");
        assert_eq!(format!("{first:?}"), "Future(finished: a value)");
        assert!(first.result_deadline(Instant::now()).is_some());
    });
}

#[test]
fn several_wait_for_one_future() {
    for_each_executor!(2, |executor| {
        let (future, _, go) = held(&executor);
        let future = Arc::new(future);
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                let future = Arc::clone(&future);
                spawn(move || *future.result().unwrap())
            })
            .collect();
        let outside = std::thread::spawn({
            let future = Arc::clone(&future);
            move || *future.result().unwrap()
        });
        sleep(SHORT);
        go.set();
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap() == "held"));
        assert_eq!(outside.join().unwrap(), "held");
    });
}

#[test]
fn a_panic_is_the_tasks_outcome_and_its_worker_goes_on() {
    for_each_executor!(1, |executor| {
        let luck = String::from("luck");
        let future = executor.submit(move || -> u8 { panic!("no {luck}") }).unwrap();
        let error = future.result().unwrap_err();
        assert!(error.is_panic() && !error.is_killed() && !error.is_cancelled());
        assert_eq!(error.to_string(), "the task panicked: no luck");
        assert_eq!(format!("{future:?}"), "Future(finished: the task panicked: no luck)");
        let payload = future.exception().unwrap().take_panic().unwrap();
        assert_eq!(*payload.downcast::<String>().unwrap(), "no luck");
        assert!(future.into_result().is_err());
        assert_eq!(executor.submit(|| 1).unwrap().result().unwrap(), &1);
    });
}

#[test]
fn a_task_is_cancelled_only_where_it_has_not_begun() {
    for_each_executor!(1, |executor| {
        let (first, begun, go) = held(&executor);
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = OnDrop({
            let dropped = Arc::clone(&dropped);
            move || bump(&dropped)
        });
        let second = executor
            .submit(move || {
                let _count = count;
                unreachable!("cancelled")
            })
            .unwrap();
        begun.wait();
        assert!(!first.cancel() && !first.cancelled());
        assert!(second.cancel() && second.cancelled() && second.done());
        assert!(second.cancel(), "it is cancelled, however often it is asked");
        let error = second.result().map(|_: &()| ()).unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(format!("{second:?}"), "Future(cancelled)");
        go.set();
        assert_eq!(first.result().unwrap(), &"held");
        executor.shutdown(true, false);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_running_green_thread_can_be_killed_and_the_next_task_runs() {
    everywhere(|| {
        for executor in [green(1), green(2), GreenExecutor::new()] {
            let (first, begun, _) = held(&executor);
            let (second, third) = (executor.submit(|| 2).unwrap(), executor.submit(|| 3).unwrap());
            begun.wait();
            assert!(first.kill());
            assert!(first.result().unwrap_err().is_killed());
            assert_eq!(second.result().unwrap() + third.result().unwrap(), 5);
            executor.shutdown(true, false);
        }
        let pool = threads(1);
        let (first, begun, go) = held(&pool);
        begun.wait();
        assert!(!first.kill(), "nothing ends an OS thread from outside");
        go.set();
        assert!(first.result().is_ok());
    });
}

/// A kill that comes as its task ends is not for the next one.
#[test]
fn kills_hit_their_own_task_only() {
    within_limit(|| {
        workers(2)
            .run(|| {
                let executor = green(2);
                for _ in 0..2000 {
                    let first = executor.submit(yield_now).unwrap();
                    let second = executor.submit(|| (yield_now(), yield_now())).unwrap();
                    yield_now();
                    first.kill();
                    assert!(second.result().is_ok());
                    assert!(first.result().is_ok() || !first.exception().unwrap().is_panic());
                }
            })
            .unwrap();
    });
}

#[test]
fn callbacks_run_in_order_once_and_a_panicking_one_keeps_no_other_from_it() {
    for_each_executor!(1, |executor| {
        let (future, begun, go) = held(&executor);
        let log = Arc::new(Mutex::new(Vec::new()));
        for number in 0..4 {
            let log = Arc::clone(&log);
            future.add_done_callback(move |future| {
                assert!(future.done(), "the result is there");
                log.lock().unwrap().push((number, *future.result().unwrap()));
                assert!(number != 1, "callback {number}");
            });
        }
        begun.wait();
        go.set();
        // That waits for the callbacks too.
        assert_eq!(future.into_result().unwrap(), "held");
        let expected = [0, 1, 2, 3].map(|number| (number, "held"));
        assert_eq!(*log.lock().unwrap(), expected);
    });
}

#[test]
fn a_callback_on_a_finished_future_runs_at_once_in_the_caller() {
    for_each_executor!(1, |executor| {
        let future = executor.submit(|| 7).unwrap();
        future.result().unwrap();
        let caller = greenthread::current().id();
        let seen = Arc::new(AtomicUsize::new(0));
        let see = Arc::clone(&seen);
        future.add_done_callback(move |future| {
            assert_eq!(greenthread::current().id(), caller);
            see.store(*future.result().unwrap(), Ordering::SeqCst);
        });
        assert_eq!(seen.load(Ordering::SeqCst), 7);
        // A panic of it does not reach the caller.
        future.add_done_callback(|_| panic!("a callback"));
    });
}

#[test]
fn callbacks_of_cancelled_killed_and_panicked_tasks_run_too() {
    for_each_executor!(1, |executor| {
        let (first, begun, go) = held(&executor);
        let cancelled = executor.submit(|| ()).unwrap();
        let panicked = executor.submit(|| panic!("on purpose")).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        for future in [&cancelled, &panicked] {
            let count = Arc::clone(&count);
            future.add_done_callback(move |future: &Future<()>| {
                assert!(future.result().is_err());
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
        begun.wait();
        cancelled.cancel();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        go.set();
        first.result().unwrap();
        until(|| count.load(Ordering::SeqCst) == 2);
    });
}

#[test]
fn a_panicking_callback_is_reported_to_the_uncaught_hook() {
    // The hook is the process's: other tests' panics may reach it too.
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    set_uncaught_hook(Box::new(move |_, error| hear.lock().unwrap().push(error.to_string())));
    let pool = threads(1);
    let future = pool.submit(|| ()).unwrap();
    future.add_done_callback(|_| panic!("a callback that is heard of"));
    until(|| heard.lock().unwrap().iter().any(|text| text.contains("that is heard of")));
    drop(take_uncaught_hook());
}

#[test]
fn a_callback_may_wait_submit_and_add_callbacks() {
    for_each_executor!(2, |executor| {
        let executor = Arc::new(executor);
        let (send, receive) = greenthread::sync::mpsc::channel();
        let future = executor.submit(|| 1).unwrap();
        let again = Arc::clone(&executor);
        future.add_done_callback(move |future| {
            sleep(Duration::from_millis(1));
            let more = again.submit(|| 2).unwrap();
            let first = *future.result().unwrap();
            let send_more = send.clone();
            future.add_done_callback(move |_| send_more.send(10).unwrap());
            send.send(first + more.result().unwrap()).unwrap();
        });
        assert_eq!([receive.recv().unwrap(), receive.recv().unwrap()], [10, 3]);
    });
}

#[test]
fn no_more_run_at_once_than_there_are_workers() {
    for_each_executor!(3, |executor| {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let futures: Vec<_> = (0..40)
            .map(|i| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                executor
                    .submit(move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        // The first three meet, however slow the machine is.
                        until(|| i >= 3 || most.load(Ordering::SeqCst) >= 3);
                        sleep(Duration::from_millis(1));
                        now.fetch_sub(1, Ordering::SeqCst);
                    })
                    .unwrap()
            })
            .collect();
        gather(futures).unwrap();
        assert_eq!(most.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn tasks_begin_in_the_order_in_which_they_came() {
    for_each_executor!(1, |executor| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (_, _, go) = held(&executor);
        for number in 0..50 {
            let log = Arc::clone(&log);
            executor.submit(move || log.lock().unwrap().push(number)).unwrap();
        }
        go.set();
        executor.shutdown(true, false);
        assert_eq!(*log.lock().unwrap(), (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn shutdown_lets_what_was_taken_run_and_takes_no_more() {
    for_each_executor!(2, |executor| {
        let futures: Vec<_> =
            (0..20).map(|n| executor.submit(move || (sleep(SHORT / 5), n).1).unwrap()).collect();
        executor.shutdown(false, false);
        let error = executor.submit(|| 1).unwrap_err();
        assert!(matches!(error, SubmitError::ShutDown), "{error}");
        assert!(executor.map(|n| n, [1]).next().unwrap().unwrap_err().is_cancelled());
        executor.shutdown(true, false);
        assert!(futures.iter().all(Future::done));
        assert_eq!(gather(futures).unwrap(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn shutdown_cancels_what_has_not_begun_if_told_so() {
    for_each_executor!(1, |executor| {
        let (first, begun, go) = held(&executor);
        let others: Vec<_> = (0..5).map(|n| executor.submit(move || n).unwrap()).collect();
        begun.wait();
        executor.shutdown(false, true);
        assert!(others.iter().all(Future::cancelled));
        assert!(first.running());
        go.set();
        executor.shutdown(true, true);
        assert_eq!(first.result().unwrap(), &"held");
    });
}

#[test]
fn a_task_may_shut_its_own_executor_down_and_wait() {
    for_each_executor!(2, |executor| {
        let executor = Arc::new(executor);
        let own = Arc::clone(&executor);
        let other = executor.submit(|| sleep(SHORT)).unwrap();
        let future = executor.submit(move || own.shutdown(true, false)).unwrap();
        future.result().unwrap();
        assert!(other.done());
    });
}

#[test]
fn tasks_that_wait_for_the_end_of_their_executor_do_not_wait_for_each_other() {
    for_each_executor!(3, |executor| {
        let executor = Arc::new(executor);
        let (other, begun, go) = held(&*executor);
        begun.wait();
        let (waiting, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Event::new()));
        let enders: Vec<_> = (0..2)
            .map(|_| {
                let (own, waiting) = (Arc::clone(&executor), Arc::clone(&waiting));
                let all = Arc::clone(&all);
                executor.submit(move || {
                    all.wait();
                    bump(&waiting);
                    own.shutdown(true, false);
                })
            })
            .map(Result::unwrap)
            .collect();
        all.set();
        until(|| waiting.load(Ordering::SeqCst) == 2);
        assert!(enders.iter().all(|one| !one.done()), "they wait for the third");
        go.set();
        assert!(gather(enders).is_ok() && other.done());
        executor.shutdown(true, false);
    });
}

#[test]
fn an_executor_that_is_dropped_with_a_backlog_runs_it() {
    for_each_executor!(1, |executor| {
        let (first, begun, go) = held(&executor);
        let others: Vec<_> = (0..10).map(|n| executor.submit(move || n).unwrap()).collect();
        begun.wait();
        drop(executor);
        go.set();
        assert_eq!(first.into_result().unwrap(), "held");
        assert_eq!(gather(others).unwrap(), (0..10).collect::<Vec<_>>());
    });
}

/// The green threads are gone before they could run anything.
#[test]
fn a_backlog_whose_runtime_ends_is_ended() {
    within_limit(|| {
        for limit in [1, 2, usize::MAX] {
            let runtime = workers(1);
            let (send, receive) = std::sync::mpsc::channel();
            runtime.spawn(move || {
                let executor = green(limit);
                send.send((0..20).map(|_| held(&executor).0).collect::<Vec<_>>()).unwrap();
            });
            let futures = receive.recv().unwrap();
            drop(runtime);
            for outcome in gather_all(futures) {
                assert!(outcome.unwrap_err().is_killed());
            }
        }
    });
}

#[test]
fn map_gives_results_in_order_and_errors_at_their_place() {
    for_each_executor!(3, |executor| {
        let results: Vec<_> = executor
            .map(
                |n: u64| {
                    sleep(Duration::from_millis((5 - n) % 3));
                    assert!(n != 3, "not {n}");
                    n * n
                },
                0..6,
            )
            .collect();
        let values: Vec<_> = results.iter().map(|result| result.as_ref().ok().copied()).collect();
        assert_eq!(values, [Some(0), Some(1), Some(4), None, Some(16), Some(25)]);
        assert!(results[3].as_ref().unwrap_err().to_string().contains("not 3"));
    });
}

#[test]
fn map_reads_no_farther_ahead_than_it_is_told() {
    for_each_executor!(2, |executor| {
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        let endless = (0u64..).inspect(move |_| bump(&count));
        let mut results = executor.map(|n| n, endless);
        assert_eq!(read.load(Ordering::SeqCst), 8, "four for each worker");
        for n in 0..100 {
            assert_eq!(results.next().unwrap().unwrap(), n);
            assert!(read.load(Ordering::SeqCst) <= n as usize + 9);
        }
        let mut unordered = executor.map_unordered(|n| n, 0u64..).read_ahead(1);
        let seen: HashSet<_> = (0..100).map(|_| unordered.next().unwrap().unwrap()).collect();
        assert_eq!(seen.len(), 100);
    });
}

#[test]
fn a_map_that_is_dropped_cancels_what_has_not_begun() {
    for_each_executor!(1, |executor| {
        let (first, begun, go) = held(&executor);
        let ran = Arc::new(AtomicUsize::new(0));
        begun.wait();
        let count = Arc::clone(&ran);
        drop(executor.map(move |_: u8| count.fetch_add(1, Ordering::SeqCst), 0..4));
        go.set();
        first.result().unwrap();
        executor.shutdown(true, false);
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn the_time_of_a_map_is_that_of_the_whole() {
    for_each_executor!(1, |executor| {
        let (first, begun, go) = held(&executor);
        begun.wait();
        let mut results = executor.map(|n: u8| n, 0..3).timeout(SHORT);
        assert!(results.next().unwrap().unwrap_err().is_timeout());
        assert!(results.next().is_none() && results.next().is_none());
        let mut results = executor.map_unordered(|n: u8| n, 0..3).timeout(SHORT);
        assert!(results.next().unwrap().unwrap_err().is_timeout());
        assert!(results.next().is_none());
        go.set();
        first.result().unwrap();
        let mut results = executor.map(|n: u8| n, 0..3).timeout(LIMIT);
        assert!((0..3).all(|n| results.next().unwrap().unwrap() == n));
        assert!(results.next().is_none());
    });
}

/// An unwind out of the items, an interruption's as well as this panic, comes between a result and its being given out.
#[test]
fn a_result_is_not_lost_where_the_next_item_unwinds() {
    fn items() -> impl Iterator<Item = i32> {
        let mut asked = 0;
        std::iter::from_fn(move || {
            asked += 1;
            // As many are read ahead.
            assert_ne!(asked, 5, "no item this time");
            (asked < 8).then_some(asked)
        })
    }
    for_each_executor!(1, |executor| {
        let all: [Box<dyn Iterator<Item = i32>>; 2] = [
            Box::new(executor.map(|n| n, items()).flatten()),
            Box::new(executor.map_unordered(|n| n, items()).flatten()),
        ];
        for mut results in all {
            assert!(catch_unwind(AssertUnwindSafe(|| results.next())).is_err());
            let mut rest: Vec<_> = results.collect();
            rest.sort_unstable();
            assert_eq!(rest, [1, 2, 3, 4, 6, 7]);
        }
    });
}

#[test]
fn wait_returns_at_the_first_the_first_failure_or_the_end() {
    for_each_executor!(3, |executor| {
        let (slow, _, go) = held(&executor);
        let quick = executor.submit(|| "quick").unwrap();
        let waited = wait([&slow, &quick, &slow], ReturnWhen::FirstCompleted);
        assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
        assert_eq!(waited.done[0].result().unwrap(), &"quick");
        let counts = [0, 1].map(|count| wait([&slow, &quick], count).done.len());
        assert!(counts[0] <= 1 && counts[1] == 1, "{counts:?}");
        let waited = wait_timeout([&slow, &quick], ReturnWhen::AllCompleted, SHORT);
        assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
        let failing = executor
            .submit(|| -> &'static str {
                sleep(SHORT);
                panic!("on purpose")
            })
            .unwrap();
        let waited = wait([&slow, &quick, &failing], ReturnWhen::FirstFailed);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
        go.set();
        assert_eq!(wait([&slow, &quick], usize::MAX).done.len(), 2);
        let waited = wait([slow, quick], ReturnWhen::FirstFailed);
        assert_eq!((waited.done.len(), waited.not_done.len()), (2, 0), "without failures, all");
        let none = wait(Vec::<Future<u8>>::new(), ReturnWhen::AllCompleted);
        assert!(none.done.is_empty() && none.not_done.is_empty());
    });
}

#[test]
fn as_completed_gives_them_as_they_end() {
    for_each_executor!(3, |executor| {
        let (slow, _, go) = held(&executor);
        let quick = executor.submit(|| "quick").unwrap();
        quick.result().unwrap();
        let mut order = Vec::new();
        for future in as_completed([&slow, &quick, &quick]) {
            order.push(*future.result().unwrap());
            go.set();
        }
        assert_eq!(order, ["quick", "held"]);
        let (slow, _, go) = held(&executor);
        let mut completed = as_completed_timeout([slow], SHORT);
        assert!(completed.next().is_none());
        let pending = completed.into_pending();
        assert_eq!(pending.len(), 1);
        go.set();
    });
}

/// One of two tasks ends only when the other has: so whoever sees its end sees the other's too, and in that order.
#[test]
fn several_are_looked_at_in_one_moment() {
    let pool = threads(2);
    let over = Instant::now() + Duration::from_secs(1);
    let mut round = 0;
    while Instant::now() < over {
        round += 1;
        let pair = || {
            let spins = round % 200;
            let first = Arc::new(pool.submit(move || (0..spins).map(black_box).count()).unwrap());
            let seen = Arc::clone(&first);
            let ends = move || {
                while !seen.done() {
                    std::hint::spin_loop();
                }
                usize::MAX
            };
            [first, Arc::new(pool.submit(ends).unwrap())]
        };
        let both = pair();
        loop {
            let waited = wait_timeout(both.clone(), ReturnWhen::AllCompleted, Duration::ZERO);
            let done =
                both.each_ref().map(|one| waited.done.iter().any(|done| Arc::ptr_eq(done, one)));
            assert_ne!(done, [false, true], "in round {round}");
            if done == [true; 2] {
                break;
            }
        }
        let order: Vec<_> = as_completed(pair()).map(|one| *one.result().unwrap()).collect();
        assert_eq!(order, [round % 200, usize::MAX], "in round {round}");
    }
}

#[test]
fn gather_fails_at_the_first_error_while_the_others_go_on() {
    for_each_executor!(3, |executor| {
        let (slow, _, go) = held(&executor);
        let slow_is_done = Arc::new(AtomicUsize::new(0));
        let note = Arc::clone(&slow_is_done);
        slow.add_done_callback(move |future| {
            note.store(1 + usize::from(future.result().is_ok()), Ordering::SeqCst);
        });
        let failing = executor.submit(|| -> &'static str { panic!("at once") }).unwrap();
        let error = gather([slow, failing]).unwrap_err();
        assert!(error.is_panic());
        assert_eq!(slow_is_done.load(Ordering::SeqCst), 0);
        go.set();
        until(|| slow_is_done.load(Ordering::SeqCst) == 2);
        let outcomes = gather_all(
            (0..3).map(|n| executor.submit(move || (assert!(n != 1, "one"), n).1).unwrap()),
        );
        assert!(outcomes[0].is_ok() && outcomes[1].is_err() && outcomes[2].is_ok());
        assert!(gather(Vec::<Future<()>>::new()).unwrap().is_empty());
    });
}

#[test]
fn try_gather_takes_errors_that_tasks_return_for_failures() {
    for_each_executor!(2, |executor| {
        let parse = |text: &'static str| executor.submit(move || text.parse::<u8>()).unwrap();
        assert_eq!(try_gather([parse("1"), parse("2"), parse("3")]).unwrap(), [1, 2, 3]);
        assert!(matches!(try_gather([parse("1"), parse("x")]), Err(GatherError::Failed(_))));
        let panicking =
            executor.submit(|| -> Result<u8, std::num::ParseIntError> { panic!("!") }).unwrap();
        assert!(matches!(try_gather([panicking]), Err(GatherError::Execution(_))));
    });
}

#[test]
fn an_initializer_that_fails_breaks_the_pool() {
    everywhere(|| {
        let failing: [fn() -> Result<(), String>; 2] =
            [|| Err("no connection".into()), || panic!("no connection")];
        for initializer in failing {
            let pool =
                ThreadPool::builder().max_workers(2).initializer(initializer).build().unwrap();
            let mut errors = Vec::new();
            for _ in 0..4 {
                match pool.submit(|| ()) {
                    Ok(future) => errors.push(future.result().unwrap_err()),
                    Err(error) => errors.push(ExecutionError::from(error)),
                }
            }
            for error in errors {
                assert!(
                    error.is_broken() && error.to_string().contains("no connection"),
                    "{error}"
                );
            }
            pool.shutdown(true, false);
            assert!(matches!(pool.submit(|| ()), Err(SubmitError::Broken(_))));
        }
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let initializer = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok::<_, String>(())
        };
        let pool = ThreadPool::builder().max_workers(2).initializer(initializer).build().unwrap();
        let results: Vec<_> = pool.map(|_| sleep(SHORT / 5), 0..10).collect();
        assert!(results.iter().all(Result::is_ok));
        assert!((1..=2).contains(&count.load(Ordering::SeqCst)), "once in each thread");
    });
}

/// What waits when the pool breaks fails with the reason too.
#[test]
fn a_pool_that_breaks_fails_its_backlog() {
    everywhere(|| {
        let go = Arc::new(Event::new());
        let wait = Arc::clone(&go);
        let pool = ThreadPool::builder()
            .max_workers(1)
            .initializer(move || {
                wait.wait();
                Err("too late")
            })
            .build()
            .unwrap();
        let futures: Vec<_> = (0..5).map(|n| pool.submit(move || n).unwrap()).collect();
        go.set();
        for future in futures {
            assert!(future.result().unwrap_err().is_broken());
        }
    });
}

/// The first thread is ready at once, the second one never.
#[test]
fn an_initializer_that_hangs_keeps_no_task_from_the_others() {
    everywhere(|| {
        let (go, count) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
        let (wait, counter) = (Arc::clone(&go), Arc::clone(&count));
        let pool = ThreadPool::builder()
            .max_workers(2)
            .initializer(move || {
                if counter.fetch_add(1, Ordering::SeqCst) > 0 {
                    wait.wait();
                }
                Ok::<_, String>(())
            })
            .build()
            .unwrap();
        let (first, begun, let_go) = held(&pool);
        begun.wait();
        let second = pool.submit(|| 2).unwrap();
        until(|| count.load(Ordering::SeqCst) == 2);
        let_go.set();
        assert_eq!(second.result().unwrap(), &2);
        assert!(first.result().is_ok());
        go.set();
        pool.shutdown(true, false);
    });
}

#[test]
fn a_task_that_waits_for_an_initializer_can_be_cancelled() {
    everywhere(|| {
        let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (begin, wait) = (Arc::clone(&begun), Arc::clone(&go));
        let pool = ThreadPool::builder()
            .max_workers(1)
            .initializer(move || {
                begin.set();
                wait.wait();
                Ok::<_, String>(())
            })
            .build()
            .unwrap();
        let futures = [1, 2].map(|n| pool.submit(move || n).unwrap());
        begun.wait();
        assert!(futures[1].cancel());
        pool.shutdown(false, true);
        assert!(gather_all(futures).iter().all(|one| one.as_ref().unwrap_err().is_cancelled()));
        go.set();
        pool.shutdown(true, false);
    });
}

#[test]
fn threads_have_the_names_that_they_are_given() {
    let name = || std::thread::current().name().unwrap().to_string();
    let pool = ThreadPool::builder().max_workers(1).name("crawler").build().unwrap();
    assert_eq!(pool.submit(name).unwrap().result().unwrap(), "crawler_0");
    assert_eq!(threads(1).submit(name).unwrap().result().unwrap(), "ThreadPool_0");
    let named = GreenExecutor::builder().name("fetch").build().unwrap();
    let name = || greenthread::current().name().unwrap().to_string();
    assert_eq!(named.submit(name).unwrap().result().unwrap(), "fetch_0");
    for bad in ["a\0b", "\0"] {
        let error = ThreadPool::builder().name(bad).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(GreenExecutor::builder().name(bad).build().is_err());
    }
}

#[test]
fn no_workers_at_all_is_an_error_that_says_so() {
    let errors = [
        ThreadPool::new(0).unwrap_err(),
        GreenExecutor::builder().max_workers(0).build().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("at least one worker"), "{error}");
    }
}

#[test]
fn a_task_that_hands_in_others_and_does_not_wait_for_them_is_fine_in_a_full_pool() {
    for_each_executor!(1, |executor| {
        let executor = Arc::new(executor);
        let own = Arc::clone(&executor);
        let inner = executor.submit(move || own.submit(|| 5).unwrap()).unwrap();
        assert_eq!(inner.into_result().unwrap().result().unwrap(), &5);
    });
}

#[test]
fn who_is_killed_while_waiting_for_a_future_leaves_it_as_it_is() {
    for_each_executor!(1, |executor| {
        let (future, _, go) = held(&executor);
        let future = Arc::new(future);
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let future = Arc::clone(&future);
                spawn(move || drop(future.result()))
            })
            .collect();
        let completing = Arc::clone(&future);
        let completing = spawn(move || as_completed([completing]).count());
        sleep(SHORT);
        for waiter in &waiters[..2] {
            waiter.kill();
        }
        completing.kill();
        assert!(completing.join().unwrap_err().is_killed());
        go.set();
        let ends: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().is_ok()).collect();
        assert_eq!(ends, [false, false, true]);
        assert_eq!(future.result().unwrap(), &"held");
    });
}

#[test]
fn values_are_dropped_once_whoever_lets_go_last() {
    for_each_executor!(2, |executor| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let value = || {
            let dropped = Arc::clone(&dropped);
            OnDrop(move || bump(&dropped))
        };
        for round in 0..4 {
            let value = value();
            let future = executor.submit(move || (yield_now(), value).1).unwrap();
            match round {
                0 => drop(future),
                1 => drop(future.into_result()),
                2 => drop(future.result().is_ok()),
                _ => future.add_done_callback(|future| assert!(future.result().is_ok())),
            }
        }
        until(|| dropped.load(Ordering::SeqCst) == 4);
    });
}

/// A destructor that panics is of no matter to the worker, nor is one of a task that never runs.
#[test]
fn destructors_that_panic_cost_no_worker() {
    for_each_executor!(1, |executor| {
        let loud = || OnDrop(|| panic!("a destructor"));
        let (first, begun, go) = held(&executor);
        begun.wait();
        let (value, captured) = (loud(), loud());
        drop(executor.submit(move || value).unwrap());
        let cancelled = executor
            .submit(move || {
                let _captured = captured;
            })
            .unwrap();
        cancelled.cancel();
        let payload = executor
            .submit(|| std::panic::panic_any(OnDrop(|| panic!("a destructor of a payload"))))
            .unwrap();
        drop::<Future<()>>(payload);
        go.set();
        assert_eq!(first.result().unwrap(), &"held");
        assert_eq!(executor.submit(|| 1).unwrap().result().unwrap(), &1);
        executor.shutdown(true, false);
    });
}

/// Everything at once, many times: each task has one outcome.
#[test]
fn a_storm_of_cancels_kills_drops_and_shutdowns_leaves_one_outcome_each() {
    fn storm<E: Executor + Runs<fn() -> u8> + Send + Sync + 'static>(executor: E, seed: u64) {
        let mut random = crate::support::Random(seed);
        let outcomes = Arc::new(AtomicUsize::new(0));
        let executor = Arc::new(executor);
        let mut kept = Vec::new();
        let mut taken = 0;
        for round in 0..200 {
            let task: fn() -> u8 = match random.below(4) {
                0 => || 1,
                1 => || (yield_now(), 2).1,
                2 => || (sleep(Duration::from_micros(50)), 3).1,
                _ => || std::panic::resume_unwind(Box::new("quietly")),
            };
            let Ok(future) = executor.submit(task) else { break };
            taken += 1;
            let count = Arc::clone(&outcomes);
            future.add_done_callback(move |_| bump(&count));
            match random.below(6) {
                0 => drop(future.cancel()),
                1 => drop(future.kill()),
                2 => drop(future),
                3 => drop(future.into_result()),
                _ => kept.push(future),
            }
            if round == 150 + random.below(50) {
                executor.shutdown(false, random.below(2) == 0);
            }
        }
        for future in kept {
            drop(future.result());
        }
        if random.below(2) == 0 {
            executor.shutdown(true, false);
        }
        drop(executor);
        until(|| outcomes.load(Ordering::SeqCst) == taken);
    }
    for seed in 1..8 {
        within_limit(move || {
            workers(2)
                .run(move || {
                    let two = spawn(move || storm(threads(2), seed));
                    storm(green(3), seed + 100);
                    storm(GreenExecutor::new(), seed + 200);
                    two.join().unwrap();
                })
                .unwrap();
        });
    }
}

/// How many green threads so many tasks have run on.
fn threads_of(executor: &GreenExecutor, tasks: usize) -> usize {
    let ids: Vec<_> =
        (0..tasks).map(|_| executor.submit(|| greenthread::current().id()).unwrap()).collect();
    gather(ids).unwrap().into_iter().collect::<HashSet<_>>().len()
}

/// One worker, so that nothing begins before all are handed in.
#[test]
fn short_tasks_share_green_threads() {
    within_limit(|| {
        workers(1).run(|| assert!(threads_of(&GreenExecutor::new(), 1000) < 100)).unwrap();
        Runtime::new_current_thread()
            .unwrap()
            .run(|| assert!(threads_of(&GreenExecutor::new(), 1000) < 100))
            .unwrap();
    });
}

#[test]
fn tasks_without_a_limit_hold_each_other_up_in_no_way() {
    everywhere(|| {
        let executor = GreenExecutor::new();
        let barrier = Arc::new(greenthread::sync::Barrier::new(100));
        let futures: Vec<_> = (0..100)
            .map(|number| {
                let barrier = Arc::clone(&barrier);
                let meet = executor.submit(move || (barrier.wait(), number).1).unwrap();
                // Between those that wait, some that do not.
                executor.submit(|| ()).unwrap();
                meet
            })
            .collect();
        assert_eq!(gather(futures).unwrap(), (0..100).collect::<Vec<_>>());
        executor.shutdown(true, false);
    });
}

greenthread::green_local! {
    static OWN: std::cell::Cell<u32> = std::cell::Cell::new(0);
}

#[test]
fn no_task_finds_values_of_another_one() {
    everywhere(|| {
        for executor in [GreenExecutor::new(), green(1), green(3)] {
            let seen: Vec<_> =
                (0..50).map(|_| executor.submit(|| OWN.replace(7)).unwrap()).collect();
            assert!(gather(seen).unwrap().into_iter().all(|seen| seen == 0));
        }
    });
}

#[test]
fn a_task_without_a_limit_inherits_from_who_hands_it_in() {
    everywhere(|| {
        let executor = Arc::new(GreenExecutor::new());
        let submitters: Vec<_> = (0..20)
            .map(|number| {
                let executor = Arc::clone(&executor);
                let label = || greenthread::current().label("request").map(str::to_string);
                let builder = greenthread::Builder::new().label("request", number.to_string());
                let plain = executor.submit(label).unwrap();
                let labelled = builder.spawn(move || executor.submit(label).unwrap()).unwrap();
                (number, plain, labelled)
            })
            .collect();
        for (number, plain, labelled) in submitters {
            assert_eq!(plain.into_result().unwrap(), None);
            let labelled = labelled.join().unwrap().into_result().unwrap();
            assert_eq!(labelled, Some(number.to_string()));
        }
    });
}

/// What has been handed in inside a `run` belongs to it, whatever others hand in meanwhile.
#[test]
fn a_run_waits_for_the_tasks_that_it_has_handed_in() {
    within_limit(|| {
        let runtime = Arc::new(workers(2));
        let executor = Arc::new(GreenExecutor::new());
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let (runtime, executor) = (Arc::clone(&runtime), Arc::clone(&executor));
                std::thread::spawn(move || {
                    for _ in 0..50 {
                        let done = Arc::new(AtomicUsize::new(0));
                        let (count, executor) = (Arc::clone(&done), Arc::clone(&executor));
                        let main = move || {
                            for _ in 0..20 {
                                let count = Arc::clone(&count);
                                let task = move || (yield_now(), bump(&count));
                                drop(executor.submit(task).unwrap());
                            }
                        };
                        runtime.run(main).unwrap();
                        assert_eq!(done.load(Ordering::SeqCst), 20);
                    }
                })
            })
            .collect();
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}

/// Bursts and pauses, so that workers fall asleep and are woken in every order.
#[test]
fn no_wake_up_of_a_worker_is_lost() {
    within_limit(|| {
        let pool = threads(3);
        let mut random = crate::support::Random(7);
        for _ in 0..3000 {
            let burst = 1 + random.below(6);
            let futures: Vec<_> = (0..burst).map(|n| pool.submit(move || n).unwrap()).collect();
            if random.below(2) == 0 {
                std::thread::yield_now();
            }
            assert_eq!(gather(futures).unwrap(), (0..burst).collect::<Vec<_>>());
        }
        // All of them, also where one is woken at a time: each task waits for the others.
        for _ in 0..300 {
            let barrier = Arc::new(std::sync::Barrier::new(3));
            let futures: Vec<_> = (0..3)
                .map(|_| {
                    let barrier = Arc::clone(&barrier);
                    pool.submit(move || barrier.wait().is_leader()).unwrap()
                })
                .collect();
            assert_eq!(gather(futures).unwrap().into_iter().filter(|leader| *leader).count(), 1);
        }
    });
}

#[test]
fn callbacks_may_hand_in_again_and_shut_the_executor_down() {
    for_each_executor!(1, |executor| {
        let executor = Arc::new(executor);
        let (send, receive) = greenthread::sync::mpsc::channel();
        let again = Arc::clone(&executor);
        let (first, _, go) = held(&*executor);
        first.add_done_callback(move |_| {
            let next = again.submit(|| 2).unwrap();
            again.shutdown(false, false);
            assert!(matches!(again.submit(|| 3), Err(SubmitError::ShutDown)));
            send.send(next).unwrap();
        });
        go.set();
        assert_eq!(receive.recv().unwrap().into_result().unwrap(), 2);
        executor.shutdown(true, false);
    });
}
