//! Watching switches.
#![forbid(unsafe_code)]

use super::AnyGreenlet;
use super::home::Home;
use crate::util::dropping::Held;
use std::rc::Rc;

/// How control came to a greenlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceKind {
    /// By a switch, or because another greenlet ended.
    Switch,
    /// With something to raise: by `throw`, by a panic that ended another greenlet, or because its last handle was dropped.
    Throw,
}

/// One switch, as a trace hook sees it.
///
/// # Examples
/// ```
/// use greenthread::greenlet::{Greenlet, set_trace};
/// use std::{cell::RefCell, rc::Rc};
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// let seen = log.clone();
/// set_trace(Some(Rc::new(move |event| {
///     seen.borrow_mut().push(format!("{} to {}", event.from.name(), event.to.name()));
/// })));
/// let child = Greenlet::new(|()| ());
/// child.set_name("child");
/// child.switch(()).unwrap();
/// set_trace(None);
/// assert_eq!(*log.borrow(), ["main to child", "child to main"]);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TraceEvent {
    /// How control came.
    pub kind: TraceKind,
    /// Where it came from.
    pub from: AnyGreenlet,
    /// Where it is now.
    pub to: AnyGreenlet,
}

/// A function that is called after each switch; see [`set_trace`].
pub type TraceHook = Rc<dyn Fn(&TraceEvent)>;

/// Sets a hook that is called after every switch of this green or OS thread, in the greenlet that was switched to; `None` removes
/// the hook. Returns the hook before. (greenlet's `settrace`.)
///
/// The hook may itself switch; its switches are not traced. If it panics, it does so in the greenlet in which it is called.
///
/// # Examples
/// ```
/// use greenthread::greenlet::{Greenlet, set_trace};
/// use std::{cell::Cell, rc::Rc};
/// let switches = Rc::new(Cell::new(0));
/// let count = Rc::clone(&switches);
/// let before = set_trace(Some(Rc::new(move |_| count.set(count.get() + 1))));
/// Greenlet::new(|()| ()).switch(())?;
/// set_trace(before);
/// assert_eq!(switches.get(), 2, "there and back");
/// # Ok::<(), greenthread::greenlet::SwitchError<()>>(())
/// ```
#[doc(alias("settrace"))]
pub fn set_trace(hook: Option<TraceHook>) -> Option<TraceHook> {
    let hook = Held::new(hook);
    Home::here().set_trace(hook.into_inner())
}

/// The hook that is set in this green or OS thread. (greenlet's `gettrace`.)
///
/// # Examples
/// ```
/// use greenthread::greenlet::{set_trace, trace};
/// use std::rc::Rc;
///
/// assert!(trace().is_none());
/// set_trace(Some(Rc::new(|event| println!("{event:?}"))));
/// assert!(trace().is_some());
/// ```
#[doc(alias("gettrace"))]
#[must_use]
pub fn trace() -> Option<TraceHook> {
    Home::existing().and_then(|home| home.trace_hook())
}

impl Home {
    pub(super) fn set_trace(&self, hook: Option<TraceHook>) -> Option<TraceHook> {
        self.traced.set(hook.is_some());
        self.trace.replace(hook)
    }

    pub(super) fn trace_hook(&self) -> Option<TraceHook> {
        self.trace.borrow().clone()
    }

    /// Calls the hook, in the greenlet to which control has come.
    pub(super) fn trace_arrival(self: &Rc<Self>, raises: bool) {
        if !self.traced.get() {
            return;
        }
        let from = self.origin.borrow_mut().take();
        if let (Some(hook), Some(from)) = (self.trace_hook(), from) {
            /// Switches tracing on again when the hook has returned, unless the hook has removed itself.
            struct Again<'a>(&'a Home);
            impl Drop for Again<'_> {
                fn drop(&mut self) {
                    self.0.traced.set(self.0.trace.borrow().is_some());
                }
            }
            let kind = if raises { TraceKind::Throw } else { TraceKind::Switch };
            let event = TraceEvent { kind, from, to: self.handle_to(&self.current()) };
            self.traced.set(false);
            let _again = Again(self);
            // The hook may remove itself meanwhile.
            let hook = Held::new(hook);
            (*hook)(&event);
        }
    }
}
