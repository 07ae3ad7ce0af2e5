//! Sleeps in order, deadlines, timers, intervals; catching panics only.

use crate::support::{FOR_EVER, OnDrop, everywhere, within_limit};
use greenthread::thread::{Deadline, Interval, MissedTicks, Timer, park, sleep_until, timeout_at};
use greenthread::{Builder, Runtime, catch_unwind, sleep, spawn, timeout, yield_now};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn equal_deadlines_come_in_the_order_of_insertion() {
    within_limit(|| {
        // How long they all need to fall asleep is the machine's affair.
        let mut ahead = Duration::from_millis(40);
        let order = loop {
            if let Some(order) = order_of_sleepers(ahead) {
                break order;
            }
            ahead *= 2;
        };
        let early = (0..200).filter(|i| i % 10 == 0);
        let late = (0..200).filter(|i| i % 10 != 0);
        assert_eq!(order, early.chain(late).collect::<Vec<_>>());
    });
}

/// `None` if the deadline had come before all slept.
fn order_of_sleepers(ahead: Duration) -> Option<Vec<usize>> {
    let body = move || {
        let order = Arc::new(Mutex::new(Vec::new()));
        let at = Instant::now() + ahead;
        let one = |i| {
            let order = Arc::clone(&order);
            // Some a little earlier, in the same millisecond.
            let early = Duration::from_micros(if i % 10 == 0 { 300 } else { 0 });
            spawn(move || {
                sleep_until(at - early);
                order.lock().unwrap().push(i);
            })
        };
        let handles: Vec<_> = (0..200).map(one).collect();
        // Each has had its first turn after this.
        let last = spawn(|| ());
        last.join().unwrap();
        let in_time = Instant::now() < at - Duration::from_millis(1);
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        in_time.then(|| Arc::into_inner(order).unwrap().into_inner().unwrap())
    };
    Runtime::new_current_thread().unwrap().run_local(body).unwrap()
}

#[test]
fn a_sleep_of_zero_yields() {
    within_limit(|| {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let log = Rc::new(RefCell::new(Vec::new()));
                let ran = Arc::new(AtomicUsize::new(0));
                let counted = Arc::clone(&ran);
                let other = spawn(move || counted.fetch_add(1, Ordering::SeqCst));
                for _ in 0..4 {
                    log.borrow_mut().push(ran.load(Ordering::SeqCst));
                    sleep(Duration::ZERO);
                }
                other.join().unwrap();
                assert_eq!(log.borrow()[0], 0);
                assert_eq!(log.borrow()[3], 1);
                // So does one until a time that is over.
                let other = spawn(|| ());
                sleep_until(Instant::now());
                assert!(other.is_finished());
            })
            .unwrap();
    });
}

#[test]
fn nothing_ends_early() {
    everywhere(|| {
        for micros in [1, 50, 300, 999, 1000, 1001, 2500] {
            let wanted = Duration::from_micros(micros);
            let begin = Instant::now();
            sleep(wanted);
            assert!(begin.elapsed() >= wanted);
            let begin = Instant::now();
            assert!(timeout(wanted, || sleep(FOR_EVER)).is_err());
            assert!(begin.elapsed() >= wanted);
        }
    });
}

#[test]
fn a_deadline_bounds_several_operations_together() {
    everywhere(|| {
        let deadline = Deadline::after(SHORT);
        let mut rounds = 0;
        while deadline.run(|| sleep(Duration::from_millis(1))).is_ok() {
            rounds += 1;
        }
        assert!(rounds <= 5 && deadline.has_passed());
        assert_eq!(deadline.remaining(), Duration::ZERO);
        // One that has passed ends the first wait, and nothing that does not wait.
        assert!(deadline.run(yield_now).is_err());
        let error = std::io::Error::from(deadline.run(yield_now).unwrap_err());
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(deadline.run(|| 1), Ok(1));
        assert!(timeout_at(deadline.instant().unwrap(), || sleep(FOR_EVER)).is_err());
        deadline.wait();
        assert_eq!(Deadline::NEVER.remaining(), Duration::MAX);
        assert_eq!(Deadline::NEVER.run(|| 2), Ok(2));
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert!(!Deadline::NEVER.has_passed());
        // The outer one ends an inner one that never comes.
        assert!(Deadline::after(SHORT).run(|| Deadline::NEVER.run(|| sleep(FOR_EVER))).is_err());
    });
}

#[test]
fn a_timer_fires_or_is_cancelled_never_both() {
    everywhere(|| {
        let count = Arc::new(AtomicUsize::new(0));
        let timers: Vec<_> = (0..100)
            .map(|i| {
                let count = Arc::clone(&count);
                let call = move || count.fetch_add(1, Ordering::SeqCst);
                Timer::after(Duration::from_micros(i * 20), call)
            })
            .collect();
        sleep(Duration::from_millis(1));
        let cancelled: Vec<_> = timers.iter().map(Timer::cancel).collect();
        let fired = cancelled.iter().filter(|cancelled| !**cancelled).count();
        for (timer, cancelled) in timers.into_iter().zip(cancelled) {
            assert_eq!(timer.join().unwrap().is_none(), cancelled);
        }
        assert_eq!(count.load(Ordering::SeqCst), fired);
    });
}

#[test]
fn a_timer_has_a_result_a_panic_and_another_time() {
    everywhere(|| {
        let begin = Instant::now();
        assert_eq!(Timer::at(begin + SHORT, || "value").join().unwrap(), Some("value"));
        assert!(begin.elapsed() >= SHORT);
        let panics = Timer::after(Duration::ZERO, || -> u8 { panic!("on purpose") });
        assert!(panics.join().unwrap_err().is_panic());
        let named = Builder::new().name("t".into());
        let own_name = || greenthread::current().name().map(str::to_string);
        let timer = Timer::with_builder(named, FOR_EVER, own_name).unwrap();
        assert!(!timer.is_finished());
        assert!(timer.reset(Duration::from_millis(1)), "earlier than before");
        assert_eq!(timer.join().unwrap().unwrap().as_deref(), Some("t"));
        let timer = Timer::after(FOR_EVER, || unreachable!());
        assert!(timer.cancel() && timer.cancel());
        assert!(!timer.reset(Duration::ZERO));
        assert_eq!(timer.join().unwrap(), None::<()>);
        // What it holds is dropped with it, fired or not.
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let timer = Timer::after(Duration::MAX, move || drop(holds));
        timer.cancel();
        timer.join().unwrap();
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn a_timer_that_is_put_off_does_not_fire_at_its_old_time() {
    within_limit(|| {
        let main = || {
            for waits_already in [false, true] {
                let timer = loop {
                    let timer = Timer::after(SHORT, || "fired");
                    if waits_already {
                        yield_now();
                    }
                    // Unless that took longer than its time.
                    if timer.reset(FOR_EVER) {
                        break timer;
                    }
                };
                sleep(SHORT * 3);
                assert!(!timer.is_finished());
                assert!(timer.reset(Duration::ZERO));
                assert_eq!(timer.join().unwrap(), Some("fired"));
            }
        };
        Runtime::new_current_thread().unwrap().run_local(main).unwrap();
    });
}

#[test]
fn a_timer_that_is_dropped_fires_all_the_same() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    Runtime::new_current_thread()
        .unwrap()
        .run_local(move || {
            drop(Timer::after(SHORT, move || counted.fetch_add(1, Ordering::SeqCst)));
        })
        .unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1, "and `run` waits for it");
}

#[test]
fn an_interval_ticks_at_multiples() {
    everywhere(|| {
        let period = Duration::from_millis(2);
        let begin = Instant::now();
        let mut interval = Interval::new(period).starting_at(begin);
        assert_eq!(interval.period(), period);
        assert_eq!(interval.tick(), begin);
        for _ in 0..3 {
            let due = interval.tick();
            assert!(Instant::now() >= due);
            // However late this is done: only multiples.
            let since = (due - begin).as_nanos();
            assert_eq!(since % period.as_nanos(), 0);
        }
        // All that were missed, at once.
        let mut burst = Interval::new(period).starting_at(begin).missed_ticks(MissedTicks::Burst);
        for i in 0..3 {
            assert_eq!(burst.tick(), begin + period * i);
        }
        // A tick that a timeout took away is still to come.
        let mut slow = Interval::new(FOR_EVER);
        assert!(timeout(Duration::from_millis(1), || slow.tick()).is_err());
        slow = slow.starting_at(begin);
        assert_eq!(slow.clone().tick(), begin);
        // From now on, whatever was due.
        slow.reset();
        assert!(timeout(Duration::from_millis(1), || slow.tick()).is_err());
        let never = std::panic::catch_unwind(|| Interval::new(Duration::ZERO));
        assert!(never.is_err());
    });
}

#[test]
fn panics_are_caught_kills_and_timeouts_pass() {
    everywhere(|| {
        let caught = catch_unwind(|| panic!("a panic")).unwrap_err();
        assert_eq!(*caught.downcast_ref::<&str>().unwrap(), "a panic");
        assert_eq!(catch_unwind(|| 5).unwrap(), 5);
        let expired = timeout(SHORT, || {
            loop {
                let _ = catch_unwind(|| sleep(FOR_EVER));
            }
        });
        assert!(expired.is_err());
        let rounds = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rounds);
        let handle = spawn(move || {
            loop {
                let _ = catch_unwind(|| {
                    let _count = OnDrop(|| {
                        counted.fetch_add(1, Ordering::SeqCst);
                    });
                    if counted.load(Ordering::SeqCst) < 2 {
                        panic!("survived");
                    }
                    park();
                });
            }
        });
        while rounds.load(Ordering::SeqCst) < 2 {
            sleep(Duration::from_millis(1));
        }
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(rounds.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn timeouts_end_the_waits_of_sockets() {
    use greenthread::net::{TcpListener, TcpStream};
    use std::io::{Read, Write};
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert!(timeout(SHORT, || client.read(&mut [0])).is_err());
        assert!(timeout(SHORT, || listener.accept()).is_err());
        // A socket's own timeout is an error of the operation, as ever.
        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let own = timeout(FOR_EVER, || client.read(&mut [0]));
        assert_eq!(own.unwrap().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        // One that never waits for long is ended as well.
        let stop = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::clone(&stop);
        let sender = spawn(move || {
            while stopped.load(Ordering::SeqCst) == 0 && server.write_all(&[1]).is_ok() {
                sleep(Duration::from_millis(1));
            }
        });
        client.set_read_timeout(None).unwrap();
        let late = timeout(SHORT * 4, || {
            loop {
                assert_eq!(client.read(&mut [0]).unwrap(), 1);
            }
        });
        assert!(late.is_err());
        stop.store(1, Ordering::SeqCst);
        sender.join().unwrap();
    });
}

/// What an OS thread waits with is gone by then.
#[test]
fn timeouts_work_in_destructors_of_thread_locals() {
    struct InDrop(std::sync::mpsc::Sender<bool>);
    impl Drop for InDrop {
        fn drop(&mut self) {
            greenthread::yield_now();
            let ended = timeout(Duration::from_millis(5), || {
                let inner = timeout(Duration::from_secs(600), greenthread::thread::park);
                assert!(inner.is_ok(), "the outer one ends first");
            });
            let shielded = timeout(Duration::from_millis(1), || {
                greenthread::shield(|| sleep(Duration::from_millis(5)));
            });
            let _ = self.0.send(ended.is_err() && shielded.is_ok());
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<InDrop>> = const { std::cell::RefCell::new(None) };
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        LAST.with(|last| *last.borrow_mut() = Some(InDrop(sender)));
        // Made later, so destroyed before.
        sleep(Duration::from_millis(1));
    });
    assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Ok(true));
}
