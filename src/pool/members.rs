//! The green threads of a group. Each owns a guard that counts it: whatever ends it, even before it began, removes it
//! from the count.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Reason};
use crate::sync::Semaphore;
use crate::sync::gate::Gate;
use crate::sys::process;
use crate::thread::{Builder, JoinHandle, Thread, current};
use crate::util::lock::Mutex;
use crate::util::slab::{Slab, SlabKey};
use std::io;
use std::sync::Arc;
use std::time::Instant;

struct MembersState {
    /// The members; `None` for one that is just being spawned.
    threads: Slab<Option<Thread>>,
    /// How many times all of them were killed.
    kills: usize,
    /// How many of them wait for the others to end.
    joining: usize,
    /// How many have left and not given their places back yet.
    leaving: usize,
}

pub(super) struct Members {
    state: Mutex<MembersState>,
    /// Where those wait who wait until nobody is left, or nobody but themselves.
    left: Gate,
    /// How many more there may be, if there is a limit.
    room: Option<Semaphore>,
    generation: u32,
}

/// A green thread that is in the group until this is dropped.
pub(super) struct Member {
    members: Arc<Members>,
    key: SlabKey,
}

impl Member {
    /// Notes that the calling green thread is the member. It may ask for that before its spawner has noted it.
    fn enter(&self) {
        let mut state = self.members.state.lock();
        if let Some(thread) = state.threads.get_mut(self.key) {
            *thread = Some(current());
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.members.is_parents() {
            return;
        }
        let thread = {
            let mut state = self.members.state.lock();
            state.leaving += 1;
            state.threads.remove(self.key)
        };
        drop(thread);
        if let Some(room) = &self.members.room {
            room.release();
        }
        self.members.state.lock().leaving -= 1;
        self.members.left.notify_all();
    }
}

/// A place in a group that nobody has taken yet.
pub(super) struct FreePlace {
    members: Arc<Members>,
    taken: bool,
}

impl Drop for FreePlace {
    fn drop(&mut self) {
        if !self.taken
            && let Some(room) = &self.members.room
        {
            room.release();
        }
    }
}

impl Members {
    pub(super) fn new(limit: Option<usize>) -> Arc<Self> {
        process::watch();
        Arc::new(Self {
            state: Mutex::new(MembersState {
                threads: Slab::new(),
                kills: 0,
                joining: 0,
                leaving: 0,
            }),
            left: Gate::new(),
            room: limit.map(Semaphore::new),
            generation: process::generation(),
        })
    }

    fn is_parents(&self) -> bool {
        self.generation != process::generation()
    }

    /// Checks that the group belongs to this process.
    ///
    /// # Errors
    /// If it does not: a forked child has none of its parent's green threads.
    fn check(&self) -> io::Result<()> {
        if self.is_parents() {
            return Err(process::belongs_to_parent("the group"));
        }
        Ok(())
    }

    pub(super) fn room(&self) -> Option<&Semaphore> {
        self.room.as_ref()
    }

    /// Waits for a place; `None` if there was none by the deadline.
    pub(super) fn place(
        self: &Arc<Self>,
        deadline: Option<Instant>,
    ) -> io::Result<Option<FreePlace>> {
        self.check()?;
        let got = self.room.as_ref().is_none_or(|room| room.raw.acquire(1, deadline));
        Ok(got.then(|| FreePlace { members: Arc::clone(self), taken: false }))
    }

    /// A place, if there is one at once.
    pub(super) fn try_place(self: &Arc<Self>) -> io::Result<Option<FreePlace>> {
        self.check()?;
        let got = self.room.as_ref().is_none_or(|room| room.raw.try_acquire(1));
        Ok(got.then(|| FreePlace { members: Arc::clone(self), taken: false }))
    }

    pub(super) fn len(&self) -> usize {
        if self.is_parents() { 0 } else { self.state.lock().threads.len() }
    }

    /// Whether the caller is a member.
    pub(super) fn has_caller(&self) -> bool {
        let caller = park::is_green().then(current);
        let own = |(_, thread): (SlabKey, &Option<Thread>)| thread.is_some() && *thread == caller;
        !self.is_parents() && self.state.lock().threads.iter().any(own)
    }

    /// Waits until none is left. Returns `false` if the deadline came first. A member that calls this waits only for
    /// members that do not wait in this way themselves.
    pub(super) fn join(&self, deadline: Option<Instant>) -> bool {
        if self.is_parents() {
            return true;
        }
        let joining = self.has_caller().then(|| JoinCount::new(self));
        let is_over = || {
            let state = self.state.lock();
            let rest = if joining.is_some() { state.joining } else { 0 };
            state.threads.len() <= rest && state.leaving == 0
        };
        loop {
            if is_over() {
                return true;
            }
            if !self.left.wait(Reason::Join, deadline, is_over) {
                return is_over();
            }
        }
    }

    /// Kills all members except the caller.
    pub(super) fn kill(&self) {
        if self.is_parents() {
            return;
        }
        let caller = park::is_green().then(current);
        let threads: Vec<Thread> = {
            let mut state = self.state.lock();
            state.kills += 1;
            state.threads.iter().filter_map(|(_, thread)| thread.clone()).collect()
        };
        for thread in threads.into_iter().filter(|thread| Some(thread) != caller.as_ref()) {
            thread.task().kill();
        }
    }
}

/// Counts a member that waits for the others to end, until this is dropped.
struct JoinCount<'a>(&'a Members);

impl<'a> JoinCount<'a> {
    fn new(members: &'a Members) -> Self {
        members.state.lock().joining += 1;
        members.left.notify_all();
        Self(members)
    }
}

impl Drop for JoinCount<'_> {
    fn drop(&mut self) {
        self.0.state.lock().joining -= 1;
    }
}

impl FreePlace {
    /// Spawns a green thread that takes the place.
    pub(super) fn spawn<F, T>(mut self, builder: Builder, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let members = Arc::clone(&self.members);
        let (key, kills) = {
            let mut state = members.state.lock();
            (state.threads.insert(None), state.kills)
        };
        // From here on the member will give the place back.
        self.taken = true;
        let member = Member { members: Arc::clone(&members), key };
        let handle = builder.spawn(move || {
            member.enter();
            let _member = member;
            body()
        })?;
        let mut state = members.state.lock();
        let killed = state.kills != kills;
        if let Some(thread) = state.threads.get_mut(key) {
            *thread = Some(handle.thread().clone());
        }
        drop(state);
        if killed {
            handle.kill();
        }
        Ok(handle)
    }
}
