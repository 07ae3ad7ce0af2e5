//! Scopes: green threads that borrow from their spawner.

use crate::support::{FOR_EVER, OnDrop, everywhere, on_all_runtimes, until, within_limit, workers};
use greenthread::thread::{self, ScopedJoinHandle, park};
use greenthread::{Builder, Runtime, scope, shield, sleep, timeout, yield_now};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

fn text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload.downcast_ref::<&str>().copied().unwrap_or("no text")
}

#[test]
fn children_borrow_and_are_joined() {
    everywhere(|| {
        let numbers: Vec<u64> = (0..1000).collect();
        let mut parts = [0; 10];
        let count = AtomicUsize::new(0);
        let text = scope(|s| {
            for (part, slice) in parts.iter_mut().zip(numbers.chunks(100)) {
                let count = &count;
                s.spawn(move || {
                    yield_now();
                    *part = slice.iter().sum();
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
            "the body's value"
        });
        assert_eq!(text, "the body's value");
        assert_eq!(count.load(Ordering::Relaxed), 10);
        assert_eq!(parts.iter().sum::<u64>(), 499_500);
    });
}

#[test]
fn results_borrow_and_handles_pass_between_children() {
    everywhere(|| {
        let names = [String::from("a"), String::from("bb")];
        let longest = scope(|s| {
            let first: ScopedJoinHandle<'_, &String> = s.spawn(|| &names[0]);
            // A child joins its sibling.
            let second = s.spawn(|| (first.join().unwrap(), &names[1]));
            let (first, second) = second.join().unwrap();
            if first.len() > second.len() { first } else { second }
        });
        assert_eq!(longest, "bb");
    });
}

#[test]
fn scopes_nest_and_children_spawn_in_them() {
    everywhere(|| {
        let count = AtomicUsize::new(0);
        scope(|outer| {
            for _ in 0..3 {
                outer.spawn(|| {
                    let own = AtomicUsize::new(0);
                    scope(|inner| {
                        for _ in 0..3 {
                            inner.spawn(|| {
                                yield_now();
                                own.fetch_add(1, Ordering::Relaxed);
                                // Into the outer one, from a child of the inner one.
                                outer.spawn(|| {
                                    sleep(Duration::from_millis(1));
                                    count.fetch_add(1, Ordering::Relaxed);
                                });
                            });
                        }
                    });
                    assert_eq!(own.into_inner(), 3);
                });
            }
        });
        assert_eq!(count.into_inner(), 9);
    });
}

#[test]
fn settings_of_a_builder_apply_in_a_scope() {
    everywhere(|| {
        let name = scope(|s| {
            let builder = Builder::new().name("n".into()).stack_size(64 * 1024);
            let handle =
                builder.spawn_scoped(s, || thread::current().name().map(str::to_string)).unwrap();
            assert_eq!(handle.thread().name(), Some("n"));
            assert!(Builder::new().stack_size(0).spawn_scoped(s, || ()).is_err());
            handle.join().unwrap()
        });
        assert_eq!(name.as_deref(), Some("n"));
    });
}

#[test]
fn what_is_dropped_or_forgotten_changes_nothing() {
    everywhere(|| {
        let dropped = AtomicUsize::new(0);
        let count = || {
            OnDrop(|| {
                // Before the scope is over: what it borrows is still there.
                yield_now();
                dropped.fetch_add(1, Ordering::SeqCst);
            })
        };
        let ended = AtomicUsize::new(0);
        scope(|s| {
            for early in [true, false] {
                for forget in [true, false] {
                    let (count, ended) = (&count, &ended);
                    let handle = s.spawn(move || {
                        let value = count();
                        if !early {
                            sleep(SHORT);
                        }
                        ended.fetch_add(1, Ordering::SeqCst);
                        value
                    });
                    if early {
                        until(|| handle.is_finished());
                    }
                    if forget {
                        std::mem::forget(handle);
                    } else {
                        drop(handle);
                    }
                }
            }
        });
        assert_eq!(ended.load(Ordering::SeqCst), 4);
        assert_eq!(dropped.load(Ordering::SeqCst), 2, "two are forgotten together with handles");
    });
}

#[test]
fn a_panic_nobody_was_told_of_is_the_scopes() {
    everywhere(|| {
        let other_ended = AtomicBool::new(false);
        let payload = catch_unwind(AssertUnwindSafe(|| {
            scope(|s| {
                s.spawn(|| panic!("a child's"));
                s.spawn(|| {
                    sleep(SHORT);
                    other_ended.store(true, Ordering::SeqCst);
                });
                "a value that is lost"
            })
        }));
        assert_eq!(text(&*payload.unwrap_err()), "a scoped thread panicked");
        assert!(other_ended.load(Ordering::SeqCst), "its sibling was waited for, not killed");
        // One that is joined is not; nor is a kill.
        scope(|s| {
            let handle = s.spawn(|| panic!("a child's"));
            assert!(handle.join().unwrap_err().is_panic());
            s.spawn(|| sleep(FOR_EVER)).kill();
        });
    });
}

#[test]
fn a_panic_of_the_body_passes_after_the_children() {
    everywhere(|| {
        let ended = AtomicUsize::new(0);
        let payload = catch_unwind(AssertUnwindSafe(|| {
            scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        sleep(SHORT);
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                }
                s.spawn(|| panic!("a child's"));
                panic!("the body's");
            })
        }));
        assert_eq!(text(&*payload.unwrap_err()), "the body's");
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_child_that_is_killed_before_it_starts_never_runs() {
    Runtime::new_current_thread()
        .unwrap()
        .run_local(|| {
            let dropped = AtomicUsize::new(0);
            let held = OnDrop(|| {
                dropped.fetch_add(1, Ordering::SeqCst);
            });
            scope(|s| {
                let handle = s.spawn(move || {
                    let _held = held;
                    unreachable!("killed before it began");
                });
                handle.kill();
                assert!(handle.join().unwrap_err().is_killed());
            });
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
        })
        .unwrap();
}

/// Where the owner is when the kill comes.
#[derive(Clone, Copy, Debug)]
enum At {
    Body,
    End,
    JoinOfAChild,
    NestedEnd,
}

#[test]
fn a_kill_of_the_owner_kills_the_children_and_waits_for_them() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            for at in [At::Body, At::End, At::JoinOfAChild, At::NestedEnd] {
                let log = Arc::new(AtomicUsize::new(0));
                let written = Arc::clone(&log);
                let owner = runtime.spawn(move || {
                    let borrowed = AtomicUsize::new(0);
                    let _when_the_owner_unwinds =
                        OnDrop(|| written.store(borrowed.load(Ordering::SeqCst), Ordering::SeqCst));
                    let child = || {
                        let _cleanup = OnDrop(|| {
                            // Destructors may wait, and nothing cuts the owner's wait for them short.
                            sleep(SHORT);
                            borrowed.fetch_add(1, Ordering::SeqCst);
                        });
                        written.fetch_add(100, Ordering::SeqCst);
                        sleep(FOR_EVER);
                    };
                    scope(|s| {
                        for _ in 0..3 {
                            s.spawn(child);
                        }
                        match at {
                            At::Body => park(),
                            At::End => {}
                            At::JoinOfAChild => drop(s.spawn(|| sleep(FOR_EVER)).join()),
                            At::NestedEnd => scope(|s| {
                                s.spawn(|| sleep(FOR_EVER));
                            }),
                        }
                    });
                    unreachable!("it was killed");
                });
                until(|| log.load(Ordering::SeqCst) == 300);
                owner.kill();
                assert!(owner.join().unwrap_err().is_killed(), "{at:?}");
                assert_eq!(log.load(Ordering::SeqCst), 3, "{at:?}");
            }
        }
    });
}

#[test]
fn a_timeout_does_the_same() {
    everywhere(|| {
        let ended = AtomicUsize::new(0);
        for in_body in [true, false] {
            let result = timeout(SHORT, || {
                scope(|s| {
                    for _ in 0..3 {
                        s.spawn(|| {
                            let _count = OnDrop(|| {
                                ended.fetch_add(1, Ordering::SeqCst);
                            });
                            sleep(FOR_EVER);
                        });
                    }
                    if in_body {
                        sleep(FOR_EVER);
                    }
                });
            });
            assert!(result.is_err());
        }
        // Those that had not begun when the time was over never do.
        assert!(ended.load(Ordering::SeqCst) <= 6);
        // Inside a shield it waits.
        let late = timeout(Duration::ZERO, || {
            shield(|| {
                scope(|s| {
                    s.spawn(|| sleep(SHORT));
                });
            });
            "done all the same"
        });
        assert_eq!(late, Ok("done all the same"));
    });
}

#[test]
fn locks_are_not_poisoned_by_what_passes_through() {
    everywhere(|| {
        let lock = greenthread::sync::Mutex::new(());
        for nested in [false, true] {
            let result = timeout(SHORT, || {
                let _guard = lock.lock().unwrap();
                if nested {
                    let _ = timeout(FOR_EVER, || sleep(FOR_EVER));
                } else {
                    scope(|_| sleep(FOR_EVER));
                }
            });
            assert!(result.is_err());
            assert!(!lock.is_poisoned(), "{nested}");
        }
    });
}

#[test]
fn children_spawned_while_the_scope_is_killed_end_too() {
    everywhere(|| {
        let result = timeout(SHORT, || {
            scope(|s| {
                s.spawn(|| {
                    let _late = OnDrop(|| {
                        s.spawn(|| {
                            let _later = OnDrop(|| drop(s.spawn(|| sleep(FOR_EVER))));
                            sleep(FOR_EVER);
                        });
                    });
                    sleep(FOR_EVER);
                });
            });
        });
        assert!(result.is_err());
    });
}

#[test]
fn a_scope_in_a_destructor_while_its_thread_unwinds() {
    everywhere(|| {
        let sum = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _cleanup = OnDrop(|| {
                scope(|s| {
                    for i in 0..4 {
                        let sum = &sum;
                        s.spawn(move || {
                            sleep(Duration::from_millis(1));
                            sum.fetch_add(i, Ordering::SeqCst);
                        });
                    }
                });
            });
            panic!("on purpose");
        }));
        assert!(result.is_err());
        assert_eq!(sum.into_inner(), 6);
    });
}

#[test]
fn a_generator_must_not_yield_out_of_a_scope() {
    let mut generator = greenthread::generator::Generator::<u8>::new(|y| {
        scope(|s| {
            s.spawn(yield_now);
            y.yield_(1);
        });
    });
    assert!(catch_unwind(AssertUnwindSafe(|| generator.next())).is_err());
}

#[test]
fn the_end_of_the_runtime_in_the_middle() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            let begun = Arc::new(AtomicUsize::new(0));
            let ended = Arc::new(AtomicUsize::new(0));
            let handles: Vec<_> = (0..10)
                .map(|_| {
                    let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
                    runtime.spawn(move || {
                        let borrowed = AtomicUsize::new(0);
                        let _check = OnDrop(|| {
                            ended.fetch_add(borrowed.load(Ordering::SeqCst), Ordering::SeqCst);
                        });
                        scope(|s| {
                            for _ in 0..5 {
                                s.spawn(|| {
                                    let _count = OnDrop(|| {
                                        yield_now();
                                        borrowed.fetch_add(1, Ordering::SeqCst);
                                    });
                                    begun.fetch_add(1, Ordering::SeqCst);
                                    sleep(FOR_EVER);
                                });
                            }
                        });
                    })
                })
                .collect();
            until(|| begun.load(Ordering::SeqCst) == 50);
            drop(runtime);
            for handle in handles {
                // One whose children were all killed on other workers first may have come to its end.
                assert!(handle.join().err().is_none_or(|error| error.is_killed()));
            }
            assert_eq!(ended.load(Ordering::SeqCst), 50);
        }
    });
}

/// The slow one: a runtime gives a green thread up.
#[test]
fn a_scope_with_a_child_that_is_given_up_never_returns() {
    within_limit(|| {
        let runtime = workers(2);
        let begun = Arc::new(AtomicUsize::new(0));
        let left = Arc::new(AtomicBool::new(false));
        let (counted, leaving) = (Arc::clone(&begun), Arc::clone(&left));
        let owner = runtime.spawn(move || {
            let _leaves = OnDrop(|| leaving.store(true, Ordering::SeqCst));
            scope(|s| {
                let child = Builder::new().name("stubborn".into()).spawn_scoped(s, || {
                    counted.fetch_add(1, Ordering::SeqCst);
                    loop {
                        let _ = catch_unwind(|| sleep(FOR_EVER));
                    }
                });
                drop(child);
            });
        });
        until(|| begun.load(Ordering::SeqCst) == 1);
        drop(runtime);
        assert!(owner.join().unwrap_err().is_killed());
        assert!(!left.load(Ordering::SeqCst), "its frames are left as they were");
    });
}

#[test]
fn local_children_borrow_what_is_not_send() {
    fn children_borrow_and_end() {
        let (sum, log) = (Cell::new(0), RefCell::new(Vec::new()));
        let own = Rc::new(5);
        let here = std::thread::current().id();
        scope(|s| {
            let handles: Vec<_> = (0..20)
                .map(|n| {
                    let (sum, log, own) = (&sum, &log, Rc::clone(&own));
                    s.spawn_local(move || {
                        yield_now();
                        sum.set(sum.get() + n);
                        log.borrow_mut().push(std::thread::current().id());
                        own
                    })
                })
                .collect();
            for (n, handle) in handles.into_iter().enumerate() {
                match n % 3 {
                    0 => assert_eq!(*handle.join().unwrap(), 5),
                    1 => drop(handle),
                    _ => std::mem::forget(handle),
                }
            }
            let killed = s.spawn_local(|| {
                let _never = log.borrow();
                sleep(FOR_EVER);
            });
            yield_now();
            killed.kill();
            assert!(killed.join().unwrap_err().is_killed());
        });
        assert_eq!(sum.get(), (0..20).sum::<i32>());
        assert!(log.borrow().len() == 20 && log.borrow().iter().all(|id| *id == here));
        drop(log.borrow_mut());
        // One of another worker has children of its own there, in the same scope.
        scope(|s| {
            for _ in 0..8 {
                s.spawn(move || {
                    let (count, here) = (Rc::new(Cell::new(0)), std::thread::current().id());
                    let own = Rc::clone(&count);
                    let local = s.spawn_local(move || {
                        yield_now();
                        own.set(own.get() + 1);
                        std::thread::current().id()
                    });
                    assert_eq!((local.join().unwrap(), count.get()), (here, 1));
                });
            }
        });
        // A panic that nobody joined is the scope's.
        let panicked = catch_unwind(|| {
            scope(|s| {
                s.spawn_local(|| panic!("a local child's"));
            });
        });
        assert!(panicked.is_err());
    }
    on_all_runtimes(children_borrow_and_end);
    let refused = scope(|s| Builder::new().spawn_scoped_local(s, || ()).map(drop).unwrap_err());
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
}
