//! Dropping values that users have left to the library.
//!
//! A panic that leaves a destructor while the thread unwinds ends the process. So what users leave to the library is dropped by one of
//! these. Whatever a function owns while it waits, or while it runs other code of the user's, it keeps as [`Held`]: an interruption
//! or a panic may unwind out of it there.
#![forbid(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Calls each of `drops`, which drop values of the user's. If one of them panics, the others are called all the same,
/// and the panic is raised again after the last one; of several panics, the first. While the caller unwinds, none is
/// raised, as that would end the process.
pub(crate) fn drop_each<F: FnOnce()>(drops: impl IntoIterator<Item = F>) {
    let mut first = None;
    for drop in drops {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(drop)) {
            match first {
                None => first = Some(payload),
                // Dropping the payload may panic as well.
                Some(_) => mem::forget(payload),
            }
        }
    }
    match first {
        None => {}
        Some(payload) if std::thread::panicking() => mem::forget(payload),
        Some(payload) => resume_unwind(payload),
    }
}

/// Drops a value. If its destructor panics, the panic has been printed, and is not raised again.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        drop_payload(payload);
    }
}

/// The payload of a panic.
pub(crate) type PanicPayload = Box<dyn Any + Send>;

/// Drops the payload of a panic, whose destructor may panic again.
pub(crate) fn drop_payload(payload: PanicPayload) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}

/// A value of the user's that the library owns for a while. If it is dropped by an unwind, a panic of its destructor
/// goes no further; otherwise such a panic is an ordinary one. Several values are held one by one: if a single
/// destructor drops two values that both panic, the process ends in any case.
pub(crate) struct Held<T>(Option<T>);

impl<T> Held<T> {
    #[inline(always)]
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Returns the value.
    #[inline(always)]
    pub(crate) fn into_inner(mut self) -> T {
        match self.0.take() {
            Some(value) => value,
            None => gone(),
        }
    }
}

#[cold]
fn gone() -> ! {
    unreachable!("a held value is there until it is given out")
}

impl<I: Iterator> Iterator for Held<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        (**self).next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (**self).size_hint()
    }
}

/// The items of a collection of the user's, which is held while its own code runs.
pub(crate) fn each<I: IntoIterator>(items: I) -> Held<I::IntoIter> {
    Held::new(items.into_iter())
}

/// Returns what `look` sees in a value of the user's, and drops the value before.
pub(crate) fn seen_in<T, R>(value: T, look: impl FnOnce(&T) -> R) -> R {
    let value = Held::new(value);
    let seen = Held::new(look(&value));
    drop(value);
    seen.into_inner()
}

/// Returns all of the values.
pub(crate) fn give_out<T, C: FromIterator<T>>(values: impl IntoIterator<Item = Held<T>>) -> C {
    values.into_iter().map(Held::into_inner).collect()
}

/// Collects values until there is an error.
pub(crate) fn collect<T, E>(results: impl Iterator<Item = Result<T, E>>) -> Result<Vec<T>, E> {
    let values = results.map(|result| result.map(Held::new));
    values.collect::<Result<Vec<_>, E>>().map(give_out)
}

impl<T> Deref for Held<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => gone(),
        }
    }
}

impl<T> DerefMut for Held<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.0 {
            Some(value) => value,
            None => gone(),
        }
    }
}

impl<T: Default> Default for Held<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Drop for Held<T> {
    #[inline]
    fn drop(&mut self) {
        if mem::needs_drop::<T>()
            && let Some(value) = self.0.take()
        {
            drop_each([|| drop(value)]);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Held;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    struct Bomb<'a>(&'a Cell<u32>);

    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            panic!("a destructor");
        }
    }

    #[test]
    fn values_that_are_held_are_all_dropped_and_one_panic_is_seen() {
        let dropped = Cell::new(0);
        let held = || (0..3).map(|_| Held::new(Bomb(&dropped))).collect::<Vec<_>>();
        let held = held();
        let caught = catch_unwind(AssertUnwindSafe(|| drop(held)));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"a destructor"));
        assert_eq!(dropped.get(), 3);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _held = (Held::new(Bomb(&dropped)), Held::new(Bomb(&dropped)));
            panic!("something else");
        }));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"something else"));
        assert_eq!(dropped.get(), 5);
        std::mem::forget(Held::new(Bomb(&dropped)).into_inner());
    }
}
