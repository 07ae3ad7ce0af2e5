//! One value for each green thread, and one for each OS thread outside of green threads.

use super::control::Local;
use super::running::{green_thread, running};
use crate::util::type_mark::{HasMark, TypeMark};
use std::cell::UnsafeCell;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::rc::Rc;

/// The contents of a [`Kept`], without a share of the value.
#[derive(Clone, Copy)]
pub(super) struct KeptView {
    value: NonNull<()>,
    mark: &'static TypeMark,
}

/// A shared value of any type. It is like `Rc<dyn Any>`, but tells its type without a call.
pub(crate) struct Kept(KeptView);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").finish_non_exhaustive()
    }
}

impl Kept {
    fn new<T: 'static>(value: Rc<T>) -> Self {
        // SAFETY: an `Rc` points to something.
        let value = unsafe { NonNull::new_unchecked(Rc::into_raw(value).cast_mut().cast()) };
        Self(KeptView { value, mark: T::MARK })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: `new` took the value from an `Rc` of the type that `mark` is of, and its share ends here.
        unsafe { self.0.mark.release(self.0.value) };
    }
}

/// The value of an OS thread outside of green threads. Its destructor ends it.
struct OutsideLocal(UnsafeCell<Local>);

impl Drop for OutsideLocal {
    fn drop(&mut self) {
        see(None);
        let kept = self.0.get_mut().take();
        // It may hold values of the user's, and a panic in here would end the process.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(kept))) {
            mem::forget(payload);
        }
    }
}

thread_local! {
    static OS_THREAD: OutsideLocal = const { OutsideLocal(UnsafeCell::new(None)) };
}

/// Notes the contents of `OS_THREAD` where they can be read without checking whether that was destroyed.
fn see(seen: Option<KeptView>) {
    // SAFETY: a thread-local without a destructor.
    unsafe { (*running()).kept.set(seen) };
}

/// The value of the caller's green or OS thread.
#[inline(always)]
fn seen() -> Option<KeptView> {
    let green_thread = green_thread();
    if green_thread.is_null() {
        // SAFETY: a thread-local without a destructor.
        unsafe { (*running()).kept.get() }
    } else {
        // SAFETY: a running green thread's control block is valid; nobody holds a reference into the cell.
        unsafe { (*(*green_thread).local().get()).as_ref() }.map(|kept| kept.0)
    }
}

/// Like [`seen`]; also `None` if a region is open around the caller out of which greenlets must not be switched.
#[inline(always)]
fn seen_outside_regions() -> Option<KeptView> {
    let green_thread = green_thread();
    // SAFETY: as in `seen`.
    let (seen, regions) = unsafe {
        match green_thread.as_ref() {
            None => ((*running()).kept.get(), (*running()).regions_inside.get()),
            Some(green_thread) => (
                (*green_thread.local().get()).as_ref().map(|kept| kept.0),
                green_thread.regions_inside().get(),
            ),
        }
    };
    if regions == 0 { seen } else { None }
}

/// Like [`identity`]; also null if a region is open around the caller out of which greenlets must not be switched.
#[inline(always)]
pub(crate) fn identity_outside_regions() -> *const () {
    seen_outside_regions().map_or(ptr::null(), |seen| seen.value.as_ptr())
}

/// Like [`local`]; also `None` if a region is open around the caller out of which greenlets must not be switched.
#[inline(always)]
pub(crate) fn local_outside_regions<T: 'static>() -> Option<Rc<T>> {
    share(seen_outside_regions()?)
}

/// The address of what [`local`] returns, or null if that is nothing. It identifies the green or OS thread.
#[inline(always)]
pub(crate) fn identity() -> *const () {
    seen().map_or(ptr::null(), |seen| seen.value.as_ptr())
}

/// The value that was last [set](set_local) in this green thread, or in this OS thread outside of green threads; `None`
/// if it is of another type.
#[inline(always)]
pub(crate) fn local<T: 'static>() -> Option<Rc<T>> {
    share(seen()?)
}

#[inline(always)]
fn share<T: 'static>(KeptView { value, mark }: KeptView) -> Option<Rc<T>> {
    if !mark.is_of::<T>() {
        return None;
    }
    let value = value.as_ptr().cast::<T>();
    // SAFETY: the value came from an `Rc<T>`, and the `Kept` of this thread has a share of it.
    unsafe {
        Rc::increment_strong_count(value);
        Some(Rc::from_raw(value))
    }
}

/// Stops keeping a value for the calling green thread, which is about to end. Returns the value that was kept last.
#[cold]
pub(crate) fn close_local() -> Option<Kept> {
    let green_thread = green_thread();
    if green_thread.is_null() {
        return None;
    }
    let kept = set_local::<()>(None).ok().flatten();
    // SAFETY: a running green thread's control block is valid.
    unsafe { (*green_thread).closed().set(true) };
    kept
}

/// Keeps a value for this green or OS thread, and returns the one before.
///
/// # Errors
/// If the green thread has destroyed its values, or the OS thread destroys its thread-locals.
pub(crate) fn set_local<T: 'static>(value: Option<Rc<T>>) -> Result<Option<Kept>, ()> {
    let mut value = value.map(Kept::new);
    let seen = value.as_ref().map(|kept| kept.0);
    let mut replace = |cell: &UnsafeCell<Local>| {
        // SAFETY: taking and replacing moves and drops nothing, so this is the only access to the cell.
        unsafe { std::mem::replace(&mut *cell.get(), value.take()) }
    };
    let green_thread = green_thread();
    if green_thread.is_null() {
        let before = OS_THREAD.try_with(|cell| replace(&cell.0)).map_err(drop)?;
        see(seen);
        Ok(before)
    } else {
        // SAFETY: a running green thread's control block is valid.
        let green_thread = unsafe { &*green_thread };
        if green_thread.closed().get() {
            drop(value);
            return Err(());
        }
        Ok(replace(green_thread.local()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::suspend;
    use super::super::testing::TestThread;
    use super::*;

    #[test]
    fn each_green_thread_has_its_own() {
        fn number() -> Option<i32> {
            assert!(local::<u32>().is_none());
            local::<i32>().map(|value| *value)
        }
        assert_eq!((number(), identity()), (None, ptr::null()));
        set_local(Some(Rc::new(1))).unwrap();
        let outside = identity();
        let green = TestThread::new(move || {
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
