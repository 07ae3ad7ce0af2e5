//! What a piece of code leaves behind.

use greenthread::inspect::assert_no_leaks;
use greenthread::{Builder, sleep, spawn, thread};
use std::panic::catch_unwind;
use std::time::Duration;

fn message(f: impl FnOnce() + Send + 'static) -> Option<String> {
    let caught = catch_unwind(std::panic::AssertUnwindSafe(|| assert_no_leaks(f))).err()?;
    Some(
        caught
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| caught.downcast_ref::<&str>().map(|it| it.to_string()))
            .unwrap(),
    )
}

#[test]
fn what_ends_in_time_is_no_leak() {
    assert_eq!(assert_no_leaks(|| spawn(|| 1).join().unwrap()), 1);
    assert_no_leaks(|| drop(spawn(|| sleep(Duration::from_millis(10)))));
    assert_no_leaks(|| drop(Builder::new().daemon(true).spawn(thread::park).unwrap()));
}

#[test]
fn what_stays_is_named_with_its_place() {
    #[inline(never)]
    fn parks_and_is_forgotten() {
        thread::park();
        std::hint::black_box(());
    }
    let text =
        message(|| drop(Builder::new().name("left".into()).spawn(parks_and_is_forgotten).unwrap()));
    let text = text.expect("it is still there");
    assert!(
        text.contains("1 green thread waits for an unpark, since ") && text.contains("'left'"),
        "{text}"
    );
    assert!(text.contains("parks_and_is_forgotten"), "{text}");
}

#[test]
fn a_panic_of_the_code_itself_comes_through() {
    assert_eq!(message(|| panic!("own")).as_deref(), Some("own"));
}
