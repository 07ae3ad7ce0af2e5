//! Handles that do not own.
#![forbid(unsafe_code)]

use super::home::Home;
use super::task::{Child, Handle};
use super::{AnyGreenlet, SwitchError};
use std::fmt;
use std::rc::{Rc, Weak};

use super::any::Target;

#[derive(Clone)]
enum WeakTarget {
    Main(Weak<Home>),
    Child(Weak<Child>),
}

/// A handle that does not keep its greenlet from being unwound.
///
/// A greenlet that is suspended while it holds a handle to another that holds one to it would never be dropped. Two
/// greenlets that switch back and forth refer to each other weakly: [`switch`](Self::switch) holds nothing while it
/// waits.
///
/// ```
/// use greenthread::greenlet::Greenlet;
/// let child = Greenlet::new(|()| ());
/// let weak = child.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(child);
/// assert!(weak.upgrade().is_none());
/// ```
///
/// It stays on its OS thread.
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

    /// An owning handle, while another one exists or the greenlet runs.
    pub fn upgrade(&self) -> Option<AnyGreenlet> {
        match &self.0 {
            WeakTarget::Main(home) => home.upgrade().map(AnyGreenlet::main),
            WeakTarget::Child(child) => {
                let child = child.upgrade()?;
                let running = || child.home.current().is_some_and(|now| Rc::ptr_eq(&now, &child));
                (child.handles.get() > 0 || running())
                    .then(|| AnyGreenlet::child(Handle::new(child)))
            }
        }
    }

    /// As [`AnyGreenlet::switch`], without owning the target meanwhile.
    ///
    /// # Errors
    /// As there; [`SwitchError::Foreign`] where the greenlet is gone.
    ///
    /// # Panics
    /// As there.
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
