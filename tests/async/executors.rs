//! Other executors beside and inside green threads: what of theirs works where, and what is left in order.

use crate::{everywhere, join_all};
use greenthread::future::{self, FutureExt as _, green, in_tokio, join};
use greenthread::sync::mpmc;
use greenthread::{catch_unwind, sleep, spawn, timeout, yield_now};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn tokios_ways_to_block_work_in_what_a_green_thread_waits_for() {
    everywhere(|| {
        let handles = (0..10).map(|i| {
            spawn(move || {
                let (sender, receiver) = oneshot::channel();
                let blocking = async move {
                    // On an OS thread of tokio's, where a wait blocks that.
                    tokio::task::spawn_blocking(move || receiver.wait().unwrap() + 1).await
                };
                let (got, sent) = join!(blocking, async { sender.send(i) });
                sent.unwrap();
                assert_eq!(got.unwrap(), i + 1);
                let waited = async {
                    tokio::task::block_in_place(|| {
                        sleep(Duration::from_micros(100));
                        spawn(move || i).join().unwrap()
                    })
                };
                assert_eq!(waited.wait(), i);
            })
        });
        join_all(handles.collect::<Vec<_>>());
    });
}

#[test]
fn a_local_set_is_waited_for_as_any_future() {
    everywhere(|| {
        let handles = (0..10).map(|_| {
            spawn(|| {
                let set = tokio::task::LocalSet::new();
                let count = Rc::new(Cell::new(0));
                let tasks = (0..5).map(|_| {
                    let count = Rc::clone(&count);
                    set.spawn_local(async move {
                        tokio::time::sleep(Duration::from_micros(100)).await;
                        tokio::task::yield_now().await;
                        count.set(count.get() + 1);
                    })
                });
                let tasks: Vec<_> = tasks.collect();
                set.run_until(async {
                    for task in tasks {
                        task.await.unwrap();
                    }
                })
                .wait();
                assert_eq!(count.get(), 5);
                // One that is killed or timed out half way drops its tasks.
                let set = tokio::task::LocalSet::new();
                let held = Rc::clone(&count);
                set.spawn_local(async move {
                    std::future::pending::<()>().await;
                    drop(held);
                });
                assert!(timeout(SHORT, || set.wait()).is_err());
                assert_eq!(Rc::strong_count(&count), 1);
            })
        });
        join_all(handles.collect::<Vec<_>>());
    });
}

#[test]
fn runtimes_of_tokio_are_made_and_dropped_wherever_a_green_thread_is() {
    everywhere(|| {
        let handles = (0..4).map(|i| {
            spawn(move || {
                let runtime =
                    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
                let task = runtime.spawn(async move {
                    tokio::time::sleep(Duration::from_micros(100)).await;
                    i
                });
                // A task of one runtime, awaited in the context of the other.
                assert_eq!(task.wait().unwrap(), i);
                let never = runtime.spawn(std::future::pending::<()>());
                if i % 2 == 0 {
                    drop(runtime);
                } else {
                    // In the middle of a poll, in the context.
                    async { drop(runtime) }.wait();
                }
                assert!(never.wait().unwrap_err().is_cancelled());
                assert!(Handle::try_current().is_err());
            })
        });
        join_all(handles.collect::<Vec<_>>());
    });
}

/// Each blocks its worker while it runs; so they come one after the other, and leave nothing behind.
#[test]
fn runtimes_of_one_thread_take_turns_on_a_worker() {
    everywhere(|| {
        let handles = (0..20).map(|i| {
            spawn(move || {
                for _ in 0..3 {
                    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                    let value = runtime.block_on(async move {
                        let task = tokio::spawn(async move { i });
                        tokio::time::sleep(Duration::from_micros(50)).await;
                        task.await.unwrap()
                    });
                    assert_eq!(value, i);
                    yield_now();
                    assert!(Handle::try_current().is_err());
                    assert_eq!(async { i }.wait(), i);
                }
            })
        });
        join_all(handles.collect::<Vec<_>>());
    });
}

#[test]
fn a_guard_of_a_runtime_that_is_kept_to_oneself_is_left_in_order() {
    everywhere(|| {
        let handles = (0..4).map(|_| {
            spawn(|| {
                let runtime =
                    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
                {
                    let _entered = runtime.enter();
                    assert_eq!(Handle::current().id(), runtime.handle().id());
                    let task = tokio::spawn(async { 1 });
                    drop(task);
                }
                assert!(Handle::try_current().is_err());
                yield_now();
                assert!(Handle::try_current().is_err());
            })
        });
        join_all(handles.collect::<Vec<_>>());
    });
}

#[test]
fn a_poll_or_a_destructor_that_panics_leaves_no_context() {
    struct Panics;

    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    everywhere(|| {
        let in_a_poll = catch_unwind(|| async { panic!("on purpose") }.wait());
        assert!(in_a_poll.is_err());
        assert!(Handle::try_current().is_err());
        let in_a_drop = catch_unwind(|| {
            async {
                let _panics = Panics;
                tokio::task::yield_now().await;
            }
            .wait();
        });
        assert!(in_a_drop.is_err());
        let cut_off = catch_unwind(|| {
            let future = async {
                let _panics = Panics;
                std::future::pending::<()>().await;
            };
            let _ = future.wait_timeout(SHORT);
        });
        assert!(cut_off.is_err());
        assert!(Handle::try_current().is_err());
        let straight = catch_unwind(|| in_tokio(|| panic!("on purpose")));
        assert!(straight.is_err());
        assert!(Handle::try_current().is_err());
        assert_eq!(async { tokio::spawn(async { 1 }).await.unwrap() }.wait(), 1);
    });
}

#[test]
fn our_futures_serve_the_executors_of_others() {
    everywhere(|| {
        let (sender, receiver) = mpmc::bounded(0);
        let consumer = std::thread::spawn(move || {
            futures::executor::block_on(async move {
                let mut sum = 0;
                while let Ok(item) = receiver.recv_async().await {
                    sum += green(move || item).await.unwrap();
                }
                sum
            })
        });
        (0..50).for_each(|i| sender.send(i).unwrap());
        drop(sender);
        assert_eq!(greenthread::blocking(|| consumer.join().unwrap()), 1225);
        // smol's timers, threads and sockets have a reactor of their own, which wakes whoever waits.
        let handles = (0..10).map(|i| {
            spawn(move || {
                smol::Timer::after(Duration::from_micros(100)).wait();
                assert_eq!(smol::unblock(move || i).wait(), i);
            })
        });
        join_all(handles.collect::<Vec<_>>());
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").wait().unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(move || {
            use smol::io::AsyncWriteExt as _;
            let (mut stream, _) = listener.accept().wait().unwrap();
            stream.write_all(b"hello").wait().unwrap();
        });
        use smol::io::AsyncReadExt as _;
        let mut stream = smol::net::TcpStream::connect(address).wait().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).wait().unwrap();
        assert_eq!(text, "hello");
        server.join().unwrap();
    });
}

/// Such a `block_on` blocks its worker: what it waits for must come from elsewhere.
#[test]
fn a_block_on_of_others_blocks_its_worker_and_nothing_else() {
    everywhere(|| {
        let (sender, receiver) = oneshot::channel();
        let other = std::thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(futures::executor::block_on(receiver).unwrap(), 7);
        greenthread::blocking(|| other.join().unwrap());
        assert_eq!(smol::block_on(async { 8 }), 8);
        assert_eq!(spawn(|| future::block_on(async { 9 })).join().unwrap(), 9);
    });
}

#[test]
fn a_storm_of_timeouts_of_tokio_around_our_futures_loses_no_item() {
    everywhere(|| {
        const ITEMS: usize = 300;
        let (sender, receiver) = mpmc::bounded(1);
        let consumers = (0..3).map(|_| {
            let receiver = receiver.clone();
            async {
                tokio::spawn(async move {
                    let (mut got, mut wait) = (0, 0);
                    loop {
                        wait = (wait + 7) % 50;
                        let next = receiver.recv_async();
                        match tokio::time::timeout(Duration::from_micros(wait), next).await {
                            Ok(Ok(())) => got += 1,
                            Ok(Err(_)) => return got,
                            Err(_) => {}
                        }
                    }
                })
            }
            .wait()
        });
        let consumers: Vec<_> = consumers.collect();
        drop(receiver);
        let producer = spawn(move || {
            (0..ITEMS).for_each(|_| sender.send(()).unwrap());
        });
        producer.join().unwrap();
        let got: usize = consumers.into_iter().map(|task| task.wait().unwrap()).sum();
        assert_eq!(got, ITEMS);
    });
}
