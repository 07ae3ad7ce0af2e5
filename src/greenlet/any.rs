//! A greenlet whatever its types.
#![forbid(unsafe_code)]

use super::home::{Home, Next};
use super::task::{Handle, State};
use super::weak::WeakGreenlet;
use super::{GreenletExit, ParentError, SwitchError};
use std::any::Any;
use std::fmt;
use std::rc::Rc;

#[derive(Clone)]
pub(super) enum Target {
    Main(Rc<Home>),
    Child(Handle),
}

/// A handle to any greenlet, the main one included; the types of what is passed are checked at each switch.
///
/// [`Greenlet`](super::Greenlet) dereferences to it. Handles that compare equal are those of one greenlet.
///
/// ```
/// use greenthread::greenlet::{self, Greenlet};
/// let child = Greenlet::new(|name: String| -> usize {
///     let main = greenlet::current().parent().unwrap();
///     let number: u8 = main.switch(format!("hello {name}")).unwrap();
///     number as usize + 1
/// });
/// let greeting: String = child.any().switch("ann".to_string())?;
/// assert_eq!(greeting, "hello ann");
/// let refused = child.any().switch::<_, usize>("not a u8").unwrap_err();
/// assert!(refused.is_wrong_type());
/// assert_eq!(child.any().switch::<u8, usize>(41).unwrap(), 42);
/// # Ok::<(), greenlet::SwitchError<String>>(())
/// ```
///
/// It stays on its OS thread.
#[derive(Clone)]
pub struct AnyGreenlet(pub(super) Target);

impl fmt::Debug for AnyGreenlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyGreenlet")
            .field("name", &self.name())
            .field("started", &self.is_started())
            .field("dead", &self.is_dead())
            .finish()
    }
}

impl PartialEq for AnyGreenlet {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Target::Main(a), Target::Main(b)) => Rc::ptr_eq(a, b),
            (Target::Child(a), Target::Child(b)) => Rc::ptr_eq(a.child(), b.child()),
            _ => false,
        }
    }
}

impl Eq for AnyGreenlet {}

impl AnyGreenlet {
    pub(super) fn main(home: Rc<Home>) -> Self {
        Self(Target::Main(home))
    }

    pub(super) fn child(handle: Handle) -> Self {
        Self(Target::Child(handle))
    }

    #[inline(always)]
    pub(super) fn home(&self) -> &Rc<Home> {
        match &self.0 {
            Target::Main(home) => home,
            Target::Child(handle) => &handle.child().home,
        }
    }

    #[inline(always)]
    pub(super) fn next(&self) -> Next {
        match &self.0 {
            Target::Main(_) => None,
            Target::Child(handle) => Some(Rc::clone(handle.child())),
        }
    }

    /// Switches to this greenlet with `value`; returns what is passed to the caller when control comes back, from
    /// whichever greenlet. An unstarted greenlet begins with `value` as its argument. Switching to oneself returns the
    /// value. (greenlet's `switch`.)
    ///
    /// Suspends the calling greenlet, not its green thread.
    ///
    /// # Errors
    /// See [`SwitchError`]. Where the switch did not happen, it holds the value.
    ///
    /// # Panics
    /// With a panic that ends a child of the calling greenlet meanwhile, with what is thrown into it, and inside a
    /// timeout, shield, scope or group that is open.
    #[inline(always)]
    pub fn switch<T: 'static, U: 'static>(&self, value: T) -> Result<U, SwitchError<T>> {
        let target = match &self.0 {
            Target::Main(_) => None,
            Target::Child(handle) => Some(handle.child()),
        };
        self.home().switch(target, value)
    }

    /// Switches to this greenlet and raises `payload` there, where it waits; a body can catch it with `catch_unwind`.
    /// A greenlet that has not begun ends without running. [`GreenletExit`] ends it normally; with any other payload
    /// the unwinding goes on in its parent. (greenlet's `throw`.)
    ///
    /// # Errors
    /// See [`SwitchError`]. Where nothing was thrown, it holds the payload.
    ///
    /// # Panics
    /// As [`switch`](Self::switch); thrown into the calling greenlet itself, with the payload. With `panic = "abort"` a
    /// payload that is raised ends the process.
    pub fn throw<U: 'static>(
        &self,
        payload: Box<dyn Any + Send>,
    ) -> Result<U, SwitchError<Box<dyn Any + Send>>> {
        self.home().throw(self.next(), payload)
    }

    /// Throws [`GreenletExit`].
    ///
    /// ```
    /// use greenthread::greenlet::{self, Greenlet};
    /// let child = Greenlet::new(|()| greenlet::switch_to_parent::<_, ()>(()).unwrap());
    /// child.switch(())?;
    /// child.kill()?;
    /// assert!(child.is_dead());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`throw`](Self::throw).
    ///
    /// # Panics
    /// As [`throw`](Self::throw).
    pub fn kill(&self) -> Result<(), SwitchError<Box<dyn Any + Send>>> {
        self.throw(Box::new(GreenletExit))
    }

    /// The greenlet that control goes to when this one ends: at first its creator. `None` for the main one.
    pub fn parent(&self) -> Option<AnyGreenlet> {
        match &self.0 {
            Target::Main(_) => None,
            Target::Child(handle) => {
                let child = handle.child();
                Some(child.home.handle_to(&child.parent.get()))
            }
        }
    }

    /// Gives this greenlet another parent.
    ///
    /// # Errors
    /// Where that would be a cycle, for the main greenlet, and where one of them belongs elsewhere.
    pub fn set_parent(&self, parent: &AnyGreenlet) -> Result<(), ParentError> {
        let home = self.home();
        if !home.is_here() || !Rc::ptr_eq(home, parent.home()) {
            return Err(ParentError::Foreign);
        }
        let Target::Child(handle) = &self.0 else { return Err(ParentError::Main) };
        let mut ancestor = parent.next();
        while let Some(child) = ancestor {
            if Rc::ptr_eq(&child, handle.child()) {
                return Err(ParentError::Cycle);
            }
            ancestor = child.parent.get();
        }
        let kept = match &parent.0 {
            Target::Main(_) => None,
            Target::Child(handle) => Some(handle.clone()),
        };
        drop(handle.child().parent.replace(kept));
        Ok(())
    }

    fn state(&self) -> State {
        match &self.0 {
            Target::Main(home) if home.has_ended() => State::Dead,
            Target::Main(_) => State::Active,
            Target::Child(handle) => handle.child().state.get(),
        }
    }

    /// Whether it has begun.
    pub fn is_started(&self) -> bool {
        self.state() != State::Unstarted
    }

    /// Whether it has begun and not finished. (greenlet's `bool(g)`.)
    pub fn is_active(&self) -> bool {
        self.state() == State::Active
    }

    /// Whether it has finished.
    pub fn is_dead(&self) -> bool {
        self.state() == State::Dead
    }

    /// Its name: the one that was given, `greenlet-N`, or `main`.
    pub fn name(&self) -> Rc<str> {
        match &self.0 {
            Target::Main(home) => home.task.label.name(),
            Target::Child(handle) => handle.child().task.label.name(),
        }
    }

    /// Gives it a name, for error messages and the report of a stack overflow.
    pub fn set_name(&self, name: &str) {
        let task = match &self.0 {
            Target::Main(home) => &home.task,
            Target::Child(handle) => &handle.child().task,
        };
        task.label.set_name(name.into());
    }

    /// A handle that does not keep it from being unwound.
    pub fn downgrade(&self) -> WeakGreenlet {
        WeakGreenlet::new(self)
    }
}

/// What must not compile.
///
/// It stays on its OS thread:
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<greenthread::greenlet::AnyGreenlet>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
