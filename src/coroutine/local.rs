//! One value for each green thread, and one for each OS thread outside of those.

use super::control::Local;
use super::running::{green_thread, running};
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::rc::Rc;

/// Outside of green threads: the value, and the end of it.
struct OsThread(UnsafeCell<Local>);

impl Drop for OsThread {
    fn drop(&mut self) {
        forget_identity();
    }
}

thread_local! {
    static OS_THREAD: OsThread = const { OsThread(UnsafeCell::new(None)) };
}

fn identity_cell() -> *const Cell<*const ()> {
    // SAFETY: a thread-local without a destructor.
    unsafe { &raw const (*running()).identity }
}

fn forget_identity() {
    // SAFETY: as above.
    unsafe { (*identity_cell()).set(ptr::null()) };
}

/// Calls `f` with the caller's cell; `None` while the OS thread destroys its thread-locals.
#[inline(always)]
fn with_cell<T>(f: impl FnOnce(&UnsafeCell<Local>) -> T) -> Option<T> {
    let green_thread = green_thread();
    if green_thread.is_null() {
        OS_THREAD.try_with(|cell| f(&cell.0)).ok()
    } else {
        // SAFETY: a running green thread's control block is valid.
        Some(f(unsafe { (*green_thread).local() }))
    }
}

/// The address of what [`local`] would return, null where that is nothing: which green or OS thread this is.
#[inline(always)]
pub(crate) fn identity() -> *const () {
    let green_thread = green_thread();
    if green_thread.is_null() {
        // SAFETY: a thread-local without a destructor.
        unsafe { (*identity_cell()).get() }
    } else {
        // SAFETY: a running green thread's control block is valid; nobody holds a reference into the cell.
        unsafe { (*(*green_thread).local().get()).as_ref() }
            .map_or(ptr::null(), |value| Rc::as_ptr(value).cast())
    }
}

/// What was last [set](set_local) in this green thread, or in this OS thread outside of green threads.
#[inline]
pub(crate) fn local() -> Option<Rc<dyn Any>> {
    // SAFETY: cloning an `Rc` runs no foreign code, so this is the only access to the cell.
    with_cell(|cell| unsafe { (*cell.get()).clone() }).flatten()
}

/// Keeps a value for this green or OS thread, and returns the one before.
///
/// # Errors
/// The value back where the OS thread destroys its thread-locals.
pub(crate) fn set_local(value: Option<Rc<dyn Any>>) -> Result<Option<Rc<dyn Any>>, ()> {
    let address = value.as_ref().map_or(ptr::null(), |value| Rc::as_ptr(value).cast());
    // SAFETY: replacing moves and drops nothing, so this is the only access to the cell.
    let before =
        with_cell(|cell| unsafe { std::mem::replace(&mut *cell.get(), value) }).ok_or(())?;
    if green_thread().is_null() {
        // SAFETY: a thread-local without a destructor.
        unsafe { (*identity_cell()).set(address) };
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::super::suspend;
    use super::super::testing::Green;
    use super::*;

    #[test]
    fn each_green_thread_has_its_own() {
        fn number() -> Option<i32> {
            local().map(|value| *value.downcast::<i32>().unwrap())
        }
        assert_eq!((number(), identity()), (None, ptr::null()));
        set_local(Some(Rc::new(1))).unwrap();
        let outside = identity();
        let green = Green::new(move || {
            assert_eq!(number(), None);
            set_local(Some(Rc::new(2))).unwrap();
            suspend();
            assert_eq!(number(), Some(2));
            assert_ne!(identity(), outside);
        });
        for _ in 0..2 {
            green.resume();
            assert_eq!((number(), identity()), (Some(1), outside));
        }
    }
}
