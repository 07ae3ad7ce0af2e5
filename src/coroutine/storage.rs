//! Values of users, which each green thread has for itself, and each OS thread outside of green threads.

use super::running::green_thread;
use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// In how many rounds an OS thread destroys values that the destructors of others have made. After that none are made
/// any more. This is POSIX's `PTHREAD_DESTRUCTOR_ITERATIONS`.
pub(crate) const ROUNDS: usize = 4;

/// The values of one green or OS thread, by the numbers of their keys.
#[derive(Default)]
pub(crate) struct Storage {
    values: RefCell<Vec<Option<Rc<dyn Any>>>>,
    closed: Cell<bool>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("closed", &self.closed).finish_non_exhaustive()
    }
}

/// The error that the thread has destroyed its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValuesGone;

impl Storage {
    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// If there is none, and none may be made any more.
    pub(crate) fn get(&self, key: usize) -> Result<Option<Rc<dyn Any>>, ValuesGone> {
        match self.values.borrow().get(key) {
            Some(Some(value)) => Ok(Some(Rc::clone(value))),
            _ if self.closed.get() => Err(ValuesGone),
            _ => Ok(None),
        }
    }

    /// Sets the value of a key, and returns the one before.
    ///
    /// # Errors
    /// Returns the new value if none may be made any more.
    pub(crate) fn set(
        &self,
        key: usize,
        value: Rc<dyn Any>,
    ) -> Result<Option<Rc<dyn Any>>, Rc<dyn Any>> {
        if self.closed.get() {
            return Err(value);
        }
        let mut values = self.values.borrow_mut();
        if values.len() <= key {
            values.resize_with(key + 1, || None);
        }
        Ok(values[key].replace(value))
    }

    fn destroy_all(&self) -> bool {
        let values = mem::take(&mut *self.values.borrow_mut());
        let mut any = false;
        for value in values.into_iter().flatten() {
            any = true;
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                // The panic was printed; what it carries may panic again when it is dropped.
                mem::forget(payload);
            }
        }
        any
    }

    fn destroy(&self) {
        for _ in 0..ROUNDS {
            if !self.destroy_all() {
                break;
            }
        }
        self.closed.set(true);
        self.destroy_all();
    }
}

/// The storage of an OS thread outside of green threads.
struct OutsideStorage(OnceCell<Box<Storage>>);

impl Drop for OutsideStorage {
    fn drop(&mut self) {
        if let Some(storage) = self.0.get() {
            storage.destroy();
        }
    }
}

thread_local! {
    static OS_THREAD: OutsideStorage = const { OutsideStorage(OnceCell::new()) };
}

/// Calls `f`, which runs no code of users, with the caller's storage.
///
/// # Errors
/// If the OS thread is destroying its thread-locals.
#[inline]
pub(crate) fn with_storage<T>(f: impl FnOnce(&Storage) -> T) -> Result<T, ValuesGone> {
    let green_thread = green_thread();
    if green_thread.is_null() {
        OS_THREAD.try_with(|own| f(own.0.get_or_init(Box::default))).map_err(|_| ValuesGone)
    } else {
        // SAFETY: a running green thread's control block is valid.
        Ok(f(unsafe { (*green_thread).storage() }.get_or_init(Box::default)))
    }
}

/// Whether the calling green thread, or the OS thread outside of those, has a storage.
#[inline]
pub(crate) fn has_storage() -> bool {
    let green_thread = green_thread();
    if green_thread.is_null() {
        OS_THREAD.try_with(|own| own.0.get().is_some()).unwrap_or(false)
    } else {
        // SAFETY: as above.
        unsafe { (*green_thread).storage() }.get().is_some()
    }
}

/// Destroys the values that the calling green thread has now. Returns whether there were any. Destructors may wait, and
/// may make new values; a panic in one goes no further.
#[cold]
#[inline(never)]
pub(crate) fn destroy_storage() -> bool {
    let green_thread = green_thread();
    // SAFETY: as above, and the green thread runs until this returns, however often it is suspended meanwhile.
    let storage = unsafe { green_thread.as_ref() }.and_then(|own| own.storage().get());
    storage.is_some_and(|storage| storage.destroy_all())
}

/// Makes the calling green thread keep no more values.
#[cold]
pub(crate) fn close_storage() {
    let green_thread = green_thread();
    if !green_thread.is_null() {
        // SAFETY: as above. One that has none yet must not be given any either.
        unsafe { (*green_thread).storage() }.get_or_init(Box::default).closed.set(true);
    }
}
