//! What follows green threads though it belongs to the OS thread.
#![forbid(unsafe_code)]

use crate::runtime::hooks::{self, SwitchHook};

/// Has `hook` called around each suspension of a green thread, of all runtimes of the process, from now on and for ever.
///
/// For state that other libraries keep for an OS thread and that is to follow a green thread instead, such as the span of a trace. Those
/// that were added first are left first and entered last. A green thread begins with what the OS thread has outside of all of them, and
/// whatever it leaves there at its end stays there. Generators and greenlets switch without it. While there is no hook, a switch costs
/// what it costs without this function.
///
/// # Examples
/// A name that each green thread sets for itself, in a thread-local of std's:
/// ```
/// use greenthread::thread::{self, SwitchHook};
/// use std::cell::Cell;
///
/// thread_local!(static NAME: Cell<&'static str> = const { Cell::new("nobody") });
///
/// struct Follow;
///
/// impl SwitchHook for Follow {
///     fn suspend(&self, others_run: &mut dyn FnMut()) {
///         let own = NAME.replace("nobody");
///         others_run();
///         NAME.set(own);
///     }
/// }
///
/// thread::add_switch_hook(Box::new(Follow));
/// let threads = ["ann", "ben"].map(|name| {
///     greenthread::spawn(move || {
///         assert_eq!(NAME.replace(name), "nobody");
///         greenthread::yield_now();
///         assert_eq!(NAME.replace("nobody"), name);
///     })
/// });
/// threads.into_iter().for_each(|thread| thread.join().unwrap());
/// ```
pub fn add_switch_hook(hook: Box<dyn SwitchHook>) {
    hooks::add(hook);
}
