//! What `monkey::report()` tells, as text and as JSON that a parser of others reads.

use crate::children::in_child;
use crate::on;
use greenthread::{monkey, spawn};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// With a mask of signals it blocks its worker.
#[inline(never)]
fn polls_with_a_mask() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 30_000_000 };
    // SAFETY: all-zero is a valid, empty set; no descriptors are named.
    let result = unsafe {
        let mask: libc::sigset_t = std::mem::zeroed();
        libc::ppoll(std::ptr::null_mut(), 0, &time, &mask)
    };
    assert_eq!(result, 0);
    std::hint::black_box(result);
}

#[test]
fn the_report_tells_what_was_used_and_who_held_a_worker() {
    let test = "reports::the_report_tells_what_was_used_and_who_held_a_worker";
    let outcome = in_child(test, || {
        on(1, || {
            let (mut a, mut b) = UnixStream::pair().unwrap();
            let reader = spawn(move || a.read_exact(&mut [0; 1]).unwrap());
            for _ in 0..3 {
                std::thread::sleep(Duration::from_millis(1));
            }
            b.write_all(b"x").unwrap();
            reader.join().unwrap();
            polls_with_a_mask();
            polls_with_a_mask();
        });
        let report = monkey::report();
        let used = |name: &str| {
            report.used.iter().find(|used| used.name == name).unwrap_or_else(|| panic!("{name}"))
        };
        let (sleeps, reads, polls) = (used("clock_nanosleep"), used("recv"), used("ppoll"));
        assert_eq!((sleeps.calls, sleeps.waits, sleeps.holds), (3, 3, 0));
        assert_eq!((reads.waits, reads.holds, &reads.culprit), (1, 0, &None));
        assert_eq!((polls.calls, polls.waits, polls.holds), (2, 0, 2));
        assert!(polls.longest >= Duration::from_millis(30));
        let culprit = polls.culprit.as_deref().unwrap();
        assert!(culprit.contains("polls_with_a_mask"), "{culprit}");

        let text = report.to_string();
        assert!(text.contains("ppoll first held its worker here:"), "{text}");
        assert!(text.contains("polls_with_a_mask"), "{text}");

        let json: Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 2);
        let patched: Vec<_> = report.patched.iter().map(|patch| format!("{patch:?}")).collect();
        assert_eq!(patched, ["Socket", "Time", "Dns", "Futex", "Process", "Poll"]);
        assert_eq!(json["patched"], Value::from(patched));
        let all = json["used"].as_array().unwrap();
        assert_eq!(all.len(), report.used.len());
        for (used, json) in report.used.iter().zip(all) {
            assert_eq!(json.as_object().unwrap().len(), 6);
            assert_eq!(json["name"], used.name);
            assert_eq!(json["calls"], used.calls);
            assert_eq!(json["waits"], used.waits);
            assert_eq!(json["holds"], used.holds);
            assert_eq!(json["longest"].as_f64(), Some(used.longest.as_secs_f64()));
            assert_eq!(json["culprit"].as_str(), used.culprit.as_deref());
            assert!(json["culprit"].is_string() || json["culprit"].is_null());
        }
    });
    outcome.works();
}
