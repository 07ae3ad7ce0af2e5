//! Hearing of green threads that failed where nobody joins them.
#![forbid(unsafe_code)]

use super::{JoinError, Thread};
use crate::runtime::uncaught;
use std::sync::Arc;

/// What is called with a green thread that failed and why.
type Hook = Box<dyn Fn(&Thread, JoinError) + Send + Sync>;

/// Sets what is called when a green thread fails and nobody will learn of it, as Python's `threading.excepthook`: it
/// panicked, or could not run at all, and its handle is dropped or detached, be that before its end or after. A panic of
/// a link counts as well. A kill is no failure.
///
/// The hook runs where that is found out: in the green thread itself, which may wait there, or in the thread that drops the
/// handle. A panic of the hook goes no farther. It is one for the whole process, like [`std::panic::set_hook`]'s, which is
/// called first: it prints the message with the name of the green thread. The standard hook here prints only what kept a
/// green thread from running. A handle that is neither joined nor dropped (see [`std::mem::forget`]) tells nobody.
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
pub fn set_uncaught_hook(hook: Hook) {
    drop(uncaught::replace(Some(Arc::from(hook))));
}

/// Puts the standard hook back and returns the one that was set, or the standard one; as [`std::panic::take_hook`].
pub fn take_uncaught_hook() -> Hook {
    match uncaught::replace(None) {
        Some(hook) => Box::new(move |thread, error| hook(thread, error)),
        None => Box::new(|_, error| uncaught::print(&error)),
    }
}
