//! `Process` and what carries it.

use crate::support::{LONG, Tests, parent_and_state, until};
use greenthread::process::{self, CallError, Command, Function, Process, Stdio, function};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

pub(crate) const TESTS: Tests = &[
    ("a_process_returns_what_its_function_returns", returns),
    ("a_panic_is_an_error_with_its_message", panics),
    ("a_process_that_is_killed_is_an_error_with_its_status", killed),
    ("exit_in_a_function_is_its_exit_code", exits),
    ("processes_share_no_memory", share_nothing),
    ("names_and_states_are_as_pythons", names),
    ("a_large_argument_and_result_pass", large),
    ("what_cannot_be_encoded_or_decoded_is_an_error", refused),
    ("a_function_is_passed_to_another_process", passed_on),
    ("a_process_inside_a_process", nested),
    ("a_worker_started_by_hand_says_so", by_hand),
    ("without_init_nothing_is_started", not_initialised),
    ("a_daemon_ends_with_its_parent", daemon),
    ("what_a_process_leaves_behind_holds_nobody_up", grandchildren),
    ("what_a_process_leaves_behind_hides_no_end", abandoned),
    ("a_dropped_process_leaves_no_zombie", dropped),
    ("many_at_once", many),
];

fn square(number: u64) -> u64 {
    number * number
}

fn add(left: i64, right: i64) -> i64 {
    left + right
}

fn nothing() {}

static SQUARE: Function<u64, u64> = function!(square);

fn returns() {
    assert_eq!(Process::start(SQUARE, 12).unwrap().join().unwrap(), 144);
    assert_eq!(Process::start(function!(add(a, b)), (-3, 5)).unwrap().join().unwrap(), 2);
    Process::start(function!(nothing()), ()).unwrap().join().unwrap();
}

fn panic_with(text: String) {
    panic!("{text}")
}

fn panics() {
    let process = Process::start(function!(panic_with), "on purpose".to_string()).unwrap();
    let handle = process.handle();
    match process.join() {
        Err(CallError::Panicked(message)) => assert_eq!(message, "on purpose"),
        other => panic!("{other:?}"),
    }
    assert_eq!(handle.wait().unwrap().code(), Some(101));
}

fn sleep_long() {
    greenthread::sleep(LONG);
}

fn abort() {
    std::process::abort()
}

fn killed() {
    let process = Process::start(function!(sleep_long()), ()).unwrap();
    assert!(process.is_alive() && process.exitcode().is_none());
    assert!(!process.join_timeout(Duration::from_millis(5)));
    process.kill().unwrap();
    assert!(process.join_timeout(LONG));
    assert_eq!(process.exitcode(), Some(-9));
    assert!(matches!(process.join(), Err(CallError::Ended(status)) if status.signal() == Some(9)));

    let process = Process::start(function!(sleep_long()), ()).unwrap();
    process.terminate().unwrap();
    assert!(matches!(process.join(), Err(CallError::Ended(status)) if status.signal() == Some(15)));

    let process = Process::start(function!(abort()), ()).unwrap();
    assert!(matches!(process.join(), Err(CallError::Ended(status)) if status.signal() == Some(6)));
}

fn exit_with(code: i32) {
    std::process::exit(code)
}

fn exits() {
    let process = Process::start(function!(exit_with), 3).unwrap();
    assert!(process.join_timeout(LONG));
    assert_eq!(process.exitcode(), Some(3));
    assert!(matches!(process.join(), Err(CallError::Ended(status)) if status.code() == Some(3)));
}

static SHARED: std::sync::Mutex<Vec<u32>> = std::sync::Mutex::new(Vec::new());

fn push(number: u32) -> Vec<u32> {
    let mut shared = SHARED.lock().unwrap();
    shared.push(number);
    shared.clone()
}

fn share_nothing() {
    for number in [11, 22] {
        let there = Process::start(function!(push), number).unwrap().join().unwrap();
        assert_eq!(there, [number]);
    }
    assert!(SHARED.lock().unwrap().is_empty());
}

fn who() -> (u32, u32, bool) {
    (std::process::id(), std::os::unix::process::parent_id(), process::is_worker())
}

fn names() {
    let process = Process::builder().name("reader").start(function!(who()), ()).unwrap();
    assert_eq!(process.name(), "reader");
    assert!(!process.is_daemon() && !process::is_worker());
    assert!(format!("{process:?}").contains("reader"));
    let pid = process.pid();
    assert_eq!(process.join().unwrap(), (pid, std::process::id(), true));
    let process = Process::start(function!(who()), ()).unwrap();
    assert!(process.name().starts_with("Process-"));
    process.join().unwrap();

    assert_eq!(process::current_name(), "MainProcess");
    let process = Process::start(function!(own_and_inner_name()), ()).unwrap();
    let given = process.name().to_string();
    assert_eq!(process.join().unwrap(), (given, "inner".to_string()));
}

/// What a process is called that this process starts, beside its own name.
fn own_and_inner_name() -> (String, String) {
    let inner = Process::builder().name("inner").start(function!(own_name()), ()).unwrap();
    (own_name(), inner.join().unwrap())
}

fn own_name() -> String {
    process::current_name().to_string()
}

fn double(mut text: String) -> String {
    text.push_str(&text.clone());
    text
}

/// More than any socket holds, both ways.
fn large() {
    let half = "0123456789abcdef".repeat(32 << 16);
    let there = Process::start(function!(double), half.clone()).unwrap().join().unwrap();
    assert!(there.len() == 64 << 20 && there.starts_with(&half) && there.ends_with(&half));
}

#[derive(Debug)]
struct Odd;

impl serde::Serialize for Odd {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("odd"))
    }
}

impl<'de> serde::Deserialize<'de> for Odd {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("odd"))
    }
}

fn takes_odd(_: Odd) {}

fn gives_odd() -> Odd {
    Odd
}

/// A unit when encoded, and nothing that can be decoded.
#[derive(serde::Deserialize)]
struct Late(#[serde(deserialize_with = "never")] ());

impl serde::Serialize for Late {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

fn never<'de, D: serde::Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(serde::de::Error::custom("never"))
}

fn takes_late(_: Late) {}

fn gives_late() -> Late {
    Late(())
}

fn refused() {
    let error = Process::start(function!(takes_odd), Odd).unwrap_err();
    assert!(error.to_string().contains("the arguments cannot be passed on"), "{error}");
    let process = Process::start(function!(gives_odd()), ()).unwrap();
    assert!(matches!(process.join(), Err(CallError::Result(_))));
    let process = Process::start(function!(takes_late), Late(())).unwrap();
    assert!(matches!(process.join(), Err(CallError::Arguments(_))));
    let process = Process::start(function!(gives_late()), ()).unwrap();
    assert!(matches!(process.join(), Err(CallError::Result(_))));
}

fn apply(function: Function<u64, u64>, to: u64) -> u64 {
    Process::start(function, to).unwrap().join().unwrap()
}

fn passed_on() {
    let process = Process::start(function!(apply(function, to)), (SQUARE, 7)).unwrap();
    assert_eq!(process.join().unwrap(), 49);
    // Not a function of those types, not of this program, not a function at all.
    let bytes = postcard::to_stdvec(&SQUARE).unwrap();
    let same = postcard::from_bytes::<Function<u64, u64>>(&bytes).unwrap();
    assert_eq!(same.name(), SQUARE.name());
    assert!(postcard::from_bytes::<Function<u64, u32>>(&bytes).is_err());
    let bytes = postcard::to_stdvec(&(8i64, "forged")).unwrap();
    assert!(postcard::from_bytes::<Function<u64, u64>>(&bytes).is_err());
}

fn depth(left: u32) -> u32 {
    if left == 0 {
        0
    } else {
        1 + Process::start(function!(depth), left - 1).unwrap().join().unwrap()
    }
}

fn nested() {
    assert_eq!(Process::start(function!(depth), 3).unwrap().join().unwrap(), 3);
}

fn by_hand() {
    for stdin in [Stdio::null(), Stdio::piped()] {
        let mut command = Command::new("/proc/self/exe");
        command.args(["--greenthread-process", "x"]).stdin(stdin).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("not to be given by hand"), "{text}");
    }
    // A connection, and on it nothing that it understands.
    let (own, other) = greenthread::os::unix::net::UnixStream::pair().unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.args(["--greenthread-process", "x"]).stderr(Stdio::piped());
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(other)));
    let child = command.spawn().unwrap();
    drop(command);
    std::io::Write::write_all(&mut &own, &[0xff; 100]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// Runs in a process of its own.
pub(crate) fn without_init() {
    let error = Process::start(SQUARE, 1).unwrap_err();
    println!("{error}");
}

fn not_initialised() {
    let output =
        Command::new("/proc/self/exe").env("GREENTHREAD_TEST_UNINITIALISED", "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("process::init()"), "{text}");
}

/// Computes, so that nothing but force ends it.
fn spin() {
    let end = std::time::Instant::now() + LONG;
    while std::time::Instant::now() < end {
        std::hint::black_box(0);
    }
}

/// Starts a daemon that computes, and waits to be killed.
fn middle() {
    let process = Process::builder().daemon(true).start(function!(spin()), ()).unwrap();
    assert!(process.is_daemon());
    let _ = process.join();
}

fn is_gone(pid: u32) -> bool {
    parent_and_state(pid).is_none_or(|(_, state)| state == 'Z')
}

fn daemon() {
    let process = Process::start(function!(middle()), ()).unwrap();
    let mut inner = None;
    until(|| {
        inner = child_of(process.pid());
        inner.is_some()
    });
    process.kill().unwrap();
    let inner = inner.unwrap();
    until(|| is_gone(inner));
}

fn child_of(parent: u32) -> Option<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| parent_and_state(*pid).is_some_and(|(of, _)| of == parent))
}

/// Leaves a process behind that has whatever this one has: its memory, and its connection with the parent.
fn leave_behind() -> i32 {
    // SAFETY: the child only sleeps, and ends without exit handlers.
    match unsafe { libc::fork() } {
        // SAFETY: neither touches memory.
        0 => unsafe {
            libc::sleep(LONG.as_secs() as u32);
            libc::_exit(0)
        },
        pid => pid,
    }
}

fn grandchildren() {
    let left = Process::start(function!(leave_behind()), ()).unwrap().join().unwrap();
    assert!(!is_gone(left as u32));
    // SAFETY: that process is this test's.
    assert_eq!(unsafe { libc::kill(left, libc::SIGKILL) }, 0);
}

/// Also where there is no result.
fn abandoned() {
    let process = Process::start(function!(fork_and_die()), ()).unwrap();
    assert!(matches!(process.join(), Err(CallError::Ended(status)) if status.code() == Some(7)));
}

fn fork_and_die() {
    // SAFETY: as above; it is soon gone by itself.
    match unsafe { libc::fork() } {
        // SAFETY: neither touches memory.
        0 => unsafe {
            libc::sleep(3);
            libc::_exit(0)
        },
        _ => std::process::exit(7),
    }
}

fn dropped() {
    let process = Process::start(function!(nothing()), ()).unwrap();
    let pid = process.pid();
    drop(process);
    until(|| parent_and_state(pid).is_none());
}

fn many() {
    let all: Vec<_> = (0..20)
        .map(|number| {
            greenthread::spawn(move || Process::start(SQUARE, number).unwrap().join().unwrap())
        })
        .collect();
    for (number, one) in all.into_iter().enumerate() {
        assert_eq!(one.join().unwrap(), (number * number) as u64);
    }
}
