//! What prints something of the library may wait while it does so: nothing is locked meanwhile, as whoever wants it on the same worker
//! would block that for ever.

use crate::support::within_limit;
use greenthread::executor::{Executor, GreenExecutor};
use greenthread::pool::Pool;
use greenthread::process::Command;
use greenthread::queue::Queue;
use greenthread::sync::{
    Arc, AsyncResult, Barrier, BoundedSemaphore, Condvar, CyclicBarrier, Event, Latch, Mutex,
    ReentrantMutex, RwLock, Semaphore, WaitGroup, mpmc,
};
use greenthread::thread::{Timer, group};
use greenthread::{Runtime, shield, spawn, yield_now};
use std::fmt::{self, Debug, Write};
use std::time::Duration;

const MOMENT: Duration = Duration::from_micros(10);
const LONG: Duration = Duration::from_secs(1000);

/// Waits with each piece.
struct Slow;

impl Write for Slow {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        (0..3).for_each(|_| yield_now());
        Ok(())
    }
}

/// Prints it while another green thread of the same worker uses it.
fn print<T: Debug + Send + Sync + 'static>(it: T, use_it: fn(&T)) {
    within_limit(move || {
        let main = move || {
            let it = Arc::new(it);
            let other = Arc::clone(&it);
            let prints = spawn(move || {
                for _ in 0..10 {
                    write!(Slow, "{other:?} {other:#?}").unwrap();
                }
            });
            while !prints.is_finished() {
                use_it(&it);
                yield_now();
            }
            prints.join().unwrap();
        };
        Runtime::new_current_thread().unwrap().run(main).unwrap();
    });
}

#[test]
fn nothing_is_locked_while_it_is_printed() {
    print(Event::new(), |event| {
        event.set();
        event.clear();
    });
    print(Semaphore::new(0), |semaphore| _ = semaphore.acquire_timeout(MOMENT));
    print(BoundedSemaphore::new(0), |semaphore| _ = semaphore.acquire_timeout(MOMENT));
    print(WaitGroup::new(), |group| {
        let _guard = group.guard();
        group.wait_timeout(MOMENT);
    });
    print(Latch::new(1), |latch| _ = latch.wait_timeout(MOMENT));
    print(Barrier::new(1), |barrier| _ = barrier.wait());
    print(CyclicBarrier::new(2), |barrier| {
        let _ = barrier.wait_timeout(MOMENT);
        barrier.reset();
    });
    print(AsyncResult::<()>::new(), |result| _ = result.get_timeout(MOMENT));
    print(Condvar::new(), Condvar::notify_all);
    print(Mutex::new(()), |mutex| drop(mutex.lock_timeout(MOMENT)));
    print(RwLock::new(()), |lock| drop(lock.write_timeout(MOMENT)));
    print(ReentrantMutex::new(()), |mutex| drop(mutex.lock_timeout(MOMENT)));
    for capacity in [0, 1] {
        print(mpmc::bounded(capacity), |(sender, receiver)| {
            let _ = (sender.send_timeout((), MOMENT), receiver.recv_timeout(MOMENT));
        });
    }
    print(mpmc::tick(MOMENT), |ticks| _ = ticks.recv_timeout(MOMENT));
    print(Queue::with_capacity(1), |queue| {
        let _ = (queue.put_timeout((), MOMENT), queue.get_timeout(MOMENT));
    });
    print(Pool::new(1).unwrap(), |pool| pool.spawn(yield_now).detach());
    print(GreenExecutor::new(), |executor| drop(executor.submit(yield_now)));
    print(Runtime::new_current_thread().unwrap(), |_| ());
}

#[test]
fn nothing_of_a_timer_a_group_or_a_process_is_locked_while_it_is_printed() {
    print(Timer::after(LONG, || ()), |timer| assert!(timer.reset(LONG)));
    within_limit(|| {
        let main = || {
            let failed = group(|group| {
                for _ in 0..20 {
                    group.spawn(|| {
                        yield_now();
                        Err::<(), ()>(())
                    });
                }
                shield(|| write!(Slow, "{group:?}").unwrap());
                Ok(())
            });
            assert!(failed.is_err());
        };
        Runtime::new_current_thread().unwrap().run(main).unwrap();
    });
    let child = Command::new("sleep").arg("1000").spawn().unwrap();
    print(child.handle(), |handle| assert!(handle.try_wait().unwrap().is_none()));
    child.handle().kill().unwrap();
}
