//! The started tasks of one hub.
#![forbid(unsafe_code)]

use super::task::{Holder, Started, TaskRef};

/// A list with holes; each task knows its place, so leaving is one store.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    places: Vec<Option<Started>>,
    free: Vec<u32>,
}

impl Roster {
    #[inline]
    pub(crate) fn add(&mut self, started: Started) {
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = Some(started);
                place
            }
            None => {
                self.places.push(Some(started));
                (self.places.len() - 1) as u32
            }
        };
        started.with(|task| task.set_roster(place));
    }

    #[inline]
    pub(crate) fn remove(&mut self, task: &TaskRef) {
        let place = task.roster();
        self.places[place as usize] = None;
        self.free.push(place);
    }

    /// Who holds up the wait that `waiting` is suspended in, if that is known: the task it joins, or the one of this list
    /// that holds the lock.
    #[allow(dead_code, reason = "for the report of a deadlock")]
    pub(crate) fn holder(&self, waiting: Started) -> Option<TaskRef> {
        match waiting.holder()? {
            Holder::Task(task) => Some(task),
            Holder::Stack(address) => {
                self.iter().find(|other| other.has_on_stack(address)).map(Started::task)
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Started> {
        self.places.iter().filter_map(|place| *place)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::runtime::Runtime;
    use crate::runtime::park::Reason;
    use crate::runtime::task::{Started, current};
    use crate::sync::{Arc, Mutex, Once, ReentrantMutex, RwLock};
    use crate::{JoinHandle, sleep, thread, yield_now};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// What every green thread of the hub waits for, and the name of who holds that up.
    fn waits() -> Vec<(String, Reason, Option<String>)> {
        let name = |task: &crate::runtime::task::TaskRef| task.name().unwrap_or("?").to_string();
        current::with_hub(|hub| {
            let roster = hub.roster.borrow();
            let wait = |started: Started| {
                let (who, reason) = started.with(|task| (name(task), task.reason()));
                (who, reason, roster.holder(started).as_ref().map(name))
            };
            let mut waits: Vec<_> =
                roster.iter().map(wait).filter(|wait| wait.0 != "main").collect();
            waits.sort_by(|a, b| a.0.cmp(&b.0));
            waits
        })
        .unwrap()
    }

    fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        let handle = thread::Builder::new().name(name.to_string()).spawn(body).unwrap();
        yield_now();
        handle
    }

    /// `hold` takes the lock and waits; `wait` waits for the lock.
    fn holder_of(
        reason: Reason,
        hold: impl FnOnce() + Send + 'static,
        wait: impl FnOnce() + Send + 'static,
    ) {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(move || {
                let a = spawn("a", hold);
                let b = spawn("b", wait);
                assert_eq!(waits()[1], ("b".into(), reason, Some("a".into())));
                a.thread().unpark();
                b.join().unwrap();
                assert!(waits().iter().all(|wait| wait.2.is_none()), "nobody waits any more");
            })
            .unwrap();
    }

    #[test]
    fn the_holder_of_each_lock_is_known() {
        let mutex = Arc::new(Mutex::new(()));
        let other = Arc::clone(&mutex);
        let hold = move || {
            let _guard = mutex.lock().unwrap();
            thread::park();
        };
        holder_of(Reason::Lock, hold, move || drop(other.lock()));

        let reentrant = Arc::new(ReentrantMutex::new(()));
        let other = Arc::clone(&reentrant);
        let hold = move || {
            let _guard = reentrant.lock();
            let _again = reentrant.lock();
            thread::park();
        };
        holder_of(Reason::Lock, hold, move || drop(other.lock()));

        for read in [false, true] {
            let lock = Arc::new(RwLock::new(()));
            let other = Arc::clone(&lock);
            let hold = move || {
                let _guard = lock.write().unwrap();
                thread::park();
            };
            holder_of(Reason::Lock, hold, move || {
                if read {
                    drop(other.read());
                } else {
                    drop(other.write());
                }
            });
        }

        let once = Arc::new(Once::new());
        let other = Arc::clone(&once);
        let hold = move || once.call_once(thread::park);
        holder_of(Reason::Once, hold, move || other.call_once(|| ()));
    }

    #[test]
    fn whom_a_join_waits_for_is_known_and_readers_are_not() {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let sleeper = spawn("sleeper", || sleep(Duration::from_secs(3600)));
                let lock = Arc::new(RwLock::new(()));
                let other = Arc::clone(&lock);
                let done = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&done);
                let reader = lock.read().unwrap();
                let writer = spawn("writer", move || drop(other.write()));
                let joiner = spawn("joiner", move || {
                    let sleeper = sleeper.join_timeout(Duration::from_millis(1)).unwrap_err();
                    seen.store(true, Ordering::Relaxed);
                    thread::park();
                    sleeper.kill();
                });
                let expected = [
                    ("joiner".into(), Reason::Join, Some("sleeper".into())),
                    ("sleeper".into(), Reason::Sleep, None),
                    ("writer".into(), Reason::Lock, None),
                ];
                assert_eq!(waits(), expected);
                while !done.load(Ordering::Relaxed) {
                    yield_now();
                }
                assert_eq!(waits()[0], ("joiner".into(), Reason::Park, None));
                drop(reader);
                writer.join().unwrap();
                joiner.thread().unpark();
                joiner.join().unwrap();
            })
            .unwrap();
    }
}
