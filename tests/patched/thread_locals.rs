//! Crates that keep something in a thread-local while they call back: whatever waits in there shares it with the others of its
//! worker.

use crate::{join_all, on};
use greenthread::sync::Event;
use greenthread::{blocking, spawn};
use std::sync::Arc;

scoped_tls::scoped_thread_local!(static OWN: u32);

/// What each of two finds in its `set` once both are inside; they leave in the opposite order.
fn each_finds(is_in_blocking: bool) -> [u32; 2] {
    let events: Arc<[Event; 4]> = Arc::default();
    let other = Arc::clone(&events);
    let first = move || {
        OWN.set(&1, || {
            let [first_is_in, second_is_in, first_has_looked, second_is_out] = &*events;
            first_is_in.set();
            second_is_in.wait();
            let found = OWN.with(|own| *own);
            first_has_looked.set();
            second_is_out.wait();
            found
        })
    };
    let second = move || {
        let [first_is_in, second_is_in, first_has_looked, second_is_out] = &*other;
        first_is_in.wait();
        let found = OWN.set(&2, || {
            second_is_in.set();
            first_has_looked.wait();
            OWN.with(|own| *own)
        });
        second_is_out.set();
        found
    };
    let run = |body: Box<dyn FnOnce() -> u32 + Send>| {
        spawn(move || if is_in_blocking { blocking(body) } else { body() })
    };
    let all = join_all(vec![run(Box::new(first)), run(Box::new(second))]);
    [all[0], all[1]]
}

#[test]
fn what_a_crate_sets_around_a_callback_that_waits_is_shared_unless_it_is_in_blocking() {
    on(1, || {
        assert_eq!(each_finds(false), [2, 2], "the first one finds what the second one has set");
        assert_eq!(each_finds(true), [1, 2]);
    });
}
