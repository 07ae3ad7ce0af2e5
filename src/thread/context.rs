//! Values that a green thread passes on to those it spawns.
#![forbid(unsafe_code)]

use super::LocalKey;
use crate::runtime::current as hub;
use crate::runtime::hooks;
use crate::runtime::task::{Context, TaskRef};
use crate::util::dropping::{Held, drop_each};
use crate::util::lazy_id::{Ids, LazyId};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set when any variable is first given a value. Until then no values need be looked for.
static USED: AtomicBool = AtomicBool::new(false);

/// Whether any variable has ever been given a value.
#[inline]
pub(super) fn were_used() -> bool {
    USED.load(Ordering::Relaxed)
}

/// The numbers of the variables, each of them given out once.
static KEYS: Ids = Ids::new();

/// The values of the calling green thread, if it has changed any.
static OWN: LocalKey<RefCell<Context>> = LocalKey::__new(|| RefCell::new(inherited()));

/// The values that the calling green thread has inherited from its spawner.
fn inherited() -> Context {
    let current = hub::with_hub(|hub| hub.current()).flatten().or_else(hooks::owner);
    current.map(|started| started.with(TaskRef::inherited)).unwrap_or_default()
}

fn own() -> Context {
    match OWN.peek() {
        Some(own) => own.borrow().clone(),
        None => inherited(),
    }
}

/// Gives the caller's values to a new green thread that has not been started.
#[inline]
pub(super) fn pass_on(to: &TaskRef) {
    #[cold]
    fn give(to: &TaskRef) {
        let own = own();
        if !own.0.is_empty() {
            to.give_context(own);
        }
    }
    if USED.load(Ordering::Relaxed) {
        give(to);
    }
}

/// A variable of which each green thread has its own value, and whose value a new green thread takes over from its spawner: the
/// id of a request, say, for everything that is done on behalf of that request. (Python's `contextvars.ContextVar`, the values
/// of Go's `context`.)
///
/// A spawn copies the values: what either side sets later, the other does not see. As green threads may start on other
/// workers, values are shared between threads: they must be `Send` and `Sync`, and [`with`](Self::with) gives a reference. A
/// plain OS thread has values of its own and begins without any, and so do calls of [`blocking`](crate::blocking).
///
/// Which one to use: [`green_local!`](crate::green_local) for values that are not inherited;
/// [`greenlet::ContextVar`](crate::greenlet::ContextVar) for values that differ between the greenlets of one green thread and
/// need not be `Send`; this one for everything that green threads pass on. The greenlets and generators of a green thread
/// share its value of this one.
///
/// Before a program first sets one, these variables cost a spawn nothing. No method suspends, unless what it calls does.
///
/// # Examples
/// ```
/// use greenthread::{spawn, thread::ContextVar};
/// static REQUEST: ContextVar<u32> = ContextVar::new();
///
/// REQUEST.set(17);
/// let child = spawn(|| {
///     let inherited = REQUEST.get();
///     REQUEST.set(18);
///     (inherited, spawn(|| REQUEST.get()).join().unwrap())
/// });
/// assert_eq!(child.join().unwrap(), (Some(17), Some(18)));
/// assert_eq!(REQUEST.clear().as_deref(), Some(&17));
/// assert!(REQUEST.with(|value| value.is_none()));
/// ```
#[doc(alias("contextvars", "task_local", "context", "WithValue"))]
#[derive(Debug)]
pub struct ContextVar<T> {
    key: LazyId,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> ContextVar<T> {
    /// A variable without a value.
    #[expect(clippy::new_without_default, reason = "made in statics, where Default is no use")]
    #[must_use]
    pub const fn new() -> Self {
        Self { key: LazyId::new(), value: PhantomData }
    }

    fn key(&self) -> usize {
        self.key.get(&KEYS)
    }

    /// The value of the calling green thread; the `Arc` keeps it alive.
    ///
    /// # Examples
    /// To keep the value without copying it:
    /// ```
    /// use greenthread::thread::ContextVar;
    ///
    /// static CONFIG: ContextVar<Vec<u32>> = ContextVar::new();
    /// CONFIG.set(vec![1, 2, 3]);
    /// let config = CONFIG.shared().unwrap();
    /// CONFIG.clear();
    /// assert_eq!(*config, [1, 2, 3]);
    /// ```
    pub fn shared(&self) -> Option<Arc<T>> {
        if !USED.load(Ordering::Relaxed) {
            return None;
        }
        // A key belongs to one variable, which has one type.
        own().0.get(self.key())?.downcast().ok()
    }

    /// A copy of the value of the calling green thread.
    ///
    /// # Examples
    /// Through any number of calls and spawns, without being passed as an argument:
    /// ```
    /// use greenthread::{spawn, thread::ContextVar};
    ///
    /// static REQUEST: ContextVar<u32> = ContextVar::new();
    /// fn log(text: &str) -> String {
    ///     format!("request {}: {text}", REQUEST.get().unwrap_or(0))
    /// }
    /// REQUEST.set(17);
    /// assert_eq!(spawn(|| log("begun")).join().unwrap(), "request 17: begun");
    /// ```
    pub fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }

    /// Calls `f` with the value of the calling green thread; the value stays alive meanwhile, even if `f` sets another.
    ///
    /// # Examples
    /// ```
    /// use greenthread::thread::ContextVar;
    ///
    /// static USER: ContextVar<String> = ContextVar::new();
    /// assert!(USER.with(|user| user.is_none()));
    /// USER.set("ann".to_string());
    /// assert_eq!(USER.with(|user| user.map(String::len)), Some(3));
    /// ```
    pub fn with<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        let value = Held::new(self.shared());
        let result = Held::new(f(value.as_deref()));
        drop(value);
        result.into_inner()
    }

    /// Gives the variable a value in the calling green thread, and in those that it spawns from now on. Returns the value
    /// before.
    ///
    /// # Panics
    /// If the green thread's own values are gone, because it is ending; see [`LocalKey::try_with`].
    ///
    /// # Examples
    /// Later changes stay where they are made; [`clear`](Self::clear) takes the value away:
    /// ```
    /// use greenthread::{spawn, thread::ContextVar};
    ///
    /// static LEVEL: ContextVar<u32> = ContextVar::new();
    /// assert_eq!(LEVEL.set(1), None);
    /// let child = spawn(|| LEVEL.set(2).as_deref().copied());
    /// assert_eq!(child.join().unwrap(), Some(1));
    /// assert_eq!(LEVEL.get(), Some(1));
    /// assert_eq!(LEVEL.clear().as_deref(), Some(&1));
    /// assert_eq!(LEVEL.get(), None);
    /// ```
    pub fn set(&self, value: T) -> Option<Arc<T>> {
        USED.store(true, Ordering::Relaxed);
        self.replace(Some(Arc::new(value)))
    }

    /// Takes the value away in the calling green thread, and returns it.
    ///
    /// # Panics
    /// If [`set`](Self::set) would.
    pub fn clear(&self) -> Option<Arc<T>> {
        if !USED.load(Ordering::Relaxed) {
            return None;
        }
        self.replace(None)
    }

    fn replace(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        let value = value.map(|value| value as _);
        OWN.with_borrow_mut(|own| own.0.set(self.key(), value))?.downcast().ok()
    }

    /// Runs `body` with another value, and puts the value before back afterwards, also while unwinding.
    ///
    /// # Panics
    /// If [`set`](Self::set) would.
    ///
    /// # Examples
    /// ```
    /// static USER: greenthread::thread::ContextVar<&str> = greenthread::thread::ContextVar::new();
    /// USER.set("ann");
    /// USER.with_value("bob", || assert_eq!(USER.get(), Some("bob")));
    /// assert_eq!(USER.get(), Some("ann"));
    /// ```
    pub fn with_value<R>(&self, value: T, body: impl FnOnce() -> R) -> R {
        struct PutBack<'a, T: Send + Sync + 'static>(&'a ContextVar<T>, Option<Arc<T>>);
        impl<T: Send + Sync + 'static> Drop for PutBack<'_, T> {
            fn drop(&mut self) {
                let (key, value) = (self.0.key(), self.1.take().map(|value| value as _));
                // The values may be gone by now: a generator that is suspended in here may be destroyed as one of the
                // last of them.
                let put_back = || drop(OWN.try_with(|own| own.borrow_mut().0.set(key, value)));
                drop_each([put_back]);
            }
        }
        let body = Held::new(body);
        let put_back = PutBack(self, self.set(value));
        let result = Held::new(body.into_inner()());
        drop(put_back);
        result.into_inner()
    }
}

/// What must not compile.
///
/// A type that cannot be shared cannot be that of a value:
/// ```compile_fail,E0277
/// static CELL: greenthread::thread::ContextVar<std::cell::Cell<u8>> = greenthread::thread::ContextVar::new();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
