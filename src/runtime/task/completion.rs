//! The end of a task: what was kept for it, and who is told of it.

use super::context::Context;
use super::error::{Cause, JoinError};
use super::flags::{
    ENDED_BY_KILL, FAILED, KILLED, LEAKED, LINKED, NOT_RUN, PANICKED, RESULT, SCOPED, VALUES,
};
use super::interrupt::INTERRUPTIONS;
use super::link::ResultLink;
use super::task_ref::TaskRef;
use super::thread::ThreadState;
use super::waiter::Waiter;
use crate::runtime::task::finished::Finished;
use crate::stack::budget::Reservation;
use crate::util::dropping::drop_quietly;
use crate::util::sync::mutated;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl TaskRef {
    // --- links --------------------------------------------------------------------------------------------------

    /// Has a link called at the end.
    ///
    /// # Errors
    /// Returns the link if the result is there already.
    pub(super) fn add_link(&self, link: ResultLink) -> Result<(), ResultLink> {
        let header = self.header();
        let mut completion = header.completion.lock();
        // `publish_result` changes the same word: either it sees the flag, or the result is seen here.
        if header.flags.fetch_or(LINKED, Ordering::AcqRel) & RESULT != 0 {
            return Err(link);
        }
        header.more(&mut completion).links.push_back(link);
        Ok(())
    }

    /// The next link to call. After the last the result can be published.
    pub(super) fn next_link(&self) -> Option<ResultLink> {
        let header = self.header();
        let mut completion = header.completion.lock();
        let link = completion.more.as_mut().and_then(|more| more.links.pop_front());
        if link.is_none() {
            header.flags.fetch_and(!LINKED, Ordering::AcqRel);
        }
        link
    }

    // --- context values -----------------------------------------------------------------------------------------

    /// Gives inherited context values to a task that has not been started.
    #[cold]
    pub(crate) fn give_context(&self, context: Context) {
        self.header().more(&mut self.header().completion.lock()).context = context;
        self.header().flags.fetch_or(VALUES, Ordering::Relaxed);
    }

    /// Notes that the green thread keeps values of its own, which are destroyed at its end.
    #[cold]
    pub(crate) fn set_has_values(&self) {
        self.header().flags.fetch_or(VALUES, Ordering::Relaxed);
    }

    /// Whether it was given context values, or keeps values of its own.
    #[inline(always)]
    pub(crate) fn has_values(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & VALUES != 0
    }

    /// The context values that it has inherited.
    pub(crate) fn inherited(&self) -> Context {
        if !self.has_values() {
            return Context::default();
        }
        let completion = self.header().completion.lock();
        completion.more.as_ref().map_or_else(Context::default, |more| more.context.clone())
    }

    /// Takes out the inherited context values. They are users' values, which the hub must not drop.
    pub(super) fn take_inherited(&self) -> Context {
        if !self.has_values() {
            return Context::default();
        }
        let mut completion = self.header().completion.lock();
        completion.more.as_mut().map_or_else(Context::default, |more| mem::take(&mut more.context))
    }

    // --- the end ------------------------------------------------------------------------------------------------

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.header().end.has_come()
    }

    /// Whether the task, which is done, was given up. Then its frames, and what they borrow, stay for ever.
    pub(crate) fn is_leaked(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & LEAKED != 0
    }

    /// The state that users see: how far it has come, or how it ended.
    pub(crate) fn state(&self) -> ThreadState {
        if !self.is_done() {
            return if self.is_paused() { ThreadState::Paused } else { ThreadState::Alive };
        }
        match self.header().flags.load(Ordering::Relaxed) {
            flags if flags & PANICKED != 0 => ThreadState::Panicked,
            flags if flags & NOT_RUN != 0 => ThreadState::NotRun,
            flags if flags & ENDED_BY_KILL != 0 => ThreadState::Killed,
            _ => ThreadState::Returned,
        }
    }

    /// Whether it panicked or could not run.
    pub(crate) fn ended_badly(&self) -> bool {
        matches!(self.state(), ThreadState::Panicked | ThreadState::NotRun)
    }

    /// Whether the task, which is done, panicked or could not run, and nobody has been told.
    pub(crate) fn has_failed(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & FAILED != 0
    }

    /// Notes, before the task starts, that a scope reports its failure.
    pub(in crate::runtime) fn set_scoped(&self) {
        self.header().flags.fetch_or(SCOPED, Ordering::Relaxed);
    }

    pub(super) fn is_scoped(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & SCOPED != 0
    }

    /// Like [`has_failed`](Self::has_failed), and notes that somebody has been told.
    pub(crate) fn take_failure(&self) -> bool {
        self.header().flags.fetch_and(!FAILED, Ordering::Relaxed) & FAILED != 0
    }

    /// Asks for a wake-up at the end of the task. Returns `false` if it has ended already.
    pub(crate) fn add_waiter(&self, waiter: Waiter) -> bool {
        let mut completion = self.header().completion.lock();
        if !self.header().end.heed() && !mutated("a task that has ended takes waiters") {
            return false;
        }
        if completion.first.is_none() {
            completion.first = Some(waiter);
        } else {
            self.header().more(&mut completion).waiters.push(waiter);
        }
        true
    }

    /// Cancels what [`add_waiter`](Self::add_waiter) asked for.
    pub(crate) fn remove_waiter(&self, waiter: &Waiter) {
        let mut completion = self.header().completion.lock();
        if completion.first.as_ref() == Some(waiter) {
            completion.first = completion.more.as_mut().and_then(|more| more.waiters.pop());
        } else if let Some(more) = &mut completion.more {
            more.waiters.retain(|other| other != waiter);
        }
    }

    /// Asks for `number` to be put into `finished` at the end of the task. Returns `false` if it has ended already.
    pub(crate) fn watch(&self, finished: &Arc<Finished>, number: usize) -> bool {
        let mut completion = self.header().completion.lock();
        if !self.header().end.heed() {
            return false;
        }
        self.header().more(&mut completion).watchers.push((Arc::clone(finished), number));
        true
    }

    /// Waits the short time until [`is_done`](Self::is_done) returns `true`, for a caller that [`watch`](Self::watch)
    /// has told of the end.
    pub(crate) fn settle(&self) {
        if !self.is_done() {
            drop(self.header().completion.lock());
        }
    }

    /// Cancels what [`watch`](Self::watch) asked for.
    pub(crate) fn unwatch(&self, finished: &Arc<Finished>) {
        if let Some(more) = &mut self.header().completion.lock().more {
            more.watchers.retain(|(other, _)| !Arc::ptr_eq(other, finished));
        }
    }

    /// Tells all who wait that the task has ended. By now the result is in its place.
    #[inline(always)]
    pub(crate) fn complete(&self) {
        let header = self.header();
        header.reservation.replace(Reservation::NONE).release();
        self.leave_roll();
        if !header.end.come_unheeded() {
            self.tell_end();
        }
        if let Some(family) = header.family.get() {
            family.leave(self);
        }
    }

    /// Tells those who asked, and clears what the task has kept for its end.
    #[inline]
    fn tell_end(&self) {
        let header = self.header();
        let (first, more) = {
            let mut completion = header.completion.lock();
            // Those who watch several tasks are told in the order in which these end, so they are told before anybody
            // can see this end.
            if let Some(more) = &mut completion.more {
                more.watchers.drain(..).for_each(|(finished, number)| finished.push(number));
            }
            header.end.come();
            if header.flags.load(Ordering::Relaxed) & KILLED != 0 {
                INTERRUPTIONS.fetch_sub(1, Ordering::SeqCst);
            }
            (completion.first.take(), completion.more.take())
        };
        if let Some(waiter) = first {
            waiter.unpark();
        }
        if let Some(more) = more {
            more.waiters.into_iter().for_each(|waiter| waiter.unpark());
        }
    }

    /// Ends a task that has not started and never will: drops its body at once, in the caller.
    pub(crate) fn abandon(self, cause: Cause) {
        drop_quietly(self.take_inherited());
        let error = JoinError::new(cause, &self);
        // SAFETY: the caller owns the only reference that could ever start the task, so `run` is not called.
        unsafe { (self.header().vtable.abandon)(self.as_ptr(), error) };
        self.complete();
    }

    /// Like [`abandon`](Self::abandon), in the task's own coroutine, whose end completes the task.
    ///
    /// # Safety
    /// Called once, by the task's coroutine; neither `run` nor `abandon` is called.
    pub(super) unsafe fn end_unrun(&self, error: JoinError) {
        // Nothing is left for a kill to end, so it does not end waits of the destructors either.
        self.forget_kill();
        // SAFETY: as the caller promises.
        unsafe { (self.header().vtable.abandon)(self.as_ptr(), error) };
    }

    /// Ends a task that was given up after it had begun: calls its links and tells those who wait for its end. Runs in
    /// a green thread, as links are code of users.
    pub(crate) fn end_leaked(&self) {
        self.header().flags.fetch_or(LEAKED, Ordering::Relaxed);
        // A result that the body has left belongs to the handle.
        if !self.header().has_result() {
            drop_quietly(self.take_inherited());
            let error = JoinError::new(Cause::Killed, self);
            // SAFETY: the body has begun, or rests, and never goes on, so it neither touches its stage again nor publishes a result.
            unsafe { (self.header().vtable.abandon)(self.as_ptr(), error) };
        }
        self.complete();
    }

    /// Tells those who wait for the end of a task that will never go on, or never begin, that it counts as killed.
    /// Nothing that the task holds is dropped or called, now or later, not even its links; links that are added later
    /// are called at once.
    pub(crate) fn complete_leaked(&self) {
        let header = self.header();
        header.flags.fetch_or(LEAKED, Ordering::Relaxed);
        // One reference is never given back, so that the memory stays with all that is in it.
        mem::forget(self.clone());
        let links = {
            let mut completion = header.completion.lock();
            if !header.has_result() {
                let error = JoinError::new(Cause::Killed, self);
                header.note_error(&error);
                // SAFETY: its hub has ended and leaves it where it is, so nothing of it runs, and there is no result.
                unsafe { (header.vtable.forfeit)(self.as_ptr(), error) };
                header.publish_last();
            }
            completion
                .more
                .as_mut()
                .map(|more| (mem::take(&mut more.links), mem::take(&mut more.context)))
        };
        mem::forget(links);
        self.complete();
    }
}
