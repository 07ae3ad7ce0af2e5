//! The sources registered with one hub.
#![forbid(unsafe_code)]

use super::local::Lane;
use super::shared::LaneShared;
use super::source::Source;
use crate::runtime::task::Waiter;
use crate::sys::poll::{PollEvent, SourceRegistry};
use crate::util::lock::Mutex;
use crate::util::slab::{Slab, SlabKey};
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many events prefetch their memory together.
const TOGETHER: usize = 16;

#[derive(Debug)]
struct Entries {
    slab: Slab<Arc<Source>>,
    /// Those whom a few events wake. It is empty outside of [`Sources::dispatch`], which would otherwise make and drop
    /// it each time.
    woken: [Option<Waiter>; TOGETHER],
    /// The sources whose events other hubs have received too. It is also empty outside of `dispatch`.
    shared: Vec<Arc<Source>>,
}

/// The sources registered with one hub.
#[derive(Debug)]
pub(crate) struct Sources {
    registry: Mutex<Option<SourceRegistry>>,
    entries: Mutex<Entries>,
    len: AtomicUsize,
}

impl Sources {
    pub(crate) fn new() -> Self {
        let woken = [const { None }; TOGETHER];
        let entries = Entries { slab: Slab::new(), woken, shared: Vec::new() };
        Self { registry: Mutex::new(None), entries: Mutex::new(entries), len: AtomicUsize::new(0) }
    }

    pub(crate) fn open(&self, registry: SourceRegistry) {
        *self.registry.lock() = Some(registry);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    /// Whether the kernel has something to report that the hub has not fetched.
    pub(crate) fn has_news(&self) -> bool {
        self.registry.lock().as_ref().is_some_and(SourceRegistry::has_news)
    }

    pub(super) fn add(&self, source: &Arc<Source>) -> io::Result<SlabKey> {
        let key = self.entries.lock().slab.insert(Arc::clone(source));
        let added = match &*self.registry.lock() {
            Some(registry) => registry.add(source.fd(), key.to_usize()),
            None => Err(io::Error::other("the runtime of this green thread has ended")),
        };
        match added {
            Ok(()) => {
                self.len.fetch_add(1, Ordering::Relaxed);
                Ok(key)
            }
            Err(error) => {
                self.entries.lock().slab.remove(key);
                Err(error)
            }
        }
    }

    pub(super) fn remove(&self, key: SlabKey, fd: RawFd) {
        if self.entries.lock().slab.remove(key).is_none() {
            return;
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        if let Some(registry) = &*self.registry.lock() {
            // This fails only if the descriptor was closed behind our back, which ended the registration as well.
            let _ = registry.remove(fd);
        }
    }

    /// Called by the hub of `lane`, whose sources these are. Events with other tokens find no source.
    ///
    /// With a thousand connections none of this is in the processor's caches. So the sources of several events are
    /// prefetched together, and then the tasks that are to be woken.
    pub(crate) fn dispatch(&self, lane: &Lane, events: &[PollEvent]) {
        let mut entries = self.entries.lock();
        let Entries { slab, woken, shared } = &mut *entries;
        for some in events.chunks(TOGETHER) {
            let mut sources = [None; TOGETHER];
            for (place, event) in sources.iter_mut().zip(some) {
                *place = slab.get(SlabKey::from_usize(event.token()));
                if let Some(source) = place {
                    source.prefetch();
                }
            }
            let mut count = 0;
            for (source, event) in sources.iter().zip(some) {
                let Some(source) = source else { continue };
                source.on_event(*event, |waiter: Waiter| {
                    let Some(place) = woken.get_mut(count) else { return waiter.unpark() };
                    waiter.prefetch();
                    *place = Some(waiter);
                    count += 1;
                });
                if source.is_shared() {
                    shared.push(Arc::clone(source));
                }
            }
            for place in woken.iter_mut().take(count) {
                if let Some(waiter) = place.take() {
                    waiter.unpark_from(lane.here());
                }
            }
        }
        if shared.is_empty() {
            return;
        }
        let shared = std::mem::take(shared);
        drop(entries);
        for source in shared {
            source.let_go(lane.shared());
        }
    }

    /// Called when the hub ends whose sources these are. They are registered with another hub when somebody next waits
    /// for them.
    pub(crate) fn close(&self, hub: &LaneShared) {
        self.registry.lock().take();
        let sources = self.entries.lock().slab.drain();
        self.len.store(0, Ordering::Relaxed);
        for source in sources {
            source.hub_ended(hub);
        }
    }
}
