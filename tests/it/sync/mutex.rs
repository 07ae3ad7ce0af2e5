use super::{LONG, SHORT, eventually, runtime};
use greenthread::sync::{Arc, Mutex, ReentrantMutex, TryLockError};
use greenthread::{Runtime, sleep, spawn, yield_now};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn counts_over_green_threads_and_os_threads() {
    let runtime = runtime(2);
    let mutex = Arc::new(Mutex::new(0));
    let work = |mutex: Arc<Mutex<u64>>, yields: bool| {
        move || {
            for _ in 0..1000 {
                let mut guard = mutex.lock().unwrap();
                let before = *guard;
                if yields {
                    yield_now();
                }
                *guard = before + 1;
            }
        }
    };
    let green: Vec<_> =
        (0..20).map(|i| runtime.spawn(work(Arc::clone(&mutex), i % 2 == 0))).collect();
    let os: Vec<_> = (0..2).map(|_| std::thread::spawn(work(Arc::clone(&mutex), false))).collect();
    for handle in green {
        handle.join().unwrap();
    }
    for handle in os {
        handle.join().unwrap();
    }
    assert_eq!(*mutex.lock().unwrap(), 22_000);
}

#[test]
fn who_tries_for_a_lock_or_has_little_time_gives_up() {
    let mutex = Arc::new(Mutex::new(()));
    let guard = mutex.lock().unwrap();
    assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
    assert!(matches!(mutex.lock_timeout(SHORT), Err(TryLockError::WouldBlock)));
    let other = Arc::clone(&mutex);
    let green = spawn(move || other.lock_timeout(SHORT).is_err());
    assert!(green.join().unwrap());
    drop(guard);
    drop(mutex.lock_timeout(SHORT).unwrap());
    drop(mutex.try_lock().unwrap());
}

#[test]
fn a_panic_poisons() {
    let mutex = Arc::new(Mutex::new(1));
    let other = Arc::clone(&mutex);
    let result = spawn(move || {
        let _guard = other.lock().unwrap();
        panic!("on purpose");
    });
    assert!(result.join().unwrap_err().is_panic());
    assert!(mutex.is_poisoned());
    let mut guard = mutex.lock().unwrap_err().into_inner();
    *guard += 1;
    drop(guard);
    assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
    mutex.clear_poison();
    assert_eq!(*mutex.lock().unwrap(), 2);
    let guard = mutex.lock().unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| panic!("beside the lock")));
    drop(guard);
    assert!(caught.is_err() && !mutex.is_poisoned(), "the panic was over");
}

#[test]
fn a_kill_unlocks_and_does_not_poison() {
    let runtime = runtime(1);
    let (mutex, held) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
    {
        let (mutex, held) = (Arc::clone(&mutex), Arc::clone(&held));
        runtime.spawn(move || {
            let _guard = mutex.lock().unwrap();
            held.store(true, Ordering::SeqCst);
            sleep(Duration::MAX);
        });
    }
    eventually(|| held.load(Ordering::SeqCst));
    let waiting = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let (mutex, waiting) = (Arc::clone(&mutex), Arc::clone(&waiting));
        runtime.spawn(move || {
            waiting.fetch_add(1, Ordering::SeqCst);
            let _guard = mutex.lock();
            sleep(Duration::MAX);
        });
    }
    eventually(|| waiting.load(Ordering::SeqCst) == 10);
    drop(runtime);
    drop(mutex.lock_timeout(LONG).expect("free, and not poisoned"));
}

/// The holder takes it again and again over suspensions, and a waiter gets it all the same.
#[test]
fn a_waiter_gets_the_lock_that_its_holder_takes_again_and_again() {
    let runtime = runtime(1);
    let mutex = Arc::new(Mutex::new(()));
    let (begun, got) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let greedy = {
        let (mutex, begun, got) = (Arc::clone(&mutex), Arc::clone(&begun), Arc::clone(&got));
        runtime.spawn(move || {
            let mut rounds = 0;
            while !got.load(Ordering::SeqCst) {
                let _guard = mutex.lock().unwrap();
                yield_now();
                rounds += u32::from(begun.load(Ordering::SeqCst));
                assert!(rounds < 300, "the other starves");
            }
        })
    };
    let modest = {
        let (mutex, begun, got) = (Arc::clone(&mutex), Arc::clone(&begun), Arc::clone(&got));
        runtime.spawn(move || {
            begun.store(true, Ordering::SeqCst);
            for _ in 0..10 {
                drop(mutex.lock().unwrap());
            }
            got.store(true, Ordering::SeqCst);
        })
    };
    modest.join().unwrap();
    greedy.join().unwrap();
}

/// Many hold it over suspensions, again and again: between two turns of one there are few turns of each other.
#[test]
fn turns_come_round() {
    const THREADS: usize = 30;
    Runtime::new_current_thread()
        .unwrap()
        .run(|| {
            let turns = Arc::new(Mutex::new(Vec::new()));
            let take_turns = |name: usize| {
                let turns = Arc::clone(&turns);
                move || {
                    for _ in 0..300 {
                        let mut turns = turns.lock().unwrap();
                        yield_now();
                        turns.push(name);
                    }
                }
            };
            let all: Vec<_> = (0..THREADS).map(|name| spawn(take_turns(name))).collect();
            greenthread::thread::join_all(all);
            let turns = turns.lock().unwrap();
            let mut before = [None; THREADS];
            for (at, name) in turns.iter().enumerate() {
                if let Some(before) = before[*name].replace(at) {
                    assert!(at - before < THREADS * 20, "{name} waits for {} turns", at - before);
                }
            }
        })
        .unwrap();
}

#[test]
fn moves_out_and_formats() {
    let mut mutex = Mutex::from(String::from("a"));
    mutex.get_mut().unwrap().push('b');
    assert_eq!(format!("{mutex:?}"), r#"Mutex { data: "ab", poisoned: false, .. }"#);
    let guard = mutex.lock().unwrap();
    assert_eq!(format!("{guard} {mutex:?}"), "ab Mutex { data: <locked>, poisoned: false, .. }");
    drop(guard);
    assert_eq!(mutex.into_inner().unwrap(), "ab");
    let unsized_one: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2, 3]));
    assert_eq!(unsized_one.lock().unwrap().len(), 3);
}

#[test]
fn reentrant_belongs_to_the_green_thread() {
    let runtime = runtime(1);
    let mutex = Arc::new(ReentrantMutex::new(Cell::new(0)));
    let inside = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (0..10)
        .map(|_| {
            let (mutex, inside) = (Arc::clone(&mutex), Arc::clone(&inside));
            runtime.spawn(move || {
                let outer = mutex.lock();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                yield_now();
                for _ in 0..3 {
                    let again = mutex.lock();
                    yield_now();
                    again.set(again.get() + 1);
                }
                assert!(mutex.is_owned());
                drop(mutex.try_lock().expect("held by the caller"));
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(outer);
                assert!(!mutex.is_owned());
            })
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
    let outer = mutex.lock();
    let other = Arc::clone(&mutex);
    let refused = runtime.spawn(move || {
        !other.is_owned() && other.try_lock().is_none() && other.lock_timeout(SHORT).is_none()
    });
    assert!(refused.join().unwrap());
    assert_eq!(outer.get(), 30);
}

#[test]
fn what_may_be_shared_and_sent() {
    use greenthread::sync::{Condvar, Once, RwLock, mpmc, mpsc};
    use std::panic::{RefUnwindSafe, UnwindSafe};
    fn both<T: Send + Sync>() {}
    fn unwind<T: UnwindSafe + RefUnwindSafe>() {}
    both::<Mutex<Cell<u8>>>();
    both::<RwLock<u8>>();
    both::<ReentrantMutex<Cell<u8>>>();
    both::<mpsc::Sender<Cell<u8>>>();
    both::<mpsc::SyncSender<Cell<u8>>>();
    both::<mpmc::Sender<Cell<u8>>>();
    both::<mpmc::Receiver<Cell<u8>>>();
    unwind::<Mutex<Cell<u8>>>();
    unwind::<RwLock<Cell<u8>>>();
    unwind::<(Once, Condvar)>();
}

/// std's `into_inner` and `get_mut` tell of the poison and give the data all the same.
#[test]
fn poisoned_data_can_be_had_without_locking() {
    fn poison(panics: impl FnOnce() + Send + 'static) {
        assert!(spawn(panics).join().unwrap_err().is_panic());
    }
    let mutex = Arc::new(Mutex::new(1));
    let own = Arc::clone(&mutex);
    poison(move || {
        let _guard = own.lock().unwrap();
        panic!("on purpose");
    });
    let mut mutex = Arc::into_inner(mutex).unwrap();
    **mutex.get_mut().unwrap_err().get_mut() += 1;
    assert_eq!(mutex.into_inner().unwrap_err().into_inner(), 2);

    let lock = Arc::new(greenthread::sync::RwLock::new(1));
    let own = Arc::clone(&lock);
    poison(move || {
        let _guard = own.write().unwrap();
        panic!("on purpose");
    });
    assert!(lock.read().is_err() && lock.try_read().is_err());
    let mut lock = Arc::into_inner(lock).unwrap();
    **lock.get_mut().unwrap_err().get_mut() += 1;
    assert_eq!(lock.into_inner().unwrap_err().into_inner(), 2);
}
