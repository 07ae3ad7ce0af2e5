//! A place through which values of any type pass without an allocation, the type checked at run time.

use std::any::{TypeId, type_name};
use std::cell::Cell;
use std::ptr::NonNull;

/// What a receiver waits for.
#[derive(Clone, Copy)]
struct Waiting {
    type_id: TypeId,
    type_name: fn() -> &'static str,
    /// Points to an `Option` of that type in the frame of the `receive` that waits.
    place: NonNull<()>,
}

/// Where one receiver waits for one value, which lands in the receiver's own frame.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Cell<Option<Waiting>>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("expects", &self.expects()).finish()
    }
}

/// Puts back what the inbox waited for before, also when `wait` unwinds: the place dies with the frame.
struct Restore<'a> {
    inbox: &'a Inbox,
    before: Option<Waiting>,
}

impl Drop for Restore<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.inbox.waiting.set(self.before);
    }
}

/// What a receiver does until a value is there.
///
/// A trait where a closure would do, because this can be inlined for certain: a switch inside it comes back to a function
/// that was entered before, and the processor mispredicts the return from that.
pub(crate) trait Wait {
    type Output;

    fn wait(self) -> Self::Output;
}

#[cfg(test)]
impl<F: FnOnce() -> R, R> Wait for F {
    type Output = R;

    fn wait(self) -> R {
        self()
    }
}

impl Inbox {
    /// Runs `wait` with the inbox open for a `U`; returns what it returned and what was put in meanwhile.
    #[inline(always)]
    pub(crate) fn receive<U: 'static, W: Wait>(&self, wait: W) -> (W::Output, Option<U>) {
        let place: Cell<Option<U>> = Cell::new(None);
        let waiting = Waiting {
            type_id: TypeId::of::<U>(),
            type_name: type_name::<U>,
            place: NonNull::from(&place).cast(),
        };
        let restore = Restore { inbox: self, before: self.waiting.replace(Some(waiting)) };
        let result = wait.wait();
        drop(restore);
        (result, place.take())
    }

    /// Gives `value` to whoever waits. A value that was put in before and not taken yet is replaced.
    ///
    /// # Errors
    /// The value back where nobody waits, or for another type.
    #[inline(always)]
    pub(crate) fn put<T: 'static>(&self, value: T) -> Result<(), T> {
        match self.waiting.get() {
            Some(waiting) if waiting.type_id == TypeId::of::<T>() => {
                // SAFETY: the type is the one that `receive` put there. `waiting` is set only while the `receive` that
                // holds the place has not returned or unwound (`Restore`), so the frame is there; if its stack was
                // leaked, the memory stays. An inbox is not `Sync`, so nobody else uses the cell now.
                let place = unsafe { waiting.place.cast::<Cell<Option<T>>>().as_ref() };
                place.set(Some(value));
                Ok(())
            }
            _ => Err(value),
        }
    }

    /// The name of the type it waits for.
    pub(crate) fn expects(&self) -> Option<&'static str> {
        self.waiting.get().map(|waiting| (waiting.type_name)())
    }
}

#[cfg(test)]
mod tests {
    use super::Inbox;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    #[test]
    fn takes_the_right_type_only() {
        let inbox = Inbox::default();
        assert_eq!(inbox.put(1), Err(1));
        let (inner, got) = inbox.receive::<String, _>(|| {
            assert_eq!(inbox.expects(), Some("alloc::string::String"));
            assert_eq!(inbox.put("str"), Err("str"));
            let (_, nested) = inbox.receive::<u8, _>(|| inbox.put(7u8).unwrap());
            inbox.put("a".to_string()).unwrap();
            inbox.put("b".to_string()).unwrap();
            nested
        });
        assert_eq!((inner, got.as_deref()), (Some(7), Some("b")));
        assert_eq!(inbox.put(1), Err(1));
    }

    #[test]
    fn an_unwound_receiver_is_closed_and_drops_its_value() {
        let inbox = Inbox::default();
        let value = Rc::new(());
        let given = Rc::clone(&value);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            inbox.receive::<Rc<()>, _>(|| {
                inbox.put(given).unwrap();
                std::panic::resume_unwind(Box::new(()));
            })
        }));
        assert!(caught.is_err());
        assert_eq!(Rc::strong_count(&value), 1);
        assert!(inbox.put(value).is_err());
    }
}
