//! Starting, resuming and suspending green threads.

use super::error::{Cause, JoinError};
use super::header::Header;
use super::live::Live;
use super::mailbox::Mailbox;
use super::started::Started;
use super::task_ref::TaskRef;
use crate::coroutine::{self, Coroutine, Description, Progress, ROUNDS, Root};
use crate::greenlet;
use crate::runtime::ambient;
use crate::stack::{Stack, StackSize};
use crate::util::dropping::drop_quietly;
use std::io;
use std::mem::ManuallyDrop;

/// Writes the name of the green thread for the report of a stack overflow. Runs in signal context.
fn describe(owner: *const (), out: &mut dyn FnMut(&[u8])) {
    // SAFETY: the owner word of a green thread's control block is its header, alive while it runs.
    let header = unsafe { &*owner.cast::<Header>() };
    out(b"green thread '");
    header.write_name(out);
    out(b"'");
}

/// Destroys the values that the green thread kept for itself. Nothing is left for a kill to end, so it ends no wait of
/// the destructors; a timeout that they open themselves does.
///
/// The destructors may make new values, which are destroyed too, for a few rounds. After these, no value is kept any
/// more.
#[cold]
#[inline(never)]
fn end_values(task: &TaskRef) {
    greenlet::end_of_green_thread();
    task.refuse_kills();
    drop_quietly(task.take_inherited());
    for _ in 0..ROUNDS {
        // Both are done in each round.
        if !(coroutine::destroy_storage() | greenlet::end_of_green_thread()) {
            break;
        }
    }
    coroutine::close_storage();
    greenlet::close_green_thread();
    coroutine::destroy_storage();
    greenlet::end_of_green_thread();
}

/// Gives a task a stack on the calling thread's hub, be it a new task or one that has rested. The hub's reference moves
/// into the started task.
///
/// # Errors
/// Returns the task, and the error of the system call, if there is no memory for a stack.
#[inline]
pub(crate) fn start(
    task: TaskRef,
    mailbox: &'static Mailbox,
    size: StackSize,
) -> Result<Started, (TaskRef, io::Error)> {
    match Stack::try_acquire(size) {
        // SAFETY: it is called once for each start, in the task's own coroutine. A started task is not abandoned.
        Ok(stack) => Ok(start_on(task, mailbox, stack, |task| unsafe { task.run() })),
        Err(error) => Err((task, error)),
    }
}

/// Like [`start`], for a task that is to end without having run: its body is dropped on the given stack.
#[cold]
pub(crate) fn start_to_end(
    task: TaskRef,
    mailbox: &'static Mailbox,
    stack: Stack,
    cause: Cause,
) -> Started {
    let error = JoinError::new(cause, &task);
    // SAFETY: it is called once, in the task's own coroutine; nobody else runs or abandons a started task.
    start_on(task, mailbox, stack, move |task| unsafe { task.end_unrun(error) })
}

#[inline(always)]
fn start_on(
    task: TaskRef,
    mailbox: &'static Mailbox,
    stack: Stack,
    run: impl FnOnce(&TaskRef) + 'static,
) -> Started {
    let header = ManuallyDrop::new(task).as_ptr();
    let description =
        Description { write: Some(describe), owner: header.as_ptr().cast_const().cast() };
    let coroutine = Coroutine::new(stack, description, move || {
        // SAFETY: the hub's reference, borrowed; the hub drops it after the body has returned.
        let task = ManuallyDrop::new(unsafe { TaskRef::adopt(header) });
        run(&task);
        // A body that has left something in the task keeps no values.
        if task.has_values() || greenlet::were_used() {
            end_values(&task);
        }
    });
    // From here on the control block is the handle; `finish_unchecked` makes it a coroutine again.
    let control = ManuallyDrop::new(coroutine).control();
    // SAFETY: borrowed for the call from the reference that the started task holds.
    ManuallyDrop::new(unsafe { TaskRef::adopt(header) }).set_started(mailbox, control);
    // SAFETY: made just now on this thread.
    unsafe { Started::new(control) }
}

/// Takes a task that has ended off its stack, and frees the stack for the next.
///
/// # Safety
/// [`Root::resume`] has just said that the task finished; no copy of `started` is used again.
#[inline(always)]
unsafe fn finish_unchecked(started: Started) -> TaskRef {
    // SAFETY: `start` moved the hub's reference into the started task, and this takes it out again, once.
    let task = unsafe { TaskRef::adopt(started.header()) };
    // SAFETY: a coroutine is its control block; the one that `start` gave up is recreated here and dropped, once.
    unsafe { Coroutine::from_control(started.control()) }.dispose();
    task
}

/// Runs a suspended task until it waits, yields, rests or ends. If it rests or has ended, frees its stack; if it has
/// ended, returns its reference.
///
/// The hub calls [`Root::leave`] after a series of these, and in `at_end`, which is called before anything of the stack
/// is disposed of: nothing must run in the name of a task that has ended.
#[inline(always)]
pub(crate) fn resume(started: Started, root: Root, at_end: impl FnOnce()) -> Option<TaskRef> {
    // SAFETY: a `Started` is valid on its own hub's thread until the task ends, only the hub keeps any, and it resumes
    // none that is running: a running task is in no queue until it is about to suspend.
    match unsafe { root.resume(started.control()) } {
        Progress::Suspended => None,
        Progress::Finished => {
            at_end();
            // SAFETY: it has just finished, and the hub keeps no other copy: a running task is in no queue.
            let task = unsafe { finish_unchecked(started) };
            if task.rests() {
                // The reference belongs to the resting task, which may be in the run queue already.
                std::mem::forget(task);
                return None;
            }
            Some(task)
        }
    }
}

/// Suspends the green thread that runs on the calling OS thread, with all coroutines inside it.
///
/// It is inlined up to the user's code where that is hot, see [`Root::suspend`].
#[inline(always)]
pub(crate) fn suspend(current: Started, root: Root) {
    // SAFETY: `current` is what the hub is resuming at this moment, so it is in the chain that leads here.
    ambient::outside(|| unsafe { root.suspend(current.control()) });
}

/// Like [`suspend`], for a caller that has just seen that it does not unwind.
#[inline(always)]
pub(crate) fn suspend_calm(current: Started, root: Root) {
    // SAFETY: as above.
    ambient::outside(|| unsafe { root.suspend_calm(current.control()) });
}

/// Leaves a suspended task as it is for ever: its stack is never freed, and it never runs again, even if somebody wakes
/// it.
pub(crate) fn leak(live: Live) -> TaskRef {
    if let Some(started) = live.started() {
        started.forget_blocker();
    }
    // This is a second reference: that of the started task stays counted, since frames on its stack may use the header.
    let task = live.task();
    task.forget_started();
    task
}
