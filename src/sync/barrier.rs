//! A meeting point for a number of threads.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::wait_list::WaitList;
use crate::util::lock::Mutex;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Lets a number of threads wait for each other, again and again; as [`std::sync::Barrier`].
///
/// A green thread that is killed while it waits no longer counts: the others wait for one more. A
/// [`CyclicBarrier`](super::CyclicBarrier) fails all of them instead. std's own is better among OS threads only.
///
/// # Examples
/// ```
/// use greenthread::sync::{Arc, Barrier};
/// let barrier = Arc::new(Barrier::new(4));
/// let handles: Vec<_> = (0..4)
///     .map(|_| {
///         let barrier = Arc::clone(&barrier);
///         greenthread::spawn(move || barrier.wait().is_leader())
///     })
///     .collect();
/// let leaders = handles.into_iter().filter_map(|handle| handle.join().unwrap().then_some(())).count();
/// assert_eq!(leaders, 1);
/// ```
pub struct Barrier {
    parties: usize,
    list: Mutex<WaitList<Waiter>>,
}

impl Barrier {
    /// Makes a barrier for `n` threads; zero means one.
    #[must_use]
    pub const fn new(n: usize) -> Self {
        Self { parties: n, list: Mutex::new(WaitList::new()) }
    }

    /// Waits until as many threads wait here as the barrier is for. Suspends a green thread, blocks an OS thread. The last
    /// to come is the leader of the round.
    ///
    /// # Examples
    /// Nobody begins the second step before all have ended the first:
    /// ```
    /// use greenthread::sync::{Barrier, atomic::{AtomicUsize, Ordering}};
    ///
    /// let (barrier, ended) = (Barrier::new(3), AtomicUsize::new(0));
    /// greenthread::scope(|s| {
    ///     for _ in 0..3 {
    ///         s.spawn(|| {
    ///             ended.fetch_add(1, Ordering::SeqCst);
    ///             if barrier.wait().is_leader() {
    ///                 println!("the second step begins");
    ///             }
    ///             assert_eq!(ended.load(Ordering::SeqCst), 3);
    ///         });
    ///     }
    /// });
    /// ```
    pub fn wait(&self) -> BarrierWaitResult {
        let parker = Parker::new();
        let key = {
            let mut list = self.list.lock();
            if list.len() + 1 >= self.parties {
                while let Some(waiter) = list.pop_front() {
                    waiter.unpark();
                }
                return BarrierWaitResult(true);
            }
            list.push_back(parker.waiter())
        };
        if parker.park(Reason::Barrier, None) == Wake::Killed {
            self.list.lock().remove(key);
            park::raise_kill();
        }
        BarrierWaitResult(false)
    }
}

impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}

/// What [`Barrier::wait`] returns, as [`std::sync::BarrierWaitResult`].
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether the thread is the leader of its round; each round has one.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for BarrierWaitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWaitResult").field("is_leader", &self.0).finish()
    }
}
