//! How tasks that have rested go on.
#![forbid(unsafe_code)]

use super::local::Hub;
use super::running::AHEAD;
use crate::runtime::task::{Resting, switch};

impl Hub {
    /// Gives a task that has rested a stack, if possible the one used last, and runs it.
    #[inline(never)]
    pub(super) fn wake_from_rest(&self, resting: Resting) {
        // Other tasks that were woken together with it most likely rest too.
        if let Some(next) = self.lane().here().ready().peek(AHEAD - 1) {
            next.prefetch_rest();
        }
        let task = resting.into_task();
        let size = task.meta().and_then(|meta| meta.stack_size).unwrap_or(self.stack_size());
        match switch::start(task, &self.shared.lane.mailbox, size) {
            Ok(started) => drop(self.run(started)),
            Err((task, error)) => {
                // It waits for a stack as a new task does.
                self.lane().roster.borrow_mut().remove(&task);
                self.count_live(-1);
                self.got_no_stack(task, size, error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::future;
    use crate::runtime::Runtime;
    use crate::sys::fault::{self, Syscall};
    use crate::thread::{LocalJoinHandle, park, spawn_local};
    use crate::{sleep, yield_now};
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::{Poll, Waker};
    use std::time::Duration;

    const MAPPING: [Syscall; 3] = [Syscall::Mmap, Syscall::Madvise, Syscall::Mprotect];

    struct CountsDrop(Rc<Cell<u32>>);

    impl Drop for CountsDrop {
        fn drop(&mut self) {
            // It may wait here.
            yield_now();
            self.0.set(self.0.get() + 1);
        }
    }

    /// While the task rests, other green threads take all stacks that there are.
    fn without_a_stack(gives_back: bool) {
        let (waker, drops) = (Rc::new(Cell::new(None::<Waker>)), Rc::new(Cell::new(0)));
        let (left, counts) = (Rc::clone(&waker), CountsDrop(Rc::clone(&drops)));
        let resting = future::spawn_local(async move {
            let _counts = counts;
            let mut pending = true;
            poll_fn(|context| {
                left.set(Some(context.waker().clone()));
                if std::mem::replace(&mut pending, false) { Poll::Pending } else { Poll::Ready(1) }
            })
            .await
        });
        let waker_of = || waker.take();
        let taken = loop {
            yield_now();
            if let Some(waker) = waker_of() {
                break waker;
            }
        };
        for call in MAPPING {
            fault::fail(call, 0, usize::MAX, libc::ENOMEM);
        }
        let holders: Vec<LocalJoinHandle<()>> = (0..4).map(|_| spawn_local(park)).collect();
        yield_now();
        sleep(Duration::from_millis(1));
        taken.wake();
        yield_now();
        assert!(!resting.is_finished());
        if gives_back {
            holders.iter().for_each(|holder| holder.thread().unpark());
            assert_eq!(resting.join().unwrap(), 1);
        } else {
            let error = resting.join().unwrap_err();
            assert!(error.io_error().unwrap().to_string().contains("vm.max_map_count"), "{error}");
            holders.iter().for_each(|holder| holder.thread().unpark());
        }
        assert_eq!(drops.get(), 1);
        for call in MAPPING {
            fault::fail(call, 0, 0, 0);
        }
    }

    #[test]
    fn one_that_rests_waits_for_a_stack_as_a_new_one_does() {
        for gives_back in [true, false] {
            let (sender, done) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                let main = move || without_a_stack(gives_back);
                Runtime::new_current_thread().unwrap().run_local(main).unwrap();
                sender.send(()).unwrap();
            });
            done.recv_timeout(Duration::from_secs(60)).expect("it hangs, or has panicked");
        }
    }
}
