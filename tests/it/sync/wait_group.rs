//! Guards of a wait group.

use crate::support::on_all_runtimes;
use greenthread::sync::{Arc, WaitGroup};
use greenthread::thread::park;
use greenthread::{spawn, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

#[test]
fn a_guard_is_done_in_whatever_way_it_ends() {
    on_all_runtimes(|| {
        let group = Arc::new(WaitGroup::new());
        let take = |group: &Arc<WaitGroup>| group.guard_owned();
        let (one, two, three) = (take(&group), take(&group), take(&group));
        let returns = spawn(move || drop(one));
        let panics = spawn(move || {
            let _two = two;
            panic_any("on purpose")
        });
        let killed = spawn(move || {
            let _three = three;
            park();
        });
        assert!(group.count() >= 1);
        killed.kill();
        group.wait();
        returns.join().unwrap();
        assert!(panics.join().is_err() && killed.join().is_err());
        let guard = group.guard();
        assert_eq!(group.count(), 1);
        drop(guard);
        assert_eq!(group.count(), 0);
    });
}

/// A panic of a destructor that an unwind runs would end the process.
#[test]
fn a_guard_that_is_one_too_many_ends_no_process() {
    on_all_runtimes(|| {
        let group = Arc::new(WaitGroup::new());
        let (one, two) = (group.guard_owned(), Arc::clone(&group));
        let doomed = spawn(move || {
            let _guards = (one, two.guard());
            park();
        });
        while group.count() < 2 {
            yield_now();
        }
        (0..2).for_each(|_| group.done());
        doomed.kill();
        assert!(doomed.join().unwrap_err().is_killed());
        assert_eq!(group.count(), 0);
        let guard = group.guard();
        group.done();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err(), "otherwise it is told");
    });
}
