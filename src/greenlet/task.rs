//! A greenlet as the switching code sees it.
#![forbid(unsafe_code)]

use super::context::GreenletValues;
use super::home::Home;
use super::parent::Parent;
use crate::coroutine::{Label, Slot, This};
use crate::util::dropping::{PanicPayload, drop_payload};
use crate::util::handover::Handover;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// What a greenlet finds in place of a value when control comes back to it.
pub(super) enum Instead {
    Raise(PanicPayload),
    Exited,
    Received(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GreenletState {
    Unstarted,
    /// It has begun and not ended. It is suspended unless it is its home's current one.
    Active,
    Dead,
}

/// What every greenlet has, the main one included.
pub(super) struct GreenletTask {
    pub(super) label: Rc<Label>,
    pub(super) handover: Handover,
    pub(super) signal: Cell<Option<Instead>>,
    pub(super) context: RefCell<GreenletValues>,
    /// Whether it is suspended while a panic unwinds on this OS thread, perhaps in this greenlet. Then raising
    /// something there could abort the process.
    pub(super) unwinding: Cell<bool>,
}

impl GreenletTask {
    pub(super) fn new(label: Rc<Label>, context: GreenletValues) -> Self {
        Self {
            label,
            handover: Handover::default(),
            signal: Cell::new(None),
            context: RefCell::new(context),
            unwinding: Cell::new(false),
        }
    }
}

/// A greenlet that is not a main one. Frames hold it by `Rc`; only a [`GreenletHandle`] keeps it from being unwound.
pub(super) struct ChildGreenlet {
    pub(super) task: GreenletTask,
    pub(super) home: Rc<Home>,
    pub(super) state: Cell<GreenletState>,
    pub(super) parent: Parent,
    /// Empty when it is dead.
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

impl ChildGreenlet {
    /// Drops the body of a greenlet that never began, which is dead from then on.
    pub(super) fn discard(&self) {
        self.state.set(GreenletState::Dead);
        let coroutine = self.coroutine.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(coroutine))) {
            drop_payload(payload);
        }
    }
}

/// Keeps a greenlet from being unwound. When the last one is dropped, the greenlet is unwound.
pub(super) struct GreenletHandle(Rc<ChildGreenlet>);

impl GreenletHandle {
    #[inline]
    pub(super) fn new(child: Rc<ChildGreenlet>) -> Self {
        child.handles.set(child.handles.get() + 1);
        Self(child)
    }

    #[inline(always)]
    pub(super) fn child(&self) -> &Rc<ChildGreenlet> {
        &self.0
    }
}

impl Clone for GreenletHandle {
    #[inline]
    fn clone(&self) -> Self {
        Self::new(Rc::clone(&self.0))
    }
}

impl Drop for GreenletHandle {
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
fn last_handle_gone(child: &Rc<ChildGreenlet>) {
    match child.state.get() {
        GreenletState::Dead => {}
        GreenletState::Unstarted => child.discard(),
        GreenletState::Active => child.home.abandon(child),
    }
}
