//! Where control goes when a greenlet ends.
#![forbid(unsafe_code)]

use super::task::{ChildGreenlet, GreenletHandle};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The parent of a greenlet: the main one, or a child that it keeps.
pub(super) struct Parent {
    child: RefCell<Option<GreenletHandle>>,
    /// Whether `child` is none, readable without a borrow at each switch.
    is_main: Cell<bool>,
}

impl Parent {
    pub(super) fn new(child: Option<GreenletHandle>) -> Self {
        Self { is_main: Cell::new(child.is_none()), child: RefCell::new(child) }
    }

    #[inline(always)]
    pub(super) fn is_main(&self) -> bool {
        self.is_main.get()
    }

    /// The parent, none for the main greenlet.
    #[inline(always)]
    pub(super) fn get(&self) -> Option<Rc<ChildGreenlet>> {
        self.child.borrow().as_ref().map(|handle| Rc::clone(handle.child()))
    }

    /// Puts another in its place; the caller drops the one before, which may run foreign code.
    #[must_use]
    pub(super) fn replace(&self, child: Option<GreenletHandle>) -> Option<GreenletHandle> {
        self.is_main.set(child.is_none());
        self.child.replace(child)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // A loop, because a long line of parents that nobody else holds must not need a deep stack.
        let mut next = self.replace(None);
        while let Some(handle) = next {
            let child = Rc::clone(handle.child());
            drop(handle);
            next = if Rc::strong_count(&child) == 1 { child.parent.replace(None) } else { None };
        }
    }
}
