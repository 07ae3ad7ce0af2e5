//! Groups: green threads that succeed or fail together.

use crate::support::{FOR_EVER, OnDrop, everywhere, until, within_limit, workers};
use greenthread::thread::{GroupError, TaskError, TaskGroup, group, park};
use greenthread::{Builder, Runtime, shield, sleep, timeout, yield_now};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

fn texts<E: std::fmt::Display>(error: GroupError<E>) -> Vec<String> {
    error.into_iter().map(|error| error.to_string()).collect()
}

fn for_ever<E>() -> Result<(), E> {
    sleep(FOR_EVER);
    Ok(())
}

#[test]
fn a_group_returns_its_value_once_all_have_ended() {
    everywhere(|| {
        let numbers = [1, 2, 3];
        let mut doubled = [0; 3];
        let sum = group(|g| {
            for (from, to) in numbers.iter().zip(&mut doubled) {
                g.spawn(move || {
                    sleep(Duration::from_millis(1));
                    *to = from * 2;
                    Ok::<_, Infallible>(())
                });
            }
            let last = g.spawn(|| Ok(&numbers[2]));
            Ok(numbers[0] + last.join().unwrap())
        });
        assert_eq!(sum.unwrap(), 4);
        assert_eq!(doubled, [2, 4, 6]);
    });
}

#[test]
fn the_first_failure_kills_the_others_and_ends_the_body() {
    everywhere(|| {
        let unwound = AtomicUsize::new(0);
        let wait = || {
            let _count = OnDrop(|| {
                unwound.fetch_add(1, Ordering::SeqCst);
            });
            sleep(FOR_EVER);
            Ok(())
        };
        let begun = AtomicUsize::new(0);
        let result = group(|g| {
            for _ in 0..3 {
                g.spawn(|| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    wait()
                });
            }
            until(|| begun.load(Ordering::SeqCst) == 3);
            g.spawn(|| -> Result<(), &str> { Err("it failed") });
            wait()
        });
        assert_eq!(texts(result.unwrap_err()), ["it failed"]);
        assert_eq!(unwound.load(Ordering::SeqCst), 4);
        // The caller itself was not harmed.
        sleep(Duration::from_millis(1));
    });
}

#[test]
fn all_errors_are_reported_in_their_order() {
    within_limit(|| {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let result = group(|g| {
                    for i in 0..3 {
                        g.spawn(move || {
                            // Killed here, and fails at it.
                            let _ = catch_unwind(park);
                            Err::<(), _>(format!("task {i}"))
                        });
                    }
                    let builder = Builder::new().name("panics".into());
                    g.spawn_with(builder, || -> Result<(), String> {
                        yield_now();
                        panic!("on purpose")
                    })
                    .unwrap();
                    let failed = catch_unwind(AssertUnwindSafe(|| sleep(FOR_EVER)));
                    assert!(failed.is_err());
                    Err::<(), _>("the body".to_string())
                });
                let errors = result.unwrap_err();
                assert!(matches!(&errors.errors()[0], TaskError::Panicked(e) if e.is_panic()));
                let mut texts = texts(errors);
                assert_eq!(texts[0], "green thread 'panics' panicked: on purpose");
                texts[1..].sort();
                assert_eq!(texts[1..], ["task 0", "task 1", "task 2", "the body"]);
            })
            .unwrap();
    });
}

#[test]
fn the_bodys_error_kills_the_tasks() {
    everywhere(|| {
        let result = group(|g| {
            g.spawn(for_ever);
            Err::<(), _>("the body's")
        });
        assert_eq!(texts(result.unwrap_err()), ["the body's"]);
    });
}

#[test]
fn a_panic_of_the_body_kills_the_tasks_and_passes() {
    everywhere(|| {
        let result = catch_unwind(|| {
            group(|g| {
                g.spawn(for_ever::<Infallible>);
                if true {
                    panic!("the body's");
                }
                Ok(())
            })
        });
        assert_eq!(*result.unwrap_err().downcast_ref::<&str>().unwrap(), "the body's");
    });
}

#[test]
fn a_single_task_may_be_killed() {
    everywhere(|| {
        let result = group(|g| {
            let one = g.spawn(for_ever::<Infallible>);
            let other = g.spawn(|| Ok(7));
            one.kill();
            assert!(one.join().unwrap_err().is_killed());
            Ok(other.join().unwrap())
        });
        assert_eq!(result.unwrap(), 7);
    });
}

#[test]
fn tasks_spawn_tasks_and_late_ones_never_run() {
    everywhere(|| {
        let count = AtomicUsize::new(0);
        fn tree<'scope>(
            g: &TaskGroup<'scope, '_, &'static str>,
            depth: usize,
            count: &'scope AtomicUsize,
        ) {
            for _ in 0..2 {
                let inner = g.clone();
                g.spawn(move || {
                    count.fetch_add(1, Ordering::SeqCst);
                    if depth > 0 {
                        tree(&inner, depth - 1, count);
                    }
                    Ok(())
                });
            }
        }
        group(|g| {
            tree(g, 3, &count);
            Ok(())
        })
        .unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2 + 4 + 8 + 16);
        let result = group(|g| {
            let failing = g.spawn(|| Err::<(), _>("early"));
            assert!(failing.join().unwrap_err().is_killed());
            g.spawn(|| -> Result<(), _> { unreachable!("too late") });
            Ok(())
        });
        assert_eq!(texts(result.unwrap_err()), ["early"]);
    });
}

#[test]
fn groups_nest_and_timeouts_pass_through() {
    everywhere(|| {
        let outer: Result<(), _> = group(|outer| {
            let inner = group(|inner| {
                inner.spawn(|| Err::<(), _>("inner"));
                for_ever()
            });
            assert_eq!(texts(inner.unwrap_err()), ["inner"]);
            outer.spawn(|| Err::<(), _>("outer"));
            // The outer group ends through an inner one, which does not take that for its own.
            let inner = group(|inner| {
                inner.spawn(for_ever::<Infallible>);
                for_ever()
            });
            unreachable!("{inner:?}");
        });
        assert_eq!(texts::<&str>(outer.unwrap_err()), ["outer"]);
        let late = timeout(SHORT, || {
            group(|g| {
                g.spawn(for_ever::<Infallible>);
                Ok(())
            })
        });
        assert!(late.is_err());
        let in_time = group(|g| {
            g.spawn(|| Err::<(), _>("x"));
            assert!(timeout(FOR_EVER, || sleep(FOR_EVER)).is_ok(), "it unwinds past this");
            Ok(())
        });
        assert_eq!(texts(in_time.unwrap_err()), ["x"]);
    });
}

#[test]
fn a_shielded_body_is_not_cut_short() {
    everywhere(|| {
        let mut done = false;
        let result = group(|g| {
            g.spawn(|| Err::<(), _>("x"));
            shield(|| sleep(SHORT));
            done = true;
            yield_now();
            sleep(FOR_EVER);
            Ok(())
        });
        assert_eq!(texts(result.unwrap_err()), ["x"]);
        assert!(done);
    });
}

/// Nothing ends a wait inside of a shield, so the failure ends the other tasks only.
#[test]
fn a_group_inside_a_shield_lets_its_body_go_on_to_its_end() {
    everywhere(|| {
        let mut done = false;
        let result = shield(|| {
            group(|g| {
                let other = g.spawn(for_ever);
                g.spawn(|| Err::<(), _>("x"));
                assert!(other.join().unwrap_err().is_killed());
                sleep(SHORT);
                done = true;
                Ok(())
            })
        });
        assert_eq!(texts(result.unwrap_err()), ["x"]);
        assert!(done);
        // Nothing of the failure is left to strike here.
        sleep(SHORT);
    });
}

#[test]
fn a_killed_owner_kills_its_group() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let unwound = Arc::new(AtomicUsize::new(0));
            let begun = Arc::new(AtomicUsize::new(0));
            let (counted, beginning) = (Arc::clone(&unwound), Arc::clone(&begun));
            let runtime = workers(count);
            let owner = runtime.spawn(move || {
                group(|g| {
                    for _ in 0..3 {
                        g.spawn(|| {
                            let _count = OnDrop(|| {
                                counted.fetch_add(1, Ordering::SeqCst);
                            });
                            beginning.fetch_add(1, Ordering::SeqCst);
                            park();
                            Ok::<_, Infallible>(())
                        });
                    }
                    Ok(())
                })
            });
            until(|| begun.load(Ordering::SeqCst) == 3);
            owner.kill();
            assert!(owner.join().unwrap_err().is_killed());
            assert_eq!(unwound.load(Ordering::SeqCst), 3);
        }
    });
}

#[test]
fn a_task_without_a_stack_is_an_error_beside_the_others() {
    let outcome = workers(1).run(|| {
        group(|g| {
            // A terabyte each: there are addresses for 128 at most.
            let spawn_one = |_| g.spawn_with(Builder::new().stack_size(1 << 40), for_ever).unwrap();
            let handles: Vec<_> = (0..160).map(spawn_one).collect();
            until(|| handles.iter().any(|one| one.is_finished()));
            drop(handles);
            Err::<(), _>("the body's")
        })
    });
    let errors = outcome.unwrap().unwrap_err().into_errors();
    let (failed, not_run): (Vec<_>, Vec<_>) =
        errors.into_iter().partition(|error| matches!(error, TaskError::Failed(_)));
    assert!(matches!(failed[..], [TaskError::Failed("the body's")]), "{failed:?}");
    assert!(!not_run.is_empty());
    for error in not_run {
        let TaskError::Panicked(error) = error else { panic!("{error:?}") };
        assert_eq!(error.io_error().expect("no memory").kind(), std::io::ErrorKind::OutOfMemory);
    }
}
