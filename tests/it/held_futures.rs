//! What one of several that wait will take is not kept from the others by a future that was woken for it, where that does not come: since
//! its worker is held up, or since whoever has it does not poll it.

use crate::held_takers::{
    Other, Single, assert_passed_by, begin, begin_outside, locked, of, twice, until,
};
use crate::held_waits::{done, hold_mutex, job};
use crate::support::{within_limit, workers};
use crate::{held::Seats, support::LIMIT};
use greenthread::future::{self, block_on};
use greenthread::queue::{LifoQueue, PriorityQueue, Queue};
use greenthread::select;
use greenthread::sync::{Mutex, mpmc};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const AWAITED: &[Single] = &[
    ("lock_async", || {
        locked(Mutex::new(()), hold_mutex, |it| block_on(async { drop(it.lock_async().await) }))
    }),
    ("recv_async", || {
        let (send, receive) = mpmc::unbounded();
        twice(move || block_on(receive.recv_async()).unwrap(), move || send.send(()).unwrap())
    }),
    ("recv_async of a future that was spawned", || {
        let (send, receive) = mpmc::unbounded();
        let from = receive.clone();
        let first = move || {
            let taken = future::spawn_local(async move { from.recv_async().await });
            taken.join().unwrap().unwrap();
        };
        let second = job(move || block_on(receive.recv_async()).unwrap());
        (job(first), second, job(move || send.send(()).unwrap()))
    }),
    ("recv_async in select!", || {
        let (send, receive) = mpmc::unbounded();
        let never = mpmc::never::<()>();
        let take = move || {
            select! {
                recv(never) -> _ => unreachable!(),
                future(receive.recv_async()) -> it => it.unwrap(),
            }
        };
        twice(take, move || send.send(()).unwrap())
    }),
    ("recv_async and recv", || {
        let (send, receive) = mpmc::unbounded();
        let from = receive.clone();
        let first = job(move || block_on(from.recv_async()).unwrap());
        (first, job(move || receive.recv().unwrap()), job(move || send.send(()).unwrap()))
    }),
    ("recv and recv_async", || {
        let (send, receive) = mpmc::unbounded();
        let from = receive.clone();
        let second = job(move || block_on(from.recv_async()).unwrap());
        (job(move || receive.recv().unwrap()), second, job(move || send.send(()).unwrap()))
    }),
    ("send_async", || {
        let (send, receive) = mpmc::bounded(1);
        send.send(()).unwrap();
        let bring = move || {
            receive.recv().unwrap();
            std::mem::forget(receive);
        };
        twice(move || block_on(send.send_async(())).unwrap(), bring)
    }),
    ("a stream", || {
        let (send, receive) = mpmc::bounded(1);
        let take = move || future::iter(receive.stream()).next().unwrap();
        twice(take, move || send.send(()).unwrap())
    }),
    ("get_async", || {
        of(Queue::new(), |it| block_on(it.get_async()).unwrap(), |it| it.put(()).unwrap())
    }),
    ("get_async of a LifoQueue", || {
        of(LifoQueue::new(), |it| block_on(it.get_async()).unwrap(), |it| it.put(()).unwrap())
    }),
    ("get_async of a PriorityQueue", || {
        let take = |it: &PriorityQueue<_>| block_on(it.get_async()).unwrap();
        of(PriorityQueue::new(), take, |it| it.put(()).unwrap())
    }),
    ("put_async", || {
        let queue = Queue::with_capacity(1);
        queue.put(1).unwrap();
        of(queue, |it| block_on(it.put_async(2)).unwrap(), |it| done(it.get().unwrap()))
    }),
];

#[test]
fn what_is_meant_for_a_future_on_a_held_worker_is_taken_by_another() {
    assert_passed_by(AWAITED, Other::OnFreeWorker);
}

#[test]
fn what_is_meant_for_a_future_on_a_held_worker_is_taken_by_an_os_thread() {
    assert_passed_by(AWAITED, Other::OnOsThread);
}

#[test]
fn a_shield_around_a_future_keeps_nothing_from_others() {
    assert_passed_by(AWAITED, Other::Shielded);
}

/// A waker that says whether it was used.
#[derive(Default)]
struct Used(AtomicBool);

impl Wake for Used {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls as an executor does that then has no time for the future.
fn poll_once<F: Future>(future: Pin<&mut F>) -> (Poll<F::Output>, Arc<Used>) {
    let used = Arc::new(Used::default());
    (poll_with(Arc::clone(&used), future), used)
}

fn poll_with<F: Future>(
    waker: Arc<impl Wake + Send + Sync + 'static>,
    future: Pin<&mut F>,
) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(waker)))
}

fn until_used(what: &str, used: &Used) {
    until(what, &used.0);
}

/// Any executor's: nobody can see whether its thread is held up.
#[test]
fn a_future_that_is_not_polled_keeps_nothing_from_others() {
    within_limit(|| {
        let runtime = workers(2);
        let seats = Seats::new(&runtime, 2);
        for outside in [false, true] {
            let begin = |wait: Box<dyn FnOnce() + Send>| match outside {
                true => begin_outside(wait),
                false => begin(&seats, 0, wait),
            };
            let (send, receive) = mpmc::unbounded();
            let mut first = pin!(receive.recv_async());
            let (polled, woken) = poll_once(first.as_mut());
            assert!(polled.is_pending());
            let from = receive.clone();
            let second = begin(job(move || assert_eq!(from.recv(), Ok(1))));
            send.send(1).unwrap();
            until_used("the first is woken", &woken);
            until("an item is kept by a future that is not polled", &second);
            send.send(2).unwrap();
            assert_eq!(block_on(first), Ok(2));

            let lock = Arc::new(Mutex::new(()));
            let held = lock.lock().unwrap();
            let mut first = pin!(lock.lock_async());
            let (polled, woken) = poll_once(first.as_mut());
            assert!(polled.is_pending());
            let other = Arc::clone(&lock);
            let second = begin(job(move || drop(other.lock().unwrap())));
            drop(held);
            until_used("the first is woken", &woken);
            until("a lock is kept by a future that is not polled", &second);
            drop(block_on(first).unwrap());
            assert!(lock.try_lock().is_ok());
        }
    });
}

/// The first is not polled, nor is the second that is asked to look in its place.
#[test]
fn one_that_is_to_look_and_is_not_polled_or_is_dropped_keeps_nothing_from_others() {
    within_limit(|| {
        let _runtime = workers(1);
        for is_dropped in [false, true] {
            let queue = Queue::new();
            let mut first = pin!(queue.get_async());
            let (_, first_woken) = poll_once(first.as_mut());
            let mut others = [0; 2].map(|_| {
                let mut other = Box::pin(queue.get_async());
                let (_, woken) = poll_once(other.as_mut());
                (Some(other), woken)
            });
            queue.put(1).unwrap();
            until_used("the first is woken", &first_woken);
            let is_asked = |(_, woken): &(_, Arc<Used>)| woken.0.load(Ordering::Relaxed);
            let limit = Instant::now() + LIMIT / 2;
            while !others.iter().any(is_asked) {
                assert!(Instant::now() < limit, "none is asked to look");
                std::thread::sleep(Duration::from_millis(1));
            }
            let asked = usize::from(is_asked(&others[1]));
            if is_dropped {
                others[asked].0 = None;
            }
            let (last, woken) = &mut others[1 - asked];
            until_used("the last is not asked", woken);
            let (polled, _) = poll_once(last.as_mut().unwrap().as_mut());
            assert_eq!(polled, Poll::Ready(Ok(1)));
        }
    });
}

/// A waker that does not return for as long as the lock is held.
#[derive(Default)]
struct Stays {
    is_used: AtomicBool,
    may_return: std::sync::Mutex<()>,
}

impl Wake for Stays {
    fn wake(self: Arc<Self>) {
        self.is_used.store(true, Ordering::Relaxed);
        drop(self.may_return.lock().unwrap());
    }
}

#[test]
fn a_waker_that_does_not_return_keeps_no_other_from_being_asked_to_look() {
    within_limit(|| {
        let _runtime = workers(1);
        let stays = Arc::new(Stays::default());
        let stay = stays.may_return.lock().unwrap();
        let [queue, other] = [Queue::new(), Queue::new()];
        // Of those that wait, the first is woken, and the second is asked to look in its place.
        let [mut first, mut second] = [queue.get_async(), queue.get_async()].map(Box::pin);
        let (_, woken) = poll_once(first.as_mut());
        assert!(poll_with(Arc::clone(&stays), second.as_mut()).is_pending());
        queue.put(1).unwrap();
        until_used("the first is woken", &woken);
        until("the second is not asked to look", &stays.is_used);
        let [mut first, mut second] = [other.get_async(), other.get_async()].map(Box::pin);
        let (_, woken) = poll_once(first.as_mut());
        let (_, asked) = poll_once(second.as_mut());
        other.put(1).unwrap();
        until_used("the first is woken", &woken);
        until_used("none is asked to look while a waker does not return", &asked);
        assert_eq!(poll_once(second.as_mut()).0, Poll::Ready(Ok(1)));
        drop(stay);
    });
}
