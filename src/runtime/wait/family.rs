//! Waiting for the green threads that descend from one `run`.
#![forbid(unsafe_code)]

use super::park::{Parker, Reason, Wake};
use crate::runtime::task::family::Family;
use crate::sys::time::deadline_after;
use crate::util::sync::mutated;
use std::time::{Duration, Instant};

impl Family {
    /// Waits until every member has ended, then kills the daemons and waits for them, and gives the family back.
    ///
    /// # Errors
    /// The names of the daemons that did not end within `grace`. They keep the family in use.
    pub(crate) fn wait_and_free(&'static self, grace: Duration) -> Result<(), Vec<String>> {
        loop {
            self.wait(Self::is_empty, None);
            self.kill_daemons();
            if self.wait(Self::is_over, deadline_after(grace)) {
                self.free();
                return Ok(());
            }
            // They may have made new members meanwhile.
            if self.is_empty() {
                return Err(self.names());
            }
        }
    }

    fn wait(&self, over: impl Fn(&Self) -> bool, deadline: Option<Instant>) -> bool {
        while !over(self) {
            let parker = Parker::uninterruptible();
            self.await_by(parker.waiter());
            if over(self) && !mutated("who waits for a family does not look again") {
                break;
            }
            // A member of the family's former use may have woken us, so this looks again.
            if parker.park(Reason::Run, deadline) == Wake::TimedOut {
                return over(self);
            }
        }
        true
    }
}

#[cfg(all(test, loom))]
mod models {
    use crate::runtime::park::{Parker, Reason, Wake, own_task};
    use crate::runtime::task::family::{DAEMON, Family};
    use crate::runtime::task::{TaskRef, Token, Waiter, new_os_thread};
    use crate::util::sync::{AtomicUsize, Ordering};
    use loom::sync::Arc;
    use loom::thread;

    /// What a model's threads share: a family with one member, and how many members have ended.
    struct Model {
        family: Family,
        ended: AtomicUsize,
    }

    impl Model {
        fn new() -> Arc<Self> {
            let model = Self { family: Family::made(), ended: AtomicUsize::new(0) };
            // Everything of loom's is made before there is another thread.
            model.family.count(1);
            model.family.await_by(Waiter::new(own_task(), Token::ANY));
            assert_eq!(model.ended.load(Ordering::Relaxed), 0);
            Arc::new(model)
        }

        fn end(&self, one: u64) {
            self.ended.fetch_add(1, Ordering::Relaxed);
            self.family.count_off(one);
        }
    }

    /// A member makes a child and ends. Either of them may end first.
    #[test]
    fn who_waits_for_a_family_is_woken_by_the_last_member() {
        loom::model(|| {
            let model = Model::new();
            let other = Arc::clone(&model);
            let parent = thread::spawn(move || {
                other.family.count(1);
                let child = Arc::clone(&other);
                let child = thread::spawn(move || child.end(1));
                other.end(1);
                child.join().unwrap();
            });
            assert!(model.family.wait(Family::is_empty, None));
            assert_eq!(model.ended.load(Ordering::Relaxed), 2, "both have ended");
            parent.join().unwrap();
        });
    }

    /// Whoever waits for daemons too is woken by the last member of all, daemon or not.
    #[test]
    fn who_waits_for_daemons_too_is_woken_by_the_last_of_all() {
        loom::model(|| {
            let model = Model::new();
            model.family.count(DAEMON);
            let ends = [1, DAEMON].map(|one| {
                let model = Arc::clone(&model);
                thread::spawn(move || model.end(one))
            });
            assert!(model.family.wait(Family::is_over, None));
            assert_eq!(model.ended.load(Ordering::Relaxed), 2, "both have ended");
            ends.into_iter().for_each(|end| end.join().unwrap());
        });
    }

    /// Does what a thread does that joins a task.
    fn join(task: &TaskRef) {
        while !task.is_done() {
            let parker = Parker::uninterruptible();
            if !task.add_waiter(parker.waiter()) {
                break;
            }
            assert_eq!(parker.park(Reason::Join, None), Wake::Notified);
        }
    }

    #[test]
    fn who_joins_a_task_is_woken_by_its_end_and_sees_what_was_before_it() {
        loom::model(|| {
            let (task, result) = (new_os_thread(), Arc::new(AtomicUsize::new(0)));
            assert!(!task.is_done());
            assert_eq!(result.load(Ordering::Relaxed), 0);
            let _ = own_task();
            let other = {
                let (task, result) = (task.clone(), Arc::clone(&result));
                thread::spawn(move || {
                    result.store(1, Ordering::Relaxed);
                    task.complete();
                })
            };
            join(&task);
            assert_eq!(result.load(Ordering::Relaxed), 1, "the result is there");
            other.join().unwrap();
        });
    }
}
