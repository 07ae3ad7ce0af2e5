//! Running something on the stack of the worker.
#![forbid(unsafe_code)]

use crate::runtime::worker_stack;

/// Runs `body`, which must not wait, on the stack of the calling green thread's worker, and returns what `body` returns.
///
/// That stack is large: 8 MiB on a worker of a runtime, and what the calling OS thread has left on a current-thread runtime. So what
/// does not fit a green thread's own stack goes there: a deep recursion, a regular expression, a handshake, a C library. And it is
/// warm: all green threads of the worker use it in turn, so its top is in the processor's caches, where the stack of one of a
/// thousand connections is not. A handler that parses a request and formats the answer there takes less time under many connections,
/// and a little more where it would have found its own stack warm.
///
/// `body` runs at once and on the same OS thread: it may borrow and hold whatever it likes, and is part of the calling green thread.
/// [`current`](crate::current), [green-local values](crate::green_local), locks that are free, channels that have room or an item,
/// [`spawn`](crate::spawn) and generators are what they are outside. But the caller cannot be suspended in it. The other green threads of
/// the worker wait until `body` has returned; [`yield_now`](crate::yield_now) and operations that take long do not let them run. A kill
/// or an expired timeout strikes at the next suspension after the call. Files, [`blocking`](crate::blocking) and system calls of
/// code that knows nothing of green threads (`monkey`) block the OS thread.
///
/// On a plain OS thread, and inside another `on_worker_stack`, `body` is called directly, where the caller is; a generator that is
/// resumed in it keeps its own small stack. So it is in a panic hook, where a wait blocks the OS thread. An overflow is reported as that
/// of the worker's OS thread.
///
/// # Panics
/// If `body` panics, with the same payload. A wait in `body` panics in the place where it would begin, and a scope or group where it is
/// opened; a destructor that waits while the thread unwinds blocks the OS thread. A generator must not yield out of `body`, nor a
/// greenlet be switched.
///
/// # Examples
/// ```
/// use greenthread::thread::on_worker_stack;
///
/// fn depth(n: u64) -> u64 {
///     let frame = std::hint::black_box([n; 128]); // a kilobyte
///     if n == 0 { 0 } else { 1 + depth(n - 1) + frame[0] - n }
/// }
/// // Two megabytes, on a stack of 64 KiB.
/// let small = greenthread::Builder::new().stack_size(64 << 10);
/// let handle = small.spawn(|| on_worker_stack(|| depth(2000)))?;
/// assert_eq!(handle.join().unwrap(), 2000);
///
/// // What has to wait is refused.
/// let (_sender, receiver) = greenthread::sync::mpsc::channel::<()>();
/// let waits = greenthread::spawn(move || on_worker_stack(|| receiver.recv().is_ok()));
/// assert!(waits.join().unwrap_err().is_panic());
/// # std::io::Result::Ok(())
/// ```
#[doc(alias("on_stack", "maybe_grow", "stacker", "segmented", "deep_recursion", "systemstack"))]
#[inline]
pub fn on_worker_stack<R>(body: impl FnOnce() -> R) -> R {
    worker_stack::on_worker_stack(body)
}
