//! The hook that is told of failures that nobody joins.
#![forbid(unsafe_code)]

use super::{JoinError, Thread};
use crate::runtime::uncaught;
use std::sync::Arc;

/// A function that is called with a green thread that failed, and the reason.
type TakenHook = Box<dyn Fn(&Thread, JoinError) + Send + Sync>;

/// Sets the hook that is called when a green thread fails and nobody can learn of it by joining, as Python's
/// `threading.excepthook`. Such a green thread panicked, or could not run at all, and its handle has been dropped or detached,
/// before its end or after it. A panic of a [link](crate::JoinHandle#links) counts too. A kill is no failure.
///
/// The hook runs where the failure is found out: in the green thread itself, or in the thread that drops the handle. It may
/// wait. A panic of the hook goes no farther. There is one hook for the whole process. The panic hook
/// ([`std::panic::set_hook`]) is called before it, when the panic happens, and prints the message with the name of the green
/// thread. The hook that is set at first prints only what kept a green thread from running, as that is no panic. A handle that
/// is neither joined nor dropped (see [`std::mem::forget`]) tells nobody.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
/// use std::sync::Mutex;
/// let (send, receive) = channel();
/// let send = Mutex::new(send);
/// greenthread::thread::set_uncaught_hook(Box::new(move |_, error| {
///     send.lock().unwrap().send(error.to_string()).unwrap();
/// }));
/// greenthread::spawn(|| panic!("nobody joins me")).detach();
/// assert!(receive.recv().unwrap().ends_with("panicked: nobody joins me"));
/// ```
#[doc(alias("excepthook", "unhandled"))]
pub fn set_uncaught_hook(hook: TakenHook) {
    drop(uncaught::replace(Some(Arc::from(hook))));
}

/// Puts the first hook back and returns the one that was set; as [`std::panic::take_hook`].
///
/// # Examples
/// ```
/// use greenthread::thread::{set_uncaught_hook, take_uncaught_hook};
/// let before = take_uncaught_hook();
/// set_uncaught_hook(Box::new(move |thread, error| {
///     eprintln!("lost: {thread}");
///     before(thread, error);
/// }));
/// ```
pub fn take_uncaught_hook() -> TakenHook {
    match uncaught::replace(None) {
        Some(hook) => Box::new(move |thread, error| hook(thread, error)),
        None => Box::new(|_, error| uncaught::print(&error)),
    }
}
