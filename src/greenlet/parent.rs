//! Where control goes when a greenlet ends.
#![forbid(unsafe_code)]

use super::task::{ChildGreenlet, GreenletHandle};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The parent of a greenlet: the main one, or a child that this keeps alive.
pub(super) struct Parent {
    child: RefCell<Option<GreenletHandle>>,
    /// Whether `child` is `None`, which each switch can read without a borrow.
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

    /// The parent; `None` for the main greenlet.
    #[inline(always)]
    pub(super) fn get(&self) -> Option<Rc<ChildGreenlet>> {
        self.child.borrow().as_ref().map(|handle| Rc::clone(handle.child()))
    }

    /// Replaces the parent. The caller drops the one before, which may run the user's code.
    #[must_use]
    pub(super) fn replace(&self, child: Option<GreenletHandle>) -> Option<GreenletHandle> {
        self.is_main.set(child.is_none());
        self.child.replace(child)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // This is a loop, because dropping a long line of parents that nobody else holds must not need a deep stack.
        let mut next = self.replace(None);
        while let Some(handle) = next {
            let child = Rc::clone(handle.child());
            drop(handle);
            next = if Rc::strong_count(&child) == 1 { child.parent.replace(None) } else { None };
        }
    }
}
