//! Green threads that borrow. All of them end before what they borrow does.
//!
//! [`enter_scope`] calls a closure with a [`Scope`], waits for every task that was made through it, and only then
//! returns or goes on unwinding. Nothing depends on a destructor: a handle may be forgotten, and the closure gets the
//! scope only by reference. If a task was given up, whose frames remain for ever, the scope never ends.

use crate::coroutine::enter_no_switch_region;
use crate::runtime::task::Body;
use crate::runtime::task::Meta;
use crate::runtime::task::TaskRef;
use crate::runtime::task::family::Family;
use crate::runtime::task::is_interruption;
use crate::runtime::task::{Joinable, new_borrowing_task};
use crate::runtime::wait::park::{self, Parker, Reason, Wake};
use crate::runtime::wait::worker_stack::refuse_on_worker_stack;
use crate::stack::budget::Reservation;
use crate::sys::report;
use crate::util::dropping::Held;
use crate::util::lock::Mutex;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, catch_unwind, resume_unwind};

/// Spawns green threads that borrow, as [`std::thread::Scope`]; [`scope()`](crate::thread::scope) gives it to its body, and has
/// examples.
pub struct Scope<'scope, 'env: 'scope> {
    children: Mutex<Children>,
    /// Both lifetimes are invariant: a child must be able neither to shorten the time for which it may borrow nor to
    /// lengthen it.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl RefUnwindSafe for Scope<'_, '_> {}

/// The tasks of a scope that may not have ended, or that failed.
struct Children {
    tasks: Vec<TaskRef>,
    /// At this length of the list, those that have ended well are removed.
    prune_at: usize,
    /// Whether new children are killed at once.
    killed: bool,
}

const PRUNE_AT_LEAST: usize = 64;

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Makes a task that has not started and that the scope waits for.
    pub(crate) fn new_task<F, T>(
        &'scope self,
        body: F,
        meta: Option<Box<Meta>>,
        family: Option<&'static Family>,
        reservation: Reservation,
    ) -> (TaskRef, Joinable<T>)
    where
        F: Body<T> + 'scope,
        T: 'scope,
    {
        // SAFETY: `'scope` ends when `enter_scope` returns or unwinds. It does so only after it has seen each registered
        // task done, and never where one was leaked; the task is registered below, before anybody can start it. The
        // `Joinable` has `T` in its type, so it cannot be used or dropped after `'scope`.
        let (task, joinable) = unsafe { new_borrowing_task(body, meta, family, reservation) };
        task.set_scoped();
        self.register(task.clone());
        (task, joinable)
    }

    fn register(&self, task: TaskRef) {
        let mut children = self.children.lock();
        if children.killed {
            task.kill();
        }
        let mut gone = Vec::new();
        if children.tasks.len() >= children.prune_at {
            let ended_well =
                |task: &mut TaskRef| task.is_done() && !task.has_failed() && !task.is_leaked();
            gone.extend(children.tasks.extract_if(.., ended_well));
            children.prune_at = PRUNE_AT_LEAST.max(2 * children.tasks.len());
        }
        children.tasks.push(task);
        drop(children);
        drop(gone);
    }

    /// Kills the children that have not ended, and has new ones killed too.
    pub(crate) fn kill_children(&self) {
        let tasks = {
            let mut children = self.children.lock();
            children.killed = true;
            children.tasks.clone()
        };
        tasks.iter().for_each(TaskRef::kill);
    }

    /// The last child that has not ended. The ends of those after it in the list are added to `ended`.
    fn last_living(&self, ended: &mut Ended) -> Option<TaskRef> {
        let mut gone = Vec::new();
        let mut children = self.children.lock();
        let is_over =
            |task: &mut TaskRef| (task.is_done() && !task.is_leaked()) || task.is_parents();
        while let Some(task) = children.tasks.pop_if(is_over) {
            ended.failed += usize::from(task.take_failure());
            gone.push(task);
        }
        let last = children.tasks.last().cloned();
        drop(children);
        drop(gone);
        last
    }

    /// Waits until every child has ended. A kill or timeout that comes meanwhile kills the children; then it waits on.
    fn wait(&self) -> Ended {
        let mut ended = Ended { interrupted: false, failed: 0 };
        // Only children that have not ended can add others, so this comes to an end.
        while let Some(task) = self.last_living(&mut ended) {
            while !task.is_done() {
                let parker =
                    if ended.interrupted { Parker::uninterruptible() } else { Parker::new() };
                let waiter = parker.waiter();
                if task.add_waiter(waiter.clone())
                    && parker.park(Reason::Join, None) == Wake::Killed
                {
                    task.remove_waiter(&waiter);
                    ended.interrupted = true;
                    self.kill_children();
                }
            }
            if task.is_leaked() {
                stay_for_ever(&task);
            }
        }
        ended
    }
}

struct Ended {
    /// Whether a kill or timeout came.
    interrupted: bool,
    /// How many children panicked or could not run without anybody having been told.
    failed: usize,
}

/// Waits for ever. What the frames of a leaked task borrow, or threads that borrow from those frames, must never go
/// away.
fn stay_for_ever(task: &TaskRef) -> ! {
    report(format_args!(
        "green thread '{task}' was given up inside a scope; the scope never ends, as its frames may still be borrowed from"
    ));
    loop {
        let _ = Parker::uninterruptible().park(Reason::Join, None);
    }
}

/// Like [`scope`](crate::thread::scope), but instead of panicking it returns how many children failed without anybody
/// being told. The value may be large, so it is moved as seldom as possible.
pub(crate) fn enter_scope<'env, F, T>(body: F, failed: &mut usize) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    /// Ends the process if it is dropped. Nothing between the body and the end of the last child unwinds; if it did,
    /// nothing could be done that is sound.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            report(format_args!("a scope could not wait for its children; aborting"));
            std::process::abort();
        }
    }
    let body = Held::new(body);
    refuse_on_worker_stack("wait for children, which are to run on the same worker");
    let body = body.into_inner();
    let children = Children { tasks: Vec::new(), prune_at: PRUNE_AT_LEAST, killed: false };
    let scope = Scope { children: Mutex::new(children), scope: PhantomData, env: PhantomData };
    let region = enter_no_switch_region();
    let bomb = Bomb;
    let mut value = None;
    let result = catch_unwind(AssertUnwindSafe(|| value = Some(body(&scope))));
    if result.as_ref().is_err_and(|payload| is_interruption(&**payload)) {
        scope.kill_children();
    }
    let ended = scope.wait();
    mem::forget(bomb);
    drop(region);
    if let Err(payload) = result {
        resume_unwind(payload);
    }
    if ended.interrupted {
        // The value is dropped before anything unwinds, so that a panic of its destructor is an ordinary one.
        drop(value);
        park::raise_kill();
    }
    *failed = ended.failed;
    value.unwrap_or_else(|| unreachable!("the body has returned"))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::Runtime;

    #[test]
    fn a_long_scope_keeps_only_the_living() {
        let main = || {
            crate::scope(|s| {
                for i in 0..10_000 {
                    let handle = s.spawn(move || i);
                    assert_eq!(handle.join().unwrap(), i);
                    assert!(s.children.lock().tasks.len() <= super::PRUNE_AT_LEAST);
                }
            });
        };
        Runtime::new_current_thread().unwrap().run_local(main).unwrap();
    }
}
