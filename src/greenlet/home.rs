//! The greenlets of one green thread, or of one OS thread outside of those; and all switching between them.
//!
//! The main greenlet is the stack that was there already. Every other one is a coroutine. The main greenlet's switch
//! runs a loop ([`Home::drive`]) that resumes whoever is next; a child's switch names the next and suspends to that
//! loop. So a switch between children is one suspend and one resume, and control may go from any to any.
//!
//! A greenlet whose last handle goes is not resumed by the loop but by the one who drops it, from its own stack
//! ([`Home::unwind`]); it may not switch then, so control comes back to the dropper.
#![forbid(unsafe_code)]

use super::context::Context;
use super::task::{Child, Handle, Payload, Signal, State, Task, drop_payload};
use super::trace::{TraceEvent, TraceHook, TraceKind};
use super::{AnyGreenlet, GreenletExit, SwitchError};
use crate::coroutine::{self, Label, Progress, This};
use crate::util::inbox::Wait;
use crate::util::rc_cell::RcCell;
use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::panic::resume_unwind;
use std::ptr;
use std::rc::{Rc, Weak};

/// How often a greenlet may try to switch away while it is unwound by a drop, before it is leaked.
const EXIT_ATTEMPTS: u32 = 100;

#[cold]
#[inline(never)]
pub(super) fn none_any_more() -> ! {
    panic!(
        "greenlets and their values cannot be used when the green thread has destroyed its values, nor while the OS thread destroys its thread-locals"
    )
}

/// Where control goes: a child, or the main greenlet.
pub(super) type Next = Option<Rc<Child>>;

pub(super) struct Home {
    /// The main greenlet.
    pub(super) task: Task,
    /// The child that runs; or, while the main greenlet runs, the child that ran last, unless it has ended: that one most often
    /// runs again.
    last: RcCell<Child>,
    /// Whether a child runs.
    in_child: Cell<bool>,
    /// Whom the loop resumes next; written just before a child suspends.
    next: RcCell<Child>,
    traced: Cell<bool>,
    trace: RefCell<Option<TraceHook>>,
    /// Where control came from; kept only while `traced`.
    origin: RefCell<Option<AnyGreenlet>>,
    /// Greenlets whose last handle was dropped in another green thread.
    abandoned: RefCell<Vec<Rc<Child>>>,
    /// In a green thread: the greenlets that have begun, so that its end can unwind them.
    begun: RefCell<Vec<Weak<Child>>>,
    green: bool,
    ended: Cell<bool>,
    names: Cell<u64>,
}

impl Home {
    /// The caller's home, if it has used greenlets before.
    #[inline(always)]
    pub(super) fn existing() -> Option<Rc<Self>> {
        coroutine::local()
    }

    /// The caller's home.
    ///
    /// # Panics
    /// If there is none any more.
    #[inline]
    pub(super) fn here() -> Rc<Self> {
        let Some(home) = Self::here_if_open() else { none_any_more() };
        home
    }

    /// The caller's home; `None` where the green thread has destroyed its values, or the OS thread destroys its thread-locals.
    #[inline]
    pub(super) fn here_if_open() -> Option<Rc<Self>> {
        match Self::existing() {
            None => Self::make(),
            Some(home) => (!home.ended.get()).then_some(home),
        }
    }

    #[cold]
    fn make() -> Option<Rc<Self>> {
        let home = Rc::new(Self {
            task: Task::new(Rc::new(Label::new("greenlet", "main".into())), Context::default()),
            last: RcCell::new(None),
            in_child: Cell::new(false),
            next: RcCell::new(None),
            traced: Cell::new(false),
            trace: RefCell::new(None),
            origin: RefCell::new(None),
            abandoned: RefCell::new(Vec::new()),
            begun: RefCell::new(Vec::new()),
            green: coroutine::in_green_thread(),
            ended: Cell::new(false),
            names: Cell::new(0),
        });
        coroutine::set_local(Some(Rc::clone(&home))).is_ok().then_some(home)
    }

    /// Whether the caller is in the green or OS thread of this home.
    #[inline(always)]
    pub(super) fn is_here(&self) -> bool {
        ptr::eq(coroutine::identity(), ptr::from_ref(self).cast())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    pub(super) fn new_name(&self) -> Rc<str> {
        self.names.set(self.names.get() + 1);
        format!("greenlet-{}", self.names.get()).into()
    }

    /// The child that runs here, none for the main greenlet.
    #[inline(always)]
    pub(super) fn current(&self) -> Next {
        if self.in_child.get() { self.last.get() } else { None }
    }

    #[inline(always)]
    fn set_current(&self, child: &Rc<Child>) {
        if !self.last.is(child) {
            self.last.set(Some(Rc::clone(child)));
        }
        self.in_child.set(true);
    }

    pub(super) fn with_current<T>(&self, f: impl FnOnce(&Task) -> T) -> T {
        match self.current() {
            Some(child) => f(&child.task),
            None => f(&self.task),
        }
    }

    pub(super) fn handle_to(self: &Rc<Self>, next: &Next) -> AnyGreenlet {
        match next {
            Some(child) => AnyGreenlet::child(Handle::new(Rc::clone(child))),
            None => AnyGreenlet::main(Rc::clone(self)),
        }
    }

    // Switching.

    /// Switches to `target` with `value`; returns what comes back.
    ///
    /// Inlined with all that is between it and the user's code: the processor predicts returns by the nesting of calls,
    /// so each function that a resumed greenlet returns from costs a misprediction, and the one after it too.
    #[inline(always)]
    pub(super) fn switch<T: 'static, U: 'static>(
        self: &Rc<Self>,
        target: Option<&Rc<Child>>,
        value: T,
    ) -> Result<U, SwitchError<T>> {
        let here = ptr::eq(coroutine::identity_outside_regions(), ptr::from_ref(&**self).cast());
        if !here || self.is_unusual() {
            return self.switch_unusual(target, value);
        }
        match self.current() {
            None => self.switch_from_main(target, value),
            Some(me) => self.switch_from_child(&me, target, value),
        }
    }

    /// Switches from the current child to its parent.
    #[inline(always)]
    pub(super) fn switch_to_parent<T: 'static, U: 'static>(value: T) -> Result<U, SwitchError<T>> {
        let me = coroutine::local_outside_regions::<Self>()
            .filter(|home| !home.is_unusual())
            .and_then(|home| home.current());
        let Some(me) = me else { return Self::switch_to_parent_unusual(value) };
        if me.parent.is_main() {
            me.home.switch_from_child(&me, None, value)
        } else {
            me.home.switch_from_child(&me, me.parent.get().as_ref(), value)
        }
    }

    #[cold]
    #[inline(never)]
    fn switch_to_parent_unusual<T: 'static, U: 'static>(value: T) -> Result<U, SwitchError<T>> {
        let home = Self::here();
        let Some(me) = home.current() else { panic!("the main greenlet has no parent") };
        let parent = me.parent.get();
        home.switch_unusual(parent.as_ref(), value)
    }

    #[inline(always)]
    fn is_unusual(&self) -> bool {
        self.traced.get() || std::thread::panicking()
    }

    #[inline(always)]
    fn switch_from_main<T: 'static, U: 'static>(
        self: &Rc<Self>,
        target: Option<&Rc<Child>>,
        value: T,
    ) -> Result<U, SwitchError<T>> {
        let Some(child) = target else { return self.switch_unusual(target, value) };
        if child.state.get() != State::Active || self.task.inbox.is_open() {
            return self.switch_unusual(target, value);
        }
        if let Err(value) = child.task.inbox.put(value) {
            return self.switch_unusual(target, value);
        }
        let (_, got) = self.task.inbox.receive_first(Drive(self, child));
        self.arrive_usual(&self.task, got)
    }

    #[inline(always)]
    fn switch_from_child<T: 'static, U: 'static>(
        self: &Rc<Self>,
        me: &Rc<Child>,
        target: Option<&Rc<Child>>,
        value: T,
    ) -> Result<U, SwitchError<T>> {
        if me.exiting.get() != 0 || me.task.inbox.is_open() {
            return self.switch_unusual(target, value);
        }
        let task = match target {
            None => &self.task,
            Some(child) if child.state.get() == State::Active => &child.task,
            Some(_) => return self.switch_unusual(target, value),
        };
        if let Err(value) = task.inbox.put(value) {
            return self.switch_unusual(target, value);
        }
        if let Some(child) = target {
            // None is what it is while a child runs.
            self.next.set(Some(Rc::clone(child)));
        }
        let (_, got) = me.task.inbox.receive_first(Suspend(me.this));
        self.arrive_usual(&me.task, got)
    }

    #[inline(always)]
    fn arrive_usual<T, U>(
        self: &Rc<Self>,
        task: &Task,
        got: Option<U>,
    ) -> Result<U, SwitchError<T>> {
        match got {
            Some(got) if !self.traced.get() => Ok(got),
            got => self.arrive(task, got),
        }
    }

    /// Any switch: also the first one to a greenlet, one that is refused, traced, or made while a panic unwinds.
    #[cold]
    #[inline(never)]
    fn switch_unusual<T: 'static, U: 'static>(
        self: &Rc<Self>,
        target: Option<&Rc<Child>>,
        value: T,
    ) -> Result<U, SwitchError<T>> {
        let target = target.cloned();
        let (me, value) = self.begin(value)?;
        let task = me.as_ref().map_or(&self.task, |child| &child.task);
        let exchange = Exchange { home: self, me: &me, target, value };
        let (sent, got) = task.inbox.receive::<U, _>(exchange);
        sent?;
        self.arrive(task, got)
    }

    /// Raises `payload` in `target`; returns what comes back.
    pub(super) fn throw<U: 'static>(
        self: &Rc<Self>,
        target: Next,
        payload: Payload,
    ) -> Result<U, SwitchError<Payload>> {
        let (me, payload) = self.begin(payload)?;
        let task = me.as_ref().map_or(&self.task, |child| &child.task);
        if same(&me, &target) {
            resume_unwind(payload);
        }
        let refused = match &target {
            Some(child) if child.state.get() == State::Dead => {
                let name = child.task.label.name();
                Err(SwitchError::Dead { name, value: payload })
            }
            target if target.as_ref().map_or(&self.task, |child| &child.task).unwinding.get() => {
                Err(SwitchError::Unwinding { value: payload })
            }
            _ => Ok(payload),
        };
        let payload = refused?;
        let (_, got) = task.inbox.receive::<U, _>(Throw { home: self, me: &me, target, payload });
        self.arrive(task, got)
    }

    /// The beginning of every switch: finds out who runs, and whether it may switch.
    ///
    /// # Panics
    /// Inside a region that must not be switched out of.
    #[inline(always)]
    fn begin<T>(self: &Rc<Self>, value: T) -> Result<(Next, T), SwitchError<T>> {
        if !self.is_here() {
            return Err(SwitchError::Foreign { value });
        }
        assert!(
            !coroutine::in_no_switch_region(),
            "a greenlet must not switch inside a timeout, shield, scope or group that began in it"
        );
        let me = self.current();
        if let Some(child) = &me
            && child.exiting.get() != 0
        {
            return self.refuse_exiting(value);
        }
        Ok((me, value))
    }

    #[cold]
    #[inline(never)]
    fn refuse_exiting<T>(&self, value: T) -> Result<(Next, T), SwitchError<T>> {
        if let Some(child) = self.current() {
            child.exiting.set(child.exiting.get() + 1);
            let this = child.this;
            if !std::thread::panicking() || child.exiting.get() > EXIT_ATTEMPTS {
                drop(child);
                // It has caught its end and goes on: control returns to whoever dropped it, who leaks it. It is not resumed.
                while this.suspend_with_inner().is_ok() {}
            }
        }
        Err(SwitchError::Exiting { value })
    }

    /// Gives control to `next` and returns when it is back.
    #[inline(always)]
    fn transfer(self: &Rc<Self>, me: &Next, next: Next) {
        if same(me, &next) {
            return;
        }
        if self.traced.get() {
            *self.origin.borrow_mut() = Some(self.handle_to(me));
        }
        self.next.set(next);
        let task = me.as_ref().map_or(&self.task, |child| &child.task);
        let unwinding = std::thread::panicking();
        if unwinding {
            // `arrive` takes it back.
            task.unwinding.set(true);
        }
        match me {
            None => {
                if let Some(child) = self.next.take() {
                    self.drive(child);
                }
            }
            Some(child) => Suspend(child.this).wait(),
        }
    }

    /// What the main greenlet does when it gives control to a child that has begun.
    #[inline(always)]
    fn drive_begun(self: &Rc<Self>, child: &Rc<Child>) {
        self.set_current(child);
        let Ok(progress) = child.coroutine.resume() else { return self.lose(child) };
        let over = progress == Progress::Finished;
        if over || !self.next.is_none() || child.handles.get() == 0 {
            self.look_after(child, progress);
            if let Some(next) = self.next.take() {
                self.drive(next);
                return;
            }
        }
        self.back_in_main();
    }

    /// The main greenlet's loop.
    #[inline(never)]
    fn drive(self: &Rc<Self>, first: Rc<Child>) {
        let mut next = Some(first);
        while let Some(child) = next {
            if child.state.get() == State::Unstarted {
                self.note_begun(&child);
            }
            self.set_current(&child);
            let Ok(progress) = child.coroutine.resume() else { return self.lose(&child) };
            self.look_after(&child, progress);
            next = self.next.take();
        }
        self.back_in_main();
    }

    /// Leaks `child`, which does not go on, since its OS thread destroys thread-locals. Whoever gave control away gets an error.
    #[cold]
    #[inline(never)]
    fn lose(self: &Rc<Self>, child: &Rc<Child>) {
        child.state.set(State::Dead);
        drop(child.coroutine.take());
        self.last.set(None);
        self.back_in_main();
    }

    /// Does what is to be done with a child when control comes back from it.
    fn look_after(self: &Rc<Self>, child: &Rc<Child>, progress: Progress) {
        if progress == Progress::Finished {
            self.last.set(None);
        } else if child.handles.get() == 0 {
            // Its last handle was dropped while it ran.
            self.in_child.set(false);
            self.abandon(child);
        }
    }

    #[inline(always)]
    fn back_in_main(self: &Rc<Self>) {
        self.in_child.set(false);
        if !self.abandoned.borrow().is_empty() {
            self.unwind_abandoned();
        }
    }

    fn note_begun(&self, child: &Rc<Child>) {
        child.state.set(State::Active);
        if self.green {
            let mut begun = self.begun.borrow_mut();
            if begun.len() == begun.capacity() {
                begun.retain(|child| {
                    child.upgrade().is_some_and(|child| child.state.get() == State::Active)
                });
            }
            begun.push(Rc::downgrade(child));
        }
    }

    /// What a greenlet does when control is back: calls the trace hook, then takes the value, or what came instead.
    #[cold]
    #[inline(never)]
    fn arrive<T, U>(self: &Rc<Self>, task: &Task, got: Option<U>) -> Result<U, SwitchError<T>> {
        let unwinding = task.unwinding.replace(false);
        let signal = if got.is_none() { task.signal.take() } else { None };
        self.trace_arrival(matches!(signal, Some(Signal::Raise(_))));
        match (got, signal) {
            (Some(got), _) => Ok(got),
            (None, Some(Signal::Raise(payload))) if unwinding => {
                Err(SwitchError::Panicked(payload))
            }
            (None, Some(Signal::Raise(payload))) => resume_unwind(payload),
            (None, Some(Signal::Received(got))) => Err(SwitchError::Received { got }),
            (None, Some(Signal::Exited) | None) => Err(SwitchError::Exited),
        }
    }

    // Ending.

    /// The last thing that a child does, after its body. Must not unwind.
    pub(super) fn finish<Out: 'static>(
        self: &Rc<Self>,
        child: Rc<Child>,
        outcome: Result<Out, Payload>,
    ) {
        child.state.set(State::Dead);
        if child.exiting.get() != 0 {
            // Back to whoever dropped it.
            if let Err(payload) = outcome {
                drop_payload(payload);
            }
            return;
        }
        if self.traced.get() {
            *self.origin.borrow_mut() = Some(self.handle_to(&Some(Rc::clone(&child))));
        }
        let ending = match outcome {
            Ok(value) => Ending::Value(value),
            Err(payload) => ending(payload),
        };
        let next = self.finish_into_parent(&child, ending);
        self.next.set(next);
    }

    /// Delivers the end of `child` to the nearest ancestor that can take it, which it returns.
    fn finish_into_parent<Out: 'static>(
        self: &Rc<Self>,
        child: &Rc<Child>,
        mut ending: Ending<Out>,
    ) -> Next {
        let mut next = child.parent.get();
        loop {
            match &next {
                None => {
                    self.task.end_with(ending);
                    return None;
                }
                Some(parent) => match parent.state.get() {
                    State::Active => {
                        parent.task.end_with(ending);
                        return next;
                    }
                    State::Unstarted => match ending.start(parent) {
                        Ok(()) => return next,
                        Err(back) => {
                            ending = back;
                            parent.discard();
                        }
                    },
                    State::Dead => {}
                },
            }
            next = next.and_then(|child| child.parent.get());
        }
    }

    /// Called when the last handle of a child that has begun is gone.
    pub(super) fn abandon(self: &Rc<Self>, child: &Rc<Child>) {
        if self.next.is(child) {
            // It runs next.
            return;
        }
        if self.is_here() {
            self.unwind(child);
        } else if self.ended.get() {
            child.state.set(State::Dead);
        } else {
            self.abandoned.borrow_mut().push(Rc::clone(child));
        }
    }

    #[cold]
    pub(super) fn unwind_abandoned(self: &Rc<Self>) {
        loop {
            let Some(child) = self.abandoned.borrow_mut().pop() else { return };
            self.unwind(&child);
        }
    }

    /// Makes a suspended child unwind, resumed from the caller's own stack; leaks one that does not end.
    fn unwind(self: &Rc<Self>, child: &Rc<Child>) {
        if !child.coroutine.is_suspended() {
            // It runs, below the caller; it is then seen to when it is suspended.
            return;
        }
        if cfg!(panic = "abort") || coroutine::may_destroy_locals() {
            // Thread-locals are being destroyed, and its frames may be inside of one that is gone: it is leaked.
            child.state.set(State::Dead);
            drop(child.coroutine.take());
            return;
        }
        if !child.task.unwinding.get() {
            child.exiting.set(1);
            child.task.signal.set(Some(Signal::Raise(Box::new(GreenletExit))));
            let before = self.current();
            self.set_current(child);
            if self.traced.get() {
                *self.origin.borrow_mut() = Some(self.handle_to(&before));
            }
            let end = child.coroutine.close();
            self.in_child.set(before.is_some());
            self.last.set(before);
            if end == Ok(Progress::Finished) {
                return;
            }
        }
        child.state.set(State::Dead);
        // Leaks its stack.
        drop(child.coroutine.take());
        let _ = writeln!(
            std::io::stderr(),
            "greenthread: greenlet '{}' did not end when it was dropped; its stack is leaked",
            child.task.label.name()
        );
    }

    /// Called when the green thread of this home ends: unwinds all its greenlets that have begun, whoever has handles to them,
    /// and drops what is kept for them. Returns whether there was anything. May unwind with the panic of a destructor; then
    /// there may be more.
    pub(super) fn end(self: &Rc<Self>) -> bool {
        let mut any = !self.abandoned.borrow().is_empty();
        self.unwind_abandoned();
        loop {
            let Some(child) = self.begun.borrow_mut().pop() else { break };
            if let Some(child) = child.upgrade()
                && child.state.get() == State::Active
            {
                any = true;
                self.unwind(&child);
            }
        }
        drop(self.last.take());
        let hook = self.set_trace(None);
        any |= hook.is_some();
        drop(hook);
        let origin = self.origin.take();
        drop(origin);
        let context = self.task.context.take();
        any |= !context.is_empty();
        drop(context);
        any
    }

    /// From here on no greenlet is made or switched to here, and nothing is kept.
    pub(super) fn close(&self) {
        self.ended.set(true);
    }

    // Tracing.

    pub(super) fn set_trace(&self, hook: Option<TraceHook>) -> Option<TraceHook> {
        self.traced.set(hook.is_some());
        self.trace.replace(hook)
    }

    pub(super) fn trace_hook(&self) -> Option<TraceHook> {
        self.trace.borrow().clone()
    }

    /// Calls the hook, in the greenlet that control came to.
    pub(super) fn trace_arrival(self: &Rc<Self>, raises: bool) {
        if !self.traced.get() {
            return;
        }
        let from = self.origin.borrow_mut().take();
        if let (Some(hook), Some(from)) = (self.trace_hook(), from) {
            /// Switches tracing on again when the hook is done, unless it removed itself.
            struct Again<'a>(&'a Home);
            impl Drop for Again<'_> {
                fn drop(&mut self) {
                    self.0.traced.set(self.0.trace.borrow().is_some());
                }
            }
            let kind = if raises { TraceKind::Throw } else { TraceKind::Switch };
            let event = TraceEvent { kind, from, to: self.handle_to(&self.current()) };
            self.traced.set(false);
            let _again = Again(self);
            hook(&event);
        }
    }
}

/// The main greenlet gives control away.
struct Drive<'a>(&'a Rc<Home>, &'a Rc<Child>);

impl Wait for Drive<'_> {
    type Output = ();

    #[inline(always)]
    fn wait(self) {
        self.0.drive_begun(self.1);
    }
}

/// The current child gives control to the main greenlet's loop.
struct Suspend(This);

impl Wait for Suspend {
    type Output = ();

    #[inline(always)]
    fn wait(self) {
        assert!(self.0.suspend_with_inner().is_ok(), "the current greenlet runs");
    }
}

/// Passes a value and gives control away.
struct Exchange<'a, T> {
    home: &'a Rc<Home>,
    me: &'a Next,
    target: Next,
    value: T,
}

impl<T: 'static> Wait for Exchange<'_, T> {
    type Output = Result<(), SwitchError<T>>;

    #[inline(always)]
    fn wait(self) -> Result<(), SwitchError<T>> {
        match &self.target {
            Some(child) => child.put(self.value)?,
            None => self.home.task.put(self.value)?,
        }
        self.home.transfer(self.me, self.target);
        Ok(())
    }
}

/// Passes a payload to raise and gives control away.
struct Throw<'a> {
    home: &'a Rc<Home>,
    me: &'a Next,
    target: Next,
    payload: Payload,
}

impl Wait for Throw<'_> {
    type Output = ();

    fn wait(self) {
        let next = match self.target {
            Some(child) if child.state.get() == State::Unstarted => {
                child.discard();
                self.home.finish_into_parent(&child, ending::<()>(self.payload))
            }
            target => {
                let task = target.as_ref().map_or(&self.home.task, |child| &child.task);
                task.signal.set(Some(Signal::Raise(self.payload)));
                target
            }
        };
        self.home.transfer(self.me, next);
    }
}

#[inline(always)]
fn same(a: &Next, b: &Next) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}

/// How a greenlet ended.
pub(super) enum Ending<Out> {
    Value(Out),
    Exited,
    Raise(Payload),
}

fn ending<Out>(payload: Payload) -> Ending<Out> {
    if payload.is::<GreenletExit>() { Ending::Exited } else { Ending::Raise(payload) }
}

impl<Out: 'static> Ending<Out> {
    /// Makes it the first input of a greenlet that has not begun; gives back what that cannot take.
    fn start(self, parent: &Child) -> Result<(), Self> {
        match self {
            Self::Value(value) => match parent.put_first(value) {
                Ok(()) => Ok(()),
                Err(value) => {
                    drop_payload_of(value);
                    Err(Self::Raise(Box::new(format!(
                        "greenlet '{}' was started with a {}, it takes a {}",
                        parent.task.label.name(),
                        type_name::<Out>(),
                        parent.first_type
                    ))))
                }
            },
            Self::Exited => parent.put_first(()).map_err(|()| Self::Exited),
            Self::Raise(payload) => Err(Self::Raise(payload)),
        }
    }
}

/// Drops a value that nobody takes, where nothing may unwind, though its destructor may panic.
pub(super) fn drop_payload_of<T>(value: T) {
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(value)));
    if let Err(payload) = dropped {
        drop_payload(payload);
    }
}

impl Task {
    /// Gives `value` to the suspended greenlet.
    #[inline(always)]
    fn put<T: 'static>(&self, value: T) -> Result<(), SwitchError<T>> {
        self.inbox.put(value).map_err(|value| SwitchError::WrongType {
            expected: self.inbox.expects().unwrap_or("nothing"),
            value,
        })
    }

    /// Tells the suspended greenlet that one of its children has ended.
    fn end_with<Out: 'static>(&self, ending: Ending<Out>) {
        let signal = match ending {
            Ending::Value(value) => match self.inbox.put(value) {
                Ok(()) => return,
                Err(value) => {
                    drop_payload_of(value);
                    Signal::Received(type_name::<Out>())
                }
            },
            Ending::Exited => match self.inbox.put(()) {
                Ok(()) => return,
                Err(()) => Signal::Exited,
            },
            Ending::Raise(payload) => Signal::Raise(payload),
        };
        self.signal.set(Some(signal));
    }
}

impl Child {
    #[inline(always)]
    fn put<T: 'static>(&self, value: T) -> Result<(), SwitchError<T>> {
        if self.state.get() == State::Active {
            return self.task.put(value);
        }
        self.put_unusual(value)
    }

    #[cold]
    #[inline(never)]
    fn put_unusual<T: 'static>(&self, value: T) -> Result<(), SwitchError<T>> {
        if self.state.get() == State::Dead {
            return Err(SwitchError::Dead { name: self.task.label.name(), value });
        }
        self.put_first(value)
            .map_err(|value| SwitchError::WrongType { expected: self.first_type, value })
    }

    fn put_first<T: 'static>(&self, value: T) -> Result<(), T> {
        match self.first.downcast_ref::<Cell<Option<T>>>() {
            Some(first) => {
                first.set(Some(value));
                Ok(())
            }
            None => Err(value),
        }
    }
}
