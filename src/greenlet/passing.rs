//! Passing values, and control with them, to greenlets that are suspended or have not begun.
#![forbid(unsafe_code)]

use super::SwitchError;
use super::ending::{Ending, drop_payload_of, ending};
use super::home::{Home, Next};
use super::task::{ChildGreenlet, GreenletState, GreenletTask, Instead};
use crate::util::dropping::PanicPayload;
use crate::util::handover::WayToWait;
use std::any::type_name;
use std::cell::Cell;
use std::rc::Rc;

/// Passes a value and gives control away.
pub(super) struct Exchange<'a, T> {
    pub(super) home: &'a Rc<Home>,
    pub(super) me: &'a Next,
    pub(super) target: Next,
    pub(super) value: T,
}

impl<T: 'static> WayToWait for Exchange<'_, T> {
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

/// Passes a payload to be raised, and gives control away.
pub(super) struct Throw<'a> {
    pub(super) home: &'a Rc<Home>,
    pub(super) me: &'a Next,
    pub(super) target: Next,
    pub(super) payload: PanicPayload,
}

impl WayToWait for Throw<'_> {
    type Output = ();

    fn wait(self) {
        let next = match self.target {
            Some(child) if child.state.get() == GreenletState::Unstarted => {
                child.discard();
                self.home.finish_into_parent(&child, ending::<()>(self.payload))
            }
            target => {
                let task = target.as_ref().map_or(&self.home.task, |child| &child.task);
                task.signal.set(Some(Instead::Raise(self.payload)));
                target
            }
        };
        self.home.transfer(self.me, next);
    }
}

impl GreenletTask {
    /// Gives `value` to the suspended greenlet.
    #[inline(always)]
    pub(super) fn put<T: 'static>(&self, value: T) -> Result<(), SwitchError<T>> {
        self.handover.put(value).map_err(|value| SwitchError::WrongType {
            expected: self.handover.expects().unwrap_or("nothing"),
            value,
        })
    }

    /// Tells the suspended greenlet that one of its children has ended.
    pub(super) fn end_with<Out: 'static>(&self, ending: Ending<Out>) {
        let signal = match ending {
            Ending::Value(value) => match self.handover.put(value) {
                Ok(()) => return,
                Err(value) => {
                    drop_payload_of(value);
                    Instead::Received(type_name::<Out>())
                }
            },
            Ending::Exited => match self.handover.put(()) {
                Ok(()) => return,
                Err(()) => Instead::Exited,
            },
            Ending::Raise(payload) => Instead::Raise(payload),
        };
        self.signal.set(Some(signal));
    }
}

impl ChildGreenlet {
    #[inline(always)]
    pub(super) fn put<T: 'static>(&self, value: T) -> Result<(), SwitchError<T>> {
        if self.state.get() == GreenletState::Active {
            return self.task.put(value);
        }
        self.put_unusual(value)
    }

    #[cold]
    #[inline(never)]
    fn put_unusual<T: 'static>(&self, value: T) -> Result<(), SwitchError<T>> {
        if self.state.get() == GreenletState::Dead {
            return Err(SwitchError::Dead { name: self.task.label.name(), value });
        }
        self.put_first(value)
            .map_err(|value| SwitchError::WrongType { expected: self.first_type, value })
    }

    pub(super) fn put_first<T: 'static>(&self, value: T) -> Result<(), T> {
        match self.first.downcast_ref::<Cell<Option<T>>>() {
            Some(first) => {
                first.set(Some(value));
                Ok(())
            }
            None => Err(value),
        }
    }
}
