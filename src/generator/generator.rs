//! The generator that owns its body.
#![forbid(unsafe_code)]

use super::core::{DESCRIPTION, GeneratorCore};
use super::{CloseError, SendError, Yielder};
use crate::coroutine::{self, Port, PortMut};
use crate::stack::{Stack, StackSize};
use crate::util::dropping::{Held, drop_payload};
use std::fmt;
use std::io::{self, Write};
use std::iter::FusedIterator;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A function that can stop in the middle, hand out a value, and go on when the next one is asked for.
///
/// It yields items of type `Y`, takes values of type `S` in return, and returns an `R` in the end. With the defaults for `S`
/// and `R` it is an ordinary iterator. The semantics are those of Python's generators (PEP 255, 342, 380).
///
/// # Examples
/// ```
/// use greenthread::generator::{Generator, Yielder};
///
/// let fibonacci = Generator::new(|y: &Yielder<u64>| {
///     let (mut a, mut b) = (0, 1);
///     loop {
///         y.yield_(a);
///         (a, b) = (b, a + b);
///     }
/// });
/// assert_eq!(fibonacci.take(8).collect::<Vec<_>>(), [0, 1, 1, 2, 3, 5, 8, 13]);
/// ```
///
/// The body runs on a stack of its own, on the OS thread that made the generator, and may call anything that an ordinary
/// function may. If it blocks (sleeps, reads a socket), it blocks the thread, green or not, that asked for the next item.
///
/// # Dropping
/// Dropping a half-run generator unwinds its body, so that destructors run. To the body, that looks like a panic, but no
/// message is printed. A panic that the body itself ends with then is not passed on to the one who drops. (A destructor that
/// panics while it is run by an unwind aborts the process, as everywhere in Rust.)
///
/// Some half-run bodies cannot be unwound: their generators are leaked, with a report on standard error. These are one that
/// catches the unwinding and yields again; one that yielded from a destructor while a panic was unwinding it, since raising
/// there would abort the process; one that is kept in a thread-local and dropped with it at the end of the OS thread, as its
/// frames may refer to thread-locals that are gone; and every one with `panic = "abort"`. A leaked or
/// [forgotten](std::mem::forget) generator keeps its stack for ever, and does no other harm.
///
/// # Borrowing
/// Because a generator can be forgotten, its body must be `'static`; one that borrows runs inside
/// [`generator::scope`](super::scope).
///
/// # Threads
/// It is neither `Send` nor `Sync`: a started body never changes its OS thread.
#[doc(alias("yield", "coroutine", "Coroutine"))]
pub struct Generator<Y, S = (), R = ()> {
    core: GeneratorCore<R>,
    port: Port<Y, S>,
}

impl<Y, S, R> fmt::Debug for Generator<Y, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("started", &self.is_started())
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

impl<Y: 'static, S: 'static, R: 'static> Generator<Y, S, R> {
    /// Makes a generator that runs `body` when it is first asked for an item. The stack has the usual size, see
    /// [`RuntimeBuilder::stack_size`](crate::RuntimeBuilder::stack_size).
    ///
    /// # Panics
    /// If there is no memory for another stack; [`with_stack_size`](Self::with_stack_size) returns that as an error instead.
    ///
    /// # Examples
    /// A walk through a tree, from the inside out, in the few lines of the recursion:
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    ///
    /// struct Tree(Option<Box<(Tree, u32, Tree)>>);
    /// fn walk(y: &Yielder<u32>, tree: &Tree) {
    ///     if let Some(node) = &tree.0 {
    ///         walk(y, &node.0);
    ///         y.yield_(node.1);
    ///         walk(y, &node.2);
    ///     }
    /// }
    /// let leaf = |n| Tree(Some(Box::new((Tree(None), n, Tree(None)))));
    /// let tree = Tree(Some(Box::new((leaf(1), 2, leaf(3)))));
    /// let walker = Generator::new(move |y: &Yielder<u32>| walk(y, &tree));
    /// assert_eq!(walker.collect::<Vec<_>>(), [1, 2, 3]);
    /// ```
    #[inline]
    #[track_caller]
    pub fn new(body: impl FnOnce(&Yielder<'_, Y, S>) -> R + 'static) -> Self {
        let body = Held::new(body);
        match Stack::acquire(StackSize::default()) {
            Ok(stack) => Self::on(stack, body.into_inner()),
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`new`](Self::new), with room for at least `bytes` on the body's stack: for deep recursion.
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    /// fn dive(y: &Yielder<u32>, depth: u32) {
    ///     if depth == 10_000 { y.yield_(depth); } else { dive(y, depth + 1) }
    /// }
    /// let mut generator = Generator::with_stack_size(16 << 20, |y: &Yielder<u32>| dive(y, 0))?;
    /// assert_eq!(generator.next(), Some(10_000));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if `bytes` is zero or more than 1 TiB; `OutOfMemory` if there is no room for another stack.
    pub fn with_stack_size(
        bytes: usize,
        body: impl FnOnce(&Yielder<'_, Y, S>) -> R + 'static,
    ) -> io::Result<Self> {
        Ok(Self::on(Stack::acquire(StackSize::new(bytes)?)?, body))
    }

    #[inline]
    fn on(stack: Stack, body: impl FnOnce(&Yielder<'_, Y, S>) -> R + 'static) -> Self {
        coroutine::ensure_overflow_report();
        let (core, body) = GeneratorCore::new(body);
        Self { core, port: Port::new(stack, DESCRIPTION, body) }
    }
}

impl<Y, S, R> Generator<Y, S, R> {
    /// Runs a body that has not begun up to its first item; `None` if the body ends without one. It is for generators whose `S`
    /// has no default; with others the first `next` does the same. (Python's `send(None)`.)
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    /// let mut average = Generator::new(|y: &Yielder<f64, f64>| {
    ///     let (mut sum, mut count) = (0.0, 0.0);
    ///     loop {
    ///         sum += y.yield_(if count == 0.0 { 0.0 } else { sum / count });
    ///         count += 1.0;
    ///     }
    /// });
    /// average.start();
    /// assert_eq!(average.send(10.0), Ok(Some(10.0)));
    /// assert_eq!(average.send(20.0), Ok(Some(15.0)));
    /// ```
    ///
    /// # Panics
    /// If the generator has started already; and if the body panics, with the same payload.
    pub fn start(&mut self) -> Option<Y> {
        assert!(
            !self.is_started(),
            "the generator has started already: `send` and `next` go on with it"
        );
        self.step(|mut port| port.resume_with_nothing())
    }

    /// Gives `value` to the `yield_` that waits, and runs the body up to its next item; `Ok(None)` if the body ends instead.
    /// (Python's `send`.) [`start`](Self::start) has an example.
    ///
    /// # Errors
    /// [`SendError`], which holds the value, if no `yield_` waits: the body has not begun, or has ended.
    ///
    /// # Panics
    /// If the body panics, with the same payload.
    #[inline(always)]
    pub fn send(&mut self, value: S) -> Result<Option<Y>, SendError<S>> {
        if self.port.is_finished() {
            return Err(SendError::Finished(value));
        }
        if !self.port.is_started() {
            return Err(SendError::NotStarted(value));
        }
        Ok(self.step(|mut port| port.resume(value)))
    }

    /// Raises `payload` inside the body, at the `yield_` that waits. If the body catches it and yields again, this returns that
    /// item; if it catches it and returns, this returns `None`. (Python's `throw`.)
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    /// let mut generator = Generator::new(|y: &Yielder<&str>| {
    ///     let caught = catch_unwind(AssertUnwindSafe(|| y.yield_("waiting"))).unwrap_err();
    ///     y.yield_(caught.downcast_ref::<&str>().unwrap());
    /// });
    /// assert_eq!(generator.next(), Some("waiting"));
    /// assert_eq!(generator.throw(Box::new("stop")), Some("stop"));
    /// ```
    ///
    /// # Panics
    /// With `payload`, unless the body catches it, or with what the body panics with instead. A body that has not begun never
    /// runs, and `payload` is raised here; so it is if the body has ended, or if it yielded from a destructor that a panic
    /// runs, since raising it there would abort the process. With `panic = "abort"` the process ends, as by every panic.
    pub fn throw(&mut self, payload: Box<dyn std::any::Any + Send>) -> Option<Y> {
        match self.core.throw(&mut self.port.as_mut(), payload) {
            Ok(None) => self.end(),
            Ok(item) => item,
            Err(payload) => {
                if !self.is_started() {
                    self.discard();
                }
                resume_unwind(payload)
            }
        }
    }

    /// Ends the generator: a half-run body is unwound, so that its destructors run. Afterwards it yields nothing. Does
    /// nothing if it has ended already. (Python's `close`.)
    ///
    /// # Errors
    /// [`CloseError`] if the body does not end; it says when that happens.
    ///
    /// # Panics
    /// If the body panics while it is unwound, with the same payload.
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    /// let mut numbers = Generator::new(|y: &Yielder<u32>| y.yield_all(0..));
    /// assert_eq!(numbers.next(), Some(0));
    /// numbers.close().unwrap();
    /// assert!(numbers.is_finished() && numbers.next().is_none());
    /// ```
    #[doc(alias("GeneratorExit"))]
    pub fn close(&mut self) -> Result<(), CloseError> {
        // If the body has not ended by then, dropping the generator leaks it.
        self.core.close(&mut self.port.take().as_mut())
    }

    /// What the body returned; `None` before it has ended, and if it ended in another way. (The `value` of Python's
    /// `StopIteration`.)
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    /// let mut lines = Generator::new(|y: &Yielder<&str>| {
    ///     y.yield_all("a b".split(' '));
    ///     2
    /// });
    /// assert_eq!(lines.by_ref().count(), 2);
    /// assert_eq!(lines.return_value(), Some(&2));
    /// assert_eq!(lines.into_return_value(), Some(2));
    /// ```
    #[doc(alias("StopIteration"))]
    pub fn return_value(&self) -> Option<&R> {
        self.core.returned.as_ref()
    }

    /// Returns what the body returned; `None` as for [`return_value`](Self::return_value). A half-run generator is dropped.
    pub fn into_return_value(mut self) -> Option<R> {
        self.core.returned.take()
    }

    /// Whether the body has begun.
    pub fn is_started(&self) -> bool {
        self.port.is_started()
    }

    /// Whether the body has ended, or the generator was closed: it yields nothing more.
    ///
    /// # Examples
    /// See also [`is_started`](Self::is_started).
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    ///
    /// let mut once = Generator::new(|y: &Yielder<u32>| y.yield_(1));
    /// assert!(!once.is_started() && !once.is_finished());
    /// once.next();
    /// assert!(once.is_started() && !once.is_finished(), "the body has not returned");
    /// assert_eq!(once.next(), None);
    /// assert!(once.is_finished());
    /// ```
    pub fn is_finished(&self) -> bool {
        self.port.is_finished()
    }

    /// One step of the body.
    #[inline(always)]
    fn step(&mut self, step: impl FnOnce(PortMut<'_, Y, S>) -> Option<Y>) -> Option<Y> {
        match step(self.port.as_mut()) {
            None => self.end(),
            item => item,
        }
    }

    /// Called after a step without an item: the body has ended in this step, or had ended before.
    #[cold]
    #[inline(never)]
    fn end(&mut self) -> Option<Y> {
        self.core.end();
        None
    }

    /// Drops a body that never began. A panic of a captured value's destructor does not get out.
    fn discard(&mut self) {
        let port = self.port.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(port))) {
            drop_payload(payload);
        }
    }
}

impl<Y, S: Default, R> Iterator for Generator<Y, S, R> {
    type Item = Y;

    /// Runs the body up to its next item, and sends `S::default()` to the `yield_` that waits, as Python's `next` sends `None`.
    ///
    /// # Panics
    /// If the body panics, with the same payload; afterwards the generator is exhausted.
    #[inline(always)]
    fn next(&mut self) -> Option<Y> {
        self.step(|mut port| port.resume(S::default()))
    }
}

impl<Y, S: Default, R> FusedIterator for Generator<Y, S, R> {}

impl<Y, S, R> Drop for Generator<Y, S, R> {
    #[inline]
    fn drop(&mut self) {
        if !self.port.is_finished() {
            drop_unfinished(self);
        }
    }
}

#[cold]
fn drop_unfinished<Y, S, R>(generator: &mut Generator<Y, S, R>) {
    if !generator.is_started() {
        generator.discard();
        return;
    }
    if coroutine::may_destroy_locals() {
        // Its frames may be inside of a thread-local that is gone, so it is leaked.
        drop(generator.port.take());
        return;
    }
    let closed = catch_unwind(AssertUnwindSafe(|| generator.close()));
    if let Ok(Err(error)) = closed
        && cfg!(panic = "unwind")
    {
        let _ = writeln!(io::stderr(), "greenthread: a generator was dropped: {error}");
    } else if let Err(payload) = closed {
        drop_payload(payload);
    }
}

/// What must not compile.
///
/// Because a generator can be forgotten, its body must be `'static`; one that borrows runs inside
/// [`generator::scope`](super::scope).
/// ```compile_fail
/// use greenthread::generator::{Generator, Yielder};
/// let text = String::from("abc");
/// let generator = Generator::new(|y: &Yielder<char>| y.yield_all(text.chars()));
/// ```
///
/// It is neither `Send` nor `Sync`: a started body never changes its OS thread.
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<greenthread::generator::Generator<i32>>();
/// ```
/// ```compile_fail
/// fn is_sync<T: Sync>() {}
/// is_sync::<greenthread::generator::Generator<i32>>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
