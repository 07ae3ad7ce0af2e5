//! What runs on the stack of the worker.

use crate::support::{LIMIT, OnDrop, everywhere, on_all_runtimes, until, within_limit, workers};
use greenthread::future::FutureExt;
use greenthread::generator::{Generator, Yielder};
use greenthread::greenlet::Greenlet;
use greenthread::sync::{Mutex, ReentrantMutex, Semaphore, mpmc, mpsc};
use greenthread::thread::{ThreadId, on_worker_stack};
use greenthread::{Builder, JoinError, Runtime, current, green_local, sleep, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::hint::black_box;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Where the caller's frame is.
#[inline(never)]
fn here() -> usize {
    let byte = black_box(0u8);
    black_box(&raw const byte).addr()
}

/// Recurses through so many frames of a kilobyte.
fn deep(frames: usize) -> usize {
    let frame = black_box([1u8; 1024]);
    if frames == 0 { 0 } else { deep(frames - 1) + usize::from(frame[frames % 1024]) }
}

/// What a panic said.
fn text(payload: &(dyn std::any::Any + Send)) -> String {
    let string = payload.downcast_ref::<String>().cloned();
    string.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// Calls something that is refused there; says what was said of it.
#[track_caller]
fn refusal<R>(body: impl FnOnce() -> R) -> String {
    let caught = catch_unwind(AssertUnwindSafe(|| on_worker_stack(|| drop(body()))));
    text(&*caught.expect_err("it was not refused"))
}

#[test]
fn it_runs_on_a_stack_that_neighbours_share() {
    on_all_runtimes(|| {
        let small = || Builder::new().stack_size(64 << 10);
        let own = |_| small().spawn_local(|| (here(), on_worker_stack(here))).unwrap();
        let places: Vec<_> = [(); 4].map(own).into_iter().map(|one| one.join().unwrap()).collect();
        for (green, shared) in &places {
            assert!(green.abs_diff(*shared) > 64 << 10, "it is another stack");
            assert!(shared.abs_diff(places[0].1) < 16 << 10, "and the same for all of a worker");
        }
    });
}

#[test]
fn a_deep_recursion_fits() {
    within_limit(|| {
        let body = || {
            let small = Builder::new().stack_size(64 << 10);
            small.spawn(|| on_worker_stack(|| deep(2000))).unwrap().join().unwrap()
        };
        assert_eq!(workers(1).run(body).unwrap(), 2000);
    });
}

#[test]
fn values_pass_through_and_borrows_stay() {
    everywhere(|| {
        let mut list = vec![1, 2, 3];
        let shared = Rc::new(Cell::new(0));
        let large = on_worker_stack(|| {
            list.push(4);
            shared.set(list.len());
            [7u8; 5000]
        });
        assert!(large.iter().all(|&byte| byte == 7) && shared.get() == 4 && list.len() == 4);
        assert_eq!(
            on_worker_stack(|| on_worker_stack(|| 5)),
            5,
            "a nested call is an ordinary one"
        );
        on_worker_stack(|| ());
    });
}

#[test]
fn panics_and_kills_pass_through() {
    everywhere(|| {
        let dropped = Cell::new(0);
        let count = || dropped.set(dropped.get() + 1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _outside = OnDrop(count);
            on_worker_stack(|| {
                let _inside = OnDrop(count);
                panic!("from below")
            })
        }));
        assert_eq!(text(&*caught.unwrap_err()), "from below");
        assert_eq!(dropped.get(), 2);
        assert!(!std::thread::panicking());
        // While the caller unwinds.
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _inside = OnDrop(|| {
                assert!(on_worker_stack(std::thread::panicking));
                let inner = catch_unwind(|| on_worker_stack(|| panic!("inner")));
                assert_eq!(text(&*inner.unwrap_err()), "inner");
                count();
            });
            resume_unwind(Box::new(7))
        }));
        assert_eq!((*caught.unwrap_err().downcast::<i32>().unwrap(), dropped.get()), (7, 3));
    });
}

#[test]
fn a_kill_strikes_at_the_first_suspension_after_it() {
    on_all_runtimes(|| {
        let flag = || Arc::new(AtomicBool::new(false));
        let (below, killed, went_on) = (flag(), flag(), flag());
        let (is_below, is_killed, goes_on) = (below.clone(), killed.clone(), went_on.clone());
        let doomed = spawn(move || {
            on_worker_stack(|| {
                is_below.store(true, SeqCst);
                while !is_killed.load(SeqCst) {
                    std::thread::yield_now();
                }
            });
            sleep(Duration::ZERO);
            yield_now();
            goes_on.store(true, SeqCst);
        });
        let killer = std::thread::spawn(move || {
            until(|| below.load(SeqCst));
            doomed.kill();
            killed.store(true, SeqCst);
            doomed
        });
        until(|| killer.is_finished());
        assert!(killer.join().unwrap().join().unwrap_err().is_killed());
        assert!(!went_on.load(SeqCst));
        // One whose time is over passes through frames of the worker's stack, and poisons nothing.
        let lock = Mutex::new(());
        let elapsed = greenthread::timeout(Duration::ZERO, || {
            on_worker_stack(|| {
                let _guard = lock.lock().unwrap();
                yield_now();
            });
            greenthread::thread::park();
        });
        assert!(elapsed.is_err() && !lock.is_poisoned());
    });
}

#[test]
fn the_caller_is_the_green_thread_that_it_was() {
    green_local! {
        static OWN: RefCell<Vec<ThreadId>> = RefCell::new(Vec::new());
        static KEPT: RefCell<Option<Box<dyn std::any::Any>>> = RefCell::new(None);
    }
    on_all_runtimes(|| {
        let own = current().id();
        OWN.with(|list| list.borrow_mut().push(own));
        let children = on_worker_stack(|| {
            assert_eq!(current().id(), own);
            assert!(current().is_green());
            OWN.with(|list| list.borrow_mut().push(current().id()));
            [spawn(|| current().id()), spawn(|| on_worker_stack(|| current().id()))]
        });
        assert_eq!(OWN.take(), [own, own]);
        // One whose values are all made there destroys them.
        let dropped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&dropped);
        let kept = move || KEPT.set(Some(Box::new(OnDrop(move || told.store(true, SeqCst)))));
        spawn(|| on_worker_stack(kept)).join().unwrap();
        assert!(dropped.load(SeqCst));
        let reentrant = ReentrantMutex::new(());
        let _outer = reentrant.lock();
        on_worker_stack(|| drop(reentrant.lock()));
        for child in children {
            let id = child.thread().id();
            assert_eq!(child.join().unwrap(), id);
        }
        // What needs no wait is done there.
        let (sender, receiver) = mpsc::sync_channel(1);
        let (lock, permits) = (Mutex::new(1), Semaphore::new(1));
        let guard = on_worker_stack(|| {
            sender.send(3).unwrap();
            assert_eq!(receiver.recv().unwrap(), 3);
            let _permit = permits.acquire();
            yield_now();
            lock.lock().unwrap()
        });
        assert_eq!(*guard, 1);
        assert!(lock.try_lock().is_err());
        drop(guard);
        assert!(lock.try_lock().is_ok());
    });
}

#[test]
fn what_waits_is_refused_and_leaves_nothing_behind() {
    on_all_runtimes(|| {
        let refused = "must not wait: do that before the call, or after it";
        let (sender, receiver) = mpsc::sync_channel::<i32>(0);
        let (lock, permits) = (Arc::new(Mutex::new(())), Semaphore::new(0));
        let (held, taken) = (Arc::clone(&lock), Arc::new(AtomicBool::new(false)));
        let (is_taken, (give_back, waits)) = (Arc::clone(&taken), mpsc::channel::<()>());
        let holder = spawn(move || {
            let _guard = held.lock().unwrap();
            is_taken.store(true, SeqCst);
            waits.recv().unwrap();
        });
        until(|| taken.load(SeqCst));
        let listener = greenthread::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream =
            greenthread::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _other_end = listener.accept().unwrap();
        for _ in 0..2 {
            assert!(refusal(|| sleep(Duration::from_millis(1))).contains(refused));
            assert!(refusal(greenthread::thread::park).contains(refused));
            assert!(refusal(|| receiver.recv()).contains(refused));
            assert!(refusal(|| sender.send(1)).contains(refused));
            assert!(refusal(|| std::mem::forget(permits.acquire())).contains(refused));
            assert!(refusal(|| lock.lock().is_ok()).contains(refused));
            assert!(refusal(|| listener.accept().is_ok()).contains(refused));
            assert!(refusal(|| stream.read(&mut [0])).contains(refused));
            assert!(refusal(|| pending::<()>().wait()).contains(refused));
            assert!(refusal(|| greenthread::scope(|_| ())).contains("must not wait for children"));
        }
        // Whatever was tried has been taken back.
        permits.release();
        assert!(permits.try_acquire().is_some());
        give_back.send(()).unwrap();
        holder.join().unwrap();
        drop(lock.lock().unwrap());
        let other = spawn(move || sender.send(2));
        assert_eq!(receiver.recv().unwrap(), 2);
        other.join().unwrap().unwrap();
    });
}

#[test]
fn an_uncaught_refusal_is_the_end_of_a_green_thread_only() {
    on_all_runtimes(|| {
        let error = spawn(|| on_worker_stack(|| sleep(Duration::from_millis(1)))).join();
        assert!(error.unwrap_err().is_panic());
        sleep(Duration::from_millis(1));
    });
}

#[test]
fn a_destructor_that_waits_in_an_unwind_blocks_the_worker() {
    on_all_runtimes(|| {
        let caught = catch_unwind(|| {
            on_worker_stack(|| {
                let _waits = OnDrop(|| sleep(Duration::from_millis(1)));
                panic!("first");
            })
        });
        assert_eq!(text(&*caught.unwrap_err()), "first");
    });
}

#[test]
fn generators_and_greenlets_keep_to_their_stacks() {
    everywhere(|| {
        // One that is resumed below, and outlives that.
        let mut numbers = Generator::new(|yielder| (1..=3).for_each(|i| yielder.yield_(i)));
        assert_eq!(on_worker_stack(|| numbers.next()), Some(1));
        assert_eq!(numbers.next(), Some(2));
        assert_eq!(on_worker_stack(|| numbers.by_ref().collect::<Vec<i32>>()), [3]);
        // One that goes below itself, and comes back.
        let mut below = Generator::new(|yielder: &Yielder<'_, usize>| {
            yielder.yield_(on_worker_stack(|| deep(10)));
            let nested = on_worker_stack(|| {
                Generator::new(|yielder: &Yielder<'_, usize>| yielder.yield_(7)).next()
            });
            yielder.yield_(nested.unwrap());
        });
        assert_eq!(below.by_ref().collect::<Vec<usize>>(), [10, 7]);
        // What waits in one that is resumed below is refused too.
        if current().is_green() {
            let mut waits = Generator::new(|yielder: &Yielder<'_, ()>| {
                sleep(Duration::from_millis(1));
                yielder.yield_(());
            });
            assert!(refusal(|| waits.next()).contains("must not wait"));
            assert!(refusal(|| Greenlet::new(|()| ()).switch(()).is_ok()).contains("greenlet"));
        }
        assert_eq!(Greenlet::new(|()| on_worker_stack(|| 9)).switch(()).unwrap(), 9);
    });
}

#[test]
fn a_generator_does_not_yield_out_of_it() {
    on_all_runtimes(|| {
        let mut refused = Generator::new(|yielder: &Yielder<'_, usize>| {
            let caught = refusal(|| yielder.yield_(1));
            yielder.yield_(caught.len());
        });
        let said = refused.next().unwrap();
        assert!(said > 10, "it is refused, not yielded");
        assert_eq!(refused.next(), None);
    });
}

/// It may wait, as code that blocks the OS thread, for another OS thread that awaits what is sent from there.
#[test]
fn a_future_elsewhere_is_woken_from_there() {
    on_all_runtimes(|| {
        let (sender, receiver) = mpmc::unbounded();
        let (answers, answer) = std::sync::mpsc::channel();
        let awaits = std::thread::spawn(move || {
            while let Ok(number) = greenthread::future::block_on(receiver.recv_async()) {
                answers.send(number).unwrap();
            }
        });
        for number in 0..5 {
            // Long enough for the other one to wait.
            sleep(Duration::from_millis(number));
            on_worker_stack(|| {
                sender.send(number).unwrap();
                assert_eq!(answer.recv_timeout(LIMIT / 2), Ok(number));
            });
        }
        drop(sender);
        until(|| awaits.is_finished());
        awaits.join().unwrap();
    });
}

#[test]
fn neighbours_run_before_and_after_and_not_meanwhile() {
    within_limit(|| {
        let main = || {
            let flag = Rc::new(Cell::new(0));
            let counts = Rc::clone(&flag);
            let neighbour = greenthread::thread::spawn_local(move || {
                while counts.get() >= 0 {
                    counts.set(counts.get() + 1);
                    yield_now();
                }
            });
            for _ in 0..100 {
                yield_now();
                let before = flag.get();
                on_worker_stack(|| {
                    (0..10).for_each(|_| yield_now());
                    assert_eq!(flag.get(), before);
                });
                yield_now();
                assert!(flag.get() > before);
            }
            flag.set(-1);
            neighbour.join().unwrap();
        };
        Runtime::new_current_thread().unwrap().run_local(main).unwrap();
    });
}

#[test]
fn many_at_once_go_there_and_back() {
    on_all_runtimes(|| {
        let one = |i: usize| -> Result<usize, JoinError> {
            let mut sum = 0;
            for round in 0..20 {
                sum += on_worker_stack(|| deep(i % 30) + round);
                yield_now();
                let caught = catch_unwind(|| on_worker_stack(|| assert!(!i.is_multiple_of(3))));
                sum += usize::from(caught.is_err());
            }
            Ok(sum)
        };
        let all: Vec<_> = (0..50).map(|i| spawn(move || one(i).unwrap())).collect();
        for (i, handle) in all.into_iter().enumerate() {
            let expected = 20 * (i % 30) + 190 + if i.is_multiple_of(3) { 20 } else { 0 };
            assert_eq!(handle.join().unwrap(), expected);
        }
    });
}
