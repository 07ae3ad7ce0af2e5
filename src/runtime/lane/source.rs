//! What the kernel has said of each descriptor, and who waits for it.
//!
//! A [`Source`] is one descriptor. It is registered when a green thread first has to wait for it, with the hub of that green
//! thread, for both directions at once and edge-triggered: one `epoll_ctl` in the life of a connection. What the kernel reports is
//! kept in sticky bits, so that an operation that is known to block is not even tried.
//!
//! A hub may be held up by what it runs, and green threads of another hub should not wait for that. So a source for which green
//! threads of several hubs wait is registered with each of these hubs. Each is told of each event; the first one wakes all who
//! wait. A hub whose green threads do not wait for the source any more drops its registration after a few events.
#![forbid(unsafe_code)]

use super::readiness::{READ_CLOSED, READABLE, Readiness, Seen, URGENT, WRITABLE, WRITE_CLOSED};
use super::rival;
use super::shared::LaneShared;
use crate::runtime::task::foreign::put_off;
use crate::runtime::task::{Reason, Waiter};
use crate::sys::poll::PollEvent;
use crate::sys::prefetch::prefetch;
use crate::sys::process;
use crate::util::lock::Mutex;
use crate::util::slab::SlabKey;
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

const UNBOUND: u32 = 0;
/// After how many events of a source that none of its green threads waits for a hub drops its registration.
const NEEDLESS: u32 = 8;

/// This process as a number above [`UNBOUND`].
fn this_process() -> u32 {
    process::generation() + 1
}

/// Which way data flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    pub(in crate::runtime) fn bit(self) -> u64 {
        match self {
            Self::Read => READABLE,
            Self::Write => WRITABLE,
        }
    }

    fn closed_bit(self) -> u64 {
        match self {
            Self::Read => READ_CLOSED,
            Self::Write => WRITE_CLOSED,
        }
    }

    /// The bits that make an operation worth trying.
    fn bits(self) -> u64 {
        self.bit() | self.closed_bit()
    }

    pub(in crate::runtime) fn reason(self) -> Reason {
        match self {
            Self::Read => Reason::Readable,
            Self::Write => Reason::Writable,
        }
    }
}

/// Those who wait for one direction; nearly always there is none or one.
///
/// The header of a task (`Completion`) and the futures of executors (`Interested`) also keep the first and put what else there may be
/// behind a pointer. These differ in what that is: here waiters only, there callbacks, watchers and more in one allocation with the
/// others. A common type would need a second one in those.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Waiters {
    first: Option<Waiter>,
    /// Behind a pointer, so that it takes a single word where there are none.
    #[allow(clippy::box_collection)]
    more: Option<Box<Vec<Waiter>>>,
}

impl Waiters {
    #[inline(always)]
    pub(in crate::runtime) fn add(&mut self, waiter: Waiter) {
        if self.first.is_none() {
            self.first = Some(waiter);
        } else {
            self.more.get_or_insert_default().push(waiter);
        }
    }

    pub(in crate::runtime) fn remove(&mut self, is_own: impl Fn(&Waiter) -> bool) {
        if self.first.as_ref().is_some_and(&is_own) {
            self.first = self.more.as_mut().and_then(|more| more.pop());
        } else if let Some(more) = &mut self.more {
            more.retain(|waiter| !is_own(waiter));
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.first.iter().chain(self.more.iter().flat_map(|more| more.iter()))
    }

    pub(in crate::runtime) fn contain(&self, waiter: &Waiter) -> bool {
        self.iter().any(|other| other == waiter)
    }

    /// Whether any runs on that hub.
    fn has_any_of(&self, hub: &LaneShared) -> bool {
        self.iter().any(|waiter| waiter.is_of(&hub.mailbox))
    }

    #[inline(always)]
    pub(in crate::runtime) fn wake_all(&mut self) {
        self.take_all(|waiter| waiter.unpark());
    }

    #[inline(always)]
    fn take_all(&mut self, mut wake: impl FnMut(Waiter)) {
        if let Some(waiter) = self.first.take() {
            wake(waiter);
            if let Some(more) = &mut self.more {
                more.drain(..).for_each(wake);
            }
        }
    }
}

/// A registration with one hub.
#[derive(Debug)]
struct SourceHome {
    hub: &'static LaneShared,
    key: SlabKey,
    /// Events since a green thread of that hub last waited.
    needless: u32,
}

/// The registrations of one source, one for each hub; nearly always there is none or one.
#[derive(Debug, Default)]
struct Homes {
    first: Option<SourceHome>,
    more: Vec<SourceHome>,
}

impl Homes {
    fn add(&mut self, home: SourceHome) {
        if self.first.is_none() {
            self.first = Some(home);
        } else {
            self.more.push(home);
        }
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    fn find(&mut self, hub: &LaneShared) -> Option<&mut SourceHome> {
        self.first.iter_mut().chain(&mut self.more).find(|home| ptr::eq(home.hub, hub))
    }

    fn remove(&mut self, hub: &LaneShared) -> Option<SourceHome> {
        if self.first.as_ref().is_some_and(|home| ptr::eq(home.hub, hub)) {
            let next = self.more.pop();
            return std::mem::replace(&mut self.first, next);
        }
        let at = self.more.iter().position(|home| ptr::eq(home.hub, hub))?;
        Some(self.more.swap_remove(at))
    }
}

/// One descriptor as the hubs know it. Whoever owns the descriptor calls [`Source::unbind`] before closing it.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Source {
    // What an event and a read touch is in one cache line.
    readiness: Readiness,
    /// The hub of the green thread that waited last, which has one of the registrations. It is only compared.
    latest: AtomicPtr<LaneShared>,
    /// In which process it is registered, see [`this_process`]; or [`UNBOUND`], or `rival::RETIRED`.
    bound: AtomicU32,
    /// Whether there are several registrations.
    is_shared: AtomicBool,
    readers: Mutex<Waiters>,
    fd: RawFd,
    writers: Mutex<Waiters>,
    homes: Mutex<Homes>,
}

// loom's atomics are larger.
#[cfg(not(loom))]
const _: () = assert!(std::mem::offset_of!(Source, fd) <= 64);

impl Source {
    pub(crate) fn new(fd: RawFd) -> Arc<Self> {
        Arc::new(Self {
            fd,
            readiness: Readiness::default(),
            bound: AtomicU32::new(UNBOUND),
            homes: Mutex::default(),
            is_shared: AtomicBool::new(false),
            latest: AtomicPtr::new(ptr::null_mut()),
            readers: Mutex::default(),
            writers: Mutex::default(),
        })
    }

    /// What is known now. It is taken before an operation and given to [`would_block`](Self::would_block) after it.
    #[inline]
    pub(crate) fn look(&self) -> Seen {
        self.readiness.look()
    }

    /// Whether an operation is worth trying: the kernel has said so, or has not been asked yet.
    #[inline]
    pub(crate) fn may_be_ready(&self, direction: Direction, seen: Seen) -> bool {
        seen.has(direction.bits()) || self.bound.load(Ordering::Relaxed) == UNBOUND
    }

    /// Notes that an operation that began after `seen` would have blocked.
    #[inline]
    pub(crate) fn would_block(&self, direction: Direction, seen: Seen) {
        self.readiness.clear(direction.bits(), seen);
    }

    /// Notes that an operation that began after `seen` got less than it asked for, so that the next one would block. That is not
    /// so at the end of a connection, where the end of file follows, nor if urgent data has come, behind which more follows.
    #[inline]
    pub(crate) fn came_up_short(&self, direction: Direction, seen: Seen) {
        if !seen.has(direction.closed_bit() | URGENT)
            && self.bound.load(Ordering::Relaxed) != UNBOUND
        {
            self.would_block(direction, seen);
        }
    }

    pub(in crate::runtime) fn waiters(&self, direction: Direction) -> &Mutex<Waiters> {
        match direction {
            Direction::Read => &self.readers,
            Direction::Write => &self.writers,
        }
    }

    #[inline]
    pub(in crate::runtime) fn bind_to(
        self: &Arc<Self>,
        hub: &'static LaneShared,
    ) -> io::Result<()> {
        let is_latest = ptr::eq(self.latest.load(Ordering::Relaxed), hub);
        if is_latest && self.bound.load(Ordering::Acquire) == this_process() {
            return Ok(());
        }
        self.bind_with(hub)
    }

    #[cold]
    fn bind_with(self: &Arc<Self>, hub: &'static LaneShared) -> io::Result<()> {
        let mut homes = self.homes.lock();
        rival::check(self.bound.load(Ordering::SeqCst))?;
        if self.bound.load(Ordering::SeqCst) != this_process() {
            // The registrations are the parent's.
            *homes = Homes::default();
        }
        match homes.find(hub) {
            Some(home) => home.needless = 0,
            None => {
                let is_first = homes.len() == 0;
                if is_first {
                    self.readiness.restart();
                }
                // Registering reports all that is ready, also what another hub has been told of and has not looked at yet.
                match self.register(hub) {
                    Ok(key) => homes.add(SourceHome { hub, key, needless: 0 }),
                    Err(error) if is_first => return Err(error),
                    // The other registrations will do, as long as their hubs are not held up.
                    Err(_) => return Ok(()),
                }
            }
        }
        self.is_shared.store(homes.len() > 1, Ordering::Relaxed);
        self.latest.store(ptr::from_ref(hub).cast_mut(), Ordering::Relaxed);
        self.bound.store(this_process(), Ordering::SeqCst);
        Ok(())
    }

    fn register(self: &Arc<Self>, hub: &LaneShared) -> io::Result<SlabKey> {
        match hub.sources.add(self) {
            Err(error) if rival::lets_go(self, &error) => hub.sources.add(self),
            added => added,
        }
    }

    /// The descriptor.
    #[inline]
    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Ends the registrations. To be called while the descriptor is still open.
    pub(crate) fn unbind(&self) {
        // In a forked child the epoll instance is the parent's, and the locks are as the threads of the parent left them.
        if self.bound.load(Ordering::SeqCst) != this_process() {
            return;
        }
        self.end_registrations(UNBOUND);
    }

    pub(super) fn end_registrations(&self, next: u32) {
        let mut homes = self.homes.lock();
        self.bound.store(next, Ordering::SeqCst);
        let Homes { first, more } = std::mem::take(&mut *homes);
        for home in first.into_iter().chain(more) {
            home.hub.sources.remove(home.key, self.fd);
        }
    }

    /// Called when a hub that it was registered with has ended.
    pub(in crate::runtime) fn hub_ended(&self, hub: &LaneShared) {
        let mut homes = self.homes.lock();
        if homes.remove(hub).is_none() {
            return;
        }
        self.is_shared.store(homes.len() > 1, Ordering::Relaxed);
        let own = ptr::from_ref(hub).cast_mut();
        let none = ptr::null_mut();
        let _ = self.latest.compare_exchange(own, none, Ordering::Relaxed, Ordering::Relaxed);
        if homes.len() == 0 {
            self.bound.store(UNBOUND, Ordering::SeqCst);
            drop(homes);
            let _later = put_off();
            self.wake_all();
        }
    }

    /// Called when `hub`, the caller's, has been told of an event of a source that other hubs have too: drops the registration if
    /// the hub was told a few times for nothing.
    #[cold]
    pub(in crate::runtime) fn let_go(&self, hub: &LaneShared) {
        let mut homes = self.homes.lock();
        if homes.len() < 2 || ptr::eq(self.latest.load(Ordering::Relaxed), hub) {
            return;
        }
        let Some(home) = homes.find(hub) else { return };
        home.needless += 1;
        if home.needless < NEEDLESS {
            return;
        }
        home.needless = 0;
        // No green thread of the hub is just about to wait either, as it would run on this OS thread.
        let directions = [Direction::Read, Direction::Write];
        if directions.iter().any(|direction| self.waiters(*direction).lock().has_any_of(hub)) {
            return;
        }
        if let Some(home) = homes.remove(hub) {
            hub.sources.remove(home.key, self.fd);
        }
        self.is_shared.store(homes.len() > 1, Ordering::Relaxed);
    }

    /// Whether several hubs have it.
    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    /// Notes that it may be ready in that direction, and ends the waits for that. For a caller that has asked the system itself.
    #[cold]
    pub(in crate::runtime) fn found_ready(&self, direction: Direction) {
        // A hub that has the source may be busy and not know yet, and without the bit nothing would be tried. As an event that
        // finds the bit set wakes nobody, waiters have to be woken here.
        self.readiness.set(direction.bit());
        let _later = put_off();
        self.waiters(direction).lock().wake_all();
    }

    /// Ends all waits.
    pub(crate) fn wake_all(&self) {
        self.readers.lock().wake_all();
        self.writers.lock().wake_all();
    }

    /// Sets the bits of an event, and hands out, to be woken, those who wait for bits that were not set before. Nobody waits for bits
    /// that were set already: whoever clears a bit does so for what it saw before this event, so the bit stays, and whoever is about
    /// to wait looks at it once more.
    #[inline]
    pub(in crate::runtime) fn on_event(&self, event: PollEvent, mut wake: impl FnMut(Waiter)) {
        let bits = u64::from(event.bits());
        let before = self.readiness.event(bits);
        let is_news =
            |direction: Direction| bits & direction.bits() != 0 && !before.has(direction.bits());
        if is_news(Direction::Read) {
            self.readers.lock().take_all(&mut wake);
        }
        if is_news(Direction::Write) {
            self.wake_writers(wake);
        }
    }

    /// A function of its own, so that it does not slow down the more frequent events, those that say that something can be read.
    #[cold]
    #[inline(never)]
    fn wake_writers(&self, wake: impl FnMut(Waiter)) {
        self.writers.lock().take_all(wake);
    }

    /// Asks for the memory that an event and a read touch.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        prefetch(self);
    }
}
