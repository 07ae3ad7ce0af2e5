//! Detaching and attaching contexts where green threads are suspended.
#![forbid(unsafe_code)]

use crate::green_local;
use crate::thread::{SwitchHook, add_switch_hook};
use crate::util::dropping::Held;
use ::opentelemetry::{Context, ContextGuard};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::Once;

/// A context that is attached, but while its green thread is suspended.
struct AttachedContext {
    number: u64,
    context: Context,
    guard: Option<ContextGuard>,
}

green_local! {
    /// What the green thread has attached, the latest last.
    static ENTRIES: RefCell<Vec<AttachedContext>> = const { RefCell::new(Vec::new()) };
    static LAST: Cell<u64> = const { Cell::new(0) };
}

struct Contexts;

/// No code of the user's runs in it: contexts are kept, so that none ends.
impl SwitchHook for Contexts {
    fn suspend(&self, others_run: &mut dyn FnMut()) {
        let Some(entries) = ENTRIES.peek().filter(|entries| !entries.borrow().is_empty()) else {
            return others_run();
        };
        entries.borrow_mut().iter_mut().rev().for_each(|entry| entry.guard = None);
        others_run();
        for entry in entries.borrow_mut().iter_mut() {
            entry.guard = Some(entry.context.clone().attach());
        }
    }
}

/// Keeps a context attached; see [`attach`], which has examples. It belongs to its green thread, so it is not `Send`.
#[must_use = "it is detached when this is dropped"]
#[derive(Debug)]
pub struct Attached {
    number: u64,
    here: PhantomData<*const ()>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        let Some(entries) = ENTRIES.peek() else { return };
        let own = {
            let mut entries = entries.borrow_mut();
            let at = entries.iter().rposition(|entry| entry.number == self.number);
            at.map(|at| entries.remove(at))
        };
        // A span that ends with its last context may be exported by code that waits: then it is in the list no more.
        if let Some(AttachedContext { context, guard, .. }) = own {
            drop(guard);
            drop(context);
        }
    }
}

/// Makes a context the current one of the green thread, until what is returned is dropped: while the green thread runs, but not while it
/// waits. Does not suspend. As `Context::attach`, which it calls; on plain OS threads it does the same. What is dropped in another order
/// than it was attached leaves the latest current.
///
/// # Panics
/// Where the [values](crate::green_local) of the green thread are gone, as it ends.
///
/// # Examples
/// ```
/// use greenthread::{opentelemetry::attach, sleep, spawn};
/// use opentelemetry::Context;
/// use std::time::Duration;
///
/// let waits = spawn(|| {
///     let _attached = attach(Context::current_with_value("own"));
///     sleep(Duration::from_millis(1));
///     assert_eq!(Context::current().get(), Some(&"own"));
/// });
/// spawn(|| assert_eq!(Context::current().get::<&str>(), None)).join().unwrap();
/// waits.join().unwrap();
/// ```
pub fn attach(context: Context) -> Attached {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| add_switch_hook(Box::new(Contexts)));
    let number = LAST.get() + 1;
    LAST.set(number);
    let guard = Some(context.clone().attach());
    ENTRIES.with_borrow_mut(|entries| entries.push(AttachedContext { number, context, guard }));
    Attached { number, here: PhantomData }
}

/// Wraps the body of a green thread, such that it runs in the context that is current for the caller of this.
///
/// # Examples
/// ```
/// use greenthread::{opentelemetry::{attach, in_current_context}, scope};
/// use opentelemetry::Context;
///
/// let _attached = attach(Context::current_with_value(7));
/// scope(|scope| {
///     scope.spawn(in_current_context(|| assert_eq!(Context::current().get(), Some(&7))));
/// });
/// ```
pub fn in_current_context<T>(body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let body = Held::new(body);
    let context = Context::current();
    move || {
        let attached = attach(context);
        let result = Held::new(body.into_inner()());
        drop(attached);
        result.into_inner()
    }
}
