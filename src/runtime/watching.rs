//! Waits of futures for readiness. One green thread may have any number of them; a future may also belong to another
//! executor.
#![forbid(unsafe_code)]

use super::global;
use super::lane::shared::LaneShared;
use super::task::Waiter;
use super::task::{TaskRef, Token};
use super::wait::reactor::{Direction, Source};
use super::wait::waker::FutureParker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

/// The waits of a future for one direction of a source, one after the other. Its owner calls [`leave`](Self::leave)
/// before the descriptor of the source is closed.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    entered: Option<Entered>,
    /// Waits on behalf of tasks of other executors.
    listener: Option<FutureParker>,
}

#[derive(Debug)]
struct Entered {
    waiter: Waiter,
    hub: &'static LaneShared,
    /// Whether the waiter wakes the listener, and not a green thread.
    is_foreign: bool,
}

/// The lane of a worker of the global runtime, which waits for a caller that has no hub.
fn elsewhere(number: usize) -> io::Result<&'static LaneShared> {
    Ok(global::global()?.lane_for(number))
}

impl Watching {
    /// Whether an operation is worth trying now. Called after one that would have blocked.
    pub(crate) fn poll(
        &mut self,
        source: &Arc<Source>,
        direction: Direction,
        context: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(entered) = &self.entered
            && !entered.is_foreign
            && entered.waiter.is_of_waker(context.waker())
        {
            return self.poll_again(source, direction);
        }
        // The task that polls may be another one than before.
        let own = TaskRef::of_waker(context.waker()).map(|task| Waiter::new(task, Token::ANY));
        if self.entered.as_ref().is_some_and(|entered| own.is_some() || !entered.is_foreign) {
            self.leave(source, direction);
        }
        match own {
            // A task of this library is woken by the source itself.
            Some(own) => self.enter(source, direction, own, false),
            None => self.poll_as_foreign(source, direction, context),
        }
    }

    /// Polls for the green thread that has entered. If it was woken, it is not in the list any more.
    #[inline]
    fn poll_again(&mut self, source: &Arc<Source>, direction: Direction) -> Poll<io::Result<()>> {
        let Some(Entered { waiter, hub, .. }) = &self.entered else {
            unreachable!("it has entered")
        };
        match source.enter_again(direction, waiter, hub) {
            Ok(true) => Poll::Pending,
            other => {
                self.end();
                Poll::Ready(other.map(|_| ()))
            }
        }
    }

    fn poll_as_foreign(
        &mut self,
        source: &Arc<Source>,
        direction: Direction,
        context: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.entered.is_none() {
            let waiter = self.listener.get_or_insert_with(FutureParker::new).again();
            if let Poll::Ready(done) = self.enter(source, direction, waiter, true) {
                return Poll::Ready(done);
            }
        }
        let Some(listener) = &self.listener else { unreachable!("it was made with the waiter") };
        ready!(listener.poll(context));
        self.end();
        Poll::Ready(Ok(()))
    }

    /// Begins a wait. Pending if the waiter will be unparked.
    fn enter(
        &mut self,
        source: &Arc<Source>,
        direction: Direction,
        waiter: Waiter,
        is_foreign: bool,
    ) -> Poll<io::Result<()>> {
        let Some(hub) = source.enter(direction, &waiter, elsewhere)? else {
            return Poll::Ready(Ok(()));
        };
        // The hub may learn of what ends this wait, so its green threads are not stuck.
        hub.watching.fetch_add(1, Ordering::SeqCst);
        self.entered = Some(Entered { waiter, hub, is_foreign });
        Poll::Pending
    }

    fn end(&mut self) -> Option<Waiter> {
        let Entered { waiter, hub, .. } = self.entered.take()?;
        hub.watching.fetch_sub(1, Ordering::SeqCst);
        Some(waiter)
    }

    /// Ends the wait, if there is one.
    pub(crate) fn leave(&mut self, source: &Source, direction: Direction) {
        if let Some(waiter) = self.end() {
            source.leave(direction, &waiter);
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        debug_assert!(self.entered.is_none(), "it is left before it is dropped");
    }
}
