//! A greenlet as the switching code sees it.
#![forbid(unsafe_code)]

use super::context::Context;
use super::home::Home;
use super::parent::Parent;
use crate::coroutine::{Label, Slot, This};
use crate::util::inbox::Inbox;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

pub(super) type Payload = Box<dyn Any + Send>;

/// What a greenlet finds instead of a value when control comes back to it.
pub(super) enum Signal {
    Raise(Payload),
    Exited,
    Received(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Unstarted,
    /// Begun and not over; suspended unless it is its home's current one.
    Active,
    Dead,
}

/// What every greenlet has, the main one included.
pub(super) struct Task {
    pub(super) label: Rc<Label>,
    pub(super) inbox: Inbox,
    pub(super) signal: Cell<Option<Signal>>,
    pub(super) context: RefCell<Context>,
    /// Whether it is suspended while a panic unwinds on this OS thread, perhaps in this greenlet: raising something there could
    /// abort the process.
    pub(super) unwinding: Cell<bool>,
}

impl Task {
    pub(super) fn new(label: Rc<Label>, context: Context) -> Self {
        Self {
            label,
            inbox: Inbox::default(),
            signal: Cell::new(None),
            context: RefCell::new(context),
            unwinding: Cell::new(false),
        }
    }
}

/// A greenlet that is not a main one. Frames hold it by `Rc`; only a [`Handle`] keeps it from being unwound.
pub(super) struct Child {
    pub(super) task: Task,
    pub(super) home: Rc<Home>,
    pub(super) state: Cell<State>,
    pub(super) parent: Parent,
    /// Absent when it is dead.
    pub(super) coroutine: Slot,
    pub(super) this: This,
    /// A `Cell<Option<In>>`: the first value, until the body takes it.
    pub(super) first: Rc<dyn Any>,
    pub(super) first_type: &'static str,
    /// How many handles there are.
    pub(super) handles: Cell<usize>,
    /// Not zero while it is unwound by a drop; counts its attempts to switch.
    pub(super) exiting: Cell<u32>,
}

impl Child {
    /// Drops the body of a greenlet that never began, which is dead from then on.
    pub(super) fn discard(&self) {
        self.state.set(State::Dead);
        let coroutine = self.coroutine.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(coroutine))) {
            drop_payload(payload);
        }
    }
}

/// Drops the payload of a panic, whose destructor may panic again.
pub(super) fn drop_payload(payload: Payload) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

/// Keeps a greenlet from being unwound; when the last handle is dropped, the greenlet is.
pub(super) struct Handle(Rc<Child>);

impl Handle {
    #[inline]
    pub(super) fn new(child: Rc<Child>) -> Self {
        child.handles.set(child.handles.get() + 1);
        Self(child)
    }

    #[inline(always)]
    pub(super) fn child(&self) -> &Rc<Child> {
        &self.0
    }
}

impl Clone for Handle {
    #[inline]
    fn clone(&self) -> Self {
        Self::new(Rc::clone(&self.0))
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        let left = self.0.handles.get() - 1;
        self.0.handles.set(left);
        if left == 0 {
            last_handle_gone(&self.0);
        }
    }
}

#[cold]
fn last_handle_gone(child: &Rc<Child>) {
    match child.state.get() {
        State::Dead => {}
        State::Unstarted => child.discard(),
        State::Active => child.home.abandon(child),
    }
}
