//! Overflow of a stack.

use crate::{FOR_EVER, child, finish, is_child};
use greenthread::thread::on_worker_stack;
use greenthread::{Builder, Runtime, sleep, spawn};

#[allow(unconditional_recursion)]
#[inline(never)]
fn overflow(depth: usize) -> usize {
    let block = std::hint::black_box([depth; 64]);
    overflow(depth + 1) + block[depth % 64]
}

#[test]
fn overflow_of_a_green_thread() {
    const NAME: &str = "overflow::overflow_of_a_green_thread";
    if is_child(NAME) {
        let asleep = spawn(|| sleep(FOR_EVER));
        let handle = Builder::new().name("deep one".into()).spawn(|| overflow(0)).unwrap();
        let _ = handle.join();
        drop(asleep);
        std::process::exit(0);
    }
    for guard in ["", "mprotect"] {
        let mut command = child(NAME);
        command.env("GREENTHREAD_GUARD", guard);
        let end = finish(command);
        assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
        assert!(
            end.text.contains("green thread 'deep one' has overflowed its stack of "),
            "{}",
            end.text
        );
        assert!(
            end.text.contains(" bytes.\nWhat needs more is given it by `stack_size`"),
            "{}",
            end.text
        );
    }
}

#[test]
fn overflow_of_an_os_thread() {
    const NAME: &str = "overflow::overflow_of_an_os_thread";
    if is_child(NAME) {
        spawn(|| ()).join().unwrap();
        let builder = std::thread::Builder::new().name("ordinary".into());
        let _ = builder.spawn(|| overflow(0)).unwrap().join();
        std::process::exit(0);
    }
    let end = finish(child(NAME));
    assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
    assert!(end.text.contains("thread 'ordinary'") && end.text.contains("overflowed its stack"));
    assert!(!end.text.contains("green thread"), "{}", end.text);
}

#[test]
fn overflow_of_the_main_thread() {
    const NAME: &str = "overflow::overflow_of_the_main_thread";
    if is_child(NAME) {
        spawn(|| ()).join().unwrap();
        overflow(0);
    }
    let end = finish(child(NAME));
    assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
    assert!(end.text.contains("overflowed its stack"), "{}", end.text);
    assert!(!end.text.contains("green thread"), "{}", end.text);
}

#[test]
fn overflow_on_a_current_thread_runtime() {
    const NAME: &str = "overflow::overflow_on_a_current_thread_runtime";
    if is_child(NAME) {
        let _ = Runtime::new_current_thread().unwrap().run_local(|| overflow(0));
        std::process::exit(0);
    }
    let end = finish(child(NAME));
    assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
    assert!(end.text.contains("green thread 'main' has overflowed its stack"), "{}", end.text);
}

#[test]
fn overflow_of_a_worker_stack_that_a_green_thread_uses() {
    const NAME: &str = "overflow::overflow_of_a_worker_stack_that_a_green_thread_uses";
    if is_child(NAME) {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let _ = runtime.run(|| on_worker_stack(|| overflow(0)));
        std::process::exit(0);
    }
    let end = finish(child(NAME));
    assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
    assert!(end.text.contains("overflowed its stack"), "{}", end.text);
    assert!(!end.text.contains("green thread"), "{}", end.text);
}
