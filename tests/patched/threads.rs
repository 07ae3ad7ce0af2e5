//! Crates that have OS threads of their own, which green threads wait for: `threadpool`, `notify`, `ctrlc`.

use crate::children::in_child;
use crate::{join_all, on, waits};
use greenthread::spawn;
use notify::Watcher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[test]
fn a_pool_of_threads_is_waited_for_while_others_run() {
    for workers in [1, 2] {
        on(workers, || {
            let sum = Arc::new(AtomicU64::new(0));
            let over = Arc::new((Mutex::new(false), Condvar::new()));
            let before = waits("syscall");
            let waiters = (0..10u64).map(|own| {
                let (sum, over) = (Arc::clone(&sum), Arc::clone(&over));
                spawn(move || {
                    let pool = threadpool::ThreadPool::new(2);
                    for number in 0..10 {
                        let (sum, over) = (Arc::clone(&sum), Arc::clone(&over));
                        pool.execute(move || {
                            let is_over = over.0.lock().unwrap();
                            drop(over.1.wait_while(is_over, |over| !*over).unwrap());
                            sum.fetch_add(own * 10 + number, Ordering::SeqCst);
                        });
                    }
                    pool.join();
                })
            });
            let waiters: Vec<_> = waiters.collect();
            // All of them wait at the same time, on one worker too.
            while waits("syscall") < before + 10 {
                greenthread::yield_now();
            }
            *over.0.lock().unwrap() = true;
            over.1.notify_all();
            join_all(waiters);
            assert_eq!(sum.load(Ordering::SeqCst), 4950);
        });
    }
}

#[test]
fn changes_of_files_are_waited_for_while_others_run() {
    for workers in [1, 2] {
        on(workers, || {
            let folder =
                std::env::temp_dir().join(format!("greenthread-notify-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
            let sees = Arc::clone(&seen);
            let mut watcher =
                notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                    sees.0.lock().unwrap().extend(event.unwrap().paths);
                    sees.1.notify_all();
                })
                .unwrap();
            watcher.watch(&folder, notify::RecursiveMode::NonRecursive).unwrap();
            let before = waits("syscall");
            let waiters = (0..5).map(|number| {
                let (seen, file) = (Arc::clone(&seen), folder.join(format!("file {number}")));
                spawn(move || {
                    let paths = seen.0.lock().unwrap();
                    drop(seen.1.wait_while(paths, |paths| !paths.contains(&file)).unwrap());
                })
            });
            let waiters: Vec<_> = waiters.collect();
            while waits("syscall") < before + 5 {
                greenthread::yield_now();
            }
            for number in 0..5 {
                std::fs::write(folder.join(format!("file {number}")), "x").unwrap();
                std::thread::sleep(Duration::from_micros(100));
            }
            join_all(waiters);
            drop(watcher);
            std::fs::remove_dir_all(&folder).unwrap();
        });
    }
}

#[test]
fn an_interrupt_reaches_a_green_thread_by_a_handler_of_another_crate() {
    let test = "threads::an_interrupt_reaches_a_green_thread_by_a_handler_of_another_crate";
    let outcome = in_child(test, || {
        on(1, || {
            let count = Arc::new((Mutex::new(0), Condvar::new()));
            let counted = Arc::clone(&count);
            ctrlc::set_handler(move || {
                *counted.0.lock().unwrap() += 1;
                counted.1.notify_all();
            })
            .unwrap();
            for wanted in 1..=10 {
                let before = waits("syscall");
                let own = Arc::clone(&count);
                let waiter = spawn(move || {
                    let got = own.0.lock().unwrap();
                    drop(own.1.wait_while(got, |got| *got < wanted).unwrap());
                });
                while waits("syscall") == before {
                    greenthread::yield_now();
                }
                // SAFETY: this process handles it.
                assert_eq!(unsafe { libc::raise(libc::SIGINT) }, 0);
                waiter.join().unwrap();
            }
        });
    });
    outcome.works();
}
