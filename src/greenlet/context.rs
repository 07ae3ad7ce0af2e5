//! Values that each greenlet carries.
#![forbid(unsafe_code)]

use super::home::{Home, none_any_more};
use crate::util::dropping::Held;
use crate::util::lazy_id::{Ids, LazyId};
use crate::util::values::Values;
use std::any::Any;
use std::marker::PhantomData;
use std::rc::Rc;

/// The values of one greenlet, by the keys of their variables.
pub(super) type GreenletValues = Values<Rc<dyn Any>>;

/// The source of the variables' keys.
static KEYS: Ids = Ids::new();

/// A variable with a value of its own in each greenlet; a new greenlet starts with the values of the one that made it. (Python's
/// `contextvars.ContextVar`; but greenlets of Python start with an empty context.)
///
/// [`thread::ContextVar`](crate::thread::ContextVar) is for values that green threads pass on.
///
/// # Examples
/// ```
/// use greenthread::greenlet::{ContextVar, Greenlet};
/// static USER: ContextVar<&str> = ContextVar::new();
///
/// USER.set("ann");
/// let child = Greenlet::new(|()| {
///     let inherited = USER.get();
///     USER.set("bob");
///     inherited
/// });
/// assert_eq!(child.switch(())?, Some("ann"));
/// assert_eq!(USER.get(), Some("ann"));
/// # Ok::<(), greenthread::greenlet::SwitchError<()>>(())
/// ```
///
/// Outside of greenlets its value is that of the main greenlet, so that of the green or OS thread. At the end of a green thread
/// the values are destroyed in it, as those of [`green_local!`](crate::green_local) are: destructors may wait, a kill does not
/// cut that short, and values that they set are destroyed too, in up to four rounds.
#[derive(Debug)]
pub struct ContextVar<T> {
    key: LazyId,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> ContextVar<T> {
    /// A variable without a value.
    #[expect(clippy::new_without_default, reason = "made in statics, where Default is no use")]
    #[must_use]
    pub const fn new() -> Self {
        Self { key: LazyId::new(), value: PhantomData }
    }

    fn key(&self) -> usize {
        self.key.get(&KEYS)
    }

    /// The value in the current greenlet.
    pub fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }

    /// Calls `f` with the value in the current greenlet; the value stays alive meanwhile, even if `f` sets another.
    pub fn with<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        let value = Home::existing()
            .and_then(|home| home.with_current(|task| task.context.borrow().get(self.key())))
            .and_then(|value| value.downcast::<T>().ok());
        let value = Held::new(value);
        let result = Held::new(f(value.as_deref()));
        drop(value);
        result.into_inner()
    }

    /// Gives the variable a value in the current greenlet; others keep theirs.
    ///
    /// # Panics
    /// If the green thread is ending and has destroyed its values, and while the OS thread destroys its thread-locals.
    ///
    /// # Examples
    /// See also [`get`](Self::get), [`with`](Self::with) and [`clear`](Self::clear).
    /// ```
    /// use greenthread::greenlet::{ContextVar, Greenlet};
    ///
    /// static DEPTH: ContextVar<u32> = ContextVar::new();
    /// DEPTH.set(1);
    /// Greenlet::new(|()| DEPTH.set(2)).switch(()).unwrap();
    /// // What another greenlet sets is its own.
    /// assert_eq!(DEPTH.get(), Some(1));
    /// DEPTH.clear();
    /// assert!(DEPTH.with(|depth| depth.is_none()));
    /// ```
    pub fn set(&self, value: T) {
        let Some(home) = Home::here_if_open() else {
            // It is dropped before the panic begins to unwind, as its destructor may panic for the same reason.
            drop(value);
            none_any_more()
        };
        let value: Rc<dyn Any> = Rc::new(value);
        drop(home.with_current(|task| task.context.borrow_mut().set(self.key(), Some(value))));
    }

    /// Takes the value away in the current greenlet.
    pub fn clear(&self) {
        if let Some(home) = Home::existing() {
            drop(home.with_current(|task| task.context.borrow_mut().set(self.key(), None)));
        }
    }
}
