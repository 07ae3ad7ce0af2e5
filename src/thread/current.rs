//! Which thread the caller is.
#![forbid(unsafe_code)]

use crate::runtime::current as hub;
use crate::runtime::park;
use crate::runtime::task::{Started, Thread};

/// The calling green thread; on a plain OS thread, that thread. As [`std::thread::current`]. Does not suspend.
///
/// # Examples
/// ```
/// assert!(!greenthread::current().is_green());
/// let handle = greenthread::spawn(|| greenthread::current().id());
/// let id = handle.thread().id();
/// assert_eq!(handle.join().unwrap(), id);
/// ```
#[doc(alias("getcurrent", "current_thread", "current_task", "get_ident"))]
pub fn current() -> Thread {
    let green = hub::with_hub(|hub| hub.current()).flatten().map(Started::task);
    Thread::new(green.unwrap_or_else(park::os_thread))
}
