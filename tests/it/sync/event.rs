use super::{LONG, SHORT, eventually, runtime};
use greenthread::sync::{Arc, AsyncResult, Event, Latch, WaitGroup};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn set_then_clear_wakes_everybody_who_was_there() {
    let runtime = runtime(1);
    let (event, waiting) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
    let wait = |event: Arc<Event>, waiting: Arc<AtomicUsize>| {
        move || {
            waiting.fetch_add(1, Ordering::SeqCst);
            assert!(event.wait_timeout(LONG));
        }
    };
    let green: Vec<_> =
        (0..10).map(|_| runtime.spawn(wait(Arc::clone(&event), Arc::clone(&waiting)))).collect();
    let os = std::thread::spawn(wait(Arc::clone(&event), Arc::clone(&waiting)));
    eventually(|| waiting.load(Ordering::SeqCst) == 11);
    // They counted themselves just before they wait. Their only worker is free again once all of them do.
    runtime.spawn(|| ()).join().unwrap();
    event.set();
    event.clear();
    for handle in green {
        handle.join().unwrap();
    }
    // The OS thread may not have begun to wait by then.
    while !os.is_finished() {
        event.set();
        event.clear();
        greenthread::sleep(Duration::from_millis(1));
    }
    os.join().unwrap();
    assert!(!event.is_set() && !event.wait_timeout(SHORT));
}

#[test]
fn an_async_result_serves_many() {
    let runtime = runtime(2);
    let result = Arc::new(AsyncResult::<String>::new());
    assert_eq!((result.try_get(), result.get_timeout(SHORT)), (None, None));
    let readers: Vec<_> = (0..10)
        .map(|i| {
            let result = Arc::clone(&result);
            runtime.spawn(move || match i % 2 {
                0 => result.get().len(),
                _ => result.get_timeout(LONG).unwrap().len(),
            })
        })
        .collect();
    assert_eq!(result.set("value".to_string()), Ok(()));
    assert_eq!(result.set("other".to_string()), Err("other".to_string()));
    assert!(readers.into_iter().all(|reader| reader.join().unwrap() == 5));
}

#[test]
fn groups_and_latches_open_when_all_have_come() {
    let runtime = runtime(2);
    let (group, latch) = (Arc::new(WaitGroup::new()), Arc::new(Latch::new(10)));
    group.wait();
    for _ in 0..10 {
        group.add(1);
        let (group, latch) = (Arc::clone(&group), Arc::clone(&latch));
        runtime.spawn(move || {
            latch.arrive_and_wait();
            group.done();
        });
    }
    assert!(group.wait_timeout(LONG) && latch.is_open() && latch.wait_timeout(SHORT));
    latch.count_down();
    assert_eq!(latch.count(), 0);
    assert!(catch_unwind(AssertUnwindSafe(|| group.done())).is_err(), "one too many");
    group.add(1);
    assert!(!group.wait_timeout(SHORT));
}
