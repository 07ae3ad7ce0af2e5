//! A tokio runtime beside the library's own.
#![forbid(unsafe_code)]

use crate::runtime::ambient;
use std::error::Error;
use std::fmt;
use tokio::runtime::Handle;

/// Sets the tokio runtime that futures find when they are waited for, instead of one that the library starts by itself when it first
/// waits for a future (with the feature `tokio`). To be called before that, once for the whole process.
///
/// The runtime of `handle` is then the context of each poll in [`block_on`](super::block_on()) and the other waits, unless the caller
/// is in such a context already. So futures of crates that need tokio work on green threads and OS threads: they find its timers,
/// its sockets and its `spawn`. The context is left whenever the green thread is suspended. The runtime must run on threads of its
/// own: a `current_thread` runtime runs only while somebody is in its `block_on`.
///
/// # Errors
/// [`InUse`] if a runtime has been started or given before.
///
/// # Examples
/// ```
/// use greenthread::future::{FutureExt as _, use_tokio};
/// use std::time::Duration;
///
/// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
/// use_tokio(runtime.handle().clone())?;
/// async { tokio::time::sleep(Duration::from_millis(1)).await }.wait();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn use_tokio(handle: Handle) -> Result<(), InUse> {
    if ambient::set(handle) { Ok(()) } else { Err(InUse(())) }
}

/// Runs straight-line code in the context of the tokio runtime that [`block_on`](super::block_on()) polls in. As tokio's
/// `Handle::enter`.
///
/// It is for what needs the context outside of a future: `tokio::spawn`, or destructors, such as that of a connection that sqlx's pool
/// has given out. While `code` suspends the green thread, the context is left.
///
/// # Examples
/// ```
/// use greenthread::future::{FutureExt as _, in_tokio};
///
/// let task = in_tokio(|| tokio::spawn(async { 6 * 7 }));
/// assert_eq!(task.wait()?, 42);
/// # Ok::<(), tokio::task::JoinError>(())
/// ```
pub fn in_tokio<R>(code: impl FnOnce() -> R) -> R {
    ambient::within(code)
}

/// The error that a tokio runtime is in use already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse(());

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tokio runtime is in use already")
    }
}

impl Error for InUse {}
