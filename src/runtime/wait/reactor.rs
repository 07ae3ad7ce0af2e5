//! Readiness: what the kernel has said of each descriptor, and who waits for it.
//!
//! A [`Source`] is one descriptor. It is registered when a green thread first has to wait for it, with the hub of that green
//! thread, for both directions at once and edge-triggered: one `epoll_ctl` in the life of a connection. What the kernel reports is
//! kept in sticky bits, so that an operation that is known to block is not even tried.
//!
//! A hub may be held up by what it runs, and green threads of another hub should not wait for that. So a source for which green
//! threads of several hubs wait is registered with each of these hubs. Each is told of each event; the first one wakes all who
//! wait. A hub whose green threads do not wait for the source any more drops its registration after a few events.
#![forbid(unsafe_code)]

use super::park::{self, Parker, Reason, Waiter, Wake};
use super::waker::put_off;
use crate::runtime::hub::local::HubShared;
use crate::runtime::instance;
use crate::runtime::lane::current;
use crate::runtime::lane::readiness::{
    READ_CLOSED, READABLE, Readiness, Seen, URGENT, WRITABLE, WRITE_CLOSED,
};
use crate::sys::poll::{self, Event, SourceRegistry};
use crate::sys::process;
use crate::util::slab::{Key, Slab};
use parking_lot::Mutex;
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

const UNBOUND: u32 = 0;
/// After how many events of a source that none of its green threads waits for a hub drops its registration.
const NEEDLESS: u32 = 8;

/// The function that ends the registration of a source's descriptor elsewhere, if there is one.
#[cfg(feature = "monkey")]
static LET_GO: std::sync::OnceLock<fn(&Source)> = std::sync::OnceLock::new();

/// Has `let_go` called when a source cannot be registered because another source for the same descriptor is: the owner of that one,
/// which does not own the descriptor, then ends it.
#[cfg(feature = "monkey")]
pub(crate) fn let_go_by(let_go: fn(&Source)) {
    let _ = LET_GO.set(let_go);
}

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
    fn bit(self) -> u64 {
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

    fn reason(self) -> Reason {
        match self {
            Self::Read => Reason::Readable,
            Self::Write => Reason::Writable,
        }
    }
}

/// Those who wait for one direction; nearly always there is none or one.
#[derive(Debug, Default)]
struct Waiters {
    first: Option<Waiter>,
    more: Vec<Waiter>,
}

impl Waiters {
    fn add(&mut self, waiter: Waiter) {
        if self.first.is_none() {
            self.first = Some(waiter);
        } else {
            self.more.push(waiter);
        }
    }

    fn remove(&mut self, is_own: impl Fn(&Waiter) -> bool) {
        if self.first.as_ref().is_some_and(&is_own) {
            self.first = self.more.pop();
        } else {
            self.more.retain(|waiter| !is_own(waiter));
        }
    }

    fn contain(&self, waiter: &Waiter) -> bool {
        self.first.iter().chain(&self.more).any(|other| other == waiter)
    }

    /// Whether any runs on that hub.
    fn has_any_of(&self, hub: &HubShared) -> bool {
        self.first.iter().chain(&self.more).any(|waiter| waiter.is_of(hub))
    }

    #[inline(always)]
    fn wake_all(&mut self) {
        if let Some(waiter) = self.first.take() {
            waiter.unpark();
            if !self.more.is_empty() {
                self.more.drain(..).for_each(|waiter| waiter.unpark());
            }
        }
    }
}

/// A registration with one hub.
#[derive(Debug)]
struct Home {
    hub: &'static HubShared,
    key: Key,
    /// Events since a green thread of that hub last waited.
    needless: u32,
}

/// The registrations of one source, one for each hub; nearly always there is none or one.
#[derive(Debug, Default)]
struct Homes {
    first: Option<Home>,
    more: Vec<Home>,
}

impl Homes {
    fn add(&mut self, home: Home) {
        if self.first.is_none() {
            self.first = Some(home);
        } else {
            self.more.push(home);
        }
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    fn find(&mut self, hub: &HubShared) -> Option<&mut Home> {
        self.first.iter_mut().chain(&mut self.more).find(|home| ptr::eq(home.hub, hub))
    }

    fn remove(&mut self, hub: &HubShared) -> Option<Home> {
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
pub(crate) struct Source {
    fd: RawFd,
    readiness: Readiness,
    /// In which process it is registered, see [`this_process`]; or [`UNBOUND`].
    bound: AtomicU32,
    homes: Mutex<Homes>,
    /// Whether there are several registrations.
    is_shared: AtomicBool,
    /// The hub of the green thread that waited last, which has one of the registrations. It is only compared.
    latest: AtomicPtr<HubShared>,
    readers: Mutex<Waiters>,
    writers: Mutex<Waiters>,
}

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

    fn waiters(&self, direction: Direction) -> &Mutex<Waiters> {
        match direction {
            Direction::Read => &self.readers,
            Direction::Write => &self.writers,
        }
    }

    /// Waits until the source may be ready; `false` if the deadline passed first. Suspends a green thread, blocks an OS thread.
    pub(crate) fn wait(
        self: &Arc<Self>,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<bool> {
        let Some(parker) = Parker::of_green_thread() else {
            return self.wait_as_os_thread(direction, deadline);
        };
        match self.park(&parker, direction, deadline, || false)? {
            Wake::Notified => Ok(true),
            Wake::TimedOut => Ok(false),
            Wake::Killed => park::raise_kill(),
        }
    }

    /// As [`wait`](Self::wait), for a green thread that must not unwind here. The wait also ends when `over` returns `true`: whoever
    /// makes that so calls [`wake_all`](Self::wake_all) afterwards.
    #[cfg(feature = "monkey")]
    pub(crate) fn wait_quietly(
        self: &Arc<Self>,
        direction: Direction,
        deadline: Option<Instant>,
        over: impl FnOnce() -> bool,
    ) -> io::Result<Wake> {
        match Parker::of_green_thread() {
            Some(parker) => self.park(&parker, direction, deadline, over),
            None => Ok(Wake::Notified),
        }
    }

    #[inline]
    fn park(
        self: &Arc<Self>,
        parker: &Parker,
        direction: Direction,
        deadline: Option<Instant>,
        over: impl FnOnce() -> bool,
    ) -> io::Result<Wake> {
        self.bind()?;
        self.waiters(direction).lock().add(parker.waiter());
        // Those who set the bit, or end the registration, look for waiters afterwards.
        if self.may_be_ready(direction, self.look()) || over() {
            self.waiters(direction).lock().remove(|waiter| parker.made(waiter));
            return Ok(Wake::Notified);
        }
        current::with_hub(|hub| hub.count_for_readiness(1));
        let wake = parker.park(direction.reason(), deadline);
        current::with_hub(|hub| hub.count_for_readiness(-1));
        if wake != Wake::Notified {
            self.waiters(direction).lock().remove(|waiter| parker.made(waiter));
        }
        Ok(wake)
    }

    /// Begins a wait by a future, see [`Watching`](crate::runtime::watching::Watching). Returns `None` if the source may be ready, otherwise
    /// the hub that will unpark the waiter.
    pub(in crate::runtime) fn enter(
        self: &Arc<Self>,
        direction: Direction,
        waiter: &Waiter,
    ) -> io::Result<Option<&'static HubShared>> {
        // If the caller has no hub, one of the global runtime's waits for it.
        let own = current::with_hub(|hub| {
            hub.await_readiness(hub.shared());
            hub.shared()
        });
        let hub = match own {
            Some(hub) => hub,
            None => instance::global()?.hub_for(self.fd.unsigned_abs() as usize),
        };
        self.bind_to(hub)?;
        self.waiters(direction).lock().add(waiter.clone());
        if self.may_be_ready(direction, self.look()) {
            self.leave(direction, waiter);
            return Ok(None);
        }
        Ok(Some(hub))
    }

    /// As [`enter`](Self::enter), for one who has entered before and may still be there. `false` if the source may be ready.
    pub(in crate::runtime) fn enter_again(
        self: &Arc<Self>,
        direction: Direction,
        waiter: &Waiter,
        hub: &'static HubShared,
    ) -> io::Result<bool> {
        if !current::with_hub(|own| own.await_readiness(hub)).unwrap_or(false) {
            // Whether that one still watches is not known.
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

    /// Ends what [`enter`](Self::enter) began.
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
            poll::wait_fd(self.fd, direction == Direction::Write, deadline)
        })?;
        if ready {
            // A hub that has the source may be busy and not know yet, and without the bit nothing would be tried. As an event that
            // finds the bit set wakes nobody, waiters have to be woken here.
            self.readiness.set(direction.bit());
            let _later = put_off();
            self.waiters(direction).lock().wake_all();
        }
        Ok(ready)
    }

    /// Registers with the hub of the calling green thread, unless that has been done already.
    #[inline]
    fn bind(self: &Arc<Self>) -> io::Result<()> {
        current::with_hub(|hub| hub.shared()).map_or(Ok(()), |hub| self.bind_to(hub))
    }

    #[inline]
    fn bind_to(self: &Arc<Self>, hub: &'static HubShared) -> io::Result<()> {
        let is_latest = ptr::eq(self.latest.load(Ordering::Relaxed), hub);
        if is_latest && self.bound.load(Ordering::Acquire) == this_process() {
            return Ok(());
        }
        self.bind_with(hub)
    }

    #[cold]
    fn bind_with(self: &Arc<Self>, hub: &'static HubShared) -> io::Result<()> {
        let mut homes = self.homes.lock();
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
                    Ok(key) => homes.add(Home { hub, key, needless: 0 }),
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

    fn register(self: &Arc<Self>, hub: &HubShared) -> io::Result<Key> {
        let added = hub.sources.add(self);
        #[cfg(feature = "monkey")]
        if let Err(error) = &added
            && error.kind() == io::ErrorKind::AlreadyExists
            && let Some(let_go) = LET_GO.get()
        {
            let_go(self);
            return hub.sources.add(self);
        }
        added
    }

    /// The descriptor.
    #[cfg(feature = "monkey")]
    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Ends the registrations. To be called while the descriptor is still open.
    pub(crate) fn unbind(&self) {
        // In a forked child the epoll instance is the parent's, and the locks are as the threads of the parent left them.
        if self.bound.load(Ordering::SeqCst) != this_process() {
            return;
        }
        let mut homes = self.homes.lock();
        self.bound.store(UNBOUND, Ordering::SeqCst);
        let Homes { first, more } = std::mem::take(&mut *homes);
        for home in first.into_iter().chain(more) {
            home.hub.sources.remove(home.key, self.fd);
        }
    }

    /// Called when a hub that it was registered with has ended.
    fn hub_ended(&self, hub: &HubShared) {
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
    fn let_go(&self, hub: &HubShared) {
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

    /// Ends all waits.
    pub(crate) fn wake_all(&self) {
        self.readers.lock().wake_all();
        self.writers.lock().wake_all();
    }

    /// Sets the bits of an event, and wakes those who wait for bits that were not set before. For others nobody waits: whoever
    /// clears a bit does so for what it saw before this event, so the bit stays, and whoever is about to wait looks at it once
    /// more.
    #[inline]
    fn on_event(&self, event: Event) {
        let bits = u64::from(event.bits);
        let before = self.readiness.event(bits);
        for direction in [Direction::Read, Direction::Write] {
            if bits & direction.bits() != 0 && !before.has(direction.bits()) {
                self.waiters(direction).lock().wake_all();
            }
        }
    }
}

/// The sources registered with one hub.
#[derive(Debug)]
pub(crate) struct Sources {
    registry: Mutex<Option<SourceRegistry>>,
    slab: Mutex<Slab<Arc<Source>>>,
    len: AtomicUsize,
}

impl Sources {
    pub(crate) fn new() -> Self {
        Self { registry: Mutex::new(None), slab: Mutex::new(Slab::new()), len: AtomicUsize::new(0) }
    }

    pub(crate) fn open(&self, registry: SourceRegistry) {
        *self.registry.lock() = Some(registry);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    fn add(&self, source: &Arc<Source>) -> io::Result<Key> {
        let key = self.slab.lock().insert(Arc::clone(source));
        let added = match &*self.registry.lock() {
            Some(registry) => registry.add(source.fd, key.to_usize()),
            None => Err(io::Error::other("the runtime of this green thread has ended")),
        };
        match added {
            Ok(()) => {
                self.len.fetch_add(1, Ordering::Relaxed);
                Ok(key)
            }
            Err(error) => {
                self.slab.lock().remove(key);
                Err(error)
            }
        }
    }

    fn remove(&self, key: Key, fd: RawFd) {
        if self.slab.lock().remove(key).is_none() {
            return;
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        if let Some(registry) = &*self.registry.lock() {
            // This fails only if the descriptor was closed behind our back, which removed it as well.
            let _ = registry.remove(fd);
        }
    }

    /// Called by `hub`, whose sources these are.
    pub(crate) fn dispatch(&self, hub: &HubShared, events: impl Iterator<Item = Event>) {
        let mut shared = Vec::new();
        let slab = self.slab.lock();
        for event in events {
            if let Some(source) = slab.get(Key::from_usize(event.token)) {
                source.on_event(event);
                if source.is_shared.load(Ordering::Relaxed) {
                    shared.push(Arc::clone(source));
                }
            }
        }
        drop(slab);
        for source in shared {
            source.let_go(hub);
        }
    }

    /// Called when the hub, whose sources these are, ends: they register elsewhere when somebody next waits for them.
    pub(crate) fn close(&self, hub: &HubShared) {
        self.registry.lock().take();
        let sources = self.slab.lock().drain();
        self.len.store(0, Ordering::Relaxed);
        for source in sources {
            source.hub_ended(hub);
        }
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

    /// Somebody looks, is held up while the hub ends and another learns the same, and only then says that it would block.
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
