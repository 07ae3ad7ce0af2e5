//! All switching between the greenlets of one home.
//!
//! The main greenlet's switch runs a loop ([`Home::drive`]) that resumes the next one; a child's switch notes the next
//! one and suspends to that loop. So a switch between children is one suspend and one resume, and control may go from
//! any greenlet to any other.
//!
//! The usual switch is one between greenlets that have begun, are not traced and do not unwind. It is inlined and
//! checks no more than that. [`Home::switch_unusual`] makes every kind of switch, and decides what is refused.
#![forbid(unsafe_code)]

use super::SwitchError;
use super::home::{Home, Next};
use super::passing::{Exchange, Throw};
use super::task::{ChildGreenlet, GreenletState, GreenletTask, Instead};
use crate::coroutine::{self, Progress, This};
use crate::util::dropping::{Held, PanicPayload};
use crate::util::handover::WayToWait;
use std::panic::resume_unwind;
use std::ptr;
use std::rc::Rc;

/// How many times a greenlet may try to switch away while it is unwound by a drop, before it is leaked.
const EXIT_ATTEMPTS: u32 = 100;

impl Home {
    /// Switches to `target` with `value`. Returns what comes back.
    ///
    /// It is inlined with all that is between it and the user's code: the processor predicts returns by the nesting of
    /// calls, so each function from which a resumed greenlet returns costs a misprediction, and the one after it too.
    #[inline(always)]
    pub(super) fn switch<T: 'static, U: 'static>(
        self: &Rc<Self>,
        target: Option<&Rc<ChildGreenlet>>,
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
        let value = Held::new(value);
        let home = Self::here();
        let Some(me) = home.current() else { panic!("the main greenlet has no parent") };
        let parent = me.parent.get();
        home.switch_unusual(parent.as_ref(), value.into_inner())
    }

    #[inline(always)]
    fn is_unusual(&self) -> bool {
        self.traced.get() || std::thread::panicking()
    }

    #[inline(always)]
    fn switch_from_main<T: 'static, U: 'static>(
        self: &Rc<Self>,
        target: Option<&Rc<ChildGreenlet>>,
        value: T,
    ) -> Result<U, SwitchError<T>> {
        let Some(child) = target else { return self.switch_unusual(target, value) };
        if child.state.get() != GreenletState::Active || self.task.handover.is_open() {
            return self.switch_unusual(target, value);
        }
        if let Err(value) = child.task.handover.put(value) {
            return self.switch_unusual(target, value);
        }
        let (_, got) = self.task.handover.receive_first(Drive(self, child));
        self.arrive_usual(&self.task, got)
    }

    #[inline(always)]
    fn switch_from_child<T: 'static, U: 'static>(
        self: &Rc<Self>,
        me: &Rc<ChildGreenlet>,
        target: Option<&Rc<ChildGreenlet>>,
        value: T,
    ) -> Result<U, SwitchError<T>> {
        if me.exiting.get() != 0 || me.task.handover.is_open() {
            return self.switch_unusual(target, value);
        }
        let task = match target {
            None => &self.task,
            Some(child) if child.state.get() == GreenletState::Active => &child.task,
            Some(_) => return self.switch_unusual(target, value),
        };
        if let Err(value) = task.handover.put(value) {
            return self.switch_unusual(target, value);
        }
        if let Some(child) = target {
            // `None` is its value while a child runs.
            self.next.set(Some(Rc::clone(child)));
        }
        let (_, got) = me.task.handover.receive_first(Suspend(me.this));
        self.arrive_usual(&me.task, got)
    }

    #[inline(always)]
    fn arrive_usual<T, U>(
        self: &Rc<Self>,
        task: &GreenletTask,
        got: Option<U>,
    ) -> Result<U, SwitchError<T>> {
        match got {
            Some(got) if !self.traced.get() => Ok(got),
            got => self.arrive(task, got),
        }
    }

    /// Makes any switch, even the first one to a greenlet, or one that is refused, traced, or made while a panic
    /// unwinds.
    #[cold]
    #[inline(never)]
    fn switch_unusual<T: 'static, U: 'static>(
        self: &Rc<Self>,
        target: Option<&Rc<ChildGreenlet>>,
        value: T,
    ) -> Result<U, SwitchError<T>> {
        let target = target.cloned();
        let (me, value) = self.begin(value)?;
        let task = me.as_ref().map_or(&self.task, |child| &child.task);
        let exchange = Exchange { home: self, me: &me, target, value };
        let (sent, got) = task.handover.receive::<U, _>(exchange);
        sent?;
        self.arrive(task, got)
    }

    /// Raises `payload` in `target`. Returns what comes back.
    pub(super) fn throw<U: 'static>(
        self: &Rc<Self>,
        target: Next,
        payload: PanicPayload,
    ) -> Result<U, SwitchError<PanicPayload>> {
        let (me, payload) = self.begin(payload)?;
        let task = me.as_ref().map_or(&self.task, |child| &child.task);
        if same(&me, &target) {
            resume_unwind(payload);
        }
        let refused = match &target {
            Some(child) if child.state.get() == GreenletState::Dead => {
                let name = child.task.label.name();
                Err(SwitchError::Dead { name, value: payload })
            }
            target if target.as_ref().map_or(&self.task, |child| &child.task).unwinding.get() => {
                Err(SwitchError::Unwinding { value: payload })
            }
            _ => Ok(payload),
        };
        let payload = refused?;
        let (_, got) =
            task.handover.receive::<U, _>(Throw { home: self, me: &me, target, payload });
        self.arrive(task, got)
    }

    /// The beginning of every switch: finds out which greenlet runs, and whether it may switch.
    ///
    /// # Panics
    /// Inside a region out of which greenlets must not be switched.
    #[inline(always)]
    fn begin<T>(self: &Rc<Self>, value: T) -> Result<(Next, T), SwitchError<T>> {
        if !self.is_here() {
            return Err(SwitchError::Foreign { value });
        }
        if coroutine::in_no_switch_region() {
            refuse_region(value);
        }
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
                // It has caught its end and goes on: control returns to the code that dropped it, which leaks it. It is
                // not resumed.
                while this.suspend_with_inner().is_ok() {}
            }
        }
        Err(SwitchError::Exiting { value })
    }

    /// Gives control to `next` and returns when it has come back.
    #[inline(always)]
    pub(super) fn transfer(self: &Rc<Self>, me: &Next, next: Next) {
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
            // `arrive` clears it again.
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
    fn drive_begun(self: &Rc<Self>, child: &Rc<ChildGreenlet>) {
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
    fn drive(self: &Rc<Self>, first: Rc<ChildGreenlet>) {
        let mut next = Some(first);
        while let Some(child) = next {
            if child.state.get() == GreenletState::Unstarted {
                self.note_begun(&child);
            }
            self.set_current(&child);
            let Ok(progress) = child.coroutine.resume() else { return self.lose(&child) };
            self.look_after(&child, progress);
            next = self.next.take();
        }
        self.back_in_main();
    }

    /// Leaks `child`, which does not go on, since its OS thread is destroying thread-locals. The greenlet that gave
    /// control away gets an error.
    #[cold]
    #[inline(never)]
    fn lose(self: &Rc<Self>, child: &Rc<ChildGreenlet>) {
        child.state.set(GreenletState::Dead);
        drop(child.coroutine.take());
        self.last.set(None);
        self.back_in_main();
    }

    /// Does what is necessary with a child when control comes back from it.
    fn look_after(self: &Rc<Self>, child: &Rc<ChildGreenlet>, progress: Progress) {
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

    fn note_begun(&self, child: &Rc<ChildGreenlet>) {
        child.state.set(GreenletState::Active);
        if self.green {
            let mut begun = self.begun.borrow_mut();
            if begun.len() == begun.capacity() {
                begun.retain(|child| {
                    child.upgrade().is_some_and(|child| child.state.get() == GreenletState::Active)
                });
            }
            begun.push(Rc::downgrade(child));
        }
    }

    /// What a greenlet does when control is back: calls the trace hook, then takes the value, or what came instead.
    #[cold]
    #[inline(never)]
    fn arrive<T, U>(
        self: &Rc<Self>,
        task: &GreenletTask,
        got: Option<U>,
    ) -> Result<U, SwitchError<T>> {
        let unwinding = task.unwinding.replace(false);
        let got = Held::new(got);
        let signal = Held::new(if got.is_none() { task.signal.take() } else { None });
        self.trace_arrival(matches!(&*signal, Some(Instead::Raise(_))));
        match (got.into_inner(), signal.into_inner()) {
            (Some(got), _) => Ok(got),
            (None, Some(Instead::Raise(payload))) if unwinding => {
                Err(SwitchError::Panicked(payload))
            }
            (None, Some(Instead::Raise(payload))) => resume_unwind(payload),
            (None, Some(Instead::Received(got))) => Err(SwitchError::Received { got }),
            (None, Some(Instead::Exited) | None) => Err(SwitchError::Exited),
        }
    }
}

/// The main greenlet gives control away.
struct Drive<'a>(&'a Rc<Home>, &'a Rc<ChildGreenlet>);

impl WayToWait for Drive<'_> {
    type Output = ();

    #[inline(always)]
    fn wait(self) {
        self.0.drive_begun(self.1);
    }
}

/// The current child gives control to the main greenlet's loop.
struct Suspend(This);

impl WayToWait for Suspend {
    type Output = ();

    #[inline(always)]
    fn wait(self) {
        assert!(self.0.suspend_with_inner().is_ok(), "the current greenlet runs");
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

/// Refuses a switch. The value is not left to the unwind, in which a destructor that panics would end the process.
#[cold]
#[inline(never)]
fn refuse_region<T>(value: T) -> ! {
    let _value = Held::new(value);
    panic!(
        "a greenlet must not switch inside a timeout, shield, scope or group that began in it: end that first"
    )
}
