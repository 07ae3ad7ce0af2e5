//! Waiting for readiness. The state of readiness is in `lane/source.rs`.
#![forbid(unsafe_code)]

use super::park::{self, Parker, Waiter, Wake};
use crate::runtime::lane::current;
use crate::runtime::lane::shared::LaneShared;
use crate::sys::poll;
use std::io;
use std::sync::Arc;
use std::time::Instant;

pub(crate) use crate::runtime::lane::source::{Direction, Source};

impl Source {
    /// Waits until the source may be ready; `false` if the deadline passed first. Suspends a green thread, blocks an OS thread.
    pub(crate) fn wait(
        self: &Arc<Self>,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<bool> {
        match Parker::of_calm_green_thread() {
            Some(parker) => self.wait_by(&parker, direction, deadline),
            None => self.wait_anyhow(direction, deadline),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_anyhow(
        self: &Arc<Self>,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<bool> {
        match Parker::of_green_thread() {
            Some(parker) => self.wait_by(&parker, direction, deadline),
            None => self.wait_as_os_thread(direction, deadline),
        }
    }

    #[inline(always)]
    fn wait_by(
        self: &Arc<Self>,
        parker: &Parker,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<bool> {
        match self.park(parker, direction, deadline, || false)? {
            Wake::Notified => Ok(true),
            Wake::TimedOut => Ok(false),
            Wake::Killed => park::raise_kill(),
        }
    }

    #[inline(always)]
    pub(super) fn park(
        self: &Arc<Self>,
        parker: &Parker,
        direction: Direction,
        deadline: Option<Instant>,
        over: impl FnOnce() -> bool,
    ) -> io::Result<Wake> {
        self.bind()?;
        self.waiters(direction).lock().add(parker.waiter());
        // Whoever sets the bit, or ends the registration, looks for waiters afterwards.
        if self.may_be_ready(direction, self.look()) || over() {
            self.waiters(direction).lock().remove(|waiter| parker.made(waiter));
            return Ok(Wake::Notified);
        }
        current::with_lane(|lane| lane.count_for_readiness(1));
        let wake = parker.park_here(direction.reason(), deadline);
        current::with_lane(|lane| lane.count_for_readiness(-1));
        if wake != Wake::Notified {
            self.waiters(direction).lock().remove(|waiter| parker.made(waiter));
        }
        Ok(wake)
    }

    /// Begins a wait of a future. Returns `None` if the source may be ready, otherwise the lane whose hub will unpark
    /// the waiter. If the caller has no lane, `elsewhere` gives one for the number of the descriptor.
    pub(in crate::runtime) fn enter(
        self: &Arc<Self>,
        direction: Direction,
        waiter: &Waiter,
        elsewhere: impl FnOnce(usize) -> io::Result<&'static LaneShared>,
    ) -> io::Result<Option<&'static LaneShared>> {
        let own = current::with_lane(|lane| {
            lane.await_readiness(lane.shared());
            lane.shared()
        });
        let hub = match own {
            Some(hub) => hub,
            None => elsewhere(self.fd().unsigned_abs() as usize)?,
        };
        self.bind_to(hub)?;
        self.waiters(direction).lock().add(waiter.clone());
        if self.may_be_ready(direction, self.look()) {
            self.leave(direction, waiter);
            return Ok(None);
        }
        Ok(Some(hub))
    }

    /// Like [`enter`](Self::enter), for one that has entered before and may still be in the list. Returns `false` if
    /// the source may be ready.
    pub(in crate::runtime) fn enter_again(
        self: &Arc<Self>,
        direction: Direction,
        waiter: &Waiter,
        hub: &'static LaneShared,
    ) -> io::Result<bool> {
        if !current::with_lane(|own| own.await_readiness(hub)).unwrap_or(false) {
            // The caller is not on the OS thread of that hub, and does not know whether the hub still has the source registered.
            return Ok(self.waiters(direction).lock().contain(waiter));
        }
        if self.waiters(direction).lock().contain(waiter) {
            return Ok(true);
        }
        self.bind_to(hub)?;
        self.waiters(direction).lock().add(waiter.clone());
        let may_be_ready = self.may_be_ready(direction, self.look());
        if may_be_ready {
            self.leave(direction, waiter);
        }
        Ok(!may_be_ready)
    }

    /// Ends a wait that [`enter`](Self::enter) began.
    pub(in crate::runtime) fn leave(&self, direction: Direction, waiter: &Waiter) {
        self.waiters(direction).lock().remove(|other| other == waiter);
    }

    #[cold]
    fn wait_as_os_thread(
        &self,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<bool> {
        let ready = park::block_os_thread(deadline, |deadline| {
            poll::wait_fd(self.fd(), direction == Direction::Write, deadline)
        })?;
        if ready {
            self.found_ready(direction);
        }
        Ok(ready)
    }

    /// Registers with the hub of the calling green thread, unless it is registered there already.
    #[inline]
    fn bind(self: &Arc<Self>) -> io::Result<()> {
        current::with_lane(|lane| lane.shared()).map_or(Ok(()), |hub| self.bind_to(hub))
    }
}

#[cfg(test)]
mod tests {
    use super::{Direction, Source};
    use crate::runtime::Runtime;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    /// A green thread looks and is held up, meanwhile the hub ends and another learns the same, and only then the first
    /// says that it would block.
    #[test]
    fn what_was_seen_before_a_hub_ended_says_nothing_of_the_next() {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        peer.write_all(b"x").unwrap();
        let source = Source::new(socket.as_raw_fd());
        let first = Arc::clone(&source);
        let see = move || {
            assert!(first.wait(Direction::Read, None).unwrap());
            first.look()
        };
        let before = Runtime::new_current_thread().unwrap().run_local(see).unwrap();
        let again = Arc::clone(&source);
        let is_kept = move || {
            assert!(again.wait(Direction::Read, None).unwrap());
            again.would_block(Direction::Read, before);
            again.may_be_ready(Direction::Read, again.look())
        };
        assert!(Runtime::new_current_thread().unwrap().run_local(is_kept).unwrap());
        source.unbind();
    }
}
