//! The home of greenlets: those of one green thread, or of one OS thread outside of green threads; which one runs, and
//! what is kept for them.
//!
//! The main greenlet is the stack that was there already. Every other one is a coroutine, called a child. Control goes
//! from one to another in `switching.rs`, and they end in `ending.rs`. Three fields tell where control is:
//!
//! | | `in_child` | `last` | `next` |
//! |---|---|---|---|
//! | the main greenlet runs, and no child ran before it, or that has ended | no | none | none |
//! | the main greenlet runs | no | the child that ran last | none |
//! | a child runs | yes | that child | none |
//! | control is on its way from a child | yes | that child | the child that is next; none is the main greenlet |
//! | a child is unwound by the code that dropped its last handle | yes | that child | as it was |
//!
//! And two fields of a child tell how far it has come:
//!
//! | | `state` | `exiting` |
//! |---|---|---|
//! | it has not begun | `Unstarted` | 0 |
//! | it runs, or is suspended in a switch | `Active` | 0 |
//! | it is unwound, since its last handle is gone | `Active` | how often it has tried to switch meanwhile, plus 1 |
//! | it has ended, or is leaked | `Dead` | as it was |
#![forbid(unsafe_code)]

use super::AnyGreenlet;
use super::context::GreenletValues;
use super::task::{ChildGreenlet, GreenletHandle, GreenletTask};
use super::trace::TraceHook;
use crate::coroutine::{self, Label};
use crate::util::rc_cell::RcCell;
use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::{Rc, Weak};

#[cold]
#[inline(never)]
pub(super) fn none_any_more() -> ! {
    panic!(
        "greenlets and their values cannot be used when the green thread has destroyed its values, nor while the OS thread destroys its thread-locals"
    )
}

/// Where control goes: a child, or the main greenlet.
pub(super) type Next = Option<Rc<ChildGreenlet>>;

pub(super) struct Home {
    /// The main greenlet.
    pub(super) task: GreenletTask,
    /// The child that runs. While the main greenlet runs, the child that ran last, unless it has ended, as that one
    /// most often runs again.
    pub(super) last: RcCell<ChildGreenlet>,
    /// Whether a child runs.
    pub(super) in_child: Cell<bool>,
    /// The child that the loop resumes next; written just before a child suspends.
    pub(super) next: RcCell<ChildGreenlet>,
    pub(super) traced: Cell<bool>,
    pub(super) trace: RefCell<Option<TraceHook>>,
    /// The greenlet that control came from; only kept while `traced`.
    pub(super) origin: RefCell<Option<AnyGreenlet>>,
    /// Greenlets whose last handle was dropped in another green thread.
    pub(super) abandoned: RefCell<Vec<Rc<ChildGreenlet>>>,
    /// In a green thread: the greenlets that have begun, so that its end can unwind them.
    pub(super) begun: RefCell<Vec<Weak<ChildGreenlet>>>,
    pub(super) green: bool,
    pub(super) ended: Cell<bool>,
    names: Cell<u64>,
}

impl Home {
    /// The caller's home, if it has used greenlets before.
    #[inline(always)]
    pub(super) fn existing() -> Option<Rc<Self>> {
        coroutine::local()
    }

    /// The caller's home.
    ///
    /// # Panics
    /// If it has been closed.
    #[inline]
    pub(super) fn here() -> Rc<Self> {
        let Some(home) = Self::here_if_open() else { none_any_more() };
        home
    }

    /// The caller's home; `None` if the green thread has destroyed its values, or the OS thread is destroying its
    /// thread-locals.
    #[inline]
    pub(super) fn here_if_open() -> Option<Rc<Self>> {
        match Self::existing() {
            None => Self::make(),
            Some(home) => (!home.ended.get()).then_some(home),
        }
    }

    #[cold]
    fn make() -> Option<Rc<Self>> {
        let home = Rc::new(Self {
            task: GreenletTask::new(
                Rc::new(Label::new("greenlet", "main".into())),
                GreenletValues::default(),
            ),
            last: RcCell::new(None),
            in_child: Cell::new(false),
            next: RcCell::new(None),
            traced: Cell::new(false),
            trace: RefCell::new(None),
            origin: RefCell::new(None),
            abandoned: RefCell::new(Vec::new()),
            begun: RefCell::new(Vec::new()),
            green: coroutine::in_green_thread(),
            ended: Cell::new(false),
            names: Cell::new(0),
        });
        coroutine::set_local(Some(Rc::clone(&home))).is_ok().then_some(home)
    }

    /// Whether the caller is in the green or OS thread of this home.
    #[inline(always)]
    pub(super) fn is_here(&self) -> bool {
        ptr::eq(coroutine::identity(), ptr::from_ref(self).cast())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    pub(super) fn new_name(&self) -> Rc<str> {
        self.names.set(self.names.get() + 1);
        format!("greenlet-{}", self.names.get()).into()
    }

    /// The child that runs here; `None` for the main greenlet.
    #[inline(always)]
    pub(super) fn current(&self) -> Next {
        if self.in_child.get() { self.last.get() } else { None }
    }

    #[inline(always)]
    pub(super) fn set_current(&self, child: &Rc<ChildGreenlet>) {
        if !self.last.is(child) {
            self.last.set(Some(Rc::clone(child)));
        }
        self.in_child.set(true);
    }

    pub(super) fn with_current<T>(&self, f: impl FnOnce(&GreenletTask) -> T) -> T {
        match self.current() {
            Some(child) => f(&child.task),
            None => f(&self.task),
        }
    }

    pub(super) fn handle_to(self: &Rc<Self>, next: &Next) -> AnyGreenlet {
        match next {
            Some(child) => AnyGreenlet::child(GreenletHandle::new(Rc::clone(child))),
            None => AnyGreenlet::main(Rc::clone(self)),
        }
    }
}
