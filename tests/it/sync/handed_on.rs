//! A wake-up that reaches somebody who is on the way out already, killed or too late, is not lost: it goes to the next.

use super::SHORT;
use crate::support::{FOR_EVER, within_limit};
use greenthread::queue::Queue;
use greenthread::sync::{
    Arc, Condvar, Event, Mutex, RwLock, Semaphore, SemaphorePermit, WaitGroup, mpmc,
};
use greenthread::thread::sleep_until;
use greenthread::{JoinHandle, Runtime, select, spawn, yield_now};
use std::time::{Duration, Instant};

/// Says whether it got something.
type Wait = Box<dyn Fn(Instant) -> bool + Send + Sync>;
/// Wakes one of those who wait.
type Serve = Box<dyn FnMut()>;

/// Enough for everybody who has something to do.
fn settle() {
    (0..50).for_each(|_| yield_now());
}

fn start(wait: &Arc<Wait>, until: Instant) -> JoinHandle<bool> {
    let wait = Arc::clone(wait);
    let handle = spawn(move || wait(until));
    settle();
    handle
}

/// Who was served is one of the two; the other is served now.
fn finish(first: JoinHandle<bool>, second: JoinHandle<bool>, mut serve: Serve) {
    match first.join() {
        // It was in time: an item that is in its hands already is not given back.
        Ok(true) => {}
        other => {
            assert!(other.is_ok() || other.unwrap_err().is_killed());
            assert!(second.is_finished(), "it went with whoever left");
        }
    }
    if !second.is_finished() {
        serve();
    }
    assert!(second.join().unwrap());
}

fn handed_on(make: fn() -> (Wait, Serve)) {
    let main = move || {
        // The first is killed, and does not know it yet when it is woken.
        let (wait, mut serve) = make();
        let wait = Arc::new(wait);
        let never = Instant::now() + FOR_EVER;
        let [first, second] = [(); 2].map(|()| start(&wait, never));
        first.kill();
        serve();
        settle();
        finish(first, second, serve);

        // The time of the first is over, and it does not know it yet.
        let (wait, mut serve) = make();
        let wait = Arc::new(wait);
        let due = Instant::now() + Duration::from_millis(10);
        let (first, second) = (start(&wait, due), start(&wait, never));
        // Both times are over when the timers are looked at next, ours first.
        spawn(move || while Instant::now() <= due {});
        sleep_until(due - Duration::from_micros(1));
        serve();
        settle();
        finish(first, second, serve);
    };
    within_limit(move || Runtime::new_current_thread().unwrap().run_local(main).unwrap());
}

#[test]
fn a_permit_goes_to_the_next() {
    handed_on(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let own = Arc::clone(&semaphore);
        (
            Box::new(move |at| {
                semaphore.acquire_deadline(at).map(SemaphorePermit::forget).is_some()
            }),
            Box::new(move || own.release()),
        )
    });
}

#[test]
fn a_notification_goes_to_the_next() {
    handed_on(|| {
        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        let own = Arc::clone(&shared);
        let wait = move |at| {
            let guard = shared.0.lock().unwrap();
            !shared.1.wait_deadline(guard, at).unwrap().1.timed_out()
        };
        (Box::new(wait), Box::new(move || own.1.notify_one()))
    });
}

#[test]
fn a_lock_goes_to_the_next() {
    handed_on(|| {
        let mutex: &'static Mutex<()> = Box::leak(Box::default());
        let mut held = Some(mutex.lock().unwrap());
        (Box::new(|at| mutex.lock_deadline(at).is_ok()), Box::new(move || drop(held.take())))
    });
    handed_on(|| {
        let lock: &'static RwLock<()> = Box::leak(Box::default());
        let mut held = Some(lock.write().unwrap());
        (Box::new(|at| lock.write_deadline(at).is_ok()), Box::new(move || drop(held.take())))
    });
    // A reader behind a writer that leaves.
    handed_on(|| {
        let lock: &'static RwLock<()> = Box::leak(Box::default());
        let mut held = Some(lock.read().unwrap());
        (Box::new(|at| lock.write_deadline(at).is_ok()), Box::new(move || drop(held.take())))
    });
}

#[test]
fn items_of_queues_are_handed_on() {
    handed_on(|| {
        let queue = Arc::new(Queue::new());
        let own = Arc::clone(&queue);
        (Box::new(move |at| queue.get_deadline(at).is_ok()), Box::new(move || own.put(()).unwrap()))
    });
    // Room.
    handed_on(|| {
        let queue = Arc::new(Queue::with_capacity(1));
        queue.put(()).unwrap();
        let own = Arc::clone(&queue);
        (
            Box::new(move |at| queue.put_deadline((), at).is_ok()),
            Box::new(move || own.try_get().unwrap()),
        )
    });
}

#[test]
fn items_of_channels_are_handed_on() {
    fn receive(capacity: usize) -> (Wait, Serve) {
        let (sender, receiver) = mpmc::bounded(capacity);
        let wait = move |at| receiver.recv_deadline(at).is_ok();
        (Box::new(wait), Box::new(move || sender.try_send(()).unwrap()))
    }
    fn send(capacity: usize) -> (Wait, Serve) {
        let (sender, receiver) = mpmc::bounded(capacity);
        (0..capacity).for_each(|_| sender.send(()).unwrap());
        let wait = move |at| sender.send_deadline((), at).is_ok();
        (Box::new(wait), Box::new(move || receiver.try_recv().unwrap()))
    }
    handed_on(|| receive(1));
    handed_on(|| receive(2));
    handed_on(|| send(1));
    handed_on(|| send(2));
    handed_on(|| receive(0));
    handed_on(|| send(0));
}

#[test]
fn items_of_channels_in_a_select() {
    handed_on(|| {
        let (sender, receiver) = mpmc::bounded(1);
        let wait = move |at: Instant| {
            select! {
                recv(receiver) -> item => item.is_ok(),
                default(at - Instant::now()) => false,
            }
        };
        (Box::new(wait), Box::new(move || sender.try_send(()).unwrap()))
    });
    handed_on(|| {
        let (sender, receiver) = mpmc::bounded(1);
        sender.send(()).unwrap();
        let wait = move |at: Instant| {
            select! {
                send(sender, ()) -> sent => sent.is_ok(),
                default(at - Instant::now()) => false,
            }
        };
        (Box::new(wait), Box::new(move || receiver.try_recv().unwrap()))
    });
}

/// A `select!` that was told of two arms takes one, and tells the next in the line of the other.
#[test]
fn by_a_select_that_took_another_arm() {
    fn on_current_thread(main: fn() -> bool) {
        let either = move || {
            // Which arm is the first to be looked at changes.
            let mut took = [0; 2];
            while took.contains(&0) {
                took[usize::from(main())] += 1;
            }
        };
        within_limit(move || Runtime::new_current_thread().unwrap().run_local(either).unwrap());
    }
    on_current_thread(|| {
        let ((left_in, left), (right_in, right)) = (mpmc::bounded(2), mpmc::bounded(2));
        let others = [left.clone(), right.clone()];
        let selects = spawn(move || {
            select! {
                recv(left) -> item => (item.unwrap(), false),
                recv(right) -> item => (item.unwrap(), true),
            }
        });
        settle();
        let [in_left, in_right] = others.map(|other| spawn(move || other.recv().unwrap()));
        settle();
        left_in.send("left").unwrap();
        right_in.send("right").unwrap();
        settle();
        let (item, took_right) = selects.join().unwrap();
        assert_eq!(item, if took_right { "right" } else { "left" });
        let (served, other) = if took_right { (in_left, in_right) } else { (in_right, in_left) };
        assert!(served.is_finished() && !other.is_finished(), "the item of the other arm");
        other.kill();
        took_right
    });
    on_current_thread(|| {
        let ((left_in, left), (right_in, right)) = (mpmc::bounded(1), mpmc::bounded(1));
        left_in.send(()).unwrap();
        right_in.send(()).unwrap();
        let others = [left_in.clone(), right_in.clone()];
        let selects = spawn(move || {
            select! {
                send(left_in, ()) -> sent => { sent.unwrap(); false }
                send(right_in, ()) -> sent => { sent.unwrap(); true }
            }
        });
        settle();
        let [in_left, in_right] = others.map(|other| spawn(move || other.send(()).unwrap()));
        settle();
        left.try_recv().unwrap();
        right.try_recv().unwrap();
        settle();
        let took_right = selects.join().unwrap();
        let (served, other) = if took_right { (in_left, in_right) } else { (in_right, in_left) };
        assert!(served.is_finished() && !other.is_finished(), "the room of the other arm");
        other.kill();
        took_right
    });
}

/// A wait that begins when others have been told is not ended by that, even if one of those leaves at the same moment.
fn of_its_own_time(make: fn() -> (Wait, Serve)) {
    let main = move || {
        let (wait, mut tell) = make();
        let wait = Arc::new(wait);
        let never = Instant::now() + FOR_EVER;
        let [doomed, told] = [(); 2].map(|()| start(&wait, never));
        doomed.kill();
        tell();
        // It does not know yet that it is killed.
        assert!(!wait(Instant::now() + SHORT), "nobody has told this one");
        assert!(told.join().unwrap() && doomed.join().unwrap_err().is_killed());
        // Nor if there was nobody but that one.
        let doomed = start(&wait, never);
        doomed.kill();
        tell();
        assert!(!wait(Instant::now() + SHORT), "nobody has told this one");
        assert!(doomed.join().unwrap_err().is_killed());
        let patient = start(&wait, never);
        tell();
        assert!(patient.join().unwrap());
    };
    within_limit(move || Runtime::new_current_thread().unwrap().run_local(main).unwrap());
}

#[test]
fn a_wait_group_is_waited_for_until_its_own_end() {
    of_its_own_time(|| {
        let group = Arc::new(WaitGroup::new());
        group.add(1);
        let own = Arc::clone(&group);
        // The next round begins at once.
        let tell = move || {
            group.done();
            group.add(1);
        };
        (Box::new(move |at| own.wait_deadline(at)), Box::new(tell))
    });
}

#[test]
fn a_queue_is_joined_until_its_own_end() {
    of_its_own_time(|| {
        let queue = Arc::new(Queue::new());
        queue.put(()).unwrap();
        let own = Arc::clone(&queue);
        let tell = move || {
            queue.task_done().unwrap();
            queue.put(()).unwrap();
        };
        (Box::new(move |at| own.join_deadline(at)), Box::new(tell))
    });
}

#[test]
fn an_event_that_is_cleared_ends_no_later_wait() {
    of_its_own_time(|| {
        let event = Arc::new(Event::new());
        let own = Arc::clone(&event);
        let tell = move || {
            event.set();
            event.clear();
        };
        (Box::new(move |at| own.wait_deadline(at)), Box::new(tell))
    });
}

fn condition(tell: fn(&Condvar)) -> (Wait, Serve) {
    let pair = Arc::new((Mutex::new(()), Condvar::new()));
    let own = Arc::clone(&pair);
    let wait = move |at| {
        let (_guard, result) = own.1.wait_deadline(own.0.lock().unwrap(), at).unwrap();
        !result.timed_out()
    };
    (Box::new(wait), Box::new(move || tell(&pair.1)))
}

#[test]
fn a_condition_variable_ends_no_later_wait() {
    of_its_own_time(|| condition(Condvar::notify_all));
    of_its_own_time(|| condition(Condvar::notify_one));
    of_its_own_time(|| condition(|condvar| condvar.notify(2)));
}
