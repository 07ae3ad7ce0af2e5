//! Recursion too deep for the stack of a generator or greenlet ends in the report, in a child process.

use greenthread::generator::{Generator, Yielder};
use greenthread::greenlet::Greenlet;
use std::process::Command;

const CHILD: &str = "GREENTHREAD_TEST_OVERFLOW";

fn dive(y: &Yielder<u64>, depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 32]);
    if depth == 0 {
        y.yield_(7);
        return 0;
    }
    dive(y, depth - 1) + frame[31] - depth + 1
}

fn walk(stack: usize) -> Option<u64> {
    let mut generator =
        Generator::with_stack_size(stack, |y: &Yielder<u64>| dive(y, 10_000)).unwrap();
    assert_eq!(generator.by_ref().collect::<Vec<_>>(), [7]);
    generator.into_return_value()
}

#[test]
fn ten_thousand_levels_work_or_are_reported() {
    if std::env::var_os(CHILD).is_some() {
        walk(64 * 1024);
        return;
    }
    assert_eq!(walk(32 << 20), Some(10_000));
    reports("ten_thousand_levels", "a generator has overflowed its stack");
}

/// Runs a test of this file in a child process, which must end with this report.
fn reports(test: &str, report: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains(report), "{text}");
}

fn sum(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 32]);
    if n == 0 { 0 } else { sum(n - 1) + frame[31] }
}

#[test]
fn the_report_names_a_greenlet() {
    if std::env::var_os(CHILD).is_some() {
        let greenlet = Greenlet::new(sum);
        greenlet.set_name("digger");
        greenlet.switch(1_000_000).unwrap();
        return;
    }
    reports("the_report_names", "greenlet 'digger' has overflowed its stack");
}
