//! How greenlets end: at the end of their bodies, when their last handle is dropped, and with their green thread.
//!
//! When the last handle of a greenlet is dropped, the loop does not resume it. The code that drops the handle does, on
//! its own stack ([`Home::unwind`]). The greenlet may not switch then, so control comes back to that code.
#![forbid(unsafe_code)]

use super::GreenletExit;
use super::home::{Home, Next};
use super::task::{ChildGreenlet, GreenletState, Instead};
use crate::coroutine::{self, Progress};
use crate::util::dropping::{PanicPayload, drop_payload};
use std::any::type_name;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

impl Home {
    /// The last thing that a child does, after its body. It must not unwind.
    pub(super) fn finish<Out: 'static>(
        self: &Rc<Self>,
        child: Rc<ChildGreenlet>,
        outcome: Result<Out, PanicPayload>,
    ) {
        child.state.set(GreenletState::Dead);
        if child.exiting.get() != 0 {
            // Control goes back to the code that dropped its last handle.
            if let Err(payload) = outcome {
                drop_payload(payload);
            }
            return;
        }
        if self.traced.get() {
            *self.origin.borrow_mut() = Some(self.handle_to(&Some(Rc::clone(&child))));
        }
        let ending = match outcome {
            Ok(value) => Ending::Value(value),
            Err(payload) => ending(payload),
        };
        let next = self.finish_into_parent(&child, ending);
        self.next.set(next);
    }

    /// Delivers the end of `child` to the nearest ancestor that can take it, and returns that ancestor.
    pub(super) fn finish_into_parent<Out: 'static>(
        self: &Rc<Self>,
        child: &Rc<ChildGreenlet>,
        mut ending: Ending<Out>,
    ) -> Next {
        let mut next = child.parent.get();
        loop {
            match &next {
                None => {
                    self.task.end_with(ending);
                    return None;
                }
                Some(parent) => match parent.state.get() {
                    GreenletState::Active => {
                        parent.task.end_with(ending);
                        return next;
                    }
                    GreenletState::Unstarted => match ending.start(parent) {
                        Ok(()) => return next,
                        Err(back) => {
                            ending = back;
                            parent.discard();
                        }
                    },
                    GreenletState::Dead => {}
                },
            }
            next = next.and_then(|child| child.parent.get());
        }
    }

    /// Called when the last handle of a child that has begun is gone.
    pub(super) fn abandon(self: &Rc<Self>, child: &Rc<ChildGreenlet>) {
        if self.next.is(child) {
            // It is the one that runs next.
            return;
        }
        if self.is_here() {
            self.unwind(child);
        } else if self.ended.get() {
            child.state.set(GreenletState::Dead);
        } else {
            self.abandoned.borrow_mut().push(Rc::clone(child));
        }
    }

    #[cold]
    pub(super) fn unwind_abandoned(self: &Rc<Self>) {
        loop {
            let Some(child) = self.abandoned.borrow_mut().pop() else { return };
            self.unwind(&child);
        }
    }

    /// Makes a suspended child unwind, resumed from the caller's own stack. A child that does not end is leaked.
    fn unwind(self: &Rc<Self>, child: &Rc<ChildGreenlet>) {
        if !child.coroutine.is_suspended() {
            // It runs, and the caller is inside of it. It is dealt with when it is suspended.
            return;
        }
        if cfg!(panic = "abort") || coroutine::may_destroy_locals() {
            // Thread-locals are being destroyed, and its frames may be inside of one that is gone, so it is leaked.
            child.state.set(GreenletState::Dead);
            drop(child.coroutine.take());
            return;
        }
        if !child.task.unwinding.get() {
            child.exiting.set(1);
            child.task.signal.set(Some(Instead::Raise(Box::new(GreenletExit))));
            let before = self.current();
            self.set_current(child);
            if self.traced.get() {
                *self.origin.borrow_mut() = Some(self.handle_to(&before));
            }
            let end = child.coroutine.close();
            self.in_child.set(before.is_some());
            self.last.set(before);
            if end == Ok(Progress::Finished) {
                return;
            }
        }
        child.state.set(GreenletState::Dead);
        // This leaks its stack.
        drop(child.coroutine.take());
        let _ = writeln!(
            std::io::stderr(),
            "greenthread: greenlet '{}' did not end when it was dropped; its stack is leaked",
            child.task.label.name()
        );
    }

    /// Called when the green thread of this home ends: unwinds all its greenlets that have begun, even those to which
    /// there are handles, and drops what is kept for them. Returns whether there was anything. It may unwind with the
    /// panic of a destructor; then there may be more.
    pub(super) fn end(self: &Rc<Self>) -> bool {
        let mut any = !self.abandoned.borrow().is_empty();
        self.unwind_abandoned();
        loop {
            let Some(child) = self.begun.borrow_mut().pop() else { break };
            if let Some(child) = child.upgrade()
                && child.state.get() == GreenletState::Active
            {
                any = true;
                self.unwind(&child);
            }
        }
        drop(self.last.take());
        let hook = self.set_trace(None);
        any |= hook.is_some();
        drop(hook);
        let origin = self.origin.take();
        drop(origin);
        let context = self.task.context.take();
        any |= !context.is_empty();
        drop(context);
        any
    }

    /// From here on no greenlet can be made or switched to here, and nothing is kept.
    pub(super) fn close(&self) {
        self.ended.set(true);
    }
}

/// How a greenlet ended.
pub(super) enum Ending<Out> {
    Value(Out),
    Exited,
    Raise(PanicPayload),
}

pub(super) fn ending<Out>(payload: PanicPayload) -> Ending<Out> {
    if payload.is::<GreenletExit>() { Ending::Exited } else { Ending::Raise(payload) }
}

impl<Out: 'static> Ending<Out> {
    /// Passes it as the first input to a greenlet that has not begun. Returns what that cannot take.
    pub(super) fn start(self, parent: &ChildGreenlet) -> Result<(), Self> {
        match self {
            Self::Value(value) => match parent.put_first(value) {
                Ok(()) => Ok(()),
                Err(value) => {
                    drop_payload_of(value);
                    Err(Self::Raise(Box::new(format!(
                        "greenlet '{}' was started with a {}, it takes a {}",
                        parent.task.label.name(),
                        type_name::<Out>(),
                        parent.first_type
                    ))))
                }
            },
            Self::Exited => parent.put_first(()).map_err(|()| Self::Exited),
            Self::Raise(payload) => Err(Self::Raise(payload)),
        }
    }
}

/// Drops a value that nobody takes, at a place where nothing may unwind, although its destructor may panic.
pub(super) fn drop_payload_of<T>(value: T) {
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(value)));
    if let Err(payload) = dropped {
        drop_payload(payload);
    }
}

/// Ends the greenlets of a green thread whose body has ended: unwinds those that are suspended, and drops the values
/// and hooks that are kept for them. Returns whether there was anything, since destructors may then have made more. The
/// runtime calls it on the green thread's own stack. It does not unwind.
#[cold]
pub(crate) fn end_of_green_thread() -> bool {
    Home::existing().is_some_and(|home| {
        let mut any = false;
        // Each value of the user's is gone before its destructor panics, so this comes to an end.
        while let Err(payload) = catch_unwind(AssertUnwindSafe(|| any |= home.end())) {
            any = true;
            drop_payload(payload);
        }
        any
    })
}

/// From here on the calling green thread, whose greenlets have ended, can make none, and keeps no values for them.
#[cold]
pub(crate) fn close_green_thread() {
    if let Some(home) = Home::existing() {
        home.close();
    }
    drop_payload_of(coroutine::close_local());
}
