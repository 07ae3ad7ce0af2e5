use super::{SHORT, eventually, runtime};
use greenthread::JoinHandle;
use greenthread::sync::{Arc, Barrier, BrokenBarrierError, CyclicBarrier, Event};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn one_leader_each_round() {
    let runtime = runtime(2);
    let (barrier, leaders) = (Arc::new(Barrier::new(5)), Arc::new(AtomicUsize::new(0)));
    let work = |barrier: Arc<Barrier>, leaders: Arc<AtomicUsize>| {
        move || {
            for round in 0..100 {
                assert!(leaders.load(Ordering::SeqCst) >= round);
                if barrier.wait().is_leader() {
                    leaders.fetch_add(1, Ordering::SeqCst);
                }
                barrier.wait();
            }
        }
    };
    let green: Vec<_> =
        (0..4).map(|_| runtime.spawn(work(Arc::clone(&barrier), Arc::clone(&leaders)))).collect();
    let os = std::thread::spawn(work(Arc::clone(&barrier), Arc::clone(&leaders)));
    for handle in green {
        handle.join().unwrap();
    }
    os.join().unwrap();
    assert_eq!(leaders.load(Ordering::SeqCst), 100);
    assert!(Barrier::new(0).wait().is_leader());
}

#[test]
fn a_broken_barrier_fails_everybody_at_once_and_reset_mends_it() {
    let runtime = runtime(2);
    let barrier = Arc::new(CyclicBarrier::new(4));
    let wait_three = || -> Vec<_> {
        let handles = (0..3)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                runtime.spawn(move || barrier.wait())
            })
            .collect();
        eventually(|| barrier.n_waiting() == 3);
        handles
    };
    let handles = wait_three();
    barrier.abort();
    assert!(handles.into_iter().all(|handle| handle.join().unwrap().is_err()));
    assert!(barrier.is_broken() && barrier.wait().is_err());
    barrier.reset();

    let handles = wait_three();
    barrier.reset();
    assert!(handles.into_iter().all(|handle| handle.join().unwrap().is_err()));
    assert!(!barrier.is_broken());

    let handles = wait_three();
    let mut places = vec![barrier.wait().unwrap()];
    places.extend(handles.into_iter().map(|handle| handle.join().unwrap().unwrap()));
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2, 3]);

    assert!(barrier.wait_timeout(SHORT).is_err());
    assert!(barrier.is_broken(), "a timeout breaks it");
}

#[test]
fn a_kill_breaks_the_cyclic_barrier() {
    let (doomed, rest) = (runtime(1), runtime(1));
    let barrier = Arc::new(CyclicBarrier::new(3));
    let spawn_on = |runtime: &greenthread::Runtime| {
        let barrier = Arc::clone(&barrier);
        runtime.spawn(move || barrier.wait())
    };
    let (killed, failed) = (spawn_on(&doomed), spawn_on(&rest));
    eventually(|| barrier.n_waiting() == 2);
    drop(doomed);
    assert!(killed.join().unwrap_err().is_killed());
    assert!(failed.join().unwrap().is_err());
}

#[test]
fn the_action_runs_once_a_round() {
    let runtime = runtime(2);
    let actions = Arc::new(AtomicUsize::new(0));
    let barrier = {
        let actions = Arc::clone(&actions);
        Arc::new(CyclicBarrier::with_action(3, move || {
            greenthread::yield_now();
            actions.fetch_add(1, Ordering::SeqCst);
        }))
    };
    let handles: Vec<_> = (0..3)
        .map(|_| {
            let (barrier, actions) = (Arc::clone(&barrier), Arc::clone(&actions));
            runtime.spawn(move || {
                for round in 1..=50 {
                    barrier.wait().unwrap();
                    assert!(actions.load(Ordering::SeqCst) >= round);
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
    assert_eq!(actions.load(Ordering::SeqCst), 50);

    let barrier = CyclicBarrier::with_action(1, || panic!("on purpose"));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| barrier.wait()));
    assert!(caught.is_err() && barrier.is_broken());
}

/// Whoever is killed while it waits has not come.
#[test]
fn a_killed_one_is_not_counted() {
    let main = || {
        let barrier = Arc::new(Barrier::new(3));
        let come = || {
            let barrier = Arc::clone(&barrier);
            let handle = greenthread::spawn(move || barrier.wait().is_leader());
            greenthread::yield_now();
            handle
        };
        let (killed, first) = (come(), come());
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        let second = come();
        (0..5).for_each(|_| greenthread::yield_now());
        assert!(!first.is_finished() && !second.is_finished());
        assert!(barrier.wait().is_leader());
        assert!(!first.join().unwrap() && !second.join().unwrap());
    };
    greenthread::Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}

/// A barrier for two whose action waits until it may go.
fn with_an_action_that_waits() -> (Arc<Event>, Arc<CyclicBarrier>) {
    let go = Arc::new(Event::new());
    let gone = Arc::clone(&go);
    (go, Arc::new(CyclicBarrier::with_action(2, move || gone.wait())))
}

/// A green thread that has come to the barrier, on a runtime of one OS thread.
fn come_to(barrier: &Arc<CyclicBarrier>) -> JoinHandle<Result<usize, BrokenBarrierError>> {
    let barrier = Arc::clone(barrier);
    let handle = greenthread::spawn(move || barrier.wait());
    greenthread::yield_now();
    handle
}

/// Broken while the last to come runs the action, it fails that one too; and those who come early wait for the next round.
#[test]
fn broken_in_the_middle_of_the_action() {
    let main = || {
        let (go, barrier) = with_an_action_that_waits();
        let come = || come_to(&barrier);
        let (waits, acts, early) = (come(), come(), come());
        barrier.abort();
        assert!(waits.join().unwrap().is_err() && early.join().unwrap().is_err());
        assert!(!acts.is_finished());
        go.set();
        assert!(acts.join().unwrap().is_err());
        barrier.reset();

        go.clear();
        let (waits, acts, early) = (come(), come(), come());
        assert!(!waits.is_finished() && !acts.is_finished() && !early.is_finished());
        go.set();
        let mut places = [waits.join().unwrap().unwrap(), acts.join().unwrap().unwrap()];
        places.sort_unstable();
        assert_eq!(places, [0, 1]);
        assert!(!early.is_finished());
        assert_eq!(barrier.wait(), Ok(1));
        assert_eq!(early.join().unwrap(), Ok(0));
    };
    greenthread::Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}

/// A round that is reset while its action runs has failed, for all of it; those who came early are in the next one.
#[test]
fn reset_in_the_middle_of_the_action() {
    let main = || {
        let (go, barrier) = with_an_action_that_waits();
        let come = || come_to(&barrier);
        for breaks_first in [false, true] {
            go.clear();
            let (waits, acts, before) = (come(), come(), come());
            if breaks_first {
                barrier.abort();
            }
            barrier.reset();
            assert!(waits.join().unwrap().is_err() && before.join().unwrap().is_err());
            let after = come();
            go.set();
            assert!(acts.join().unwrap().is_err(), "its round has failed");
            assert!(!barrier.is_broken() && !after.is_finished());
            assert_eq!((barrier.wait(), after.join().unwrap()), (Ok(1), Ok(0)));
        }
    };
    greenthread::Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}

/// Who has passed in time has passed, even if the barrier breaks before it is told.
#[test]
fn a_round_that_is_complete_stays_so() {
    let main = || {
        let barrier = Arc::new(CyclicBarrier::new(2));
        let due = Instant::now() + Duration::from_millis(10);
        let own = Arc::clone(&barrier);
        let waits = greenthread::spawn(move || own.wait_deadline(due));
        greenthread::yield_now();
        // Both times are over when the timers are looked at next, ours first.
        greenthread::spawn(move || while Instant::now() <= due {});
        greenthread::thread::sleep_until(due - Duration::from_micros(1));
        let passed = barrier.wait();
        barrier.abort();
        let other = waits.join().unwrap();
        // On a machine that was late the first came too late.
        assert_eq!(passed.is_ok(), other.is_ok());
    };
    greenthread::Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}
