use super::{LONG, SHORT, eventually, runtime};
use crate::support::on_all_runtimes;
use greenthread::sync::{Arc, Condvar, Mutex, mpsc};
use greenthread::thread::group;
use greenthread::{spawn, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering};

type Shared = Arc<(Mutex<Vec<usize>>, Condvar)>;

fn shared() -> Shared {
    Arc::new((Mutex::new(Vec::new()), Condvar::new()))
}

#[test]
fn wakes_in_the_order_of_arrival() {
    let runtime = runtime(2);
    let shared = shared();
    let order = Arc::new(Mutex::new(Vec::new()));
    let handles: Vec<_> = (0..5)
        .map(|i| {
            let (shared, order) = (Arc::clone(&shared), Arc::clone(&order));
            runtime.spawn(move || {
                let mut guard = shared.0.lock().unwrap();
                // Whoever comes later waits later: both happen under the mutex.
                guard.push(i);
                let _guard = shared.1.wait(guard).unwrap();
                order.lock().unwrap().push(i);
            })
        })
        .collect();
    eventually(|| shared.0.lock().unwrap().len() == 5);
    for expected in 1..=5 {
        shared.1.notify_one();
        eventually(|| order.lock().unwrap().len() == expected);
    }
    for handle in handles {
        handle.join().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), *shared.0.lock().unwrap());
}

#[test]
fn a_wait_tells_whether_its_time_was_over() {
    let shared = shared();
    let guard = shared.0.lock().unwrap();
    let (guard, result) = shared.1.wait_timeout(guard, SHORT).unwrap();
    assert!(result.timed_out());
    let (guard, result) =
        shared.1.wait_timeout_while(guard, SHORT, |items| items.is_empty()).unwrap();
    assert!(result.timed_out() && guard.is_empty());
    let (guard, result) =
        shared.1.wait_timeout_while(guard, SHORT, |items| !items.is_empty()).unwrap();
    assert!(!result.timed_out());
    drop(guard);
    let other = Arc::clone(&shared);
    let handle = greenthread::spawn(move || {
        let guard = other.0.lock().unwrap();
        let (mut guard, result) =
            other.1.wait_timeout_while(guard, LONG, |items| items.is_empty()).unwrap();
        assert!(!result.timed_out());
        guard.pop()
    });
    shared.0.lock().unwrap().push(1);
    shared.1.notify_all();
    assert_eq!(handle.join().unwrap(), Some(1));
}

/// A killed waiter takes no notification with it.
#[test]
fn a_kill_passes_the_notification_on() {
    let (doomed, rest) = (runtime(1), runtime(1));
    let (shared, waiting) = (shared(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..20 {
        let (shared, waiting) = (Arc::clone(&shared), Arc::clone(&waiting));
        doomed.spawn(move || {
            let guard = shared.0.lock().unwrap();
            waiting.fetch_add(1, Ordering::SeqCst);
            let _guard = shared.1.wait(guard);
        });
    }
    eventually(|| waiting.load(Ordering::SeqCst) == 20);
    let survivor = {
        let (shared, waiting) = (Arc::clone(&shared), Arc::clone(&waiting));
        rest.spawn(move || {
            let guard = shared.0.lock().unwrap();
            waiting.fetch_add(1, Ordering::SeqCst);
            drop(shared.1.wait(guard).unwrap());
        })
    };
    eventually(|| waiting.load(Ordering::SeqCst) == 21);
    let ender = std::thread::spawn(move || drop(doomed));
    // Some notifications reach waiters that are just being killed.
    for _ in 0..21 {
        drop(shared.0.lock().unwrap());
        shared.1.notify_one();
    }
    survivor.join().unwrap();
    ender.join().unwrap();
}

/// One that was notified waits for the mutex still: nor does it take the notification along when that wait is interrupted.
#[test]
fn who_is_interrupted_on_the_way_back_to_the_mutex_passes_the_notification_on() {
    on_all_runtimes(|| {
        for kills in [true, false] {
            let (shared, waiting) = (shared(), Arc::new(AtomicUsize::new(0)));
            let wait = || {
                let (shared, waiting) = (Arc::clone(&shared), Arc::clone(&waiting));
                move || {
                    let mut items = shared.0.lock().unwrap();
                    waiting.fetch_add(1, Ordering::SeqCst);
                    while items.is_empty() {
                        items = shared.1.wait(items).unwrap();
                    }
                    items.pop()
                }
            };
            let body = wait();
            let (fail, fails) = mpsc::channel();
            let first = spawn(move || {
                group(|g| {
                    // Its failure ends the others.
                    g.spawn(move || fails.recv().map_or(Ok(()), Err));
                    Ok(body())
                })
                .map_or(None, |item| item)
            });
            eventually(|| waiting.load(Ordering::SeqCst) == 1);
            let second = spawn(wait());
            eventually(|| waiting.load(Ordering::SeqCst) == 2);
            let mut items = shared.0.lock().unwrap();
            items.push(7);
            shared.1.notify_one();
            // On its way, or about to be.
            yield_now();
            if kills {
                first.kill();
            } else {
                fail.send(()).unwrap();
            }
            eventually(|| first.is_finished());
            drop(items);
            assert_eq!(second.join().unwrap(), Some(7));
            assert!(first.join().map_or(true, |item| item.is_none()));
        }
    });
}

/// So many are woken, the first first, and no others.
#[test]
fn as_many_are_woken_as_are_notified() {
    let main = || {
        let (shared, woken) = (shared(), Arc::new(AtomicUsize::new(0)));
        let handles: Vec<_> = (0..7)
            .map(|_| {
                let (shared, woken) = (Arc::clone(&shared), Arc::clone(&woken));
                greenthread::spawn(move || {
                    drop(shared.1.wait(shared.0.lock().unwrap()).unwrap());
                    woken.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        greenthread::yield_now();
        for (count, then) in [(0, 0), (3, 3), (1, 4), (100, 7)] {
            shared.1.notify(count);
            // Those that are woken take the mutex one after the other.
            (0..50).for_each(|_| greenthread::yield_now());
            assert_eq!(woken.load(Ordering::SeqCst), then);
            assert!(handles[..then].iter().all(|handle| handle.is_finished()));
        }
    };
    greenthread::Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}
