//! Handles that do not own.
#![forbid(unsafe_code)]

use super::home::Home;
use super::task::{ChildGreenlet, GreenletHandle};
use super::{AnyGreenlet, SwitchError};
use std::fmt;
use std::rc::{Rc, Weak};

use super::any::Target;

#[derive(Clone)]
enum WeakTarget {
    Main(Weak<Home>),
    Child(Weak<ChildGreenlet>),
}

/// A handle that does not keep its greenlet alive; made by [`AnyGreenlet::downgrade`].
///
/// Two suspended greenlets that hold handles to each other would never be dropped. So greenlets that switch back and forth refer
/// to each other weakly: [`switch`](Self::switch) keeps nothing alive while it waits. It is neither `Send` nor `Sync`.
///
/// # Examples
/// ```
/// use greenthread::greenlet::Greenlet;
/// let child = Greenlet::new(|()| ());
/// let weak = child.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(child);
/// assert!(weak.upgrade().is_none());
/// ```
/// Two greenlets that switch back and forth without keeping each other alive:
/// ```
/// use greenthread::greenlet::{Greenlet, WeakGreenlet, switch_to_parent};
/// use std::{cell::OnceCell, rc::Rc};
/// let ping: Rc<OnceCell<WeakGreenlet>> = Rc::default();
/// let back = Rc::clone(&ping);
/// let pong = Greenlet::new(move |mut n: u32| -> u32 {
///     loop {
///         n = back.get().unwrap().switch(n + 1).unwrap();
///     }
/// });
/// let other = pong.downgrade();
/// let first = Greenlet::new(move |mut n: u32| -> u32 {
///     while n < 10 {
///         n = other.switch(n + 1).unwrap();
///     }
///     n
/// });
/// ping.set(first.downgrade()).unwrap();
/// assert_eq!(first.switch(0).unwrap(), 10);
/// ```
#[derive(Clone)]
pub struct WeakGreenlet(WeakTarget);

impl fmt::Debug for WeakGreenlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakGreenlet").field(&self.upgrade()).finish()
    }
}

impl WeakGreenlet {
    pub(super) fn new(greenlet: &AnyGreenlet) -> Self {
        Self(match &greenlet.0 {
            Target::Main(home) => WeakTarget::Main(Rc::downgrade(home)),
            Target::Child(handle) => WeakTarget::Child(Rc::downgrade(handle.child())),
        })
    }

    /// A handle that keeps the greenlet alive; `None` if there is no other and the greenlet does not run.
    pub fn upgrade(&self) -> Option<AnyGreenlet> {
        match &self.0 {
            WeakTarget::Main(home) => home.upgrade().map(AnyGreenlet::main),
            WeakTarget::Child(child) => {
                let child = child.upgrade()?;
                let running = || child.home.current().is_some_and(|now| Rc::ptr_eq(&now, &child));
                (child.handles.get() > 0 || running())
                    .then(|| AnyGreenlet::child(GreenletHandle::new(child)))
            }
        }
    }

    /// As [`AnyGreenlet::switch`], without keeping the target alive meanwhile.
    ///
    /// # Errors
    /// Those of [`AnyGreenlet::switch`]; [`SwitchError::Foreign`] if the greenlet is gone.
    ///
    /// # Panics
    /// For the reasons that [`AnyGreenlet::switch`] gives.
    #[inline(always)]
    pub fn switch<T: 'static, U: 'static>(&self, value: T) -> Result<U, SwitchError<T>> {
        let Some(target) = self.upgrade() else { return Err(SwitchError::Foreign { value }) };
        let home = Rc::clone(target.home());
        let next = target.next();
        drop(target);
        home.switch(next.as_ref(), value)
    }
}

/// What must not compile.
///
/// It stays on its OS thread:
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<greenthread::greenlet::WeakGreenlet>();
/// ```
/// ```compile_fail
/// fn is_sync<T: Sync>() {}
/// is_sync::<greenthread::greenlet::WeakGreenlet>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
