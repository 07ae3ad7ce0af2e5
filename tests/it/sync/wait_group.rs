//! Guards of a wait group.

use crate::support::on_all_runtimes;
use greenthread::spawn;
use greenthread::sync::{Arc, WaitGroup};
use greenthread::thread::park;
use std::panic::panic_any;

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
