//! Values that each green thread has for itself.
#![forbid(unsafe_code)]

use crate::coroutine::{has_storage, with_storage};
use crate::runtime::current as hub;
use crate::runtime::task::TaskRef;
use crate::util::dropping::Held;
use crate::util::lazy_id::{Ids, LazyId};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::rc::Rc;

/// Declares variables of which each green thread has its own value, as [`std::thread_local!`] does for OS threads. Each becomes a
/// static of the type [`LocalKey`](crate::thread::LocalKey), whose text says when the values are made and destroyed. As
/// Python's `threading.local` and `gevent.local`.
///
/// # Examples
/// ```
/// use greenthread::{green_local, spawn};
/// use std::cell::{Cell, RefCell};
/// green_local! {
///     static COUNT: Cell<u32> = const { Cell::new(1) };
///     pub static LOG: RefCell<Vec<&'static str>> = RefCell::new(Vec::new());
/// }
/// COUNT.set(5);
/// LOG.with_borrow_mut(|log| log.push("here"));
/// let other = spawn(|| (COUNT.get(), LOG.take().len()));
/// assert_eq!(other.join().unwrap(), (1, 0));
/// assert_eq!((COUNT.get(), LOG.take()), (5, vec!["here"]));
/// ```
#[doc(alias("thread_local", "threading.local", "task_local", "fiber_local"))]
#[macro_export]
macro_rules! green_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr);* $(;)?) => {
        $(
            $(#[$attribute])*
            $visibility static $name: $crate::thread::LocalKey<$type> = {
                fn init() -> $type {
                    $init
                }
                $crate::thread::LocalKey::__new(init)
            };
        )*
    };
}

/// The error of [`LocalKey::try_with`]: the values of the green thread are gone. It is ending, and its destructors have made
/// new values too often; or the OS thread is destroying its thread-locals. As [`std::thread::AccessError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the green thread's own values have been destroyed")
    }
}

impl std::error::Error for AccessError {}

/// A value of which each green thread has its own, declared by [`green_local!`](crate::green_local). As
/// [`std::thread::LocalKey`], Python's `threading.local` and `gevent.local`.
///
/// A value is made when its green thread first uses it. It is destroyed *in* the green thread, after the body and before those
/// that join the green thread go on, in no particular order. The destructor of a value may wait: a kill does not end that
/// wait, but a [`timeout`](crate::timeout) inside the destructor does. It may use other values, or the same variable again.
/// Values that are made that way are destroyed too, in up to four rounds; after these, access is an error. A panic of a
/// destructor is printed and goes no farther.
///
/// A value stays on its OS thread, so it need not be `Send`. While [`with`](Self::with) runs, the value is kept alive,
/// whatever becomes of the green thread. The greenlets and generators of a green thread share its values. A plain OS thread
/// has values of its own.
///
/// No method suspends, unless what is called in it does.
///
/// # Examples
/// ```
/// use greenthread::{green_local, spawn};
/// use std::cell::RefCell;
/// green_local! {
///     static BUFFER: RefCell<String> = RefCell::new(String::from("new"));
/// }
/// BUFFER.with_borrow_mut(|buffer| buffer.push_str(", and changed"));
/// assert_eq!(BUFFER.with(|buffer| buffer.borrow().len()), 16);
/// assert_eq!(BUFFER.replace("replaced".into()), "new, and changed");
/// BUFFER.set("set".into());
/// assert_eq!(spawn(|| BUFFER.take()).join().unwrap(), "new");
/// assert_eq!(BUFFER.take(), "set");
/// ```
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
    number: LazyId,
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn __new(init: fn() -> T) -> Self {
        Self { init, number: LazyId::new() }
    }

    #[inline]
    fn number(&'static self) -> usize {
        static NUMBERS: Ids = Ids::new();
        self.number.get(&NUMBERS)
    }

    fn existing(&'static self) -> Result<Option<Rc<T>>, AccessError> {
        let number = self.number();
        let value =
            with_storage(|storage| storage.get(number)).flatten().map_err(|_| AccessError)?;
        // A number belongs to one key, and a key has one type.
        Ok(value.and_then(|value| value.downcast::<T>().ok()))
    }

    /// The value, if it has been made.
    pub(crate) fn peek(&'static self) -> Option<Rc<T>> {
        if has_storage() { self.existing().ok().flatten() } else { None }
    }

    fn put(&'static self, value: Rc<T>) -> Result<(), AccessError> {
        let (number, value) = (self.number(), value as Rc<dyn Any>);
        hub::with_hub(|hub| hub.current().map(|own| own.with(TaskRef::set_has_values)));
        let put = with_storage(|storage| storage.set(number, value)).map_err(|_| AccessError)?;
        // This drops the earlier value, if the initializer has set one itself, or the new one, if it came too late.
        put.map(drop).map_err(|_| AccessError)
    }

    fn value(&'static self) -> Result<Rc<T>, AccessError> {
        if let Some(value) = self.existing()? {
            return Ok(value);
        }
        let value = Held::new(Rc::new((self.init)()));
        self.put(Rc::clone(&value))?;
        Ok(value.into_inner())
    }

    /// Calls `f` with the green thread's value, which is made first if there is none.
    ///
    /// # Panics
    /// If the values of the green thread are gone, see [`try_with`](Self::try_with); and if the initializer panics.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{green_local, spawn};
    ///
    /// green_local! {
    ///     static NAME: String = format!("made by {}", greenthread::current());
    /// }
    /// let there = spawn(|| NAME.with(String::clone));
    /// let made = format!("made by {}", there.thread());
    /// // Each green thread makes its own, when it first asks.
    /// assert_eq!(there.join().unwrap(), made);
    /// ```
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.try_with(f).expect(
            "a green thread's own value was used after its destruction, where `try_with` returns an error",
        )
    }

    /// As [`with`](Self::with), for use where the values may be gone already: in the destructors of others.
    ///
    /// # Errors
    /// [`AccessError`] if they are gone.
    ///
    /// # Panics
    /// If the initializer panics.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{green_local, spawn};
    /// struct Logger;
    /// impl Drop for Logger {
    ///     fn drop(&mut self) {
    ///         // Others may be gone by now, so this does not use `with`.
    ///         let _ = NAME.try_with(|name| println!("{name} ends"));
    ///     }
    /// }
    /// green_local! {
    ///     static NAME: String = "worker".to_string();
    ///     static LOGGER: Logger = Logger;
    /// }
    /// spawn(|| LOGGER.with(|_| ())).join().unwrap();
    /// ```
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let f = Held::new(f);
        // A generator that is suspended in `f` may be the last to have the value, and be closed.
        let value = Held::new(self.value()?);
        let result = Held::new(f.into_inner()(&value));
        drop(value);
        Ok(result.into_inner())
    }

    /// Calls `set` with the value and `new`, if there is a value; otherwise the value becomes `new`.
    fn set_or(&'static self, new: T, set: impl FnOnce(&T, T)) {
        let put = match self.existing() {
            Ok(Some(value)) => return set(&Held::new(value), new),
            Ok(None) => self.put(Rc::new(new)),
            Err(error) => {
                drop(new);
                Err(error)
            }
        };
        // The value that was to be set has been dropped by now, so its destructor does not run while this panic
        // unwinds.
        assert!(
            put.is_ok(),
            "a green thread's own value was set after its destruction, where `try_with` returns an error"
        );
    }
}

/// The methods that std has for a [`Cell`]; each panics where [`with`](LocalKey::with) does.
impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value, without running the initializer.
    ///
    /// # Examples
    /// A number for what this green thread does, without locks; also [`get`](Self::get), [`take`](Self::take) and
    /// [`replace`](Self::replace):
    /// ```
    /// use greenthread::{green_local, spawn};
    /// use std::cell::Cell;
    ///
    /// green_local! {
    ///     static DEPTH: Cell<u32> = Cell::new(0);
    /// }
    /// DEPTH.set(DEPTH.get() + 1);
    /// assert_eq!((DEPTH.replace(5), DEPTH.take(), DEPTH.get()), (1, 5, 0));
    /// assert_eq!(spawn(|| DEPTH.get()).join().unwrap(), 0);
    /// ```
    pub fn set(&'static self, value: T) {
        self.set_or(Cell::new(value), |cell, value| cell.set(value.into_inner()));
    }

    /// A copy of the value.
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value and leaves the default.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Replaces the value.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// Like [`RefCell::replace`], which would panic while it holds the value.
fn replace<T>(cell: &RefCell<T>, value: T) -> T {
    let value = Held::new(value);
    let mut place = cell.borrow_mut();
    mem::replace(&mut *place, value.into_inner())
}

/// The methods that std has for a [`RefCell`]; each panics where [`with`](LocalKey::with) does, and if the value is borrowed
/// in a way that does not allow this.
impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with a shared borrow.
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with a mutable borrow. If another greenlet of the green thread uses the value meanwhile, that panics.
    ///
    /// # Examples
    /// To read it, [`with_borrow`](Self::with_borrow) is enough:
    /// ```
    /// use greenthread::{green_local, spawn};
    /// use std::cell::RefCell;
    ///
    /// green_local! {
    ///     static VISITED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    /// }
    /// fn visit(place: &'static str) {
    ///     VISITED.with_borrow_mut(|visited| visited.push(place));
    /// }
    /// visit("here");
    /// let elsewhere = spawn(|| {
    ///     visit("there");
    ///     VISITED.with_borrow(|visited| visited.len())
    /// });
    /// assert_eq!(elsewhere.join().unwrap(), 1);
    /// assert_eq!(VISITED.take(), ["here"]);
    /// ```
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value, without running the initializer.
    ///
    /// # Examples
    /// See also [`take`](Self::take) and [`replace`](Self::replace).
    /// ```
    /// use std::cell::RefCell;
    ///
    /// greenthread::green_local! {
    ///     static USER: RefCell<String> = RefCell::new("nobody".to_string());
    /// }
    /// USER.set("ann".to_string());
    /// assert_eq!(USER.replace("bob".to_string()), "ann");
    /// assert_eq!(USER.take(), "bob");
    /// assert!(USER.with_borrow(String::is_empty));
    /// ```
    pub fn set(&'static self, value: T) {
        self.set_or(RefCell::new(value), |cell, value| drop(replace(cell, value.into_inner())));
    }

    /// Takes the value and leaves the default.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Replaces the value.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| replace(cell, value))
    }
}
