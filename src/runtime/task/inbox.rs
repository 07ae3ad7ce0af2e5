//! Tasks that other OS threads have woken, on their way to the hub that owns them.
//!
//! It is an intrusive stack. A task is in at most one inbox at a time, because only the waker that ends its wait puts
//! it there, and it cannot wait again before its hub has taken it out. So a wake-up allocates nothing and cannot fail.

use super::header::Header;
use super::live::Ready;
use crate::util::sync::{AtomicPtr, Ordering, mutated};
use std::ptr::{self, NonNull};

/// What a hub takes out of its inbox.
#[derive(Debug)]
pub(crate) enum Woken {
    Ready(Ready),
    /// A task that was to start later, by its place in the hub's list.
    Delayed(u32),
}

/// The inbox of a hub. Any thread puts tasks in, the hub takes them out.
#[derive(Debug)]
pub(crate) struct Inbox {
    head: AtomicPtr<Header>,
}

impl Inbox {
    pub(crate) const fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire).is_null()
    }

    /// Adds a task whose wait the caller has just ended.
    ///
    /// # Safety
    /// The caller has ended the task's wait (`Notify::Wake`, or what `expire` and the like return), and this is the
    /// inbox of its hub.
    pub(super) unsafe fn push(&self, task: NonNull<Header>) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the task is suspended and its hub keeps it alive until it has been taken out of here and run.
            unsafe { task.as_ref() }.next.store(head, Ordering::Relaxed);
            // SeqCst: the push comes before the look at the hub's sleep word.
            match self.head.compare_exchange_weak(
                head,
                task.as_ptr(),
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes everything out, in the order in which it was put in. Called by the hub that owns the inbox.
    pub(crate) fn drain(&self, mut each: impl FnMut(Woken)) {
        let mut at = if mutated("a hub empties its inbox in two steps") {
            let all = self.head.load(Ordering::Acquire);
            self.head.store(ptr::null_mut(), Ordering::Release);
            all
        } else {
            self.head.swap(ptr::null_mut(), Ordering::Acquire)
        };
        let mut reversed: *mut Header = ptr::null_mut();
        while let Some(task) = NonNull::new(at) {
            // SAFETY: a task in the inbox is suspended on the calling hub, which keeps it alive.
            let task = unsafe { task.as_ref() };
            let next = task.next.load(Ordering::Relaxed);
            task.next.store(reversed, Ordering::Relaxed);
            reversed = at;
            at = next;
        }
        while let Some(task) = NonNull::new(reversed) {
            // SAFETY: as above. The link is read before `each`, which may run nothing but may queue the task.
            let task = unsafe { task.as_ref() };
            reversed = task.next.load(Ordering::Relaxed);
            // SAFETY: a task in an inbox sleeps on the hub that owns the inbox: the caller.
            each(unsafe { task.woken() });
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::super::os_thread::new_os_thread;
    use super::super::task_ref::TaskRef;
    use super::{Inbox, Ordering, ptr};
    use loom::sync::Arc;

    fn task() -> TaskRef {
        let task = new_os_thread();
        task.header().next.store(ptr::null_mut(), Ordering::Relaxed);
        task
    }

    /// Two threads leave tasks while the hub takes them out. Each comes out once.
    #[test]
    fn each_task_comes_out_once() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new());
            assert!(inbox.is_empty());
            let tasks = [task(), task()];
            let leave = |task: &TaskRef| {
                let (inbox, task) = (Arc::clone(&inbox), task.clone());
                // SAFETY: nobody else wakes it, and nobody runs it.
                loom::thread::spawn(move || unsafe { inbox.push(task.as_ptr()) })
            };
            let threads = [leave(&tasks[0]), leave(&tasks[1])];
            let mut count = 0;
            inbox.drain(|_| count += 1);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            inbox.drain(|_| count += 1);
            assert_eq!(count, 2);
        });
    }
}
