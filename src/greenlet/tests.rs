//! What needs the coroutines below: homes other than the OS thread's, and regions.
#![forbid(unsafe_code)]

use super::{Greenlet, SwitchError, WeakGreenlet, current, end_of_green_thread, switch_to_parent};
use crate::coroutine::testing::Green;
use crate::coroutine::{Progress, This, enter_no_switch_region};
use crate::generator::{Generator, Yielder};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// A green thread as a runtime would run it.
fn green(body: impl FnOnce() + 'static) -> Green {
    Green::new(|| {
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
