//! Functions that are called around each suspension of a green thread, for state that belongs to an OS thread and is to
//! follow green threads.
//!
//! While there are none, a yield does not even ask for them: the word that it reads anyway ([`process::is_plain`]) says
//! whether there are any.
#![forbid(unsafe_code)]

use super::sleeper::os_thread;
use crate::coroutine::{self, try_enter_no_switch_region};
use crate::runtime::lane::current;
use crate::runtime::task::here::Here;
use crate::runtime::task::{Started, TaskRef};
use crate::sys::{process, report};
use std::cell::Cell;
use std::sync::OnceLock;

/// A function that is called at each suspension of a green thread; see
/// [`add_switch_hook`](crate::thread::add_switch_hook).
pub trait SwitchHook: Send + Sync {
    /// Called by each green thread that is about to be suspended. It takes away what the OS thread has of this green
    /// thread, calls `others_run` once, and puts it back. In between, other green threads of the worker run, and this
    /// one may never be resumed. What is kept meanwhile can be in local variables, as these are on the stack of the
    /// green thread.
    ///
    /// It runs as on a plain OS thread: if it waits, it blocks the worker. It must not panic, as that ends the process.
    /// A switch to another greenlet panics here, as it does inside a timeout. A [`timeout`](crate::timeout()) around
    /// `others_run` ends waits of this call only. A [`ContextVar`](crate::thread::ContextVar) or
    /// [`green_local!`](crate::green_local) that it uses is the green thread's.
    fn suspend(&self, others_run: &mut dyn FnMut());
}

struct HookNode {
    hook: Box<dyn SwitchHook>,
    next: OnceLock<Box<HookNode>>,
}

static FIRST: OnceLock<Box<HookNode>> = OnceLock::new();

/// Adds a hook, which is called inside of those that there are.
pub(crate) fn add(hook: Box<dyn SwitchHook>) {
    let mut node = Box::new(HookNode { hook, next: OnceLock::new() });
    let mut place = &FIRST;
    loop {
        match place.set(node) {
            Ok(()) => break,
            Err(back) => node = back,
        }
        if let Some(taken) = place.get() {
            place = &taken.next;
        }
    }
    process::note_hooks();
}

thread_local! {
    /// The green thread whose hooks the OS thread runs now.
    static IN_HOOKS_OF: Cell<Option<Started>> = const { Cell::new(None) };
}

/// The green thread whose hooks the caller is in. Meanwhile the caller counts as no green thread.
pub(crate) fn owner() -> Option<Started> {
    IN_HOOKS_OF.get()
}

/// Ends the process if a hook panics, as the green thread would then neither run nor wait.
struct MustReturn;

impl Drop for MustReturn {
    fn drop(&mut self) {
        report(format_args!("a switch hook has panicked"));
        std::process::abort();
    }
}

fn around(place: &'static OnceLock<Box<HookNode>>, others_run: &mut dyn FnMut()) {
    match place.get() {
        Some(node) => node.hook.suspend(&mut || around(&node.next, others_run)),
        None => others_run(),
    }
}

/// Calls `suspend`, which suspends the running green thread, inside of the hooks. In the hooks the caller counts as no
/// green thread.
#[cold]
#[inline(never)]
pub(super) fn outside(started: Started, suspend: impl FnOnce()) {
    let must_return = MustReturn;
    // If a hook switched a greenlet away, the green thread would run although its wait has begun.
    let region = try_enter_no_switch_region();
    let with_here = |f: &dyn Fn(&Here)| current::with_lane(|lane| f(lane.here()));
    let enter_hooks = || {
        with_here(&Here::begin_hook);
        IN_HOOKS_OF.set(Some(started));
    };
    let leave_hooks = |current| {
        IN_HOOKS_OF.set(None);
        with_here(&|here| here.end_hook(current));
    };
    // In every hook it is the OS thread that waits. Timeouts and shields that one hook has opened do not concern the
    // others, nor do those of a caller that runs a current-thread runtime.
    let thread = os_thread();
    let around_all = Cell::new(thread.set_aside());
    let mut suspend = Some(suspend);
    let mut once = || {
        if suspend.is_none() {
            return;
        }
        let open = thread.set_aside();
        leave_hooks(None);
        thread.put_back(around_all.take());
        if let Some(suspend) = suspend.take() {
            suspend();
        }
        around_all.set(thread.set_aside());
        enter_hooks();
        thread.put_back(open);
    };
    enter_hooks();
    around(&FIRST, &mut once);
    // A hook may not have called it.
    once();
    leave_hooks(Some(started));
    thread.put_back(around_all.take());
    drop(region);
    if coroutine::has_storage() {
        // A hook may have made values of the green thread's own, which are destroyed when that ends.
        started.with(TaskRef::set_has_values);
    }
    std::mem::forget(must_return);
}
