//! Locks, semaphores, events, barriers: std's names where std has the type, Python's, gevent's and Go's elsewhere.
//!
//! All of them work between green threads and OS threads alike: a wait suspends a green thread and blocks an OS thread.
//! Guards may be held while their green thread waits for something else. A waiter that times out or is killed loses
//! nothing: what it would have got goes to the next.
//!
//! | to | use |
//! |---|---|
//! | protect data | [`Mutex`], [`RwLock`]; [`ReentrantMutex`] where the holder locks again |
//! | wait for a change of it | [`Condvar`] |
//! | limit how many do something | [`Semaphore`], [`BoundedSemaphore`] |
//! | tell many that something has happened | [`Event`]; with a value [`AsyncResult`] |
//! | wait for each other | [`Barrier`]; [`CyclicBarrier`], which can break |
//! | wait for a number of things | [`WaitGroup`], [`Latch`] |
//! | pass items along | [`mpsc`], [`mpmc`] |
//! | wait for the first of several | [`select!`](crate::select); [`mpmc::Select`] for any number of them |
//! | make something once | [`Once`], [`OnceLock`], [`LazyLock`] |
//!
//! Variants of what waits are `try_x` (never), `x_timeout` (a duration) and `x_deadline` (a point in time).
//!
//! A deadlock report names who holds the lock that is waited for. Locks taken in opposite orders are not reported before
//! they meet: that needs a list of the held locks for each thread, which guards that are forgotten or dropped in any order
//! make unreliable, and a lock and a graph to search at each lock.
//!
//! Invariant: everything here waits through the runtime's parker and keeps its waiters in a `WaitList`; nothing depends on
//! which OS thread runs it.

mod async_result;
mod barrier;
mod bounded_semaphore;
mod cell;
mod channel;
mod condvar;
mod cyclic_barrier;
mod event;
pub(crate) mod gate;
mod latch;
mod lazy_lock;
mod mapped;
pub mod mpmc;
pub mod mpsc;
mod mutex;
mod once;
mod patience;
mod permit;
mod poison;
mod raw_mutex;
mod raw_rwlock;
pub(crate) mod raw_semaphore;
mod rwlock;
#[doc(hidden)]
pub mod select;
mod semaphore;
#[cfg(all(test, not(loom)))]
mod stress;
mod wait_group;

pub use async_result::AsyncResult;
pub use barrier::{Barrier, BarrierWaitResult};
pub use bounded_semaphore::{
    BoundedSemaphore, BoundedSemaphorePermit, OwnedBoundedSemaphorePermit, ReleaseError,
};
pub use cell::{OnceLock, ReentrantMutex, ReentrantMutexGuard};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use cyclic_barrier::{BrokenBarrierError, CyclicBarrier};
pub use event::Event;
pub use latch::Latch;
pub use lazy_lock::LazyLock;
pub use mapped::{MappedMutexGuard, MappedRwLockReadGuard, MappedRwLockWriteGuard};
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceState};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};
pub use wait_group::{OwnedWaitGroupGuard, WaitGroup, WaitGroupGuard};
