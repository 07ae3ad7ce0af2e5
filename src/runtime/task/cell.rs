//! A task of a certain type: the header, and behind it the body that becomes the result.

use super::body::{Body, EndedAsKilled, Ran};
use super::error::{Cause, JoinError, is_interruption};
use super::header::{Header, Published, VTable};
use super::link::ResultLink;
use super::memory;
use super::meta::Meta;
use super::task_ref::TaskRef;
use super::thread::Thread;
use crate::runtime::task::family::Family;
use crate::runtime::task::uncaught;
use crate::stack::budget::Reservation;
use crate::util::dropping::drop_quietly;
use std::any::Any;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

/// What a task holds besides its header, in the order in which these follow each other.
enum Stage<F: Body<T>, T> {
    Body(F),
    Rest(F::Rest),
    Running,
    Result(Result<T, JoinError>),
    Taken,
}

/// One allocation for everything that outlives the stack.
///
/// Until the result is published, `stage` belongs to the hub that runs or abandons the task; then to the owner of the
/// handle. If there is no handle, it is empty by then.
#[repr(C)]
struct Task<F: Body<T>, T> {
    header: Header,
    stage: UnsafeCell<Stage<F, T>>,
}

/// A task as its creator has it: the right to its result.
///
/// It is `Send` if the result is, as the body never leaves the hub.
#[derive(Debug)]
pub(crate) struct Joinable<T> {
    thread: Thread,
    result: PhantomData<T>,
}

// SAFETY: the result is taken out of a `Joinable` that is owned. By a shared one it is seen by `link` only, which asks
// for `Sync`, and by `link_local`, whose caller answers for it.
unsafe impl<T: Send> Sync for Joinable<T> {}

impl<T> Unpin for Joinable<T> {}

/// Calls the links of a task in their order. If one panics, the others are called all the same.
///
/// # Safety
/// `result` points to a `Result<T, JoinError>` of the task's `T`.
#[cold]
unsafe fn call_links(task: &TaskRef, result: *const ()) {
    while let Some(link) = task.next_link() {
        task.forget_kills_of_body();
        // SAFETY: as the caller promises; the links of a task are made for its `T`.
        let called = catch_unwind(AssertUnwindSafe(|| unsafe { link.call(result) }));
        // An interruption of the caller, in whose name the links run, is raised again at its next wait.
        if let Err(payload) = called
            && !is_interruption(&*payload)
        {
            link_panicked(task, payload);
        }
    }
}

/// Whether a result that nobody takes is a failure that nobody has been told of.
#[cold]
fn is_uncaught(task: &TaskRef, error: &JoinError) -> bool {
    !task.is_scoped() && uncaught::is_failure(error.cause())
}

#[cold]
fn link_panicked(task: &TaskRef, payload: Box<dyn Any + Send>) {
    let error = JoinError::from_payload(payload, task);
    uncaught::tell(&Thread::new(task.clone()), error);
}

impl<F: Body<T>, T> Task<F, T> {
    const VTABLE: VTable = VTable {
        run: Self::__rust_begin_short_backtrace,
        abandon: Self::abandon,
        forfeit: Self::forfeit,
        take_result: Self::take_result,
        result: Self::result,
        free: Self::free,
        prefetch: Self::prefetch,
        wake_os: None,
    };

    /// # Safety
    /// `header` is that of a live `Task<F, T>`.
    unsafe fn stage(header: NonNull<Header>) -> *mut Stage<F, T> {
        // SAFETY: `Task` is `repr(C)` with the header first, so both are at one address.
        unsafe { header.cast::<Self>().as_ref() }.stage.get()
    }

    /// Runs the task. std's short backtraces end at a function of this name: the frames below it are not the user's.
    /// This one is called by a pointer, so it is on the stack for certain.
    ///
    /// # Safety
    /// See [`VTable::run`].
    unsafe fn __rust_begin_short_backtrace(header: NonNull<Header>) {
        // SAFETY: the hub keeps a reference while the task runs.
        let shared = unsafe { header.as_ref() };
        let task = std::mem::ManuallyDrop::new(
            // SAFETY: borrowed from the hub's reference, and never dropped.
            unsafe { TaskRef::adopt(header) },
        );
        let result = if task.is_killed() {
            // It was killed before it began, or while it rested. The body does not run, but what it holds is dropped in
            // the green thread, and may wait there.
            // SAFETY: the header is that of this type, and until the result is published only we touch the stage.
            let stage = unsafe { Self::stage(header).replace(Stage::Running) };
            task.without_kills(|| drop_quietly(stage));
            Err(JoinError::new(Cause::Killed, shared))
        } else {
            // SAFETY: as above.
            let run = || unsafe { Self::turn(Self::stage(header)) };
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ran::Ended(Ok(value))) => Ok(value),
                Ok(Ran::Ended(Err(EndedAsKilled))) => Err(JoinError::new(Cause::Killed, shared)),
                Ok(Ran::Rests(rest)) => {
                    // SAFETY: this is the hub's thread, and nobody runs the body before we have returned to the hub.
                    unsafe { Self::stage(header).write(Stage::Rest(rest)) };
                    return;
                }
                Err(payload) => Err(JoinError::from_payload(payload, shared)),
            }
        };
        if let Err(error) = &result {
            shared.note_error(error);
        }
        // SAFETY: this is the hub's thread, and the result is not published yet.
        unsafe { Self::hand_over(&task, result) };
    }

    /// Runs the body, or what it has left. Only that is moved: what a resting body leaves is a word or two, but its
    /// place is as large as the body, and all of it would be copied at each run.
    ///
    /// # Safety
    /// The stage is the caller's.
    #[inline(always)]
    unsafe fn turn(stage: *mut Stage<F, T>) -> Ran<F::Rest, T> {
        // SAFETY: the stage is ours, as the caller says. What is read out is overwritten before it could be used again.
        unsafe {
            match &*stage {
                Stage::Body(body) => {
                    let body = ptr::read(body);
                    stage.write(Stage::Running);
                    body.run()
                }
                Stage::Rest(rest) => {
                    let rest = ptr::read(rest);
                    stage.write(Stage::Running);
                    F::go_on(rest)
                }
                Stage::Running | Stage::Result(_) | Stage::Taken => unreachable!("it runs once"),
            }
        }
    }

    /// Calls the links and publishes the result.
    ///
    /// # Safety
    /// `task` is of this type; the stage is the caller's, and is `Running`.
    unsafe fn hand_over(task: &TaskRef, mut result: Result<T, JoinError>) {
        let (header, shared) = (task.as_ptr(), task.header());
        loop {
            // SAFETY: the stage is ours until the result is published, and is `Running`, so that there is nothing to drop.
            unsafe { Self::stage(header).write(Stage::Result(result)) };
            match shared.publish_result() {
                Published::Wanted => return,
                Published::Unwanted => break,
                Published::Linked => {}
            }
            // The links see the result on our stack. If one of them is suspended for ever, the stage is free for an
            // error that says so.
            // SAFETY: as above, not published.
            let Stage::Result(back) = (unsafe { Self::stage(header).replace(Stage::Running) })
            else {
                return;
            };
            result = back;
            // SAFETY: links of this task were made for its `T`.
            unsafe { call_links(task, (&raw const result).cast()) };
        }
        if task.is_killed() {
            task.forget_kill();
        }
        // SAFETY: the handle is gone, so the stage is ours.
        match unsafe { Self::stage(header).replace(Stage::Taken) } {
            Stage::Result(Err(error)) if is_uncaught(task, &error) => {
                uncaught::tell(&Thread::new(task.clone()), error);
            }
            other => drop_quietly(other),
        }
    }

    /// # Safety
    /// See [`VTable::prefetch`].
    unsafe fn prefetch(header: NonNull<Header>) {
        // SAFETY: the header is that of this type, and nobody changes the stage meanwhile.
        if let Stage::Rest(rest) = unsafe { &*Self::stage(header) } {
            F::prefetch(rest);
        }
    }

    /// # Safety
    /// See [`VTable::abandon`].
    unsafe fn abandon(header: NonNull<Header>, error: JoinError) {
        // SAFETY: the header is that of this type, and the task never starts, so the stage is ours.
        let body = unsafe { Self::stage(header).replace(Stage::Running) };
        // SAFETY: borrowed from the caller's reference, and never dropped.
        let task = std::mem::ManuallyDrop::new(unsafe { TaskRef::adopt(header) });
        task.without_kills(|| drop_quietly(body));
        task.header().note_error(&error);
        // SAFETY: as above, the stage is ours.
        unsafe { Self::hand_over(&task, Err(error)) };
    }

    /// # Safety
    /// See [`VTable::forfeit`].
    unsafe fn forfeit(header: NonNull<Header>, error: JoinError) {
        // SAFETY: the header is that of this type. Nothing of the task runs any more and its result is not published, so the stage is
        // ours; what is suspended for ever has moved what it uses to its own stack.
        std::mem::forget(unsafe { Self::stage(header).replace(Stage::Result(Err(error))) });
    }

    /// # Safety
    /// See [`VTable::take_result`].
    unsafe fn take_result(header: NonNull<Header>, out: *mut ()) {
        // SAFETY: the header is that of this type.
        let stage = unsafe { Self::stage(header) };
        // SAFETY: the task is done and the caller has the only right to its result. Where there is none, the task was given up
        // before it left one, and what is there instead stays untouched.
        let Stage::Result(result) = (unsafe { &*stage }) else { return };
        let result = std::ptr::from_ref(result);
        // SAFETY: the caller passes an `Option` of this type, with nothing to drop in it. The result is moved out, and is not dropped
        // where it was; it may be large, so it goes from there to here at once.
        unsafe {
            out.cast::<Option<Result<T, JoinError>>>().write(Some(result.read()));
            stage.write(Stage::Taken);
        }
    }

    /// # Safety
    /// See [`TaskRef::result`].
    unsafe fn result(header: NonNull<Header>) -> *const () {
        // SAFETY: the stage is the handle's to look at, as the caller says.
        match unsafe { &*Self::stage(header) } {
            Stage::Result(result) => std::ptr::from_ref(result).cast(),
            _ => {
                unreachable!("a result that has been published is there until the handle is spent")
            }
        }
    }

    /// # Safety
    /// See [`VTable::free`].
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: allocated as this type in `new`, and no reference is left: it is dropped once, and its memory given back after that.
        unsafe {
            let task = header.cast::<Self>();
            (&raw mut (*task.as_ptr()).stage).drop_in_place();
            Header::drop_in_place(header);
            memory::free(task);
        }
    }
}

/// Makes a task that has not started.
///
/// The reference is the hub's, which starts or abandons the task. Neither `F` nor `T` need be `Send`: a caller that
/// lets the task start on another OS thread has to require it.
pub(crate) fn new_task<F, T>(
    body: F,
    meta: Option<Box<Meta>>,
    family: Option<&'static Family>,
    reservation: Reservation,
) -> (TaskRef, Joinable<T>)
where
    F: Body<T> + 'static,
    T: 'static,
{
    // SAFETY: neither of the two borrows anything.
    unsafe { new_borrowing_task(body, meta, family, reservation) }
}

/// Like [`new_task`], for a body and a result that borrow.
///
/// # Safety
/// What they borrow lives until [`TaskRef::is_done`] returns `true`, and for ever if [`TaskRef::is_leaked`] does. The
/// `Joinable` is used up or dropped before that ends, or never.
///
/// By then the body has returned or been dropped, and a result that does not belong to the `Joinable` has been dropped
/// too. Whoever still has a reference touches neither.
pub(in crate::runtime) unsafe fn new_borrowing_task<F, T>(
    body: F,
    meta: Option<Box<Meta>>,
    family: Option<&'static Family>,
    reservation: Reservation,
) -> (TaskRef, Joinable<T>)
where
    F: Body<T>,
{
    struct Types<F, T>(PhantomData<(F, T)>);
    impl<F: Body<T>, T> Types<F, T> {
        const VTABLE: &'static VTable = &Task::<F, T>::VTABLE;
    }
    let task = memory::allocate::<Task<F, T>>();
    // SAFETY: the memory has the size and alignment of a `Task<F, T>` at least, and is ours alone.
    unsafe {
        task.write(Task {
            header: Header::new(Types::<F, T>::VTABLE, 2, meta, family, reservation),
            stage: UnsafeCell::new(Stage::Body(body)),
        });
    }
    let header = task.cast::<Header>();
    // SAFETY: the count began at two, one for each.
    unsafe {
        (TaskRef::adopt(header), {
            let thread = Thread::new(TaskRef::adopt(header));
            Joinable { thread, result: PhantomData }
        })
    }
}

impl<T: 'static> Joinable<T> {
    /// Has the green thread call `f` with the result at its end. If the result is there already, calls `f` at once.
    pub(crate) fn link(&self, f: impl FnOnce(&Result<T, JoinError>) + Send + 'static)
    where
        T: Sync,
    {
        self.add_link(ResultLink::new(f));
    }

    /// Like [`link`](Self::link), for an `f` that is not `Send`: the task starts and ends only on the calling OS
    /// thread, and this value does not leave that either.
    pub(crate) fn link_local(&self, f: impl FnOnce(&Result<T, JoinError>) + 'static) {
        self.add_link(ResultLink::new(f));
    }

    fn add_link(&self, link: ResultLink) {
        let task = self.task();
        let Err(link) = task.add_link(link) else { return };
        // SAFETY: the result is there, as `add_link` said. Only a `Joinable` is spent for it, and this one is borrowed;
        // where it is borrowed by other threads too, `T` is `Sync`, as its errors are: `link` asks for that, and what
        // `link_local` is called for does not leave its thread.
        let called = catch_unwind(AssertUnwindSafe(|| unsafe { link.call(task.result()) }));
        match called {
            Ok(()) => {}
            // It was an interruption of the caller.
            Err(payload) if is_interruption(&*payload) => resume_unwind(payload),
            Err(payload) => link_panicked(task, payload),
        }
    }
}

impl<T: Sync> Joinable<T> {
    /// The result, once the task is done.
    pub(crate) fn result(&self) -> Option<&Result<T, JoinError>> {
        if !self.task().is_done() {
            return None;
        }
        // SAFETY: the task is done, so its result is there. Only a `Joinable` is spent for it, and this one is borrowed; where
        // other threads borrow it too, `T` is `Sync`, as its errors are.
        Some(unsafe { &*self.task().result().cast::<Result<T, JoinError>>() })
    }
}

impl<T> Joinable<T> {
    #[inline]
    pub(crate) fn thread(&self) -> &Thread {
        &self.thread
    }

    #[inline]
    pub(crate) fn task(&self) -> &TaskRef {
        self.thread.task()
    }

    /// The result, once the task is done; this uses the value up.
    pub(crate) fn take_result(self) -> Option<Result<T, JoinError>> {
        let mut out = None;
        self.take_result_into(&mut out);
        out
    }

    /// Like [`take_result`](Self::take_result), into an empty `Option`. A large result is on the stack once less.
    #[inline(always)]
    pub(crate) fn take_result_into(self, out: &mut Option<Result<T, JoinError>>) {
        if !self.task().is_done() {
            return;
        }
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: the task is done, so its result is there; a `Joinable` is the only right to it and is spent here.
        // `T` is the task's own, since the two are made together. The reference is moved out and dropped once.
        unsafe {
            this.task().take_result((&raw mut *out).cast());
            std::ptr::read(&this.thread).into_task().drop_last();
        }
    }
}

impl<T> Drop for Joinable<T> {
    fn drop(&mut self) {
        // Nobody is left who could start the task.
        if self.task().is_paused() {
            self.task().kill();
        }
        if self.task().header().detach() {
            let mut out: Option<Result<T, JoinError>> = None;
            // SAFETY: the result was published before, and we have the only right to it.
            unsafe { self.task().take_result((&raw mut out).cast()) };
            match out {
                Some(Err(error)) if is_uncaught(self.task(), &error) => {
                    uncaught::tell(&self.thread, error);
                }
                out => drop_quietly(out),
            }
        }
    }
}
