use super::{SHORT, eventually, runtime};
use greenthread::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use greenthread::yield_now;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn readers_share_and_a_writer_is_alone() {
    let runtime = runtime(2);
    let (lock, readers) = (Arc::new(RwLock::new((0, 0))), Arc::new(AtomicUsize::new(0)));
    let writers = (0..4).map(|_| {
        let (lock, readers) = (Arc::clone(&lock), Arc::clone(&readers));
        runtime.spawn(move || {
            for _ in 0..200 {
                let mut guard = lock.write().unwrap();
                assert_eq!(readers.load(Ordering::SeqCst), 0);
                guard.0 += 1;
                yield_now();
                guard.1 += 1;
            }
        })
    });
    let mut handles: Vec<_> = writers.collect();
    handles.extend((0..8).map(|_| {
        let (lock, readers) = (Arc::clone(&lock), Arc::clone(&readers));
        runtime.spawn(move || {
            for _ in 0..200 {
                let guard = lock.read().unwrap();
                readers.fetch_add(1, Ordering::SeqCst);
                yield_now();
                assert_eq!(guard.0, guard.1);
                readers.fetch_sub(1, Ordering::SeqCst);
            }
        })
    }));
    for handle in handles {
        handle.join().unwrap();
    }
    assert_eq!(*lock.read().unwrap(), (800, 800));
}

#[test]
fn a_waiting_writer_holds_new_readers_back() {
    let runtime = runtime(1);
    let (lock, wrote) = (Arc::new(RwLock::new(0)), Arc::new(AtomicBool::new(false)));
    let reader = lock.read().unwrap();
    let writer = {
        let (lock, wrote) = (Arc::clone(&lock), Arc::clone(&wrote));
        runtime.spawn(move || {
            *lock.write().unwrap() = 1;
            wrote.store(true, Ordering::SeqCst);
        })
    };
    eventually(|| lock.try_read().is_err());
    assert!(lock.read_timeout(SHORT).is_err() && !wrote.load(Ordering::SeqCst));
    assert!(lock.write_timeout(SHORT).is_err());
    drop(reader);
    writer.join().unwrap();
    assert_eq!(*lock.read().unwrap(), 1);
}

/// A writer that gives up lets the readers behind it in.
#[test]
fn a_writer_that_gives_up_blocks_nobody() {
    let (doomed, rest) = (runtime(1), runtime(1));
    let lock = Arc::new(RwLock::new(0));
    let reader = lock.read().unwrap();
    let writer = {
        let lock = Arc::clone(&lock);
        doomed.spawn(move || *lock.write().unwrap() = 1)
    };
    eventually(|| lock.try_read().is_err());
    let second = {
        let lock = Arc::clone(&lock);
        rest.spawn(move || *lock.read().unwrap())
    };
    drop(doomed);
    assert!(writer.join().unwrap_err().is_killed());
    assert_eq!(second.join().unwrap(), 0);
    drop(reader);
    assert!(!lock.is_poisoned());
    *lock.write().unwrap() = 2;
}

#[test]
fn downgrading_lets_readers_in_and_no_writer() {
    let runtime = runtime(1);
    let lock = Arc::new(RwLock::new(0));
    let mut writer = lock.write().unwrap();
    let reader = {
        let lock = Arc::clone(&lock);
        runtime.spawn(move || *lock.read().unwrap())
    };
    *writer = 1;
    greenthread::sleep(SHORT);
    let own = RwLockWriteGuard::downgrade(writer);
    assert_eq!(reader.join().unwrap(), 1);
    assert!(lock.try_write().is_err());
    drop(own);
    drop(lock.try_write().unwrap());
}

#[test]
fn a_writer_poisons_and_a_reader_does_not() {
    let lock = Arc::new(RwLock::new(0));
    for write in [false, true] {
        let other = Arc::clone(&lock);
        let handle = greenthread::spawn(move || {
            let _guards = if write {
                (None, Some(other.write().unwrap()))
            } else {
                (Some(other.read().unwrap()), None)
            };
            panic!("on purpose");
        });
        assert!(handle.join().is_err());
        assert_eq!(lock.is_poisoned(), write);
    }
}

/// A guard may stand for one whose data lives shorter, as std's.
#[test]
fn a_reading_guard_is_covariant() {
    fn longest<'a>(guard: RwLockReadGuard<'_, &'a str>, other: &'a str) -> &'a str {
        if guard.len() > other.len() { *guard } else { other }
    }
    let text = String::from("outer");
    let lock = RwLock::new(text.as_str());
    {
        let inner = String::from("in");
        assert_eq!(longest(lock.read().unwrap(), &inner), "outer");
    }
    drop(lock);
}

/// It is no method, so data that has one of that name keeps it.
#[test]
fn downgrade_hides_nothing() {
    let lock = RwLock::new(Arc::new(1));
    let writer = lock.write().unwrap();
    let weak = Arc::downgrade(&writer);
    let reader = RwLockWriteGuard::downgrade(writer);
    assert_eq!(weak.upgrade().as_deref(), Some(&**reader));
}

#[test]
fn guards_show_the_data() {
    let lock = RwLock::new(12);
    assert_eq!(format!("{0:4} {0:?}", lock.read().unwrap()), "  12 12");
    assert_eq!(format!("{0:4} {0:?}", lock.write().unwrap()), "  12 12");
}
