//! Guards of a part of what a lock protects.

use crate::support::on_all_runtimes;
use greenthread::sync::{
    Arc, MappedMutexGuard, MappedReentrantMutexGuard, MappedRwLockReadGuard,
    MappedRwLockWriteGuard, Mutex, MutexGuard, OnceLock, ReentrantMutex, ReentrantMutexGuard,
    RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use greenthread::thread::park;
use greenthread::{spawn, yield_now};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn a_part_of_a_mutex_keeps_it_locked() {
    on_all_runtimes(|| {
        let mutex = Arc::new(Mutex::new((1, vec![2, 3])));
        let part = MutexGuard::map(mutex.lock().unwrap(), |data| &mut data.1);
        let waiter = spawn({
            let mutex = Arc::clone(&mutex);
            move || mutex.lock().unwrap().1.clone()
        });
        yield_now();
        assert!(mutex.try_lock().is_err() && !waiter.is_finished());
        let mut slice: MappedMutexGuard<'_, [i32]> =
            MappedMutexGuard::map(part, |part| &mut part[1..]);
        slice[0] = 30;
        assert_eq!(format!("{slice:?}"), "[30]");
        let none = MappedMutexGuard::filter_map(slice, |slice| slice.get_mut(5)).unwrap_err();
        assert!(mutex.try_lock().is_err(), "what comes back still holds it");
        let last = MappedMutexGuard::filter_map(none, |slice| slice.first_mut()).unwrap();
        assert_eq!(*last, 30);
        drop(last);
        assert_eq!(waiter.join().unwrap(), [2, 30]);
        let whole = MutexGuard::filter_map(mutex.lock().unwrap(), |_| None::<&mut u8>).unwrap_err();
        assert_eq!(whole.0, 1);
        drop(whole);
        assert!(!mutex.is_poisoned() && mutex.try_lock().is_ok());
    });
}

#[test]
fn parts_of_a_rwlock_keep_it() {
    on_all_runtimes(|| {
        let lock = RwLock::new((1, String::from("text")));
        {
            let read = RwLockReadGuard::map(lock.read().unwrap(), |data| &data.1);
            let part = MappedRwLockReadGuard::map(read, |text| &text[1..]);
            assert!(*part == *"ext" && lock.try_read().is_ok() && lock.try_write().is_err());
            let back = MappedRwLockReadGuard::filter_map(part, |_| None::<&u8>).unwrap_err();
            assert!(*back == *"ext" && lock.try_write().is_err());
            drop(back);
            assert!(RwLockReadGuard::filter_map(lock.read().unwrap(), |_| None::<&u8>).is_err());
        }
        {
            let write = RwLockWriteGuard::map(lock.write().unwrap(), |data| &mut data.1);
            assert!(lock.try_read().is_err());
            let mut bytes = MappedRwLockWriteGuard::map(write, |text| text);
            bytes.push('!');
            let back = MappedRwLockWriteGuard::filter_map(bytes, |_| None::<&mut u8>).unwrap_err();
            assert!(*back == "text!" && lock.try_read().is_err());
        }
        let whole = RwLockWriteGuard::filter_map(lock.write().unwrap(), |_| None::<&mut u8>);
        let reader = RwLockWriteGuard::downgrade(whole.unwrap_err());
        assert!(reader.1 == "text!" && lock.try_read().is_ok());
        drop(reader);
        assert!(lock.try_write().is_ok() && !lock.is_poisoned());
    });
}

/// Each part is one of the guards, whoever is dropped first.
#[test]
fn parts_of_a_reentrant_mutex_keep_it() {
    on_all_runtimes(|| {
        let mutex = Arc::new(ReentrantMutex::new((Cell::new(1), [Cell::new(2), Cell::new(3)])));
        let is_free = || {
            let mutex = Arc::clone(&mutex);
            spawn(move || mutex.try_lock().is_some()).join().unwrap()
        };
        let outer = mutex.lock();
        let part = ReentrantMutexGuard::map(mutex.lock(), |data| &data.1);
        drop(outer);
        assert!(!is_free() && mutex.is_owned());
        part[0].set(20);
        let slice = MappedReentrantMutexGuard::map(part, |part| &part[1..]);
        let slice = MappedReentrantMutexGuard::filter_map(slice, |slice| slice.get(5)).unwrap_err();
        assert!(!is_free(), "what comes back still holds it");
        let last = MappedReentrantMutexGuard::filter_map(slice, |slice| slice.first()).unwrap();
        let inner = mutex.lock();
        assert_eq!((last.get(), format!("{last:?}")), (3, format!("{:?}", Cell::new(3))));
        drop(last);
        assert!(!is_free());
        let whole = ReentrantMutexGuard::filter_map(inner, |_| None::<&u8>).unwrap_err();
        let sought = catch_unwind(AssertUnwindSafe(|| {
            drop(ReentrantMutexGuard::map(mutex.lock(), |_| -> &u8 { panic!("on purpose") }));
        }));
        assert!(sought.is_err() && !is_free() && whole.1[0].get() == 20);
        drop(whole);
        assert!(is_free() && !mutex.is_owned());
        let own = Arc::clone(&mutex);
        let killed = spawn(move || {
            let _part = ReentrantMutexGuard::map(own.lock(), |data| &data.0);
            park();
        });
        yield_now();
        killed.kill();
        killed.join().unwrap_err();
        assert!(is_free());
    });
}

/// By a panic of what looks for the part, and by one while the part is held; not by a kill.
#[test]
fn a_panic_poisons_through_a_part() {
    on_all_runtimes(|| {
        let by = |work: &dyn Fn(&Mutex<u8>, &RwLock<u8>)| {
            let (mutex, lock) = (Mutex::new(1), RwLock::new(1));
            let failed = catch_unwind(AssertUnwindSafe(|| work(&mutex, &lock))).is_err();
            assert!(
                failed
                    && mutex.try_lock().is_ok_or_poisoned()
                    && lock.try_write().is_ok_or_poisoned()
            );
            (mutex.is_poisoned(), lock.is_poisoned())
        };
        assert_eq!(
            by(&|mutex, _| drop(MutexGuard::map(mutex.lock().unwrap(), |_| -> &mut u8 {
                panic!("on purpose")
            }))),
            (true, false)
        );
        assert_eq!(
            by(&|_, lock| drop(RwLockWriteGuard::map(lock.write().unwrap(), |_| -> &mut u8 {
                panic!("on purpose")
            }))),
            (false, true)
        );
        assert_eq!(
            by(&|_, lock| drop(RwLockReadGuard::map(lock.read().unwrap(), |_| -> &u8 {
                panic!("on purpose")
            }))),
            (false, false)
        );
        let held = |mutex: &Mutex<u8>, lock: &RwLock<u8>| {
            let _one = MutexGuard::map(mutex.lock().unwrap(), |data| data);
            let _two = RwLockWriteGuard::map(lock.write().unwrap(), |data| data);
            panic!("on purpose")
        };
        assert_eq!(by(&held), (true, true));

        let mutex = Arc::new(Mutex::new(1));
        let own = Arc::clone(&mutex);
        let killed = spawn(move || {
            let _part = MutexGuard::map(own.lock().unwrap(), |data| data);
            park();
        });
        yield_now();
        killed.kill();
        killed.join().unwrap_err();
        assert!(!mutex.is_poisoned() && mutex.try_lock().is_ok());
    });
}

trait Poisoned {
    fn is_ok_or_poisoned(&self) -> bool;
}

impl<G> Poisoned for greenthread::sync::TryLockResult<G> {
    fn is_ok_or_poisoned(&self) -> bool {
        !matches!(self, Err(greenthread::sync::TryLockError::WouldBlock))
    }
}

#[test]
fn a_value_that_could_not_be_made_is_made_by_the_next() {
    on_all_runtimes(|| {
        let cell = Arc::new(OnceLock::new());
        let own = Arc::clone(&cell);
        let fails = spawn(move || {
            own.get_or_try_init(|| {
                park();
                Err::<u8, _>("not yet")
            })
            .copied()
        });
        yield_now();
        let own = Arc::clone(&cell);
        let next = spawn(move || own.get_or_try_init(|| Ok::<_, ()>(2)).copied());
        yield_now();
        fails.thread().unpark();
        let failed = fails.join().unwrap();
        assert_eq!(next.join().unwrap(), Ok(2));
        assert!(failed == Err("not yet") || failed == Ok(2), "whoever came first");
        assert_eq!(cell.get_or_try_init(|| Err(())), Ok(&2));
    });
}
