//! A place through which values of any type pass without an allocation, the type checked at run time.

use super::type_mark::{HasMark, TypeMark};
use std::cell::Cell;
use std::ptr;

/// Where one receiver waits for one value, which lands in the receiver's own frame.
pub(crate) struct Handover {
    /// Points to a `Cell` of an `Option` in the frame of the `receive` that waits; null if nobody waits.
    place: Cell<*const ()>,
    /// The type that `place` is for; it means nothing while `place` is null.
    waiting: Cell<&'static TypeMark>,
}

impl Default for Handover {
    fn default() -> Self {
        Self { place: Cell::new(ptr::null()), waiting: Cell::new(<()>::MARK) }
    }
}

impl std::fmt::Debug for Handover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handover").field("expects", &self.expects()).finish()
    }
}

/// Closes the handover, also when the wait unwinds: the place dies with the frame.
struct Close<'a>(&'a Handover);

impl Drop for Close<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.place.set(ptr::null());
    }
}

/// Opens the handover again for the receiver that waited before, after another one has received during its wait.
struct Reopen<'a> {
    handover: &'a Handover,
    place: *const (),
    waiting: &'static TypeMark,
}

impl Drop for Reopen<'_> {
    fn drop(&mut self) {
        self.handover.place.set(self.place);
        self.handover.waiting.set(self.waiting);
    }
}

/// What a receiver does until a value is there.
///
/// This is a trait and not a closure, because it is certain to be inlined: otherwise a switch inside it would come back
/// into a function that was entered before, and the processor would mispredict the return from that.
pub(crate) trait WayToWait {
    type Output;

    fn wait(self) -> Self::Output;
}

#[cfg(test)]
impl<F: FnOnce() -> R, R> WayToWait for F {
    type Output = R;

    fn wait(self) -> R {
        self()
    }
}

impl Handover {
    /// Runs `wait` with the handover open for a `U`; returns what it returned and what was put in meanwhile.
    pub(crate) fn receive<U: 'static, W: WayToWait>(&self, wait: W) -> (W::Output, Option<U>) {
        let (place, waiting) = (self.place.get(), self.waiting.get());
        let _reopen = (!place.is_null()).then_some(Reopen { handover: self, place, waiting });
        self.place.set(ptr::null());
        self.receive_first(wait)
    }

    /// Whether a receiver waits.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        !self.place.get().is_null()
    }

    /// Like [`receive`](Self::receive), if nobody [waits](Self::is_open): a receiver that does would get nothing any
    /// more.
    #[inline(always)]
    pub(crate) fn receive_first<U: 'static, W: WayToWait>(
        &self,
        wait: W,
    ) -> (W::Output, Option<U>) {
        let place: Cell<Option<U>> = Cell::new(None);
        self.waiting.set(U::MARK);
        self.place.set(ptr::from_ref(&place).cast());
        let close = Close(self);
        let result = wait.wait();
        drop(close);
        (result, place.take())
    }

    /// Gives `value` to whoever waits. A value that was put in before and not taken yet is replaced.
    ///
    /// # Errors
    /// Returns the value if nobody waits, or if the receiver waits for another type.
    #[inline(always)]
    pub(crate) fn put<T: 'static>(&self, value: T) -> Result<(), T> {
        let place = self.place.get();
        if place.is_null() {
            return Err(value);
        }
        if !self.waiting.get().is_of::<T>() {
            return Err(value);
        }
        // SAFETY: the type is the one that `receive` put there. `place` is not null only while the `receive` that holds
        // it has not returned or unwound (`Close`, `Reopen`), so the frame is there; if its stack was leaked, the memory stays.
        // A handover is not `Sync`, so nobody else uses the cell now.
        let place = unsafe { &*place.cast::<Cell<Option<T>>>() };
        place.set(Some(value));
        Ok(())
    }

    /// The name of the type that the receiver waits for.
    pub(crate) fn expects(&self) -> Option<&'static str> {
        (!self.place.get().is_null()).then(|| self.waiting.get().name())
    }
}

#[cfg(test)]
mod tests {
    use super::Handover;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    #[test]
    fn takes_the_right_type_only() {
        let handover = Handover::default();
        assert_eq!(handover.put(1), Err(1));
        let (inner, got) = handover.receive::<String, _>(|| {
            assert_eq!(handover.expects(), Some("alloc::string::String"));
            assert_eq!(handover.put("str"), Err("str"));
            let (_, nested) = handover.receive::<u8, _>(|| handover.put(7u8).unwrap());
            handover.put("a".to_string()).unwrap();
            handover.put("b".to_string()).unwrap();
            nested
        });
        assert_eq!((inner, got.as_deref()), (Some(7), Some("b")));
        assert_eq!(handover.put(1), Err(1));
    }

    #[test]
    fn an_unwound_receiver_is_closed_and_drops_its_value() {
        let handover = Handover::default();
        let value = Rc::new(());
        let given = Rc::clone(&value);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            handover.receive::<Rc<()>, _>(|| {
                handover.put(given).unwrap();
                std::panic::resume_unwind(Box::new(()));
            })
        }));
        assert!(caught.is_err());
        assert_eq!(Rc::strong_count(&value), 1);
        assert!(handover.put(value).is_err());
    }
}
