//! A greenlet whatever its types.
#![forbid(unsafe_code)]

use super::home::{Home, Next};
use super::task::{GreenletHandle, GreenletState};
use super::weak::WeakGreenlet;
use super::{GreenletExit, ParentError, SwitchError};
use std::any::Any;
use std::fmt;
use std::rc::Rc;

#[derive(Clone)]
pub(super) enum Target {
    Main(Rc<Home>),
    Child(GreenletHandle),
}

/// A handle to a greenlet of any type, the main one included; at each switch it is checked that what is passed has the type that
/// the other side expects.
///
/// [`Greenlet`](super::Greenlet) dereferences to it. Two handles are equal if they are handles to the same greenlet. They are
/// neither `Send` nor `Sync`.
///
/// # Examples
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

    pub(super) fn child(handle: GreenletHandle) -> Self {
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

    /// Switches to this greenlet with `value`; returns what is passed to the caller when control comes back, from whichever
    /// greenlet. A greenlet that has not begun begins with `value` as its argument. Switching to oneself returns the value.
    /// (greenlet's `switch`.)
    ///
    /// Suspends the calling greenlet, not its green thread.
    ///
    /// # Errors
    /// A [`SwitchError`] that says why the switch did not happen, and holds the value; or why control came back without a
    /// value.
    ///
    /// # Panics
    /// If a child of the calling greenlet ends by a panic meanwhile, or something is thrown into the calling greenlet, with
    /// the same payload; and inside a timeout, shield, scope or group.
    ///
    /// # Examples
    /// To whichever greenlet is kept in a list, whatever its types:
    /// ```
    /// use greenthread::greenlet::{AnyGreenlet, Greenlet};
    ///
    /// let (double, length) = (Greenlet::new(|n: u32| n * 2), Greenlet::new(|text: String| text.len()));
    /// let all: [&AnyGreenlet; 2] = [double.any(), length.any()];
    /// assert_eq!(all[0].switch::<u32, u32>(21).unwrap(), 42);
    /// assert_eq!(all[1].switch::<String, usize>("hello".into()).unwrap(), 5);
    /// ```
    #[inline(always)]
    pub fn switch<T: 'static, U: 'static>(&self, value: T) -> Result<U, SwitchError<T>> {
        let target = match &self.0 {
            Target::Main(_) => None,
            Target::Child(handle) => Some(handle.child()),
        };
        self.home().switch(target, value)
    }

    /// Switches to this greenlet and raises `payload` there, at the switch in which it is suspended; the body can catch it with
    /// `catch_unwind`. A greenlet that has not begun ends without running. [`GreenletExit`] ends a greenlet normally; with any
    /// other payload the unwinding goes on in its parent. (greenlet's `throw`.)
    ///
    /// # Errors
    /// As [`switch`](Self::switch); if nothing was thrown, the error holds the payload.
    ///
    /// # Panics
    /// For the reasons that [`switch`](Self::switch) gives; and, with `payload`, if the target is the calling greenlet itself.
    /// With `panic = "abort"` a payload that is raised ends the process.
    ///
    /// # Examples
    /// ```
    /// use greenthread::greenlet::{self, Greenlet};
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    /// let child = Greenlet::new(|()| -> String {
    ///     let wait = AssertUnwindSafe(|| greenlet::switch_to_parent::<_, ()>(String::new()));
    ///     let caught = catch_unwind(wait).unwrap_err();
    ///     format!("caught {}", caught.downcast_ref::<&str>().unwrap())
    /// });
    /// child.switch(())?;
    /// let answer: String = child.throw(Box::new("a payload")).unwrap();
    /// assert_eq!(answer, "caught a payload");
    /// # Ok::<(), greenlet::SwitchError<()>>(())
    /// ```
    pub fn throw<U: 'static>(
        &self,
        payload: Box<dyn Any + Send>,
    ) -> Result<U, SwitchError<Box<dyn Any + Send>>> {
        self.home().throw(self.next(), payload)
    }

    /// Ends the greenlet: [throws](Self::throw) a [`GreenletExit`] into it. (greenlet's `throw()` without arguments.)
    ///
    /// # Examples
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
    /// Those of [`throw`](Self::throw).
    ///
    /// # Panics
    /// For the reasons that [`throw`](Self::throw) gives.
    pub fn kill(&self) -> Result<(), SwitchError<Box<dyn Any + Send>>> {
        self.throw(Box::new(GreenletExit))
    }

    /// The greenlet that control goes to when this one ends: at first the one that made it; `None` for the main greenlet.
    #[must_use]
    pub fn parent(&self) -> Option<AnyGreenlet> {
        match &self.0 {
            Target::Main(_) => None,
            Target::Child(handle) => {
                let child = handle.child();
                Some(child.home.handle_to(&child.parent.get()))
            }
        }
    }

    /// Gives this greenlet another parent. (An assignment to greenlet's `parent`.)
    ///
    /// # Errors
    /// A [`ParentError`] if it would be its own ancestor, if it is the main greenlet, or if one of the two belongs to another
    /// green or OS thread.
    ///
    /// # Examples
    /// ```
    /// use greenthread::greenlet::Greenlet;
    /// let cleanup = Greenlet::new(|result: i32| result + 1);
    /// let worker = Greenlet::new(|n: i32| n * 10);
    /// worker.set_parent(cleanup.any()).unwrap();
    /// // When the worker ends, its result goes to `cleanup`, and the result of that comes back here.
    /// assert_eq!(worker.switch(4).unwrap(), 41);
    /// ```
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

    fn state(&self) -> GreenletState {
        match &self.0 {
            Target::Main(home) if home.has_ended() => GreenletState::Dead,
            Target::Main(_) => GreenletState::Active,
            Target::Child(handle) => handle.child().state.get(),
        }
    }

    /// Whether it has begun.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.state() != GreenletState::Unstarted
    }

    /// Whether it has begun and not finished. (greenlet's `bool(g)`.)
    ///
    /// # Examples
    /// See also [`is_started`](Self::is_started) and [`is_dead`](Self::is_dead).
    /// ```
    /// use greenthread::greenlet::{Greenlet, switch_to_parent};
    ///
    /// let child = Greenlet::new(|()| switch_to_parent::<(), ()>(()).unwrap());
    /// assert!(!child.is_started() && !child.is_active());
    /// child.switch(()).unwrap();
    /// assert!(child.is_active());
    /// child.switch(()).unwrap();
    /// assert!(child.is_dead() && !child.is_active());
    /// ```
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state() == GreenletState::Active
    }

    /// Whether it has finished.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state() == GreenletState::Dead
    }

    /// Its name: the one that it was given, or `greenlet-` and a number, or `main` for the main greenlet.
    #[must_use]
    pub fn name(&self) -> Rc<str> {
        match &self.0 {
            Target::Main(home) => home.task.label.name(),
            Target::Child(handle) => handle.child().task.label.name(),
        }
    }

    /// Gives it a name, which error messages and the report of a stack overflow use.
    ///
    /// # Examples
    /// So that reports name it; [`name`](Self::name) tells what it is called now:
    /// ```
    /// use greenthread::greenlet::Greenlet;
    ///
    /// let child = Greenlet::new(|()| ());
    /// assert!(child.name().starts_with("greenlet-"));
    /// child.set_name("parser");
    /// assert_eq!(&*child.name(), "parser");
    /// ```
    pub fn set_name(&self, name: &str) {
        let task = match &self.0 {
            Target::Main(home) => &home.task,
            Target::Child(handle) => &handle.child().task,
        };
        task.label.set_name(name.into());
    }

    /// A handle that does not keep the greenlet alive.
    ///
    /// # Examples
    /// ```
    /// use greenthread::greenlet::Greenlet;
    ///
    /// let child = Greenlet::new(|()| ());
    /// let weak = child.downgrade();
    /// drop(child);
    /// // The handle did not keep it alive.
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
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
