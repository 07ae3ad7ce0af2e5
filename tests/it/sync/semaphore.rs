use super::{SHORT, eventually, runtime};
use greenthread::sync::{Arc, BoundedSemaphore, Mutex, Semaphore};
use greenthread::yield_now;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_releaser_cannot_overtake_a_waiter() {
    let runtime = runtime(1);
    let handle = runtime.spawn(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let order = Arc::new(Mutex::new(Vec::new()));
        semaphore.acquire_raw();
        let others: Vec<_> = (1..=3)
            .map(|i| {
                let (semaphore, order) = (Arc::clone(&semaphore), Arc::clone(&order));
                greenthread::spawn(move || {
                    semaphore.acquire_raw();
                    order.lock().unwrap().push(i);
                    semaphore.release();
                })
            })
            .collect();
        for _ in 0..10 {
            yield_now();
        }
        semaphore.release();
        assert!(semaphore.try_acquire().is_none(), "it belongs to the first that waits");
        semaphore.acquire_raw();
        order.lock().unwrap().push(0);
        semaphore.release();
        for other in others {
            other.join().unwrap();
        }
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    });
    assert_eq!(handle.join().unwrap(), [1, 2, 3, 0]);
}

#[test]
fn never_more_inside_than_permits() {
    let runtime = runtime(2);
    let (semaphore, inside) = (Arc::new(Semaphore::new(3)), Arc::new(AtomicUsize::new(0)));
    let work = |semaphore: Arc<Semaphore>, inside: Arc<AtomicUsize>| {
        move || {
            for _ in 0..200 {
                let _permit = semaphore.acquire();
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                yield_now();
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        }
    };
    let green: Vec<_> =
        (0..10).map(|_| runtime.spawn(work(Arc::clone(&semaphore), Arc::clone(&inside)))).collect();
    let os = std::thread::spawn(work(Arc::clone(&semaphore), Arc::clone(&inside)));
    for handle in green {
        handle.join().unwrap();
    }
    os.join().unwrap();
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn many_at_once_in_order() {
    let runtime = runtime(1);
    let semaphore = Arc::new(Semaphore::new(1));
    let large = {
        let semaphore = Arc::clone(&semaphore);
        runtime.spawn(move || semaphore.acquire_many(3).forget())
    };
    eventually(|| !semaphore.try_acquire().is_some_and(|_| true));
    assert!(semaphore.acquire_timeout(SHORT).is_none(), "the large one came first");
    semaphore.release_many(2);
    large.join().unwrap();
    assert_eq!(semaphore.available(), 0);
    semaphore.release_many(5);
    assert_eq!((semaphore.drain(), semaphore.available()), (5, 0));
}

/// What is there is taken past whoever waits for more; the next permits are for the one that waits.
#[test]
fn draining_takes_nothing_from_the_order_of_those_who_wait() {
    let main = || {
        let semaphore = Arc::new(Semaphore::new(1));
        let own = Arc::clone(&semaphore);
        let waiter = greenthread::spawn(move || own.acquire_many(2).forget());
        yield_now();
        assert_eq!((semaphore.drain(), semaphore.available()), (1, 0));
        semaphore.release_many(2);
        assert!(!semaphore.try_acquire_raw(), "they are for the one that waits");
        waiter.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    };
    greenthread::Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}

#[test]
fn as_many_come_back_as_were_taken_unless_they_are_forgotten() {
    let (semaphore, bounded) = (Arc::new(Semaphore::new(5)), Arc::new(BoundedSemaphore::new(5)));
    drop((semaphore.acquire_many(3), bounded.acquire_many(2)));
    assert_eq!((semaphore.available(), bounded.available()), (5, 5));
    drop((semaphore.acquire_many_owned(3), bounded.acquire_many_owned(2)));
    assert_eq!((semaphore.available(), bounded.available()), (5, 5));
    semaphore.acquire_many(3).forget();
    bounded.acquire_many_owned(2).forget();
    assert_eq!((semaphore.available(), bounded.available()), (2, 3));
}

/// When the first in the queue gives up, those behind it that want less are served.
#[test]
fn giving_up_serves_those_behind() {
    let (doomed, rest) = (runtime(1), runtime(1));
    let semaphore = Arc::new(Semaphore::new(1));
    let large = {
        let semaphore = Arc::clone(&semaphore);
        doomed.spawn(move || semaphore.acquire_many(2).forget())
    };
    eventually(|| semaphore.try_acquire().is_none());
    let small = {
        let semaphore = Arc::clone(&semaphore);
        rest.spawn(move || semaphore.acquire_raw())
    };
    drop(doomed);
    assert!(large.join().unwrap_err().is_killed());
    small.join().unwrap();
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn a_bounded_one_refuses_more() {
    let semaphore = BoundedSemaphore::new(2);
    assert!(semaphore.release().is_err());
    semaphore.acquire_many(2).forget();
    assert!(!semaphore.try_acquire_raw() && semaphore.acquire_timeout(SHORT).is_none());
    assert!(semaphore.release_many(3).is_err());
    semaphore.release_many(2).unwrap();
    assert_eq!((semaphore.available(), semaphore.bound()), (2, 2));
    let error = semaphore.release().unwrap_err();
    assert_eq!(error.to_string(), "semaphore released more often than acquired");
    semaphore.acquire().forget();
    assert_eq!(semaphore.available(), 1);
}

/// Nor where somebody waits, for more than there is.
#[test]
fn a_bounded_one_refuses_more_while_somebody_waits() {
    let main = || {
        let semaphore = Arc::new(BoundedSemaphore::new(2));
        semaphore.acquire_raw();
        let own = Arc::clone(&semaphore);
        let waiter = greenthread::spawn(move || own.acquire_many(2).forget());
        yield_now();
        assert!(semaphore.try_acquire().is_none(), "not past whoever waits");
        assert!(semaphore.release_many(2).is_err());
        assert!(semaphore.release_many(usize::MAX).is_err());
        yield_now();
        assert!(!waiter.is_finished() && semaphore.available() == 1);
        semaphore.release().unwrap();
        waiter.join().unwrap();
        assert_eq!((semaphore.available(), semaphore.bound()), (0, 2));
    };
    greenthread::Runtime::new_current_thread().unwrap().run_local(main).unwrap();
}

/// Made here, given back by whoever ends up with it.
#[test]
fn an_owned_permit_goes_along_with_a_green_thread() {
    let main = || {
        let semaphore = Arc::new(Semaphore::new(3));
        let (one, two) = (semaphore.acquire_owned(), semaphore.acquire_many_owned(2));
        assert_eq!((one.num_permits(), two.num_permits(), semaphore.available()), (1, 2, 0));
        assert!(semaphore.try_acquire_owned().is_none());
        assert!(semaphore.acquire_owned_timeout(SHORT).is_none());
        let holder = greenthread::spawn(move || {
            let _one = one;
            greenthread::thread::park();
        });
        let other = greenthread::spawn(move || drop(two));
        other.join().unwrap();
        assert_eq!(semaphore.available(), 2);
        holder.kill();
        holder.join().unwrap_err();
        assert_eq!(semaphore.available(), 3);
        semaphore.try_acquire_owned().unwrap().forget();
        semaphore.acquire_many(2).forget();
        assert_eq!(semaphore.available(), 0);
        // The permit is what keeps this one alive.
        let permit = Arc::new(BoundedSemaphore::new(1)).acquire_owned();
        drop(permit);
    };
    crate::support::on_all_runtimes(main);
}

/// A panic of a destructor that an unwind runs would end the process.
#[test]
fn permits_that_are_too_many_end_no_process() {
    runtime(1)
        .run(|| {
            let semaphore = Arc::new(Semaphore::new(2));
            let own = Arc::clone(&semaphore);
            let doomed = greenthread::spawn(move || {
                let _permits = (own.acquire(), own.try_acquire_owned());
                greenthread::thread::park();
            });
            eventually(|| semaphore.available() == 0);
            semaphore.release_many(usize::MAX / 2);
            doomed.kill();
            assert!(doomed.join().unwrap_err().is_killed());
            assert_eq!(semaphore.drain(), usize::MAX / 2);
        })
        .unwrap();
}
