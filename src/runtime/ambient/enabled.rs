//! The context of a tokio runtime.
#![forbid(unsafe_code)]

use crate::sys::process::PerProcess;
use std::cell::RefCell;
use std::sync::OnceLock;
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

/// The runtime whose context is entered. If it is the library's own, `Shared` also keeps it running.
struct Shared {
    handle: Handle,
    _own: Option<Runtime>,
}

/// A forked child has none of its parent's threads, so it makes its own.
static SHARED: PerProcess<OnceLock<Shared>> = PerProcess::new();

thread_local! {
    static ENTERED: RefCell<Option<EnterGuard<'static>>> = const { RefCell::new(None) };
}

fn shared() -> &'static Handle {
    let start = || {
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .thread_name("greenthread-tokio")
            .build()
            .expect("failed to start a tokio runtime");
        Shared { handle: runtime.handle().clone(), _own: Some(runtime) }
    };
    &SHARED.get(OnceLock::new).get_or_init(start).handle
}

/// Has the runtime of `handle` used from here on. Returns `false` if one is in use already.
pub(crate) fn set(handle: Handle) -> bool {
    SHARED.get(OnceLock::new).set(Shared { handle, _own: None }).is_ok()
}

fn enter() -> bool {
    ENTERED
        .try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let enters = entered.is_none();
            if enters {
                *entered = Some(shared().enter());
            }
            enters
        })
        .unwrap_or(false)
}

fn leave() -> bool {
    let guard = ENTERED.try_with(|entered| entered.borrow_mut().take()).ok().flatten();
    guard.is_some()
}

struct Leave(bool);

impl Drop for Leave {
    fn drop(&mut self) {
        if self.0 {
            leave();
        }
    }
}

/// Runs a poll in the context. If the caller is already in a context, the poll runs in that one.
#[inline]
pub(crate) fn within<R>(poll: impl FnOnce() -> R) -> R {
    let _leave = Leave(Handle::try_current().is_err() && enter());
    poll()
}

/// Runs `suspend`, which lets others run on the OS thread, outside of the context.
#[inline]
pub(crate) fn outside<R>(suspend: impl FnOnce() -> R) -> R {
    let left = leave();
    let result = suspend();
    if left {
        enter();
    }
    result
}
