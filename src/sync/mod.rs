//! Locks, channels, semaphores, events and barriers: with std's names where std has the type, with those of Python, gevent, Go
//! or crossbeam elsewhere.
//!
//! All of them work between green threads and OS threads alike: a wait suspends a green thread and blocks an OS thread.
//! Guards may be held while their green thread waits for something else. A waiter that times out or is killed takes nothing
//! along: the lock, permit or item that it would have got goes to the next waiter. A kill and an expired
//! [`timeout`](crate::timeout()) end each of these waits by unwinding.
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
//! A method `x` that waits has the variants `try_x`, which never waits, `x_timeout`, which waits for at most a duration, and
//! `x_deadline`, which waits up to a point in time.
//!
//! The report of a deadlock names who holds the lock that others wait for. Two locks that are taken in opposite orders are
//! reported only once this has led to a deadlock, not before.
//!
//! # Examples
//! Three that work on what is sent to them, a limit, and a result that is protected:
//! ```
//! use greenthread::sync::{Mutex, Semaphore, mpmc};
//!
//! let (sender, receiver) = mpmc::bounded(2);
//! let (squares, two_at_once) = (Mutex::new(Vec::new()), Semaphore::new(2));
//! greenthread::scope(|s| {
//!     for _ in 0..3 {
//!         s.spawn(|| {
//!             for number in receiver.iter() {
//!                 let _permit = two_at_once.acquire();
//!                 squares.lock().unwrap().push(number * number);
//!             }
//!         });
//!     }
//!     (1..=4).for_each(|number| sender.send(number).unwrap());
//!     drop(sender); // the receivers' loops end
//! });
//! let mut squares = squares.into_inner().unwrap();
//! squares.sort();
//! assert_eq!(squares, [1, 4, 9, 16]);
//! ```

// Invariant: everything here waits through the runtime's parker and keeps its waiters in a `WaitList`; nothing depends
// on which OS thread runs it.
//
// Rejected: reporting locks that are taken in opposite orders before they deadlock. It needs a list of the held locks for each
// thread, which guards that are forgotten or dropped in any order make unreliable, and a lock and a search of a graph at each
// lock.

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
mod line;
mod mapped;
pub mod mpmc;
pub mod mpsc;
mod mutex;
mod once;
mod patience;
mod permit;
mod poison;
mod raw_condvar;
mod raw_mutex;
mod raw_rwlock;
pub(crate) mod raw_semaphore;
mod rwlock;
#[doc(hidden)]
pub mod select;
mod semaphore;
#[cfg(all(test, not(loom)))]
mod stress;
mod turn;
mod wait_group;

pub use async_result::AsyncResult;
pub use barrier::{Barrier, BarrierWaitResult};
pub use bounded_semaphore::{
    BoundedSemaphore, BoundedSemaphorePermit, OwnedBoundedSemaphorePermit, ReleaseError,
};
pub use cell::{MappedReentrantMutexGuard, OnceLock, ReentrantMutex, ReentrantMutexGuard};
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
