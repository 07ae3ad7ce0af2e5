//! A name that the overflow report can read.

use super::{Coroutine, Description};
use crate::stack::Stack;
use std::cell::UnsafeCell;
use std::fmt;
use std::rc::Rc;

/// The kind of a coroutine and its name, which can be changed.
pub(crate) struct Label {
    kind: &'static str,
    name: UnsafeCell<Rc<str>>,
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.kind, self.name())
    }
}

impl Label {
    pub(crate) fn new(kind: &'static str, name: Rc<str>) -> Self {
        Self { kind, name: UnsafeCell::new(name) }
    }

    pub(crate) fn name(&self) -> Rc<str> {
        // SAFETY: cloning runs no foreign code, and a label is not `Sync`: nobody else has a reference to the name now.
        unsafe { (*self.name.get()).clone() }
    }

    pub(crate) fn set_name(&self, name: Rc<str>) {
        // SAFETY: as above; the old name is dropped after it was replaced.
        drop(unsafe { std::mem::replace(&mut *self.name.get(), name) });
    }
}

/// Writes the label, for example `greenlet 'ann'`.
fn write(owner: *const (), out: &mut dyn FnMut(&[u8])) {
    // SAFETY: `labelled` gave the label and keeps it while the body runs. The fault is one of that body, on this OS thread,
    // and `Label` grows no stack while it changes the name.
    let label = unsafe { &*owner.cast::<Label>() };
    out(label.kind.as_bytes());
    out(b" '");
    // SAFETY: as above.
    out(unsafe { (*label.name.get()).as_bytes() });
    out(b"'");
}

impl Coroutine {
    /// As [`new`](Self::new), with a label for the overflow report.
    #[inline]
    pub(crate) fn labelled(stack: Stack, label: &Rc<Label>, body: impl FnOnce() + 'static) -> Self {
        let kept = Rc::clone(label);
        let description = Description { write: Some(write), owner: Rc::as_ptr(label).cast() };
        Self::new(stack, description, move || {
            body();
            drop(kept);
        })
    }
}
