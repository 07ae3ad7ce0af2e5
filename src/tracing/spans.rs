//! Exiting and entering spans where green threads are suspended.
#![forbid(unsafe_code)]

use crate::thread::{SwitchHook, add_switch_hook};
use ::tracing::dispatcher::get_default;
use ::tracing::{Dispatch, Span};
use std::sync::Once;

/// More spans inside one another than that are not exited: a subscriber that goes on to name one as the current one does not keep track.
const MOST: usize = 1024;

struct Spans;

impl SwitchHook for Spans {
    fn suspend(&self, others_run: &mut dyn FnMut()) {
        let left = get_default(|dispatch| {
            let current = dispatch.current_span();
            current.id().is_some().then(|| {
                let mut left = Vec::new();
                while let Some(id) = dispatch.current_span().id()
                    && left.len() < MOST
                {
                    left.push(dispatch.clone_span(id));
                    dispatch.exit(id);
                }
                (Dispatch::clone(dispatch), left)
            })
        });
        others_run();
        if let Some((dispatch, left)) = left {
            for id in left.into_iter().rev() {
                dispatch.enter(&id);
                dispatch.try_close(id);
            }
        }
    }
}

/// From here on, spans that a green thread has entered are entered only while it runs, in all runtimes of the process. Later calls do
/// nothing. Does not suspend.
///
/// # Examples
/// ```
/// use greenthread::{spawn, tracing::follow_green_threads, yield_now};
/// use tracing::{Span, info_span};
///
/// follow_green_threads();
/// let waits = spawn(|| {
///     let _span = info_span!("waits").entered();
///     yield_now();
/// });
/// spawn(|| assert!(Span::current().is_none())).join().unwrap();
/// waits.join().unwrap();
/// ```
pub fn follow_green_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| add_switch_hook(Box::new(Spans)));
}

/// Wraps the body of a green thread, such that it runs inside of the span that the caller of this is in.
///
/// # Examples
/// ```
/// use greenthread::{scope, tracing::{follow_green_threads, in_current_span}};
/// use tracing::{Span, info_span};
///
/// follow_green_threads();
/// let span = info_span!("request").entered();
/// let id = span.id();
/// scope(|scope| {
///     scope.spawn(in_current_span(|| assert_eq!(Span::current().id(), id)));
/// });
/// ```
pub fn in_current_span<T>(body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let span = Span::current();
    move || span.in_scope(body)
}
