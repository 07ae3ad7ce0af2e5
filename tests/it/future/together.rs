//! `join!` and `try_join!`: futures, handles and blocking code, waited for at once.

use super::{promise, yields};
use crate::support::{FOR_EVER, OnDrop, everywhere, until};
use greenthread::future::{self, FutureExt as _, join, try_join};
use greenthread::{catch_unwind, scope, sleep, spawn, timeout};
use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn both_worlds_are_waited_for_at_once() {
    everywhere(|| {
        // Each of the first two waits for what the other does, and the blocking code for both.
        let (one, first) = promise();
        let (two, second) = promise();
        let (three, third) = promise();
        let (four, fourth) = promise();
        let handle = spawn(move || {
            let sum = third.wait();
            four.give(sum + 1);
            "handle"
        });
        let all = future::join!(
            async move {
                one.give(1);
                second.await
            },
            async move {
                two.give(2);
                yields(2).await;
                let got = first.await;
                three.give(got);
                got
            },
            handle,
            future::green(move || fourth.wait()),
        );
        assert_eq!((all.0, all.1), (2, 1));
        assert_eq!((all.2.unwrap(), all.3.unwrap()), ("handle", 2));
        assert_eq!(join!(ready(1)), (1,));
        let r = || ready(0);
        let twelve = join!(r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), ready(12));
        assert_eq!(twelve.11, 12);
    });
}

#[test]
fn what_borrows_is_for_the_handles_of_a_scope() {
    everywhere(|| {
        let mut words = vec!["a", "b"];
        let (first, rest) = words.split_at_mut(1);
        scope(|s| {
            let (own, other) = join!(
                async {
                    yields(1).await;
                    rest[0] = "d";
                    1
                },
                s.spawn(|| {
                    sleep(Duration::from_micros(10));
                    first[0] = "c";
                    2
                }),
            );
            assert_eq!((own, other.unwrap()), (1, 2));
        });
        assert_eq!(words, ["c", "d"]);
    });
}

#[test]
fn the_first_error_drops_the_rest_and_values_come_together() {
    everywhere(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let guard = || {
            let drops = Arc::clone(&drops);
            OnDrop(move || {
                drops.fetch_add(1, Ordering::SeqCst);
            })
        };
        let (dropped, killed) = (guard(), guard());
        let green = future::green(move || {
            let _killed = killed;
            sleep(FOR_EVER);
        });
        let failed = try_join!(
            async move {
                let _dropped = dropped;
                pending::<Result<(), _>>().await
            },
            async {
                green.await.unwrap();
                Ok(())
            },
            async {
                sleep(Duration::from_micros(10));
                yields(1).await;
                Err::<(), _>("failed")
            },
        );
        assert_eq!(failed, Err("failed"));
        until(|| drops.load(Ordering::SeqCst) == 2);
        let handle = spawn(|| 2).into_future();
        let values = try_join!(
            async { Ok::<_, ()>(1) },
            async { handle.await.map_err(drop) },
            ready(Ok("3"))
        );
        assert_eq!(values, Ok((1, 2, "3")));
    });
}

#[test]
fn a_panic_a_kill_and_a_timeout_drop_them_all() {
    everywhere(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let guarded = || {
            let drops = Arc::clone(&drops);
            let guard = OnDrop(move || {
                drops.fetch_add(1, Ordering::SeqCst);
            });
            async move {
                let _guard = guard;
                pending::<()>().await;
            }
        };
        let panics = async {
            yields(1).await;
            panic!("on purpose");
        };
        let caught = catch_unwind(std::panic::AssertUnwindSafe(|| {
            join!(guarded(), panics, guarded());
        }));
        assert!(caught.is_err());
        assert_eq!(drops.load(Ordering::SeqCst), 2);
        assert!(timeout(SHORT, || join!(guarded(), guarded())).is_err());
        assert_eq!(drops.load(Ordering::SeqCst), 4);
        let (begun, begins) = promise();
        let (one, two) = (guarded(), guarded());
        let handle = spawn(move || {
            join!(one, two, async move {
                begun.give(());
            });
        });
        begins.wait();
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(drops.load(Ordering::SeqCst), 6);
    });
}
