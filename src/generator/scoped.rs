//! Generators whose bodies borrow.
#![forbid(unsafe_code)]

use super::core::{Core, DESCRIPTION};
use super::{SendError, Yielder};
use crate::coroutine::{self, Port};
use crate::stack::{Stack, StackSize};
use std::cell::RefCell;
use std::fmt;
use std::iter::FusedIterator;

/// A generator whose body may borrow, inside the call of [`scope`] that made it.
///
/// It offers what a [`Generator`](super::Generator) does, except `throw` and `close`: the end of the scope closes it.
///
/// It is neither `Send` nor `Sync`:
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<greenthread::generator::Scoped<'static, i32, (), ()>>();
/// ```
pub struct Scoped<'scope, Y, S = (), R = ()> {
    core: &'scope RefCell<Core<R>>,
    port: &'scope Port<Y, S>,
}

impl<Y, S, R> fmt::Debug for Scoped<'_, Y, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped")
            .field("started", &self.port.is_started())
            .field("finished", &self.port.is_finished())
            .finish_non_exhaustive()
    }
}

impl<Y, S, R> Scoped<'_, Y, S, R> {
    /// As [`Generator::start`](super::Generator::start).
    ///
    /// # Panics
    /// Where it has started already, and with what leaves the body.
    pub fn start(&mut self) -> Option<Y> {
        assert!(!self.port.is_started(), "the generator has started already");
        self.core.borrow_mut().run(self.port)
    }

    /// As [`Generator::send`](super::Generator::send).
    ///
    /// # Errors
    /// Gives the value back where no `yield_` waits.
    ///
    /// # Panics
    /// With what leaves the body.
    pub fn send(&mut self, value: S) -> Result<Option<Y>, SendError<S>> {
        self.core.borrow_mut().send(self.port, value)
    }

    /// Takes what the body returned; `None` before it has, and when it was taken already.
    pub fn take_return_value(&mut self) -> Option<R> {
        self.core.borrow_mut().returned.take()
    }
}

impl<Y, S: Default, R> Iterator for Scoped<'_, Y, S, R> {
    type Item = Y;

    #[inline(always)]
    fn next(&mut self) -> Option<Y> {
        self.core.borrow_mut().resume(self.port, S::default())
    }
}

impl<Y, S: Default, R> FusedIterator for Scoped<'_, Y, S, R> {}

/// Calls `consumer` with a generator that runs `body`, which may borrow from the caller.
///
/// The body is over when this returns: half-run, it is unwound, also when `consumer` panics or forgets the generator.
/// So whatever the body's frames hold (a `std::thread::scope`, say) is gone before what it borrows.
///
/// ```
/// use greenthread::generator::{self, Yielder};
/// let text = String::from("to be or not");
/// let longest = generator::scope(
///     |y: &Yielder<&str>| y.yield_all(text.split(' ')),
///     |words| words.max_by_key(|word| word.len()),
/// );
/// assert_eq!(longest, Some("not"));
/// ```
///
/// The generator cannot leave the call:
/// ```compile_fail
/// use greenthread::generator::{self, Yielder};
/// let text = String::from("abc");
/// let escaped = generator::scope(|y: &Yielder<char>| y.yield_all(text.chars()), |chars| chars);
/// ```
///
/// # Panics
/// With what leaves `consumer`, or the body when it is unwound at the end; and where there is no memory for another
/// stack.
///
/// # Aborts
/// A body that catches the unwind at the end and yields again can be neither left nor leaked, since others may use what
/// it borrows. The process is aborted, with a report; the same for one that yielded from a destructor while a panic
/// was unwinding, and, with `panic = "abort"`, for any that is half-run at the end.
#[track_caller]
pub fn scope<Y, S, R, T>(
    body: impl FnOnce(&Yielder<'_, Y, S>) -> R,
    consumer: impl FnOnce(Scoped<'_, Y, S, R>) -> T,
) -> T {
    let stack = match Stack::acquire(StackSize::default()) {
        Ok(stack) => stack,
        Err(error) => panic!("{error}"),
    };
    coroutine::ensure_overflow_report();
    let (core, body) = Core::new(body);
    let core = RefCell::new(core);
    coroutine::scope(
        stack,
        DESCRIPTION,
        body,
        |port| consumer(Scoped { core: &core, port }),
        // A body that does not end is what `coroutine::scope` looks at.
        |port| {
            let _ = core.borrow_mut().close(port);
        },
    )
}
