//! Where the time goes.

use greenthread::inspect::{self, Profile};
use greenthread::sync::Event;
use greenthread::{Builder, yield_now};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[inline(never)]
fn computes_for_nothing(over: &AtomicBool) -> u64 {
    let mut sum = 0u64;
    while !over.load(Ordering::Relaxed) {
        (0..1000u64).for_each(|at| sum = black_box(sum ^ at.wrapping_mul(sum | 1)));
        yield_now();
    }
    sum
}

#[inline(never)]
fn waits_for_the_end(event: &Event) {
    event.wait();
}

/// The fields of a message: their numbers, and of each the number that it is, or its bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for at in 0.. {
            let (first, rest) = bytes.split_first().expect("it goes on");
            *bytes = rest;
            value |= u64::from(first & 0x7f) << (7 * at);
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = varint(&mut bytes);
        match tag & 7 {
            0 => all.push((tag >> 3, value, &[][..])),
            2 => {
                let (own, rest) = bytes.split_at(value as usize);
                bytes = rest;
                all.push((tag >> 3, value, own));
            }
            other => panic!("a field of kind {other}"),
        }
    }
    all
}

/// The names of functions of the sample with the most time, from the innermost on, and its labels.
fn top(file: &[u8]) -> (Vec<String>, HashMap<String, String>) {
    let all = fields(file);
    let of = |field| all.iter().filter(move |it| it.0 == field).map(|it| it.2);
    let strings: Vec<_> = of(6).map(|it| String::from_utf8(it.to_vec()).unwrap()).collect();
    assert_eq!(strings[0], "");
    let number = |message: &[u8], field| {
        fields(message).iter().find(|it| it.0 == field).map_or(0, |it| it.1)
    };
    let packed = |message: &[u8], field: u64| {
        let bytes = fields(message).into_iter().find(|it| it.0 == field).unwrap().2.to_vec();
        let mut values = vec![0u64];
        let mut shift = 0;
        for byte in bytes {
            *values.last_mut().unwrap() |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                values.push(0);
                shift = 0;
            }
        }
        values.pop();
        values
    };
    let functions: HashMap<u64, &String> =
        of(5).map(|it| (number(it, 1), &strings[number(it, 2) as usize])).collect();
    let locations: HashMap<u64, u64> = of(4)
        .map(|it| {
            let line = fields(it).into_iter().find(|it| it.0 == 4).unwrap().2;
            (number(it, 1), number(line, 1))
        })
        .collect();
    assert_eq!(of(1).count(), 3);
    let longest = of(2).max_by_key(|it| packed(it, 2)[1]).unwrap();
    let labels = fields(longest).into_iter().filter(|it| it.0 == 3).map(|it| {
        let at = |field| strings[number(it.2, field) as usize].clone();
        (at(1), at(2))
    });
    let stack = packed(longest, 1).into_iter().map(|id| functions[&locations[&id]].clone());
    (stack.collect(), labels.collect())
}

/// A profile in which both are, however loaded the machine is.
fn profile_until(is_so: impl Fn(&Profile) -> bool) -> Profile {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let profile = inspect::profile(Duration::from_millis(300));
        if is_so(&profile) {
            return profile;
        }
        assert!(Instant::now() < end, "{profile:?}");
    }
}

#[test]
fn a_hog_is_at_the_top_and_who_waits_is_told_by_what_for() {
    let (over, event) = (Arc::new(AtomicBool::new(false)), Arc::new(Event::new()));
    let (own_over, own_event) = (Arc::clone(&over), Arc::clone(&event));
    let hog = Builder::new().name("hog".into()).label("kind", "greedy");
    let hog = hog.spawn(move || computes_for_nothing(&own_over)).unwrap();
    let waiter = Builder::new().name("waiter".into());
    let waiter = waiter.spawn(move || waits_for_the_end(&own_event)).unwrap();
    let is_hog = |sample: &inspect::Sample| {
        sample.thread == "hog"
            && sample.labels.get("kind").is_some_and(|kind| kind == "greedy")
            && sample.backtrace.iter().any(|it| it.function.ends_with("computes_for_nothing"))
    };
    let is_waiter = |sample: &inspect::Sample| {
        sample.thread == "waiter"
            && sample.waits_for == Some("an event")
            && sample.backtrace.iter().any(|it| it.function.ends_with("waits_for_the_end"))
    };
    // Other tests run beside it in this process, so it is the top of these two.
    let mut profile =
        profile_until(|profile| profile.running().any(is_hog) && profile.waiting().any(is_waiter));
    profile.samples.retain(|sample| ["hog", "waiter"].contains(&sample.thread.as_str()));
    let spawned = profile.running().find(|it| is_hog(it)).unwrap().spawned_at.clone().unwrap();
    assert!(spawned.contains("profile.rs"), "{spawned}");
    let mut file = Vec::new();
    profile.write_pprof(&mut file).unwrap();
    let (stack, labels) = top(&file);
    assert!(stack.iter().any(|it| it.ends_with("computes_for_nothing")), "{stack:?}");
    assert_eq!((labels["thread"].as_str(), labels["kind"].as_str()), ("hog", "greedy"));
    let (mut ran, mut waited) = (Vec::new(), Vec::new());
    profile.write_collapsed(&mut ran).unwrap();
    profile.write_collapsed_waits(&mut waited).unwrap();
    let (ran, waited) = (String::from_utf8(ran).unwrap(), String::from_utf8(waited).unwrap());
    let line = ran.lines().find(|line| line.contains("computes_for_nothing")).unwrap();
    let (stack, micros) = line.rsplit_once(' ').unwrap();
    assert!(stack.starts_with("hog;") && micros.parse::<u64>().unwrap() > 0, "{line}");
    assert!(waited.lines().any(|it| it.starts_with("waiter;") && it.contains(";[an event] ")));
    over.store(true, Ordering::Relaxed);
    event.set();
    hog.join().unwrap();
    waiter.join().unwrap();
}
