//! Who unwinds: each green thread for itself, whatever its neighbours do and however an unwind began.
//!
//! In a program of its own, which `.ci/optimized` runs optimized, too: what the compiler makes of a switch and of thread-locals
//! is another thing then.

#[path = "it/support.rs"]
#[allow(dead_code)]
mod support;

use greenthread::generator::{self, Generator, Yielder};
use greenthread::greenlet::{Greenlet, switch_to_parent};
use greenthread::sync::{Arc, Mutex, Once};
use greenthread::thread::{self, group, kill_all, park};
use greenthread::{JoinHandle, Runtime, blocking, shield, sleep, spawn, timeout, yield_now};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::panicking;
use std::time::Duration;
use support::{LIMIT, OnDrop, on_all_runtimes, until, within_limit};

const SHORT: Duration = Duration::from_millis(20);

/// A panic of which no hook hears.
fn silent_panic() -> ! {
    resume_unwind(Box::new("silent"))
}

/// A green thread that unwinds, and is suspended in a destructor until it is unparked.
fn unwinding_neighbour() -> JoinHandle<()> {
    let in_destructor = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&in_destructor);
    let neighbour = spawn(move || {
        let _parks = OnDrop(|| {
            assert!(panicking());
            seen.store(1, Ordering::SeqCst);
            park();
            assert!(panicking());
        });
        silent_panic();
    });
    until(|| in_destructor.load(Ordering::SeqCst) == 1);
    neighbour
}

fn let_go(neighbours: Vec<JoinHandle<()>>) {
    for neighbour in neighbours {
        neighbour.thread().unpark();
        assert!(neighbour.join().unwrap_err().is_panic());
    }
}

#[test]
fn panicking_is_the_green_threads_own() {
    on_all_runtimes(|| {
        // On each worker.
        let neighbours: Vec<_> = (0..16).map(|_| unwinding_neighbour()).collect();
        let own = (0..16).map(|_| spawn(|| (panicking(), yield_now(), panicking())));
        for own in own.collect::<Vec<_>>() {
            assert_eq!(own.join().unwrap(), (false, (), false));
        }
        let lock = std::sync::Mutex::new(0);
        drop(lock.lock());
        assert!(!lock.is_poisoned(), "std's locks are right too");
        let_go(neighbours);
        assert!(!panicking());
    });
}

#[test]
fn what_ran_and_unwound_beside_one_that_unwinds_is_ended_as_anything_else() {
    on_all_runtimes(|| {
        let neighbour = unwinding_neighbour();
        assert!(catch_unwind(|| silent_panic()).is_err());
        assert!(catch_unwind(|| blocking(|| silent_panic())).is_err());
        assert!(timeout(SHORT, park).is_err());
        let dropped = Rc::new(Cell::new(0));
        let count = || {
            let dropped = Rc::clone(&dropped);
            OnDrop(move || dropped.set(dropped.get() + 1))
        };
        let held = count();
        let mut generator = Generator::new(move |y: &Yielder<u8>| {
            let _held = held;
            y.yield_(1);
        });
        generator.next();
        let held = count();
        let greenlet = Greenlet::new(move |()| {
            let _held = held;
            switch_to_parent::<(), ()>(()).unwrap();
        });
        greenlet.switch(()).unwrap();
        drop((generator, greenlet));
        assert_eq!(dropped.get(), 2);
        let lock = Mutex::new(());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.lock();
            silent_panic();
        }));
        assert!(panicked.is_err() && lock.is_poisoned());
        let_go(vec![neighbour]);
    });
}

/// However it began to unwind, a kill waits until its destructors are done: raised there it would end the process.
#[test]
fn a_kill_waits_for_the_destructors_of_whatever_unwinds() {
    static DONE: AtomicU32 = AtomicU32::new(0);
    fn slow() -> impl Drop {
        OnDrop(|| {
            sleep(SHORT);
            yield_now();
            DONE.fetch_add(1, Ordering::SeqCst);
        })
    }
    on_all_runtimes(|| {
        let kinds: [fn(); 7] = [
            || {
                let _slow = slow();
                silent_panic()
            },
            || {
                let _slow = slow();
                panic!("on purpose")
            },
            || {
                let _slow = slow();
                blocking(|| silent_panic())
            },
            || {
                let mut generator = Generator::new(|y: &Yielder<u8>| {
                    let _slow = slow();
                    y.yield_(1);
                });
                generator.next();
                drop(generator);
            },
            || {
                let greenlet = Greenlet::new(|()| {
                    let _slow = slow();
                    switch_to_parent::<(), ()>(()).unwrap();
                });
                greenlet.switch(()).unwrap();
                drop(greenlet);
            },
            || {
                let _ = timeout(Duration::ZERO, || {
                    let _slow = slow();
                    yield_now();
                });
            },
            // The wait is on a generator's stack, on which nothing unwinds; but the generator is in a destructor.
            || {
                let _runs = OnDrop(|| {
                    let mut generator = Generator::new(|y: &Yielder<u8>| {
                        assert!(!panicking());
                        drop(slow());
                        y.yield_(1);
                    });
                    assert_eq!(generator.next(), Some(1));
                });
                silent_panic()
            },
        ];
        let neighbours: Vec<_> = (0..8).map(|_| unwinding_neighbour()).collect();
        DONE.store(0, Ordering::SeqCst);
        let all: Vec<_> = kinds.into_iter().map(spawn).collect();
        sleep(SHORT / 2);
        kill_all(&all);
        let count = all.len() as u32;
        for handle in all {
            let _ = handle.join();
        }
        // Those that had not begun when they were killed never did.
        assert!(DONE.load(Ordering::SeqCst) <= count);
        let_go(neighbours);
    });
}

#[test]
fn timeouts_and_groups_inside_a_destructor_end_what_runs_there_and_a_kill_waits() {
    on_all_runtimes(|| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let waits = Arc::new(AtomicU32::new(0));
        let in_destructor = Arc::clone(&waits);
        let handle = spawn(move || {
            let _destructor = OnDrop(|| {
                log.lock().unwrap().push(timeout(SHORT, park).is_err());
                // Two deep: an unwind inside a destructor, in whose destructor another timeout strikes.
                let inner = catch_unwind(AssertUnwindSafe(|| {
                    let _inner = OnDrop(|| {
                        log.lock().unwrap().push(timeout(Duration::ZERO, yield_now).is_err());
                    });
                    silent_panic();
                }));
                assert!(inner.is_err());
                let ended = group(|group| {
                    group.spawn(|| -> Result<(), u8> { Err(7) });
                    park();
                    Ok(())
                });
                log.lock().unwrap().push(ended.is_err());
                in_destructor.store(1, Ordering::SeqCst);
                // Killed in here: it waits on, and what is inside of it is still ended by its own timeout.
                park();
                log.lock().unwrap().push(timeout(SHORT, || shield(|| sleep(SHORT * 2))).is_ok());
                log.lock().unwrap().push(timeout(SHORT, || sleep(LIMIT)).is_err());
            });
            // The outer one expires meanwhile, and must not strike in the destructor.
            let _ = timeout(SHORT, || {
                let _destructor = OnDrop(|| sleep(SHORT * 3));
                silent_panic();
            });
        });
        until(|| waits.load(Ordering::SeqCst) == 1 || handle.is_finished());
        handle.kill();
        sleep(SHORT);
        assert!(!handle.is_finished(), "the kill waits");
        handle.thread().unpark();
        assert!(handle.join().unwrap_err().is_panic());
        assert_eq!(*seen.lock().unwrap(), [true; 5]);
    });
}

#[test]
fn a_leaked_stack_that_unwinds_leaves_its_os_thread_as_it_was() {
    struct Yields<'a, 'b>(&'a Yielder<'b, u8>);
    impl Drop for Yields<'_, '_> {
        fn drop(&mut self) {
            self.0.yield_(1);
        }
    }
    on_all_runtimes(|| {
        let unwinding = || {
            let mut generator = Generator::new(|y: &Yielder<u8>| {
                let _yields = Yields(y);
                silent_panic();
            });
            assert_eq!(generator.next(), Some(1));
            generator
        };
        drop(unwinding());
        std::mem::forget(unwinding());
        let kept = unwinding();
        assert!(!panicking());
        assert!(timeout(SHORT, park).is_err());
        let numbers = |y: &Yielder<u8>| y.yield_all(0..9);
        assert_eq!(generator::scope(numbers, |mut numbers| numbers.next()), Some(0));
        let lock = Mutex::new(());
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.lock();
            silent_panic();
        }));
        assert!(lock.is_poisoned());
        drop(kept);
    });
}

#[test]
fn a_generator_in_a_destructor_that_runs_because_of_a_panic_is_an_ordinary_one() {
    let dropped = Rc::new(Cell::new(0));
    let uses = Rc::clone(&dropped);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _uses = OnDrop(|| {
            let text = String::from("a b c");
            let first = generator::scope(
                |y: &Yielder<&str>| y.yield_all(text.split(' ')),
                |mut words| words.next().map(str::len),
            );
            assert_eq!(first, Some(1));
            let held = Rc::clone(&uses);
            let mut half_run = Generator::new(move |y: &Yielder<u8>| {
                assert!(!panicking());
                let _held = OnDrop(move || held.set(held.get() + 1));
                y.yield_(1);
            });
            half_run.next();
            assert!(panicking());
        });
        silent_panic();
    }));
    assert!(unwound.is_err());
    assert_eq!((dropped.get(), panicking()), (1, false));
}

/// A panic is a panic, also where a kill or a timeout was caught before; and a kill that is passed on is a kill.
#[test]
fn a_panic_after_a_swallowed_kill_poisons_and_a_kill_that_is_passed_on_does_not() {
    type Swallow = fn() -> Option<Box<dyn std::any::Any + Send>>;
    on_all_runtimes(|| {
        let swallowed = || catch_unwind(park).err();
        let kept_and_dropped: [Swallow; 2] = [swallowed, || {
            drop(catch_unwind(park));
            None
        }];
        for swallow in kept_and_dropped {
            let lock = Arc::new(Mutex::new(0));
            let (of_kill, of_timeout) = (Arc::clone(&lock), Arc::new(Mutex::new(0)));
            let killed = spawn(move || {
                let _payload = swallow();
                let _guard = of_kill.lock().unwrap();
                panic!("half done");
            });
            until(|| thread::enumerate().len() > 1);
            yield_now();
            killed.kill();
            let error = killed.join().unwrap_err();
            // Killed before it began, it never got so far.
            assert_eq!(lock.is_poisoned(), error.is_panic());
            let limited = catch_unwind(AssertUnwindSafe(|| {
                timeout(Duration::ZERO, || {
                    let _payload = swallow();
                    let _guard = of_timeout.lock().unwrap();
                    panic!("half done");
                })
            }));
            assert!(limited.is_err() && of_timeout.is_poisoned());
        }
        // A panic that was caught before the timeout is over and done with.
        let (lock, once) = (Mutex::new(0), Once::new());
        let _ = catch_unwind(|| silent_panic());
        timeout(Duration::ZERO, yield_now).unwrap_err();
        let _ = catch_unwind(AssertUnwindSafe(|| once.call_once(|| silent_panic())));
        assert!(catch_unwind(AssertUnwindSafe(|| once.call_once(|| ()))).is_err());
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.lock().unwrap();
            silent_panic();
        }));
        assert!(lock.is_poisoned());
        // Passed on, after cleaning up that waits, holds locks, and panics.
        let lock = Arc::new(Mutex::new(0));
        let held = Arc::clone(&lock);
        let began = Arc::new(AtomicU32::new(0));
        let begins = Arc::clone(&began);
        let killed = spawn(move || {
            let _guard = held.lock().unwrap();
            begins.store(1, Ordering::SeqCst);
            let Err(payload) = catch_unwind(AssertUnwindSafe(park)) else { return };
            assert!(catch_unwind(|| panic!("in the cleaning up")).is_err());
            shield(|| sleep(Duration::from_millis(1)));
            resume_unwind(payload);
        });
        until(|| began.load(Ordering::SeqCst) == 1);
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        assert!(!lock.is_poisoned());
    });
}

/// Without a wait in between: the lock that is taken next sees that the panic is over.
#[test]
fn a_panic_that_was_caught_before_a_lock_was_taken_does_not_poison_it() {
    on_all_runtimes(|| {
        for through_generator in [false, true] {
            let (lock, older) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
            let (held, held_longer) = (Arc::clone(&lock), Arc::clone(&older));
            let began = Arc::new(AtomicU32::new(0));
            let begins = Arc::clone(&began);
            let killed = spawn(move || {
                let _older = held_longer.lock().unwrap();
                begins.store(1, Ordering::SeqCst);
                let Err(payload) = catch_unwind(park) else { return };
                if through_generator {
                    let panics = |_: &Yielder<u8>| panic!("in the cleaning up");
                    let mut generator = Generator::<u8, (), ()>::new(panics);
                    assert!(catch_unwind(AssertUnwindSafe(|| generator.next())).is_err());
                } else {
                    assert!(catch_unwind(|| panic!("in the cleaning up")).is_err());
                }
                let _guard = held.lock().unwrap();
                resume_unwind(payload);
            });
            until(|| began.load(Ordering::SeqCst) == 1);
            killed.kill();
            assert!(killed.join().unwrap_err().is_killed());
            assert!(!lock.is_poisoned() && !older.is_poisoned());
        }
    });
}

/// What panics in a destructor is another unwind than the one that the destructor runs for.
#[test]
fn a_panic_in_a_destructor_is_told_from_the_kill_around_it() {
    on_all_runtimes(|| {
        for kept in [false, true] {
            let [of_kill, of_panic, of_timeout] = [(); 3].map(|()| Arc::new(Mutex::new(())));
            let own = [&of_kill, &of_panic, &of_timeout].map(Arc::clone);
            let began = Arc::new(AtomicU32::new(0));
            let begins = Arc::clone(&began);
            let killed = spawn(move || {
                let [of_kill, of_panic, of_timeout] = own;
                let _guard = of_kill.lock().unwrap();
                let _in_destructor = OnDrop(|| {
                    let panicked = catch_unwind(AssertUnwindSafe(|| {
                        let _guard = of_panic.lock().unwrap();
                        panic!("in a destructor");
                    }));
                    assert!(panicked.is_err());
                    // A timeout's payload, of an unwind inside of the kill's, is kept or passed on.
                    let panicked = catch_unwind(AssertUnwindSafe(|| {
                        timeout(Duration::ZERO, || {
                            let payload = catch_unwind(park).unwrap_err();
                            let _guard = of_timeout.lock().unwrap();
                            if kept {
                                panic!("beside it");
                            }
                            resume_unwind(payload);
                        })
                    }));
                    assert_eq!(panicked.is_err(), kept);
                });
                begins.store(1, Ordering::SeqCst);
                park();
            });
            until(|| began.load(Ordering::SeqCst) == 1);
            killed.kill();
            assert!(killed.join().unwrap_err().is_killed());
            let poisoned = [of_kill, of_panic, of_timeout].map(|lock| lock.is_poisoned());
            assert_eq!(poisoned, [false, true, kept]);
        }
    });
}

/// A body that is closed ends as one that is killed. What panics while it is closed is a panic.
#[test]
fn closing_a_generator_or_greenlet_poisons_no_lock() {
    #[derive(Clone, Copy, PartialEq)]
    enum Then {
        Ends,
        PassesOn,
        PanicsThenPassesOn,
        Panics,
    }
    fn half_run(greenlet: bool, lock: Arc<Mutex<()>>, then: Then) -> Box<dyn std::any::Any> {
        let body = move |suspend: &dyn Fn()| {
            let older = lock.lock().unwrap();
            if then == Then::Ends {
                return suspend();
            }
            let Err(payload) = catch_unwind(AssertUnwindSafe(suspend)) else { return };
            if then == Then::PanicsThenPassesOn {
                assert!(catch_unwind(|| silent_panic()).is_err());
                assert!(catch_unwind(|| panic!("in the cleaning up")).is_err());
                drop(older);
                let _younger = lock.lock().unwrap();
                resume_unwind(payload);
            }
            assert!(then != Then::Panics, "while it is closed");
            if then == Then::PassesOn {
                yield_now();
                resume_unwind(payload);
            }
        };
        if greenlet {
            let greenlet =
                Greenlet::new(move |()| body(&|| switch_to_parent::<(), ()>(()).unwrap()));
            greenlet.switch(()).unwrap();
            Box::new(greenlet)
        } else {
            let mut generator = Generator::new(move |y: &Yielder<u8>| body(&|| y.yield_(1)));
            assert_eq!(generator.next(), Some(1));
            Box::new(generator)
        }
    }
    on_all_runtimes(|| {
        for greenlet in [false, true] {
            for then in [Then::Ends, Then::PassesOn, Then::PanicsThenPassesOn, Then::Panics] {
                let lock = Arc::new(Mutex::new(()));
                let half = half_run(greenlet, Arc::clone(&lock), then);
                let dropped = catch_unwind(AssertUnwindSafe(|| drop(half)));
                assert_eq!(lock.is_poisoned(), then == Then::Panics, "{}", dropped.is_ok());
                // By a kill, whose unwind is another stack's.
                let lock = Arc::new(Mutex::new(()));
                let held = Arc::clone(&lock);
                let began = Arc::new(AtomicU32::new(0));
                let begins = Arc::clone(&began);
                let killed = spawn(move || {
                    let _half = half_run(greenlet, held, then);
                    begins.store(1, Ordering::SeqCst);
                    park();
                });
                until(|| began.load(Ordering::SeqCst) == 1);
                killed.kill();
                assert!(killed.join().unwrap_err().is_killed());
                assert_eq!(lock.is_poisoned(), then == Then::Panics);
            }
        }
    });
}

/// What unwinds on the calling OS thread is not the business of a runtime that runs in one of its destructors.
#[test]
fn a_runtime_that_runs_in_a_destructor_begins_anew() {
    within_limit(|| {
        let unwound = catch_unwind(|| {
            let _runs = OnDrop(|| {
                let main = || {
                    assert!(!panicking());
                    let killed = spawn(park);
                    yield_now();
                    killed.kill();
                    (killed.join().unwrap_err().is_killed(), timeout(SHORT, park).is_err())
                };
                let runtime = Runtime::new_current_thread().unwrap();
                assert_eq!(runtime.run_local(main).unwrap(), (true, true));
                assert!(panicking());
                assert!(timeout(SHORT, park).is_err(), "on the OS thread itself");
            });
            silent_panic();
        });
        assert!(unwound.is_err() && !panicking());
    });
}

// --- what is dropped, and where -------------------------------------------------------------------------------------

#[test]
fn greenlet_values_are_destroyed_in_their_green_thread_in_rounds() {
    use greenthread::greenlet::{ContextVar, set_trace};
    static VALUE: ContextVar<Rc<Value>> = ContextVar::new();
    static OTHER: ContextVar<Rc<Value>> = ContextVar::new();
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct Value(u32);
    impl Drop for Value {
        fn drop(&mut self) {
            assert!(thread::current().is_green() && thread::current().name() == Some("owner"));
            DROPPED.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_millis(1));
            yield_now();
            if self.0 > 0 {
                VALUE.set(Rc::new(Value(self.0 - 1)));
                set_trace(Some(Rc::new({
                    let kept = OnDrop(yield_now);
                    move |_| {
                        let _ = &kept;
                    }
                })));
            } else {
                silent_panic();
            }
        }
    }
    on_all_runtimes(|| {
        for generations in [0, 1, 2, 40] {
            DROPPED.store(0, Ordering::SeqCst);
            let owner = greenthread::Builder::new().name("owner".into());
            let owner = owner.spawn(move || {
                VALUE.set(Rc::new(Value(generations)));
                OTHER.set(Rc::new(Value(0)));
            });
            let owner = owner.unwrap();
            yield_now();
            owner.join().unwrap();
            let dropped = DROPPED.load(Ordering::SeqCst);
            assert!(dropped == 2 + generations || (generations == 40 && dropped > 2), "{dropped}");
        }
    });
}

#[test]
fn a_half_run_generator_or_greenlet_in_a_thread_local_is_leaked() {
    struct Young;
    impl Drop for Young {
        fn drop(&mut self) {
            DESTROYED.fetch_add(1, Ordering::SeqCst);
        }
    }
    #[derive(Default)]
    struct Kept {
        _generator: Option<Generator<u8>>,
        _greenlet: Option<Greenlet>,
    }
    thread_local! {
        static HOLDER: RefCell<Kept> = RefCell::default();
        static YOUNG: Young = const { Young };
    }
    static DESTROYED: AtomicU32 = AtomicU32::new(0);
    static USED: AtomicU32 = AtomicU32::new(0);
    fn leave() {
        greenthread::greenlet::current();
        HOLDER.with(|_| ());
        let inside = || {
            OnDrop(|| {
                USED.fetch_add(1, Ordering::SeqCst);
            })
        };
        let mut generator = Generator::new(move |y: &Yielder<u8>| {
            YOUNG.with(|_| {
                let _inside = inside();
                y.yield_(1);
            });
        });
        generator.next();
        let greenlet = Greenlet::new(move |()| {
            YOUNG.with(|_| {
                let _inside = inside();
                switch_to_parent::<(), ()>(()).unwrap();
            });
        });
        greenlet.switch(()).unwrap();
        HOLDER.set(Kept { _generator: Some(generator), _greenlet: Some(greenlet) });
    }
    std::thread::spawn(leave).join().unwrap();
    assert_eq!((DESTROYED.load(Ordering::SeqCst), USED.load(Ordering::SeqCst)), (1, 0));
    // The greenlet belongs to the green thread and ends with it, before anything is destroyed.
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.spawn(leave).join().unwrap();
    drop(runtime);
    assert_eq!((DESTROYED.load(Ordering::SeqCst), USED.load(Ordering::SeqCst)), (2, 1));
}

/// Destructors of thread-locals find a generator and a greenlet, whose frames may be inside of thread-locals that are gone.
#[test]
#[cfg(target_env = "gnu")]
fn what_a_destructor_of_a_thread_local_finds_begun_does_not_go_on() {
    struct Young(Cell<Option<Box<u64>>>);
    impl Drop for Young {
        fn drop(&mut self) {
            self.0.set(None);
        }
    }
    #[derive(Default)]
    struct Holder {
        generator: RefCell<Option<Generator<u8>>>,
        greenlet: RefCell<Option<Greenlet>>,
        fresh: bool,
    }
    impl Drop for Holder {
        fn drop(&mut self) {
            let mut found = self.generator.take();
            if let Some(generator) = &mut found {
                let next = generator.next();
                NEXT.fetch_add(1 + u32::from(next.is_some()) * 100, Ordering::SeqCst);
                assert!(generator.is_finished() && generator.next().is_none());
            }
            if let Some(greenlet) = self.greenlet.take() {
                // An error, no panic.
                let switched = greenlet.switch(()).is_ok();
                SWITCHED.fetch_add(1 + u32::from(switched) * 100, Ordering::SeqCst);
            }
            if self.fresh {
                // What begins now goes on while nothing is destroyed.
                let mut fresh = Generator::new(|y: &Yielder<u8>| OTHER.with(|_| y.yield_all(0..3)));
                assert_eq!(fresh.by_ref().take(2).collect::<Vec<_>>(), [0, 1]);
                assert_eq!((fresh.next(), fresh.next()), (Some(2), None));
                let mut half_run = Generator::new(|y: &Yielder<u8>| {
                    OTHER.with(|other| {
                        y.yield_(0);
                        USED.fetch_add(u32::from(other.0.take().is_none()), Ordering::SeqCst);
                    });
                });
                assert_eq!(half_run.next(), Some(0));
                LAST.with(|last| last.generator.replace(Some(half_run)));
            }
        }
    }
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static SWITCHED: AtomicU32 = AtomicU32::new(0);
    static USED: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static LAST: Holder = Holder::default();
        static HOLDER: RefCell<Holder> = RefCell::default();
        static YOUNG: Young = const { Young(Cell::new(None)) };
        static OTHER: Young = const { Young(Cell::new(None)) };
    }
    fn inside(suspend: impl Fn()) {
        // A thread-local that is used for the first time after the first suspension, too.
        suspend();
        YOUNG.with(|young| {
            young.0.set(Some(Box::new(1)));
            suspend();
            USED.fetch_add(u32::from(young.0.take().is_none()), Ordering::SeqCst);
        });
    }
    fn leave(fresh: bool, greenlets: bool) {
        if greenlets {
            greenthread::greenlet::current();
        }
        // Stacks can be had until what keeps them is destroyed.
        drop(Generator::<u8>::new(|_| ()));
        LAST.with(|_| ());
        HOLDER.with(|holder| holder.borrow_mut().fresh = fresh);
        let generator = Generator::new(|y: &Yielder<u8>| inside(|| y.yield_(1)));
        HOLDER.with_borrow(|holder| holder.generator.replace(Some(generator)));
        let next =
            || HOLDER.with_borrow(|holder| holder.generator.borrow_mut().as_mut().unwrap().next());
        assert_eq!((next(), next()), (Some(1), Some(1)));
        if greenlets {
            let greenlet = Greenlet::new(|()| inside(|| switch_to_parent::<(), ()>(()).unwrap()));
            greenlet.switch(()).unwrap();
            greenlet.switch(()).unwrap();
            HOLDER.with_borrow(|holder| holder.greenlet.replace(Some(greenlet)));
        }
    }
    let counts = || [&NEXT, &SWITCHED, &USED].map(|count| count.load(Ordering::SeqCst));
    std::thread::spawn(|| leave(false, true)).join().unwrap();
    assert_eq!(counts(), [1, 1, 0]);
    std::thread::spawn(|| leave(true, false)).join().unwrap();
    assert_eq!(counts(), [3, 1, 0], "and the one that was left to an older thread-local");
    // On a worker, whose green threads have ended by then.
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.spawn(|| leave(false, false)).join().unwrap();
    drop(runtime);
    assert_eq!(counts(), [4, 1, 0]);
}

#[test]
fn a_destructor_of_a_thread_local_that_waits_is_who_it_was() {
    use greenthread::sync::ReentrantMutex;
    static LOCK: ReentrantMutex<()> = ReentrantMutex::new(());
    static DONE: AtomicU32 = AtomicU32::new(0);
    #[derive(Default)]
    struct Old(Option<greenthread::sync::ReentrantMutexGuard<'static, ()>>);
    impl Drop for Old {
        fn drop(&mut self) {
            let again = LOCK.lock_timeout(SHORT).is_some() && LOCK.is_owned();
            let limited = timeout(SHORT, || sleep(LIMIT)).is_err();
            DONE.fetch_add(u32::from(again && limited), Ordering::SeqCst);
        }
    }
    thread_local! {
        static OLD: RefCell<Old> = RefCell::default();
    }
    within_limit(|| {
        OLD.with(|_| ());
        // The library's own thread-local is younger, and so destroyed before.
        let guard = LOCK.lock();
        OLD.with_borrow_mut(|old| old.0 = Some(guard));
    });
    assert_eq!(DONE.load(Ordering::SeqCst), 1);
}

#[test]
fn what_a_runtime_that_gives_up_leaves_behind_keeps_nobody_waiting() {
    within_limit(|| {
        let dropped = Arc::new(AtomicU32::new(0));
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let linked = Arc::new(AtomicU32::new(0));
        let sees = Arc::clone(&linked);
        let count = Arc::clone(&dropped);
        let (began, begins) = std::sync::mpsc::channel();
        let swallows = runtime.spawn(move || {
            began.send(()).unwrap();
            loop {
                let _ = catch_unwind(yield_now);
                for waits in [false, true] {
                    let count = Arc::clone(&count);
                    let held = OnDrop(move || {
                        assert!(thread::current().is_green());
                        if waits {
                            park();
                        }
                        count.fetch_add(1, Ordering::SeqCst);
                    });
                    spawn(move || drop(held));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        swallows.link(move |_| {
            sleep(Duration::from_millis(1));
            sees.fetch_add(1, Ordering::SeqCst);
            park();
        });
        begins.recv().unwrap();
        assert!(!runtime.shutdown(SHORT).unwrap_err().given_up().is_empty());
        assert!(swallows.join().unwrap_err().is_killed());
        assert_eq!(linked.load(Ordering::SeqCst), 1);
        assert!(dropped.load(Ordering::SeqCst) > 0);
    });
}

/// Panics when dropped, with a payload that does so too.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new(Self));
    }
}

#[test]
fn what_a_body_that_never_began_holds_may_panic_when_dropped_in_a_destructor() {
    on_all_runtimes(|| {
        let unwound = catch_unwind(|| {
            let _drops = OnDrop(|| {
                let bomb = Bomb;
                drop(Generator::new(move |y: &Yielder<u8>| {
                    let _bomb = &bomb;
                    y.yield_(1);
                }));
                let bomb = Bomb;
                drop(Greenlet::<(), ()>::new(move |()| drop(bomb)));
                drop(spawn(|| Bomb));
            });
            silent_panic()
        });
        assert!(unwound.is_err());
    });
}
