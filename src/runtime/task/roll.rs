//! The list of tasks that have been scheduled and have not ended.
//!
//! A task keeps one place from the moment it is scheduled until it ends, whichever hub it comes to. So the tasks can be
//! listed at any time without asking a hub, and those of a hub that is held up are listed as well.
//!
//! # The word of a place
//! | word | meaning | goes on to |
//! |---|---|---|
//! | null | free, or about to be taken | a header, by the one who schedules the task |
//! | a header | its task is alive | null, by the one who ends the task; with [`LOOKED_AT`], by one who lists |
//! | the same with [`LOOKED_AT`] | a reference is being taken: the one who ends the task waits | the header, by the one who lists |
//!
//! So while a place is looked at, the one who ends the task does not give its reference up.

use super::debugger;
use super::header::Header;
use super::task_ref::TaskRef;
use crate::util::lock::Mutex;
use std::cell::Cell;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// A bit of a place's word: a reference to the task is being taken.
const LOOKED_AT: usize = 1;
/// How many places are made at once, at least.
const FEW: usize = 64;
/// How many places are made at once, at most.
const MANY: usize = 4096;

/// The place of one task on the roll.
#[derive(Debug)]
pub(crate) struct Place {
    word: AtomicPtr<Header>,
    roll: &'static Roll,
    /// While the place is free: the next in the list that it is in. Belongs to whoever has that list.
    next: Cell<Option<&'static Place>>,
}

// SAFETY: `next` is touched only by whoever has the list that the place is in: the one thread with the entrance, or the
// holder of the lock of `Roll::returned`. It is passed between these under that lock. The rest is shared as its types
// allow.
unsafe impl Sync for Place {}

/// The places of tasks that one hub has scheduled, or that were scheduled from outside. Never freed.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    /// The blocks of places. Their lock also makes sure that only one thread at a time lists the tasks.
    blocks: Mutex<Vec<&'static [Place]>>,
    /// How many tasks have come, less those that have gone by [`Entrance::leave`]. Written by the owner of the
    /// entrance.
    came: AtomicUsize,
    /// How many tasks have gone in other ways.
    went: AtomicUsize,
    /// The places of the tasks that have gone in other ways.
    returned: Mutex<Places>,
    has_returned: AtomicBool,
}

/// The right to give places to tasks. There is one for each [`Roll`].
#[derive(Debug, Default)]
pub(crate) struct Entrance(Places);

/// A chain of free places.
#[derive(Debug, Default)]
struct Places(Cell<Option<&'static Place>>);

// SAFETY: see `Place::next`; the chain belongs to the owner of the list, and may be passed on with it.
unsafe impl Send for Places {}

impl Places {
    #[inline]
    fn pop(&self) -> Option<&'static Place> {
        let first = self.0.get()?;
        self.0.set(first.next.get());
        Some(first)
    }

    #[inline]
    fn push(&self, place: &'static Place) {
        place.next.set(self.0.replace(Some(place)));
    }
}

/// A roll whose entrance is in a lock, for threads that have no entrance of their own.
#[derive(Debug, Default)]
pub(crate) struct OpenRoll {
    roll: Roll,
    entrance: Mutex<Entrance>,
}

impl Entrance {
    /// Gives a place to a task that has not been scheduled yet.
    #[inline]
    pub(crate) fn enter(&self, roll: &'static Roll, task: &TaskRef) {
        let place = self.0.pop().unwrap_or_else(|| self.more(roll));
        roll.came.store(roll.came.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        place.word.store(task.as_ptr().as_ptr(), Ordering::Release);
        task.header().place.set(Some(place));
    }

    /// Takes the place back from a task that ends, if its place is on this roll.
    #[inline]
    pub(crate) fn leave(&self, roll: &'static Roll, task: &TaskRef) {
        let place = task.header().place.get();
        let Some(place) = place.filter(|place| ptr::eq(place.roll, roll)) else { return };
        task.header().place.set(None);
        place.clear(task);
        roll.came.store(roll.came.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
        self.0.push(place);
    }

    #[cold]
    fn more(&self, roll: &'static Roll) -> &'static Place {
        if roll.has_returned.swap(false, Ordering::Relaxed) {
            self.0.0.set(roll.returned.lock().0.take());
        }
        self.0.pop().unwrap_or_else(|| {
            roll.grow().iter().rev().for_each(|place| self.0.push(place));
            self.0.pop().unwrap_or_else(|| unreachable!("a block of places is not empty"))
        })
    }

    /// Gives the entrance up. The next one gets its free places.
    pub(crate) fn close(&self, roll: &Roll) {
        let returned = roll.returned.lock();
        while let Some(place) = self.0.pop() {
            returned.push(place);
        }
        roll.has_returned.store(true, Ordering::Relaxed);
    }
}

impl Place {
    /// The offset of the word in a place.
    pub(super) const WORD: usize = offset_of!(Self, word);

    /// Removes the task. Its header is alive until this returns, and for as long as the caller has a reference.
    #[inline]
    fn clear(&self, task: &TaskRef) {
        let header = task.as_ptr().as_ptr();
        let exchange = || {
            self.word.compare_exchange(header, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed)
        };
        if exchange().is_err() {
            // Somebody is taking a reference, which is a few instructions long; unless that thread was in the process
            // from which this one was forked.
            while !task.is_parents() && exchange().is_err() {
                std::thread::yield_now();
            }
        }
    }

    /// Its task, if it has one. Called by one thread at a time, see [`Roll::blocks`].
    fn task(&self) -> Option<TaskRef> {
        loop {
            let header = self.word.load(Ordering::Relaxed);
            let found = NonNull::new(header)?;
            let looked_at = header.map_addr(|address| address | LOOKED_AT);
            if self
                .word
                .compare_exchange(header, looked_at, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
            {
                // The task has ended meanwhile.
                continue;
            }
            // SAFETY: whoever ends the task holds a reference, and waits in `clear` before it gives that up.
            let task = unsafe { TaskRef::share(found) };
            self.word.store(header, Ordering::Release);
            return Some(task);
        }
    }
}

impl Roll {
    #[cold]
    fn grow(&'static self) -> &'static [Place] {
        let mut blocks = self.blocks.lock();
        let count = blocks.last().map_or(FEW, |last| (last.len() * 2).min(MANY));
        let place =
            || Place { word: AtomicPtr::new(ptr::null_mut()), roll: self, next: Cell::new(None) };
        let block: Box<[Place]> = (0..count).map(|_| place()).collect();
        let block: &'static [Place] = Box::leak(block);
        debugger::tell(block);
        blocks.push(block);
        block
    }

    /// How many tasks are on it.
    pub(crate) fn count(&self) -> usize {
        // In this order, so that a task that is seen to have gone is also seen to have come.
        let went = self.went.load(Ordering::Acquire);
        self.came.load(Ordering::Acquire).wrapping_sub(went)
    }

    /// Appends the tasks that are on it.
    pub(crate) fn list(&self, tasks: &mut Vec<TaskRef>) {
        let blocks = self.blocks.lock();
        tasks.extend(blocks.iter().flat_map(|block| block.iter()).filter_map(Place::task));
    }
}

impl OpenRoll {
    /// Gives a place to a task, as [`Entrance::enter`] does.
    pub(crate) fn enter(&'static self, task: &TaskRef) {
        self.entrance.lock().enter(&self.roll, task);
    }

    pub(crate) fn roll(&self) -> &Roll {
        &self.roll
    }
}

impl TaskRef {
    /// Removes a task that ends from its roll, if it is still there, for callers that do not have the entrance of that
    /// roll.
    #[inline]
    pub(super) fn leave_roll(&self) {
        #[cold]
        fn leave(place: &'static Place, task: &TaskRef) {
            task.header().place.set(None);
            place.clear(task);
            let roll = place.roll;
            roll.returned.lock().push(place);
            roll.has_returned.store(true, Ordering::Relaxed);
            roll.went.fetch_add(1, Ordering::Release);
        }
        // In a forked child, a thread of the parent may hold the roll's locks.
        if let Some(place) = self.header().place.get()
            && !self.is_parents()
        {
            leave(place, self);
        }
    }
}
