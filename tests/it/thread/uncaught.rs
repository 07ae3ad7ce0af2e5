//! Failures that nobody joins.
//!
//! The hook is one for the process, in which other tests run: these look at green threads with names of their own only.

use crate::support::{LIMIT, until, workers};
use greenthread::thread::{set_uncaught_hook, take_uncaught_hook};
use greenthread::{Builder, JoinHandle, Runtime};
use std::panic::panic_any;
use std::sync::{Mutex, mpsc};

fn named<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    Builder::new().name(format!("uncaught: {name}")).spawn(body).unwrap()
}

#[test]
fn what_nobody_joins_reaches_the_hook_and_harms_nobody() {
    let (send, receive) = mpsc::channel();
    let send = Mutex::new(send);
    set_uncaught_hook(Box::new(move |thread, error| {
        let Some(name) = thread.name().and_then(|name| name.strip_prefix("uncaught: ")) else {
            return;
        };
        let (id, name) = (thread.id(), name.to_string());
        let payload = *error.into_panic().downcast::<&str>().unwrap();
        send.lock().unwrap().send((id, name, payload, greenthread::current().id())).unwrap();
        // A worker must survive that.
        if payload == "before" {
            panic!("in the uncaught hook");
        }
    }));
    let next = || receive.recv_timeout(LIMIT).unwrap();

    // Detached before its end: the hook runs in the green thread.
    let before = named("before", || {
        greenthread::thread::park();
        panic_any("before")
    });
    let (id, thread) = (before.id(), before.thread().clone());
    before.detach();
    thread.unpark();
    assert_eq!(next(), (id, "before".into(), "before", id));
    // Dropped after its end: it runs where the handle is dropped.
    let after = named("after", || panic_any("after"));
    let id = after.id();
    until(|| after.is_finished());
    drop(after);
    assert_eq!(next(), (id, "after".into(), "after", greenthread::current().id()));
    // A link.
    let linked = named("link", || 5);
    let id = linked.id();
    linked.link(|_| panic_any("link"));
    assert_eq!(linked.join().unwrap(), 5);
    let (told, _, payload, _) = next();
    assert_eq!((told, payload), (id, "link"));
    // A late link.
    let linked = named("late link", || 5);
    until(|| linked.is_finished());
    linked.link(|_| panic_any("late link"));
    assert_eq!(next().2, "late link");

    // What does not count: a joined panic, a kill, a value, and what a scope tells of.
    let in_scope = std::panic::catch_unwind(|| {
        greenthread::scope(|s| {
            Builder::new()
                .name("uncaught: scoped".into())
                .spawn_scoped(s, || panic_any("scoped"))
                .unwrap();
        })
    });
    assert!(in_scope.is_err());
    named("joined", || panic_any("joined")).join().unwrap_err();
    let killed = named("killed", || greenthread::sleep(crate::support::FOR_EVER));
    killed.kill();
    until(|| killed.is_finished());
    drop(killed);
    named("value", || "value").detach();
    let runtime = workers(1);
    for _ in 0..10 {
        runtime.spawn(|| panic!("detached, unnamed")).detach();
    }
    assert_eq!(runtime.spawn(|| 5).join().unwrap(), 5);
    assert!(receive.try_recv().is_err());

    let hook = take_uncaught_hook();
    drop(take_uncaught_hook());
    let unheard = named("nobody hears", || panic_any("nobody hears"));
    until(|| unheard.is_finished());
    unheard.detach();
    set_uncaught_hook(hook);
    named("again", || panic_any("again")).detach();
    assert_eq!(next().2, "again");
    drop(take_uncaught_hook());
}

#[test]
fn the_panic_of_main_is_what_run_returns() {
    let runtime = Runtime::new_current_thread().unwrap();
    let error = runtime.run(|| panic_any("main's")).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "main's");
}
