//! New tasks for which there is no memory for a stack, although each had one reserved.
//!
//! Such a task waits for a while for a stack that another green thread of its hub gives back. If none comes, it ends
//! without having run: its body is dropped, and its handle says which limit was met. The destructors of what the body
//! holds, and links, are code of users that may wait. If they waited on the hub's own stack, the other green threads
//! could not run, and they may be waiting for just one of those. So each hub keeps one spare stack for that.
#![forbid(unsafe_code)]

use super::life::Phase;
use super::local::Hub;
use crate::runtime::lane::local::Due;
use crate::runtime::task::{Cause, TaskRef, switch};
use crate::stack::{Stack, StackSize, budget};
use crate::sys::clock;
use crate::sys::time;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// How long a task waits for a stack. It does not wait for ever, since those that have stacks may wait for just this
/// task.
const WAIT_AT_MOST: Duration = Duration::from_secs(1);
/// How long it then waits for the spare stack, if a destructor of another task waits on that.
const WAIT_FOR_SPARE: Duration = Duration::from_secs(1);
const RETRY_EVERY: Duration = Duration::from_millis(10);

/// The tasks of a hub that wait for stacks.
#[derive(Debug)]
pub(super) struct Stackless {
    waiting: VecDeque<WithoutStack>,
    spare: Option<Stack>,
}

#[derive(Debug)]
struct WithoutStack {
    task: TaskRef,
    size: StackSize,
    since: Instant,
    /// The error of the first attempt.
    error: io::Error,
}

impl Stackless {
    pub(super) fn new(size: StackSize) -> Self {
        Self { waiting: VecDeque::new(), spare: Stack::try_acquire(size).ok() }
    }

    pub(super) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &TaskRef> {
        self.waiting.iter().map(|waiting| &waiting.task)
    }

    pub(super) fn pop(&mut self) -> Option<TaskRef> {
        Some(self.waiting.pop_front()?.task)
    }
}

impl Hub {
    /// Makes a task whose turn has come wait for a stack, or ends it. Returns whether it has ended.
    #[cold]
    #[inline(never)]
    pub(super) fn got_no_stack(&self, task: TaskRef, size: StackSize, error: io::Error) -> bool {
        let waiting = WithoutStack { task, size, since: clock::now(), error };
        if self.live() == 0 {
            return self.end_stackless(waiting);
        }
        self.keep_stackless(waiting);
        false
    }

    fn keep_stackless(&self, waiting: WithoutStack) {
        let mut stackless = self.stackless.borrow_mut();
        if stackless.waiting.is_empty() {
            self.retry_stackless_soon();
        }
        stackless.waiting.push_back(waiting);
    }

    fn retry_stackless_soon(&self) {
        let at = time::nanos(clock::now() + RETRY_EVERY);
        self.lane().timers.borrow_mut().insert(at, Due::Stacks);
    }

    /// Makes a free stack the spare one, if there is no spare one.
    #[inline(always)]
    pub(super) fn replace_spare(&self) {
        if self.lacks_spare.get() {
            self.look_for_spare();
        }
    }

    #[cold]
    #[inline(never)]
    fn look_for_spare(&self) {
        let spare = Stack::reuse(self.stack_size());
        self.lacks_spare.set(spare.is_none());
        self.stackless.borrow_mut().spare = spare;
    }

    /// Starts the tasks for which there is a stack now, and ends those that have waited for too long.
    #[cold]
    #[inline(never)]
    pub(super) fn retry_stackless(&self) {
        let mut refused = None;
        let count = self.stackless.borrow().waiting.len();
        for _ in 0..count {
            let Some(mut waiting) = self.stackless.borrow_mut().waiting.pop_front() else { break };
            if self.scheduler.phase() != Phase::Running {
                waiting.task.kill();
            }
            if refused != Some(waiting.size) {
                match switch::start(waiting.task, &self.shared.lane.mailbox, waiting.size) {
                    Ok(started) => {
                        self.begin(started);
                        continue;
                    }
                    Err((task, _)) => waiting.task = task,
                }
                refused = Some(waiting.size);
            }
            if self.live() == 0 || clock::since(waiting.since) >= WAIT_AT_MOST {
                self.end_stackless(waiting);
            } else {
                self.stackless.borrow_mut().waiting.push_back(waiting);
            }
        }
        if !self.stackless.borrow().is_empty() {
            self.retry_stackless_soon();
        }
    }

    /// Ends a task that gets no stack, on the spare stack. Returns whether it has ended.
    fn end_stackless(&self, waiting: WithoutStack) -> bool {
        let spare = self.stackless.borrow_mut().spare.take();
        let wait = WAIT_AT_MOST + WAIT_FOR_SPARE;
        if spare.is_none() && self.live() != 0 && clock::since(waiting.since) < wait {
            self.keep_stackless(waiting);
            return false;
        }
        let WithoutStack { task, error, .. } = waiting;
        let cause =
            if task.is_killed() { Cause::Killed } else { Cause::Io(budget::explain(error)) };
        let Some(spare) = spare else {
            // There never was a spare stack, or the destructor that has it waits for too long.
            let ended = task.clone();
            task.abandon(cause);
            self.look_whether_forked(&ended);
            return true;
        };
        self.lacks_spare.set(true);
        let ended = self.begin(switch::start_to_end(task, &self.shared.lane.mailbox, spare, cause));
        self.replace_spare();
        ended
    }
}

#[cfg(test)]
mod tests {
    use crate::runtime::Runtime;
    use crate::sys::fault::{self, Syscall};
    use crate::thread::{LocalJoinHandle, park, spawn_local};
    use crate::{Builder, sleep, spawn, yield_now};
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    const MAPPING: [Syscall; 3] = [Syscall::Mmap, Syscall::Madvise, Syscall::Mprotect];

    /// Green threads that hold all stacks that the thread has mapped; no more can be mapped. They end when unparked.
    fn use_up_stacks() -> Vec<LocalJoinHandle<()>> {
        let started = Rc::new(Cell::new(0));
        let hold = |_| {
            let started = Rc::clone(&started);
            let hold = move || {
                started.set(started.get() + 1);
                park();
            };
            spawn_local(hold)
        };
        let handles: Vec<_> = (0..16).map(hold).collect();
        while started.get() < 16 {
            yield_now();
        }
        // What is left of the arenas cannot get guards any more.
        for call in MAPPING {
            fault::fail(call, 0, usize::MAX, libc::ENOMEM);
        }
        handles
    }

    fn maps_again() {
        for call in MAPPING {
            fault::fail(call, 0, 0, 0);
        }
    }

    /// Runs `main` on a current-thread runtime of an OS thread that has mapped nothing before. Fails if it takes for
    /// ever.
    fn on_a_thread_of_its_own(main: fn()) {
        let (sender, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            Runtime::new_current_thread().unwrap().run_local(main).unwrap();
            sender.send(()).unwrap();
        });
        done.recv_timeout(Duration::from_secs(10)).expect("it hangs, or has panicked");
    }

    #[test]
    fn a_task_waits_for_a_stack_that_another_gives_back() {
        on_a_thread_of_its_own(|| {
            let holders = use_up_stacks();
            let late: Vec<_> = (0..20).map(|n| spawn(move || n)).collect();
            let killed = spawn(|| unreachable!("it was killed before it began"));
            yield_now();
            killed.kill();
            sleep(Duration::from_millis(50));
            assert!(late.iter().all(|handle| !handle.is_finished()));
            holders[0].thread().unpark();
            for (n, handle) in late.into_iter().enumerate() {
                assert_eq!(handle.join().unwrap(), n);
            }
            assert!(killed.join().unwrap_err().is_killed());
            holders.iter().for_each(|handle| handle.thread().unpark());
            maps_again();
        });
    }

    /// A value whose destructor waits for another green thread of the same hub.
    struct WaitsInDrop(Option<LocalJoinHandle<()>>, Rc<Cell<u32>>);

    impl Drop for WaitsInDrop {
        fn drop(&mut self) {
            let handle = self.0.take().unwrap();
            handle.thread().unpark();
            // The result does not matter: that green thread may have got no stack either.
            let _ = handle.join();
            self.1.set(self.1.get() + 1);
        }
    }

    #[test]
    fn what_gets_no_stack_is_dropped_where_its_destructors_may_wait() {
        on_a_thread_of_its_own(|| {
            let mut holders = use_up_stacks();
            let dropped = Rc::default();
            let linked = Rc::new(Cell::new(0));
            let waits = |on| WaitsInDrop(Some(on), Rc::clone(&dropped));
            let first = waits(holders.pop().unwrap());
            let first = spawn_local(move || drop(first));
            let seen = Rc::clone(&linked);
            first.link(move |result| {
                assert!(result.as_ref().unwrap_err().io_error().is_some());
                sleep(Duration::from_millis(1));
                seen.set(1);
            });
            let error = first.join().unwrap_err();
            assert!(error.io_error().unwrap().to_string().contains("vm.max_map_count"), "{error}");
            assert_eq!((dropped.get(), linked.get()), (1, 1));
            // Two stacks have come back, one of them the spare one. One is taken again, and the other is the next spare
            // one.
            holders.push(spawn_local(park));
            sleep(Duration::from_millis(50));
            let inner = spawn_local(|| ());
            let outer = waits(inner);
            let outer = spawn_local(move || drop(outer));
            assert!(outer.join().unwrap_err().io_error().is_some());
            assert_eq!(dropped.get(), 2);
            holders.iter().for_each(|handle| handle.thread().unpark());
            maps_again();
        });
    }

    #[test]
    fn who_waits_for_a_stack_ends_with_its_runtime() {
        on_a_thread_of_its_own(|| {
            let holders = use_up_stacks();
            // This daemon waits for a stack when `main` returns.
            let _daemon = Builder::new().daemon(true).spawn(|| unreachable!("no stack")).unwrap();
            yield_now();
            holders.iter().for_each(LocalJoinHandle::kill);
            maps_again();
        });
    }
}
