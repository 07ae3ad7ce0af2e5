//! Groups whose tasks fail and are killed.

use crate::support::{OnDrop, Random};
use crate::{LONG, alive};
use greenthread::thread::{group, park};
use greenthread::{sleep, timeout, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) fn storm(random: &mut Random) {
    let (expected, inside) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let _all_have_left = OnDrop(|| assert_eq!(inside.load(Ordering::SeqCst), 0));
    let result = group(|g| {
        for _ in 0..random.below(6) {
            let kind = random.below(8);
            let (expected, inside) = (&expected, &inside);
            let handle = g.spawn(move || {
                let _alive = alive();
                inside.fetch_add(1, Ordering::SeqCst);
                let _leaves = OnDrop(|| {
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
                match kind {
                    0..3 => sleep(LONG),
                    3 => sleep(Duration::from_micros(200)),
                    4 => yield_now(),
                    5 => drop(timeout(Duration::from_millis(5), park)),
                    _ => {
                        expected.fetch_add(1, Ordering::SeqCst);
                        return Err(kind);
                    }
                }
                Ok(())
            });
            if random.below(3) == 0 {
                handle.kill();
            }
        }
        let _ = timeout(Duration::from_millis(10), || sleep(LONG));
        Err::<(), _>(99)
    });
    let failed = expected.load(Ordering::SeqCst);
    let errors = result.unwrap_err().into_errors().len();
    assert!(errors == failed || errors == failed + 1, "{errors} of {failed}");
}
