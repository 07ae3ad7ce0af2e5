//! Links, kills that wait, and joins that cannot end.

use crate::support::{FOR_EVER, LIMIT, OnDrop, on_all_runtimes, until, within_limit, workers};
use greenthread::thread::park;
use greenthread::{Builder, JoinHandle, Runtime, current, sleep, spawn, yield_now};
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push(what.into());
}

/// All three kinds, told apart by `name`.
fn link_all<T: Send + Sync + 'static + std::fmt::Debug>(
    handle: &JoinHandle<T>,
    log: &Log,
    name: u8,
) {
    let notes = || Arc::clone(log);
    let log = notes();
    handle.link(move |result| note(&log, format!("{name} all {}", result.is_ok())));
    let log = notes();
    handle.link_value(move |value| note(&log, format!("{name} value {value:?}")));
    let log = notes();
    handle.link_failure(move |error| note(&log, format!("{name} failure {error}")));
}

#[test]
fn links_run_once_in_order_before_the_join_returns() {
    on_all_runtimes(|| {
        let log = Log::default();
        let good = spawn(|| {
            park();
            7
        });
        link_all(&good, &log, 1);
        link_all(&good, &log, 2);
        good.thread().unpark();
        assert_eq!(good.join().unwrap(), 7);
        assert_eq!(*log.lock().unwrap(), ["1 all true", "1 value 7", "2 all true", "2 value 7"]);

        let log = Log::default();
        let bad = spawn(|| -> u8 {
            park();
            panic_any("bad")
        });
        link_all(&bad, &log, 3);
        let bad_name = bad.thread().to_string();
        bad.thread().unpark();
        bad.join().unwrap_err();
        let failure = format!("3 failure green thread '{bad_name}' panicked: bad");
        assert_eq!(*log.lock().unwrap(), ["3 all false", &failure]);

        let log = Log::default();
        let killed = spawn(|| sleep(FOR_EVER));
        link_all(&killed, &log, 4);
        let killed_name = killed.thread().to_string();
        killed.kill();
        killed.join().unwrap_err();
        let failure = format!("4 failure green thread '{killed_name}' was killed");
        assert_eq!(*log.lock().unwrap(), ["4 all false", &failure]);
    });
}

#[test]
fn a_link_added_after_the_end_runs_at_once() {
    on_all_runtimes(|| {
        let handle = spawn(|| String::from("value"));
        until(|| handle.is_finished());
        let own = current().id();
        let log = Log::default();
        link_all(&handle, &log, 1);
        let late = Arc::clone(&log);
        handle.link(move |_| {
            assert_eq!(current().id(), own);
            note(&late, "last");
        });
        assert_eq!(*log.lock().unwrap(), ["1 all true", "1 value \"value\"", "last"]);
        assert_eq!(handle.join().unwrap(), "value");
    });
}

#[test]
fn one_that_never_began_still_tells_its_links() {
    // Killed before it began.
    let runtime = Runtime::new_current_thread().unwrap();
    let log = Log::default();
    let seen = Arc::clone(&log);
    runtime
        .run_local(move || {
            let handle = spawn(|| panic!("it must not run"));
            link_all(&handle, &seen, 1);
            handle.kill();
            assert!(handle.join().unwrap_err().is_killed());
        })
        .unwrap();
    assert_eq!(log.lock().unwrap().len(), 2);
    // Its runtime ended.
    let handle = runtime.spawn(|| ());
    link_all(&handle, &log, 2);
    drop(runtime);
    assert_eq!(log.lock().unwrap()[2], "2 all false");
    assert!(handle.join().unwrap_err().is_killed());
}

#[test]
fn a_panicking_link_stops_no_other() {
    on_all_runtimes(|| {
        let log = Log::default();
        let handle = spawn(|| {
            park();
            1
        });
        handle.link(|_| panic!("in a link"));
        link_all(&handle, &log, 1);
        // With a payload that panics when it is dropped.
        handle.link(|_| panic_any(OnDrop(|| panic!("in a payload"))));
        link_all(&handle, &log, 2);
        handle.thread().unpark();
        until(|| handle.is_finished());
        handle.link(|_| panic!("in a late link"));
        link_all(&handle, &log, 3);
        assert_eq!(handle.join().unwrap(), 1);
        assert_eq!(log.lock().unwrap().len(), 6);
    });
}

#[test]
fn links_run_in_the_green_thread_that_ends_and_may_wait() {
    on_all_runtimes(|| {
        for kill in [false, true] {
            let handle = spawn(move || {
                if kill {
                    sleep(FOR_EVER);
                }
                park();
                vec![1, 2, 3]
            });
            let id = handle.id();
            let (send, receive) = mpsc::channel();
            handle.link(move |result| {
                assert_eq!(current().id(), id);
                sleep(Duration::from_millis(1));
                assert_eq!(spawn(|| 5).join().unwrap(), 5);
                send.send(result.as_ref().map(Vec::len).ok()).unwrap();
            });
            yield_now();
            if kill {
                handle.kill();
            }
            handle.thread().unpark();
            drop(handle);
            until(|| match receive.try_recv() {
                Ok(seen) => {
                    assert_eq!(seen, (!kill).then_some(3));
                    true
                }
                Err(error) => {
                    assert_eq!(error, mpsc::TryRecvError::Empty);
                    false
                }
            });
        }
    });
}

#[test]
fn a_kill_ends_the_body_and_no_link() {
    on_all_runtimes(|| {
        let handle = spawn(|| {
            park();
            "value"
        });
        let in_link = Arc::new(AtomicBool::new(false));
        let entered = Arc::clone(&in_link);
        let went_on = Arc::new(AtomicBool::new(false));
        let was_undisturbed = Arc::clone(&went_on);
        let gate = Arc::new(greenthread::sync::Event::new());
        let opens = Arc::clone(&gate);
        handle.link(move |_| {
            entered.store(true, Ordering::SeqCst);
            opens.wait();
            was_undisturbed.store(true, Ordering::SeqCst);
        });
        let next = Arc::new(AtomicBool::new(false));
        let ran = Arc::clone(&next);
        handle.link(move |_| {
            sleep(Duration::from_millis(1));
            ran.store(true, Ordering::SeqCst);
        });
        handle.thread().unpark();
        until(|| in_link.load(Ordering::SeqCst));
        handle.kill();
        greenthread::yield_now();
        gate.set();
        // The body had ended with its value.
        assert_eq!(handle.join().unwrap(), "value");
        assert!(went_on.load(Ordering::SeqCst));
        assert!(next.load(Ordering::SeqCst));
    });
}

/// Its links run when the body has been dropped, where no kill has an effect; that must not last.
#[test]
fn links_of_what_was_killed_before_it_began_are_ended_by_the_runtime_only() {
    within_limit(|| {
        let runtime = workers(1);
        let (send, receive) = mpsc::channel();
        let unwound = Arc::new(AtomicBool::new(false));
        let (entered, set) = (send.clone(), Arc::clone(&unwound));
        let held = OnDrop(move || {
            yield_now();
            send.send("dropped").unwrap();
        });
        let paused = move || Builder::new().start_paused().spawn(move || drop(held)).unwrap();
        let handle = runtime.spawn(paused).join().unwrap();
        handle.link(move |_| {
            let _set = OnDrop(move || set.store(true, Ordering::SeqCst));
            entered.send("entered").unwrap();
            sleep(FOR_EVER);
        });
        handle.kill();
        assert_eq!(receive.recv_timeout(LIMIT), Ok("dropped"));
        assert_eq!(receive.recv_timeout(LIMIT), Ok("entered"));
        handle.kill();
        runtime.spawn(|| (0..10).for_each(|_| yield_now())).join().unwrap();
        assert!(!unwound.load(Ordering::SeqCst), "a second kill disturbed a link");
        drop(runtime);
        assert!(unwound.load(Ordering::SeqCst), "the end of the runtime did not end a link");
    });
}

#[test]
fn a_value_is_seen_by_its_links_while_others_add_more() {
    let runtime = workers(2);
    let count = Arc::new(AtomicUsize::new(0));
    for round in 0..2000 {
        let handle = runtime.spawn(move || Box::new(round));
        for _ in 0..4 {
            let count = Arc::clone(&count);
            handle.link_value(move |value| {
                assert_eq!(**value, round);
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
        if round % 2 == 0 {
            assert_eq!(*handle.join().unwrap(), round);
        }
    }
    until(|| count.load(Ordering::SeqCst) == 8000);
}

#[test]
fn a_link_that_never_ends_is_given_up_with_its_runtime() {
    within_limit(|| {
        let runtime = workers(1);
        let (send, receive) = mpsc::channel();
        let handle = runtime.spawn(|| {
            park();
            String::from("seen by the first link")
        });
        let sender = send.clone();
        handle.link_value(move |value| {
            sender.send(value.clone()).unwrap();
            loop {
                // It swallows what is to end it.
                let _ = std::panic::catch_unwind(|| sleep(FOR_EVER));
            }
        });
        handle.link_failure(move |error| send.send(error.to_string()).unwrap());
        handle.thread().unpark();
        assert_eq!(receive.recv_timeout(LIMIT).unwrap(), "seen by the first link");
        drop(runtime);
        assert!(receive.recv_timeout(LIMIT).unwrap().ends_with("was killed"));
        assert!(handle.join().unwrap_err().is_killed());
    });
}

#[test]
fn kill_and_wait_waits_for_the_unwinding() {
    on_all_runtimes(|| {
        let unwound = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&unwound);
        let (send, receive) = mpsc::channel();
        let handle = spawn(move || {
            let _slow = OnDrop(|| {
                sleep(Duration::from_millis(2));
                set.store(true, Ordering::SeqCst);
            });
            send.send(()).unwrap();
            sleep(FOR_EVER);
        });
        until(|| receive.try_recv().is_ok());
        assert!(handle.kill_and_wait(LIMIT));
        assert!(unwound.load(Ordering::SeqCst));
        assert!(handle.kill_and_wait(Duration::ZERO), "it has ended");
        assert!(handle.join().unwrap_err().is_killed());
    });
}

#[test]
fn kill_and_wait_gives_up_in_time() {
    let runtime = workers(1);
    let (send, receive) = mpsc::channel::<()>();
    let (started, begins) = mpsc::channel();
    let busy = runtime.spawn(move || {
        started.send(()).unwrap();
        receive.recv()
    });
    begins.recv().unwrap();
    assert!(!busy.kill_and_wait(Duration::from_millis(1)));
    drop(send);
    assert!(busy.kill_and_wait(LIMIT));
}

/// A green thread that is given its own handle.
fn with_own_handle<T: Send + Sync + 'static>(
    body: impl FnOnce(JoinHandle<T>) -> T + Send + 'static,
) -> mpsc::Receiver<T> {
    let (give, take) = mpsc::channel::<JoinHandle<T>>();
    let (send, receive) = mpsc::channel();
    let handle = spawn(move || {
        let mut own = None;
        until(|| {
            own = take.try_recv().ok();
            own.is_some()
        });
        body(own.unwrap())
    });
    handle.link(move |_| drop(send));
    give.send(handle).unwrap();
    receive
}

#[test]
fn joining_oneself_is_an_error() {
    within_limit(|| {
        let (send, receive) = mpsc::channel();
        let ended = with_own_handle(move |own| {
            let error = own.join().unwrap_err();
            assert!(error.is_deadlock() && !error.is_killed() && !error.is_panic());
            let text =
                format!("green thread '{}' cannot join itself: it would wait for ever", current());
            assert_eq!(error.to_string(), text);
            send.send(text.clone()).unwrap();
        });
        receive.recv_timeout(LIMIT).unwrap();
        assert!(ended.recv_timeout(LIMIT).is_err());

        let (send, receive) = mpsc::channel();
        with_own_handle(move |own| {
            let result = own.join_timeout(LIMIT).map(|result| result.is_err());
            send.send(matches!(result, Ok(true))).unwrap();
        });
        assert!(receive.recv_timeout(LIMIT).unwrap());
    });
}

#[test]
fn killing_oneself_and_waiting_unwinds() {
    within_limit(|| {
        let (send, receive) = mpsc::channel();
        with_own_handle(move |own| {
            let _unwound = OnDrop(|| send.send("unwound").unwrap());
            greenthread::shield(|| assert!(!own.kill_and_wait(LIMIT), "shielded"));
            own.kill_and_wait(LIMIT);
            unreachable!("it is killed");
        });
        assert_eq!(receive.recv_timeout(LIMIT).unwrap(), "unwound");
    });
}

#[test]
fn names_and_ids_of_handles() {
    let handle = greenthread::Builder::new().name("it".into()).spawn(|| current().id()).unwrap();
    assert_eq!(handle.name(), Some("it"));
    let id = handle.id();
    assert_eq!(handle.join().unwrap(), id);
    let errors: mpsc::Receiver<greenthread::JoinError> = mpsc::channel().1;
    fn is_sync<T: Sync>(_: T) {}
    is_sync(errors.try_recv().unwrap_err());
    fn errors_are_sync<T: Send + Sync>() {}
    errors_are_sync::<greenthread::JoinError>();
}
