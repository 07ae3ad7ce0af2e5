//! What the kernel has said of each descriptor, and who waits for it.
//!
//! A [`Source`] stands for one descriptor. When a green thread first has to wait for it, it is registered with the hub
//! of that green thread, for both directions at once and edge-triggered: one `epoll_ctl` in the life of a connection.
//! What the kernel reports is kept as sticky bits, so that an operation that is known to block is not even tried.
//!
//! What a hub runs may hold it up, and green threads of another hub should not wait for that. So if green threads of
//! several hubs wait for a source, it is registered with each of these hubs. Each of them is told of each event, and
//! the first one wakes all who wait. A hub whose green threads do not wait for the source any more drops its
//! registration after a few events.
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
/// A hub drops its registration of a source after this many events for which none of its green threads waited.
const NEEDLESS: u32 = 8;

/// A number for this process, above [`UNBOUND`].
fn this_process() -> u32 {
    process::generation() + 1
}

/// The direction in which data flows.
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

    /// The bits that make an operation in this direction worth trying.
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

/// Those who wait for one direction; nearly always none or one.
///
/// The header of a task (`Completion`) and the futures of executors (`Interested`) also keep the first and put the rest
/// behind a pointer. They differ in what the rest is: here only waiters, there callbacks, watchers and more in one
/// allocation. A common type would need a second allocation there.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Waiters {
    first: Option<Waiter>,
    /// It is behind a pointer, so that it takes a single word where it is empty.
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

    /// Whether any of them runs on that hub.
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
    /// How many events came since a green thread of that hub last waited.
    needless: u32,
}

/// The registrations of one source, one for each hub; nearly always none or one.
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

/// A descriptor as the hubs know it. The owner of the descriptor calls [`Source::unbind`] before closing it.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Source {
    // The fields that an event and a read touch are in one cache line.
    readiness: Readiness,
    /// The hub of the green thread that waited last, which has one of the registrations. The pointer is only compared.
    latest: AtomicPtr<LaneShared>,
    /// The process in which it is registered, see [`this_process`]; or [`UNBOUND`], or `rival::RETIRED`.
    bound: AtomicU32,
    /// Whether there are several registrations.
    is_shared: AtomicBool,
    readers: Mutex<Waiters>,
    fd: RawFd,
    writers: Mutex<Waiters>,
    homes: Mutex<Homes>,
}

// loom's atomics are larger, so this holds without loom only.
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

    /// What is known now. It is taken before an operation, and passed to [`would_block`](Self::would_block) after it.
    #[inline]
    pub(crate) fn look(&self) -> Seen {
        self.readiness.look()
    }

    /// Whether an operation is worth trying, as the kernel has said so or has not been asked yet.
    #[inline]
    pub(crate) fn may_be_ready(&self, direction: Direction, seen: Seen) -> bool {
        seen.has(direction.bits()) || self.bound.load(Ordering::Relaxed) == UNBOUND
    }

    /// Notes that an operation that began after `seen` would have blocked.
    #[inline]
    pub(crate) fn would_block(&self, direction: Direction, seen: Seen) {
        self.readiness.clear(direction.bits(), seen);
    }

    /// Notes that an operation that began after `seen` got less than it asked for, so that the next one would block.
    /// That does not hold at the end of a connection, where the end of file follows, nor if urgent data has come, after
    /// which more follows.
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
            // The registrations are those of the parent process.
            *homes = Homes::default();
        }
        match homes.find(hub) {
            Some(home) => home.needless = 0,
            None => {
                let is_first = homes.len() == 0;
                if is_first {
                    self.readiness.restart();
                }
                // Registering reports all that is ready, even what another hub has been told of and has not looked at
                // yet.
                match self.register(hub) {
                    Ok(key) => homes.add(SourceHome { hub, key, needless: 0 }),
                    Err(error) if is_first => return Err(error),
                    // The other registrations suffice, as long as their hubs are not held up.
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

    /// Ends the registrations. To be called before the descriptor is closed.
    pub(crate) fn unbind(&self) {
        // In a forked child the epoll instance is the parent's, and threads of the parent may have left the locks held.
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

    /// Called when a hub has ended with which it was registered.
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

    /// Called when `hub`, on which the caller runs, has been told of an event of a source that other hubs have
    /// registered too. Drops the hub's registration if it was told a few times in vain.
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
        // Nor is a green thread of the hub just about to wait, as it would run on this OS thread.
        let directions = [Direction::Read, Direction::Write];
        if directions.iter().any(|direction| self.waiters(*direction).lock().has_any_of(hub)) {
            return;
        }
        if let Some(home) = homes.remove(hub) {
            hub.sources.remove(home.key, self.fd);
        }
        self.is_shared.store(homes.len() > 1, Ordering::Relaxed);
    }

    /// Whether several hubs have it registered.
    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    /// Notes that it may be ready in that direction, and ends the waits for that. For a caller that has asked the
    /// system itself.
    #[cold]
    pub(in crate::runtime) fn found_ready(&self, direction: Direction) {
        // A hub with which the source is registered may be busy and not know it yet, and without the bit nothing would
        // be tried. Waiters have to be woken here, as an event that finds the bit set wakes nobody.
        self.readiness.set(direction.bit());
        let _later = put_off();
        self.waiters(direction).lock().wake_all();
    }

    /// Ends all waits.
    pub(crate) fn wake_all(&self) {
        self.readers.lock().wake_all();
        self.writers.lock().wake_all();
    }

    /// Sets the bits of an event, and passes those to `wake` who wait for bits that were not set before. Nobody waits
    /// for bits that were set already: whoever clears a bit does so for what it saw before this event, so the bit
    /// stays; and whoever is about to wait looks at it once more.
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

    /// It is a function of its own, so that it does not slow down the more frequent events, which say that something
    /// can be read.
    #[cold]
    #[inline(never)]
    fn wake_writers(&self, wake: impl FnMut(Waiter)) {
        self.writers.lock().take_all(wake);
    }

    /// Prefetches the memory that an event and a read touch.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        prefetch(self);
    }
}
