//! tokio's context: there in every poll, and nowhere else.

use crate::{everywhere, join_all};
use greenthread::future::{self, FutureExt as _, block_on};
use greenthread::sync::{Arc, Mutex, Semaphore};
use greenthread::{spawn, timeout, yield_now};
use std::cell::Cell;
use std::future::pending;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

const SHORT: Duration = Duration::from_millis(5);

fn has_context() -> bool {
    Handle::try_current().is_ok()
}

#[test]
fn a_future_finds_tokio_while_it_is_polled_and_nobody_does_after_that() {
    everywhere(|| {
        assert!(!has_context());
        async {
            assert!(has_context());
            tokio::time::sleep(SHORT).await;
            let spawned = tokio::spawn(async { Handle::current().id() });
            assert_eq!(spawned.await.unwrap(), Handle::current().id(), "there is one for all");
        }
        .wait();
        assert!(!has_context());
        assert!(timeout(SHORT, || pending::<()>().wait()).is_err());
        assert!(!has_context(), "nor after an unwind");
    });
}

/// Who waits in the middle of a poll leaves the context, and finds it again.
#[test]
fn neighbours_that_are_suspended_in_the_middle_of_polls_do_not_disturb_each_other() {
    everywhere(|| {
        let turn = Arc::new(Mutex::new(0));
        let seats = Arc::new(Semaphore::new(3));
        let handles = (0..1000).map(|i| {
            let (turn, seats) = (Arc::clone(&turn), Arc::clone(&seats));
            spawn(move || {
                // Whatever ran on this stack in between would leave another value here.
                let own = Cell::new(i);
                let (sender, receiver) = oneshot::channel();
                async {
                    let seat = seats.acquire();
                    async {
                        assert!(has_context());
                        tokio::task::yield_now().await;
                        let mut turn = turn.lock().unwrap();
                        let other = spawn(move || {
                            assert!(!has_context());
                            sender.send(1).unwrap();
                        });
                        *turn += receiver.wait().unwrap();
                        drop(turn);
                        assert!(has_context());
                        other.join().unwrap();
                        assert!(has_context());
                    }
                    .wait();
                    drop(seat);
                    assert!(has_context());
                    tokio::time::sleep(Duration::from_micros(i % 100)).await;
                }
                .wait();
                assert!(!has_context());
                assert_eq!(own.get(), i);
            })
        });
        join_all(handles.collect::<Vec<_>>());
        assert_eq!(*turn.lock().unwrap(), 1000);
    });
}

#[test]
fn a_kill_in_the_middle_of_a_poll_leaves_no_context() {
    everywhere(|| {
        for _ in 0..50 {
            let handle = spawn(|| {
                async { block_on(async { tokio::time::sleep(Duration::from_secs(1000)).await }) }
                    .wait();
            });
            let others = (0..3).map(|_| spawn(|| async { tokio::time::sleep(SHORT).await }.wait()));
            let others: Vec<_> = others.collect();
            yield_now();
            handle.kill();
            assert!(handle.join().unwrap_err().is_killed());
            join_all(others);
            assert!(!has_context());
        }
    });
}

#[test]
fn the_context_of_the_caller_is_kept() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let own = runtime.handle().id();
    runtime.block_on(async {
        assert_eq!(Handle::current().id(), own);
        assert_eq!(async { Handle::current().id() }.wait(), own, "an OS thread of an executor");
        let answer = future::green(|| async { Handle::current().id() }.wait()).await;
        assert_ne!(answer.unwrap(), own, "a green thread is not one");
        assert_eq!(future::green(|| 42).await.unwrap(), 42);
    });
    let _entered = runtime.enter();
    assert_eq!(async { Handle::current().id() }.wait(), own);
}

#[test]
fn a_green_thread_may_run_a_tokio_runtime_of_its_own() {
    everywhere(|| {
        let handles = (0..4).map(|i| {
            spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                // It blocks its worker, as any blocking call does.
                runtime.block_on(async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    tokio::spawn(async move { i }).await.unwrap()
                })
            })
        });
        assert_eq!(join_all(handles.collect::<Vec<_>>()), [0, 1, 2, 3]);
    });
}

#[test]
fn channels_of_tokio_carry_items_between_both_worlds_and_kills_lose_none() {
    everywhere(|| {
        let (sender, mut receiver) = mpsc::channel(4);
        let producers = (0..4).map(|_| {
            let sender = sender.clone();
            spawn(move || {
                let mut sent = 0;
                for i in 0..200 {
                    let wait = Duration::from_micros(i % 50);
                    // What a timeout unwinds out of has been sent or not; never half.
                    sent += usize::from(timeout(wait, || sender.send(1).wait().unwrap()).is_ok());
                }
                sent
            })
        });
        let producers: Vec<_> = producers.collect();
        drop(sender);
        let counted = tokio_task(async move {
            let mut count = 0;
            while let Some(item) = receiver.recv().await {
                count += item;
            }
            count
        });
        let sent: usize = join_all(producers).into_iter().sum();
        assert_eq!(counted.wait().unwrap(), sent);
    });
}

fn tokio_task<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    async { tokio::spawn(future) }.wait()
}

#[test]
fn tasks_of_tokio_await_channels_and_green_threads_of_ours() {
    everywhere(|| {
        let (sender, receiver) = greenthread::sync::mpmc::bounded(0);
        let back = tokio_task(async move {
            let mut sum = 0;
            while let Ok(item) = receiver.recv_async().await {
                sum += spawn(move || item * 2).await.unwrap();
            }
            sum
        });
        (0..100).for_each(|i| sender.send(i).unwrap());
        drop(sender);
        assert_eq!(back.wait().unwrap(), 9900);
        let begin = Instant::now();
        tokio_task(future::sleep(SHORT)).wait().unwrap();
        assert!(begin.elapsed() >= SHORT);
        let ticks = future::stream(|items| (0..5).for_each(|i| items.send(i).unwrap()));
        let sum = tokio_task(async move {
            let mut ticks = std::pin::pin!(ticks);
            let mut sum = 0;
            while let Some(item) = futures::StreamExt::next(&mut ticks).await {
                sum += item;
            }
            sum
        });
        assert_eq!(sum.wait().unwrap(), 10);
    });
}

#[test]
fn straight_line_code_may_ask_for_the_context_and_leaves_it_where_it_is_suspended() {
    everywhere(|| {
        let handles = (0..100).map(|_| {
            spawn(|| {
                future::in_tokio(|| {
                    let task = tokio::spawn(async { 1 });
                    yield_now();
                    assert!(has_context());
                    assert_eq!(task.wait().unwrap(), 1);
                    assert!(has_context());
                });
                assert!(!has_context());
                yield_now();
                assert!(!has_context());
            })
        });
        join_all(handles.collect::<Vec<_>>());
    });
}

/// Needs the context when it is dropped, as connections of pools do.
struct NeedsContext;

impl Drop for NeedsContext {
    fn drop(&mut self) {
        tokio::spawn(async {});
    }
}

#[test]
fn a_future_is_dropped_in_the_context_however_its_wait_ends() {
    everywhere(|| {
        let future = |ready: bool| async move {
            let _needs = NeedsContext;
            if !ready {
                pending::<()>().await;
            }
        };
        future(true).wait();
        assert!(future(false).wait_timeout(SHORT).is_err());
        assert!(timeout(SHORT, || future(false).wait()).is_err());
        let handle = spawn(move || future(false).wait());
        yield_now();
        handle.kill();
        if let Err(error) = handle.join() {
            assert!(error.is_killed());
        }
        greenthread::select! {
            future(future(false)) -> () => unreachable!(),
            default(SHORT) => {},
        }
    });
}
