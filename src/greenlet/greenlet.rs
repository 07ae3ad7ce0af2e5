//! A greenlet with its types.
#![forbid(unsafe_code)]

use super::home::Home;
use super::parent::Parent;
use super::task::{ChildGreenlet, GreenletHandle, GreenletState, GreenletTask};
use super::{AnyGreenlet, SwitchError};
use crate::coroutine::{self, Coroutine, Label, Slot};
use crate::stack::{Stack, StackSize};
use crate::util::dropping::{Held, PanicPayload};
use std::any::{Any, type_name};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// A body with a stack of its own, which runs when somebody switches to it, until it switches to another or ends. The semantics
/// are those of Python's greenlet.
///
/// `In` is the type of what is passed to it, `Out` the type of what the one who switches to it gets back. The first `In` is the
/// argument of the body, and the body's result goes to its parent. In between other types may be passed, by
/// [`AnyGreenlet`]: their types are checked, and a wrong one is an error for the one who passes it.
///
/// # Examples
/// ```
/// use greenthread::greenlet::{self, Greenlet};
///
/// let adder = Greenlet::new(|first: i32| -> i32 {
///     let mut sum = first;
///     loop {
///         sum += greenlet::switch_to_parent::<i32, i32>(sum).unwrap();
///     }
/// });
/// assert_eq!(adder.switch(1).unwrap(), 1);
/// assert_eq!(adder.switch(5).unwrap(), 6);
/// ```
///
/// # Ownership
/// A greenlet belongs to the green thread, or OS thread, that made it: to use it from another is an error. It is neither `Send`
/// nor `Sync`.
///
/// Dropping its last handle while it is suspended unwinds it, with a [`GreenletExit`](super::GreenletExit), during the drop:
/// destructors run, and it cannot switch to others any more. A panic that it ends with then goes nowhere. (A destructor that
/// panics while it is run by an unwind aborts the process, as everywhere in Rust.) If the handle is dropped in another green
/// thread, the greenlet is unwound when its own green thread next comes back to its main greenlet, makes a greenlet, or ends.
///
/// When a green thread ends, all its greenlets are unwound. When an OS thread ends, those that are left are leaked. So is, with
/// a report on standard error, a greenlet that catches the exit and switches again, or that is suspended while a panic
/// unwinds; and, with `panic = "abort"`, every suspended one.
#[doc(alias("fiber", "coroutine", "symmetric"))]
pub struct Greenlet<In = (), Out = ()> {
    any: AnyGreenlet,
    types: PhantomData<fn(In) -> Out>,
}

impl<In, Out> Clone for Greenlet<In, Out> {
    fn clone(&self) -> Self {
        Self { any: self.any.clone(), types: PhantomData }
    }
}

impl<In, Out> fmt::Debug for Greenlet<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any.fmt(f)
    }
}

impl<In, Out> Deref for Greenlet<In, Out> {
    type Target = AnyGreenlet;

    fn deref(&self) -> &AnyGreenlet {
        &self.any
    }
}

impl<In: 'static, Out: 'static> Greenlet<In, Out> {
    /// Makes a greenlet that runs `body` when somebody first switches to it. Its parent is the current greenlet, and it starts
    /// with a copy of that one's [context values](super::ContextVar).
    ///
    /// # Panics
    /// If there is no memory for another stack, which [`with_stack_size`](Self::with_stack_size) returns as an error instead;
    /// and while the OS thread destroys its thread-locals.
    ///
    /// # Examples
    /// Two that take turns:
    /// ```
    /// use greenthread::greenlet::{Greenlet, switch_to_parent};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let log = Rc::new(RefCell::new(String::new()));
    /// let [ping, pong] = ["ping ", "pong "].map(|word| {
    ///     let log = log.clone();
    ///     Greenlet::<(), ()>::new(move |()| {
    ///         loop {
    ///             log.borrow_mut().push_str(word);
    ///             switch_to_parent::<(), ()>(()).unwrap();
    ///         }
    ///     })
    /// });
    /// for _ in 0..2 {
    ///     ping.switch(()).unwrap();
    ///     pong.switch(()).unwrap();
    /// }
    /// assert_eq!(*log.borrow(), "ping pong ping pong ");
    /// ```
    #[track_caller]
    pub fn new(body: impl FnOnce(In) -> Out + 'static) -> Self {
        let body = Held::new(body);
        match Stack::acquire(StackSize::default()) {
            Ok(stack) => Self::on(stack, body.into_inner()),
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`new`](Self::new), with room for at least `bytes` on its stack.
    ///
    /// # Errors
    /// `InvalidInput` if `bytes` is zero or more than 1 TiB; `OutOfMemory` if there is no room for another stack.
    ///
    /// # Panics
    /// While the OS thread destroys its thread-locals.
    ///
    /// # Examples
    /// ```
    /// use greenthread::greenlet::Greenlet;
    /// fn sum(n: u64) -> u64 {
    ///     if n == 0 { 0 } else { n + sum(std::hint::black_box(n - 1)) }
    /// }
    /// let deep = Greenlet::with_stack_size(16 << 20, sum)?;
    /// assert_eq!(deep.switch(10_000).unwrap(), 50_005_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with_stack_size(
        bytes: usize,
        body: impl FnOnce(In) -> Out + 'static,
    ) -> io::Result<Self> {
        Ok(Self::on(Stack::acquire(StackSize::new(bytes)?)?, body))
    }

    fn on(stack: Stack, body: impl FnOnce(In) -> Out + 'static) -> Self {
        let body = Held::new(body);
        coroutine::ensure_overflow_report();
        let home = Home::here();
        home.unwind_abandoned();
        let creator = home.current();
        let context = home.with_current(|task| task.context.borrow().clone());
        let first: Rc<Cell<Option<In>>> = Rc::new(Cell::new(None));
        let label = Rc::new(Label::new("greenlet", home.new_name()));
        let coroutine = Coroutine::labelled(stack, &label, {
            let (home, first) = (Rc::clone(&home), Rc::clone(&first));
            move || run(&home, first, body)
        });
        let first: Rc<dyn Any> = first;
        let child = Rc::new(ChildGreenlet {
            task: GreenletTask::new(label, context),
            state: Cell::new(GreenletState::Unstarted),
            parent: Parent::new(creator.map(GreenletHandle::new)),
            this: coroutine.this(),
            coroutine: Slot::new(coroutine),
            first,
            first_type: type_name::<In>(),
            handles: Cell::new(0),
            exiting: Cell::new(0),
            home,
        });
        Self { any: AnyGreenlet::child(GreenletHandle::new(child)), types: PhantomData }
    }

    /// Switches to this greenlet with `value`; returns what is passed to the caller when control comes back.
    /// [`AnyGreenlet::switch`] says more. Suspends the calling greenlet, not its green thread.
    ///
    /// # Errors
    /// Those of [`AnyGreenlet::switch`].
    ///
    /// # Panics
    /// For the reasons that [`AnyGreenlet::switch`] gives.
    ///
    /// # Examples
    /// ```
    /// use greenthread::greenlet::{Greenlet, switch_to_parent};
    ///
    /// let counter = Greenlet::new(|mut step: u32| -> u32 {
    ///     let mut count = 0;
    ///     loop {
    ///         count += step;
    ///         step = switch_to_parent(count).unwrap();
    ///     }
    /// });
    /// assert_eq!(counter.switch(1).unwrap(), 1);
    /// assert_eq!(counter.switch(10).unwrap(), 11);
    /// ```
    #[inline(always)]
    pub fn switch(&self, value: In) -> Result<Out, SwitchError<In>> {
        self.any.switch(value)
    }
}

impl<In, Out> Greenlet<In, Out> {
    /// A handle to the same greenlet, without its types.
    ///
    /// # Examples
    /// ```
    /// use greenthread::greenlet::{self, Greenlet};
    ///
    /// let child = Greenlet::new(|()| greenlet::current().parent().unwrap());
    /// // Greenlets are compared by their handles without types.
    /// assert_eq!(child.switch(()).unwrap(), greenlet::current());
    /// assert_ne!(child.any(), &greenlet::current());
    /// ```
    #[must_use]
    pub fn any(&self) -> &AnyGreenlet {
        &self.any
    }
}

/// The whole life of a greenlet, on its own stack. It must not unwind.
fn run<In: 'static, Out: 'static>(
    home: &Rc<Home>,
    first: Rc<Cell<Option<In>>>,
    body: Held<impl FnOnce(In) -> Out>,
) {
    let Some(me) = home.current() else { return };
    let outcome: Result<Out, PanicPayload> = catch_unwind(AssertUnwindSafe(|| {
        let input = Held::new(first.take());
        home.trace_arrival(false);
        let Some(input) = input.into_inner() else { unreachable!("started without a value") };
        drop(first);
        body.into_inner()(input)
    }));
    home.finish(me, outcome);
}

/// What must not compile.
///
/// ```compile_fail
/// # use greenthread::greenlet::Greenlet;
/// let greenlet = Greenlet::new(|n: i32| n);
/// greenlet.switch("not a number");
/// ```
///
/// It is neither `Send` nor `Sync`:
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<greenthread::greenlet::Greenlet>();
/// ```
/// ```compile_fail
/// fn is_sync<T: Sync>() {}
/// is_sync::<greenthread::greenlet::Greenlet>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
