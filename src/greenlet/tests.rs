//! Tests that need the coroutines below: homes other than the OS thread's, and regions.
#![forbid(unsafe_code)]

use super::{Greenlet, SwitchError, WeakGreenlet, current, end_of_green_thread, switch_to_parent};
use crate::coroutine::testing::TestThread;
use crate::coroutine::{Progress, This, enter_no_switch_region};
use crate::generator::{Generator, Yielder};
use crate::sys::fault::{self, Syscall};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A green thread as a runtime would run it.
fn green(body: impl FnOnce() + 'static) -> TestThread {
    TestThread::new(|| {
        body();
        end_of_green_thread();
    })
}

/// Suspends the green thread `me` from somewhere inside it.
fn park(me: This) {
    me.suspend_with_inner().unwrap();
}

struct Sets(Rc<Cell<bool>>);

impl Drop for Sets {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_greenlet_that_blocks_suspends_its_green_thread() {
    let log: Rc<RefCell<Vec<&str>>> = Rc::default();
    let inner = log.clone();
    let a = green(move || {
        let me = This::innermost();
        let log = inner.clone();
        let child = Greenlet::new(move |()| {
            let parks = Generator::new(move |y: &Yielder<&str>| {
                y.yield_("in");
                park(me);
                y.yield_("out");
            });
            for item in parks {
                log.borrow_mut().push(item);
            }
        });
        child.switch(()).unwrap();
        inner.borrow_mut().push("child over");
    });
    let inner = log.clone();
    let b = green(move || {
        let child = Greenlet::new(|()| current());
        assert_eq!(child.switch(()).unwrap(), *child.any());
        inner.borrow_mut().push("other");
    });
    assert_eq!(a.resume(), Progress::Suspended);
    assert_eq!(b.resume(), Progress::Finished);
    assert_eq!(a.resume(), Progress::Finished);
    assert_eq!(*log.borrow(), ["in", "other", "out", "child over"]);
}

#[test]
fn use_from_another_green_thread_is_an_error_and_the_drop_waits_for_home() {
    let unwound = Rc::new(Cell::new(false));
    let handle: Rc<RefCell<Option<Greenlet>>> = Rc::default();
    let weak: Rc<RefCell<Option<WeakGreenlet>>> = Rc::default();
    let (out, held, out_weak) = (handle.clone(), unwound.clone(), weak.clone());
    let home = green(move || {
        let child = Greenlet::new(move |()| {
            let _held = Sets(held);
            switch_to_parent::<_, ()>(()).unwrap();
        });
        child.switch(()).unwrap();
        *out_weak.borrow_mut() = Some(child.downgrade());
        *out.borrow_mut() = Some(child);
        park(This::innermost());
    });
    assert_eq!(home.resume(), Progress::Suspended);
    let child = handle.take().unwrap();
    assert!(child.switch(()).unwrap_err().is_foreign());
    assert!(child.kill().unwrap_err().is_foreign());
    assert!(child.set_parent(&current()).is_err());
    drop(child);
    assert!(!unwound.get(), "not here");
    assert!(matches!(weak.take().unwrap().switch::<_, ()>(()), Err(SwitchError::Foreign { .. })));
    assert_eq!(home.resume(), Progress::Finished);
    assert!(unwound.get(), "at home, when that ended");
}

#[test]
fn the_end_of_a_green_thread_unwinds_its_greenlets() {
    let unwound = Rc::new(Cell::new(false));
    let handle: Rc<RefCell<Option<Greenlet>>> = Rc::default();
    let (out, held) = (handle.clone(), unwound.clone());
    let home = green(move || {
        let child = Greenlet::new(move |()| {
            let _held = Sets(held);
            switch_to_parent::<_, ()>(()).unwrap();
        });
        child.switch(()).unwrap();
        *out.borrow_mut() = Some(child);
    });
    assert_eq!(home.resume(), Progress::Finished);
    assert!(unwound.get());
    let child = handle.take().unwrap();
    assert!(child.is_dead());
    assert!(child.switch(()).unwrap_err().is_foreign());
}

#[test]
fn switching_out_of_a_region_is_refused() {
    let child = Greenlet::new(|()| {
        let region = enter_no_switch_region();
        let refused = catch_unwind(AssertUnwindSafe(|| switch_to_parent::<_, ()>(())));
        drop(region);
        switch_to_parent::<_, ()>(()).unwrap();
        let message = refused.unwrap_err();
        assert!(
            message.downcast_ref::<&str>().unwrap().contains("timeout, shield, scope or group")
        );
    });
    child.switch(()).unwrap();
    child.switch(()).unwrap();
    assert!(child.is_dead());
}

#[test]
fn yielding_out_of_a_region_is_refused() {
    let mut generator = Generator::new(|y: &Yielder<i32>| {
        let region = enter_no_switch_region();
        let refused = catch_unwind(AssertUnwindSafe(|| y.yield_(1))).unwrap_err();
        drop(region);
        assert!(
            refused.downcast_ref::<&str>().unwrap().contains("timeout, shield, scope or group")
        );
        y.yield_(2);
    });
    let _around = enter_no_switch_region();
    assert_eq!((generator.next(), generator.next()), (Some(2), None));
}

/// Destructors of thread-locals find a generator and a greenlet, whose frames may be inside of thread-locals that are gone.
#[test]
fn however_the_end_of_thread_locals_is_known_what_has_begun_does_not_go_on_then() {
    struct Gone(Cell<bool>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    #[derive(Default)]
    struct Holder {
        generator: Option<Generator<u8>>,
        greenlet: Option<Greenlet>,
        /// A generator that began in the destructor of an older thread-local.
        fresh: Option<Generator<u8>>,
    }
    impl Drop for Holder {
        fn drop(&mut self) {
            let mut went_on = 0;
            if let Some(mut generator) = self.generator.take() {
                went_on += u32::from(generator.next().is_some() || generator.next().is_some());
            }
            if let Some(greenlet) = self.greenlet.take() {
                went_on += u32::from(greenlet.switch(()).is_ok() || greenlet.switch(()).is_ok());
            }
            if let Some(mut fresh) = self.fresh.take() {
                went_on += u32::from(fresh.next().is_some());
            } else {
                // A generator inside of others, too.
                let mut outer = Generator::new(|y: &Yielder<u8>| {
                    let mut inner = Generator::new(|y: &Yielder<u8>| {
                        OTHER.with(|_| y.yield_all(0..4));
                    });
                    (0..3).for_each(|_| y.yield_(inner.next().map_or(9, |item| item)));
                    y.yield_(7);
                });
                let begun: Vec<u8> = outer.by_ref().take(3).collect();
                FRESH.with(|fresh| fresh.borrow_mut().push(begun));
                OLDEST.with(|oldest| oldest.borrow_mut().fresh = Some(outer));
            }
            ENDED.with(|ended| ended.set((ended.get().0 + 1, ended.get().1 + went_on)));
        }
    }
    type Items = std::mem::ManuallyDrop<RefCell<Vec<Vec<u8>>>>;
    thread_local! {
        // It has no destructor.
        static ENDED: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
        static FRESH: Items = const { Items::new(RefCell::new(Vec::new())) };
        static OLDEST: RefCell<Holder> = RefCell::default();
        static HOLDER: RefCell<Holder> = RefCell::default();
        static YOUNG: Gone = const { Gone(Cell::new(false)) };
        static OTHER: Gone = const { Gone(Cell::new(false)) };
    }
    fn inside(suspend: impl Fn()) {
        suspend();
        YOUNG.with(|young| {
            suspend();
            assert!(!young.0.get(), "it goes on inside of one that is gone");
        });
    }
    fn leave(lists: bool, walks: bool, greenlets: bool) {
        for (known, call) in [(lists, Syscall::LocalsList), (walks, Syscall::Destroyer)] {
            if !known {
                fault::fail(call, 0, usize::MAX, libc::ENOSYS);
            }
        }
        if greenlets {
            current();
        }
        // Stacks can be had until what keeps them is destroyed.
        drop(Generator::<u8>::new(|_| ()));
        OLDEST.with(|oldest| oldest.borrow_mut().fresh = None);
        // A generator that is dropped in time runs its destructors; if any moment may be the end, it is leaked.
        let dropped = Rc::new(Cell::new(false));
        let sets = Sets(dropped.clone());
        let mut half_run = Generator::new(move |y: &Yielder<u8>| {
            let _sets = sets;
            y.yield_(1);
        });
        assert_eq!(half_run.next(), Some(1));
        drop(half_run);
        assert_eq!(dropped.get(), lists || walks);
        // It is younger than the first suspension. Either what it holds was resumed last, or something else was.
        HOLDER.with(|_| ());
        let mut generator = Generator::new(|y: &Yielder<u8>| inside(|| y.yield_(1)));
        assert_eq!([generator.next(), generator.next()], [Some(1); 2]);
        HOLDER.with_borrow_mut(|holder| holder.generator = Some(generator));
        if greenlets {
            let greenlet = Greenlet::new(|()| inside(|| switch_to_parent::<(), ()>(()).unwrap()));
            greenlet.switch(()).unwrap();
            greenlet.switch(()).unwrap();
            HOLDER.with_borrow_mut(|holder| holder.greenlet = Some(greenlet));
        }
        crate::sys::thread_end::call(|| {
            assert_eq!(ENDED.get(), (2, 0));
            FRESH.with(|fresh| assert_eq!(*fresh.borrow(), [[0, 1, 2]]));
            RIGHT.fetch_add(1, Ordering::SeqCst);
        });
    }
    static RIGHT: AtomicU32 = AtomicU32::new(0);
    let mut right = 0;
    for (lists, walks) in [(true, true), (true, false), (false, true), (false, false)] {
        if cfg!(not(target_env = "gnu")) && (lists || !walks) {
            continue;
        }
        for greenlets in [false, true] {
            std::thread::spawn(move || leave(lists, walks, greenlets)).join().unwrap();
            right += 1;
            assert_eq!(RIGHT.load(Ordering::SeqCst), right, "{lists} {walks} {greenlets}");
        }
    }
}
