//! Crates that keep something in a thread-local while they call back or wait: all green threads of a worker share it.

use crate::children::in_child;
use crate::{join_all, on};
use event_listener::Listener;
use greenthread::future::FutureExt;
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

#[test]
fn a_crate_that_waits_by_a_parker_in_a_thread_local_panics_at_the_second_wait() {
    let test =
        "thread_locals::a_crate_that_waits_by_a_parker_in_a_thread_local_panics_at_the_second_wait";
    let outcome = in_child(test, || {
        on(1, || {
            let event = event_listener::Event::new();
            let waits = [event.listen(), event.listen()]
                .map(|listener| spawn(move || Listener::wait(listener)));
            let [_, second] = waits;
            let why = second.join().expect_err("it finds the first one's parker in use");
            assert!(why.to_string().contains("inconsistent park"), "{why}");
            // The first one can be woken no more.
            std::process::exit(0);
        });
    });
    outcome.works();
}

#[test]
fn such_a_crate_works_in_blocking_and_as_async() {
    on(1, || {
        for is_async in [false, true] {
            let event = event_listener::Event::new();
            let waits = [event.listen(), event.listen()].map(|listener| {
                spawn(move || match is_async {
                    true => FutureExt::wait(listener),
                    false => blocking(|| Listener::wait(listener)),
                })
            });
            greenthread::yield_now();
            event.notify(usize::MAX);
            join_all(waits);
        }
    });
}
