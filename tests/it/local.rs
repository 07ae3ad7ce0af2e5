//! Values that each green thread has for itself.

use crate::support::{FOR_EVER, OnDrop, everywhere, until, within_limit, workers};
use greenthread::generator::Generator;
use greenthread::greenlet::{ContextVar, Greenlet};
use greenthread::thread::LocalKey;
use greenthread::{Runtime, green_local, sleep, spawn, thread, timeout, yield_now};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

green_local! {
    /// With an attribute, without `const`.
    #[allow(dead_code)]
    static COUNT: Cell<u32> = Cell::new(10);
    pub(crate) static SHARED: RefCell<Vec<Rc<u32>>> = const { RefCell::new(Vec::new()) };
}

green_local! {
    static LAST: Cell<u32> = Cell::new(1)
}

#[test]
fn each_green_thread_has_its_own() {
    everywhere(|| {
        COUNT.set(5);
        let others: Vec<_> = (0..20)
            .map(|i| {
                spawn(move || {
                    let first = COUNT.get();
                    COUNT.set(i);
                    SHARED.with_borrow_mut(|all| all.push(Rc::new(i)));
                    for _ in 0..5 {
                        yield_now();
                        assert_eq!(COUNT.get(), i);
                    }
                    assert_eq!(**SHARED.take().last().unwrap(), i);
                    assert_eq!(COUNT.replace(7), i);
                    (first, COUNT.take(), COUNT.get(), LAST.with(Cell::get))
                })
            })
            .collect();
        for other in others {
            assert_eq!(other.join().unwrap(), (10, 7, 0, 1));
        }
        assert_eq!(COUNT.get(), 5);
        assert!(SHARED.with_borrow(Vec::is_empty));
    });
}

#[test]
fn greenlets_share_those_of_their_green_thread() {
    everywhere(|| {
        COUNT.set(1);
        let greenlet = Greenlet::new(|()| {
            let seen = COUNT.get();
            COUNT.set(2);
            seen
        });
        assert_eq!(greenlet.switch(()).unwrap(), 1);
        assert_eq!(COUNT.get(), 2);
    });
}

#[test]
fn initializers_run_once_and_may_use_others() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    green_local! {
        static FIRST: u32 = 3;
        static SECOND: u32 = {
            RUNS.fetch_add(1, Ordering::SeqCst);
            yield_now();
            FIRST.with(|first| first + 1)
        };
        static SET: RefCell<u32> = unreachable!("it is set before it is used");
    }
    Runtime::new_current_thread()
        .unwrap()
        .run_local(|| {
            for _ in 0..3 {
                SECOND.with(|second| assert_eq!(*second, 4));
            }
            SET.set(1);
            assert_eq!(SET.replace(2), 1);
            SET.with_borrow_mut(|value| *value += 1);
            assert_eq!(SET.take(), 3);
        })
        .unwrap();
    assert_eq!(RUNS.load(Ordering::SeqCst), 1);
}

/// Waits when it is dropped, then says which thread did that.
struct Slow(Arc<AtomicUsize>, thread::ThreadId);

impl Drop for Slow {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.1);
        for _ in 0..3 {
            yield_now();
            sleep(Duration::from_millis(1));
        }
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

green_local! {
    static SLOW: RefCell<Option<Slow>> = RefCell::new(None);
}

fn keep_slow(count: &Arc<AtomicUsize>) {
    SLOW.set(Some(Slow(Arc::clone(count), thread::current().id())));
}

#[test]
fn destructors_run_in_the_green_thread_and_may_wait() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            let dropped = Arc::new(AtomicUsize::new(0));
            let begun = Arc::new(AtomicUsize::new(0));
            let handles: Vec<_> = (0..30)
                .map(|i| {
                    let (dropped, begun) = (Arc::clone(&dropped), Arc::clone(&begun));
                    runtime.spawn(move || {
                        keep_slow(&dropped);
                        begun.fetch_add(1, Ordering::SeqCst);
                        match i % 3 {
                            0 => {}
                            1 => sleep(FOR_EVER),
                            _ => panic!("on purpose"),
                        }
                    })
                })
                .collect();
            until(|| begun.load(Ordering::SeqCst) == 30);
            // A kill comes at all sorts of moments; it cuts no destructor short.
            handles.iter().for_each(|handle| handle.kill());
            handles.into_iter().for_each(|handle| drop(handle.join()));
            assert_eq!(dropped.load(Ordering::SeqCst), 30, "before the join is over");
        }
    });
}

#[test]
fn the_end_of_the_runtime_waits_for_them() {
    within_limit(|| {
        let runtime = workers(2);
        let dropped = Arc::new(AtomicUsize::new(0));
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let (dropped, begun) = (Arc::clone(&dropped), Arc::clone(&begun));
            runtime.spawn(move || {
                keep_slow(&dropped);
                begun.fetch_add(1, Ordering::SeqCst);
                sleep(FOR_EVER);
            });
        }
        until(|| begun.load(Ordering::SeqCst) == 20);
        drop(runtime);
        assert_eq!(dropped.load(Ordering::SeqCst), 20);
    });
}

/// Makes itself anew whenever it is dropped.
struct Phoenix(&'static LocalKey<Phoenix>, &'static AtomicUsize, &'static AtomicUsize);

impl Drop for Phoenix {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        if self.0.try_with(|_| ()).is_err() {
            self.2.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn destructors_that_make_new_values_end_all_the_same() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static ERRORS: AtomicUsize = AtomicUsize::new(0);
    green_local! {
        static PHOENIX: Phoenix = Phoenix(&PHOENIX, &DROPS, &ERRORS);
    }
    Runtime::new_current_thread()
        .unwrap()
        .run_local(|| {
            spawn(|| PHOENIX.with(|_| ())).join().unwrap();
            assert_eq!(DROPS.load(Ordering::SeqCst), 5, "four rounds, and what the last one made");
            assert_eq!(ERRORS.load(Ordering::SeqCst), 1);
        })
        .unwrap();
    // Where std's thread-locals are destroyed, no new ones are made.
    std::thread::spawn(|| PHOENIX.with(|_| ())).join().unwrap();
    assert_eq!(DROPS.load(Ordering::SeqCst), 6);
    assert_eq!(ERRORS.load(Ordering::SeqCst), 2);
}

#[test]
fn a_panic_of_a_destructor_goes_no_farther() {
    struct Panics(Arc<AtomicUsize>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("in a destructor");
        }
    }
    green_local! {
        static FIRST: RefCell<Option<Panics>> = RefCell::new(None);
        static SECOND: RefCell<Option<Panics>> = RefCell::new(None);
    }
    let count = Arc::new(AtomicUsize::new(0));
    for killed in [false, true] {
        let count = Arc::clone(&count);
        Runtime::new_current_thread()
            .unwrap()
            .run_local(move || {
                let handle = spawn(move || {
                    FIRST.set(Some(Panics(Arc::clone(&count))));
                    SECOND.set(Some(Panics(count)));
                    yield_now();
                    "value"
                });
                yield_now();
                if killed {
                    handle.kill();
                    assert!(handle.join().unwrap_err().is_killed());
                } else {
                    assert_eq!(handle.join().unwrap(), "value");
                }
                // The worker is as good as new.
                assert_eq!(spawn(|| 1).join().unwrap(), 1);
                assert!(timeout(Duration::from_millis(1), || sleep(FOR_EVER)).is_err());
            })
            .unwrap();
    }
    let own = Arc::clone(&count);
    std::thread::spawn(move || FIRST.set(Some(Panics(own)))).join().unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 5);
}

static REQUEST: thread::ContextVar<String> = thread::ContextVar::new();
static DEPTH: thread::ContextVar<u32> = thread::ContextVar::new();

#[test]
fn context_values_are_copied_at_the_spawn() {
    everywhere(|| {
        assert_eq!(DEPTH.clear(), None);
        REQUEST.set("one".into());
        let before = spawn(|| {
            yield_now();
            sleep(Duration::from_millis(2));
            (REQUEST.get(), DEPTH.get())
        });
        assert_eq!(REQUEST.set("two".into()).as_deref().map(String::as_str), Some("one"));
        let (child, grandchild) = spawn(|| {
            let own = REQUEST.get();
            DEPTH.set(1);
            // Through a green thread that touches neither.
            let grandchild = spawn(|| spawn(|| (REQUEST.get(), DEPTH.get())).join().unwrap());
            REQUEST.set("three".into());
            (own, grandchild.join().unwrap())
        })
        .join()
        .unwrap();
        assert_eq!(child.as_deref(), Some("two"));
        assert_eq!(grandchild, (Some("two".into()), Some(1)));
        assert_eq!(before.join().unwrap(), (Some("one".into()), None));
        assert_eq!((REQUEST.get().as_deref(), DEPTH.get()), (Some("two"), None));
        // Scoped ones too.
        let scoped = greenthread::scope(|s| s.spawn(|| REQUEST.shared()).join().unwrap());
        assert_eq!(scoped.as_deref().map(String::as_str), Some("two"));
        REQUEST.with_value("inner".into(), || {
            let child = spawn(|| REQUEST.get());
            assert_eq!(child.join().unwrap().as_deref(), Some("inner"));
        });
        let late = timeout(Duration::from_millis(1), || {
            REQUEST.with_value("cut short".into(), || sleep(FOR_EVER));
        });
        assert!(late.is_err());
        assert_eq!(REQUEST.clear().as_deref().map(String::as_str), Some("two"));
        assert_eq!(REQUEST.get(), None);
        assert_eq!(spawn(|| REQUEST.get()).join().unwrap(), None);
        // Others do not pass theirs on to us, nor an OS thread to another.
        assert_eq!(std::thread::spawn(|| REQUEST.get()).join().unwrap(), None);
    });
}

#[test]
fn context_values_end_with_the_last_who_has_them() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            // In a green thread that may wait, whoever is last.
            assert!(thread::current().is_green());
            sleep(Duration::from_millis(1));
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    static COUNTED: thread::ContextVar<Counted> = thread::ContextVar::new();
    within_limit(|| {
        for (at, count) in [1, 2, 8].into_iter().enumerate() {
            let runtime = workers(count);
            let children = runtime
                .run(|| {
                    COUNTED.set(Counted);
                    (0..20)
                        .map(|i| {
                            spawn(move || {
                                sleep(Duration::from_millis(5));
                                if i % 2 == 0 {
                                    assert!(COUNTED.with(|value| value.is_some()));
                                }
                            })
                        })
                        .collect::<Vec<_>>()
                })
                .unwrap();
            children.into_iter().for_each(|child| child.join().unwrap());
            assert_eq!(DROPPED.load(Ordering::SeqCst), at + 1);
        }
    });
}

/// The greenlets of a green thread end with it, those too that were made when it was ending.
#[test]
fn a_destructor_may_leave_a_greenlet_suspended() {
    thread_local! {
        static KEPT: RefCell<Vec<Greenlet<(), ()>>> = const { RefCell::new(Vec::new()) };
    }
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    struct Makes;
    impl Drop for Makes {
        fn drop(&mut self) {
            let greenlet = Greenlet::new(|()| {
                let _ended = OnDrop(|| {
                    ENDED.fetch_add(1, Ordering::SeqCst);
                });
                greenthread::greenlet::switch_to_parent::<(), ()>(()).unwrap();
            });
            greenlet.switch(()).unwrap();
            KEPT.with_borrow_mut(|kept| kept.push(greenlet));
        }
    }
    green_local! {
        static MAKES: Makes = Makes;
    }
    within_limit(|| {
        let main = || {
            for round in 1..=3 {
                spawn(|| MAKES.with(|_| ())).join().unwrap();
                assert_eq!(ENDED.load(Ordering::SeqCst), round, "its stack is the next one's");
            }
        };
        Runtime::new_current_thread().unwrap().run_local(main).unwrap();
        KEPT.take();
    });
}

/// What a panic carries may panic in its turn.
#[test]
fn a_payload_that_panics_ends_no_worker() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("a payload");
        }
    }
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::panic_any(Payload);
        }
    }
    green_local! {
        static PANICS: Panics = Panics;
    }
    static VALUE: ContextVar<Rc<Panics>> = ContextVar::new();
    within_limit(|| {
        for count in [1, 2] {
            let runtime = Runtime::builder().workers(count).build().unwrap();
            let main = || {
                spawn(|| PANICS.with(|_| ())).join().unwrap();
                spawn(|| VALUE.set(Rc::new(Panics))).join().unwrap();
                drop(spawn(|| -> u8 { std::panic::panic_any(Payload) }));
                let linked = spawn(yield_now);
                linked.link(|_| std::panic::panic_any(Payload));
                linked.join().unwrap();
                let unwanted = spawn(|| Panics);
                // Where it has ended by now, the value is dropped here.
                std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(unwanted))));
                let blocked = spawn(|| greenthread::blocking(|| std::panic::panic_any(Payload)));
                drop(blocked);
                yield_now();
                assert_eq!(spawn(|| 1).join().unwrap(), 1);
            };
            runtime.run(main).unwrap();
        }
    });
}

/// Comes back each time it is destroyed, for as long as values may be made.
struct Again(Option<Generator<u8>>);

impl Drop for Again {
    fn drop(&mut self) {
        let Some(generator) = self.0.take() else { return };
        let kept = RefCell::new(Some(Again(Some(generator))));
        if KEPT.try_with(|place| place.swap(&kept)).is_err() {
            // Its body unwinds here.
            drop(kept.take().and_then(|mut kept| kept.0.take()));
        }
    }
}

green_local! {
    static KEPT: RefCell<Option<Again>> = const { RefCell::new(None) };
}

#[test]
fn a_generator_inside_with_value_may_outlive_the_values() {
    static VARIABLE: thread::ContextVar<u32> = thread::ContextVar::new();
    everywhere(|| {
        let unwound = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&unwound);
        let body = move || {
            let mut generator = Generator::new(move |y| {
                let _set = OnDrop(|| set.store(true, Ordering::SeqCst));
                VARIABLE.with_value(1, || y.yield_(1));
            });
            assert_eq!(generator.next(), Some(1));
            KEPT.set(Some(Again(Some(generator))));
        };
        spawn(body).join().unwrap();
        assert!(unwound.load(Ordering::SeqCst));
    });
}

#[test]
fn a_destructor_may_limit_its_waits_and_no_kill_does() {
    struct Waits(Arc<AtomicUsize>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            assert!(timeout(Duration::from_millis(20), || sleep(FOR_EVER)).is_err());
            sleep(Duration::from_millis(1));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    green_local! {
        static WAITS: RefCell<Option<Waits>> = const { RefCell::new(None) };
    }
    fn destructor_waits_in_spite_of_a_kill(killed_before: bool) {
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&steps);
        let begun = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&begun);
        let handle = spawn(move || {
            WAITS.set(Some(Waits(counted)));
            set.store(true, Ordering::SeqCst);
            if killed_before {
                sleep(FOR_EVER);
            }
        });
        if killed_before {
            until(|| begun.load(Ordering::SeqCst));
            handle.kill();
        }
        until(|| steps.load(Ordering::SeqCst) > 0);
        handle.kill();
        assert_eq!(handle.join().is_err(), killed_before);
        assert_eq!(steps.load(Ordering::SeqCst), 2);
    }
    everywhere(|| destructor_waits_in_spite_of_a_kill(true));
    everywhere(|| destructor_waits_in_spite_of_a_kill(false));
}
