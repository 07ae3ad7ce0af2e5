//! `executor::ProcessPool`.

use crate::support::{LONG, Tests, children, descriptors, parent_and_state, until};
use greenthread::executor::{
    Executor, Future, GreenExecutor, ProcessPool, Remote, SubmitError, ThreadPool, gather_all,
};
use greenthread::process::{self, Function, Stdio, function};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) const TESTS: Tests = &[
    ("pool_calls_come_back_with_their_values", values),
    ("pool_processes_are_as_many_as_said_and_have_a_task_each", at_once),
    ("pool_panics_are_outcomes_and_the_process_goes_on", panics),
    ("pool_a_process_that_dies_takes_its_task_along_only", one_dies),
    ("pool_an_idle_process_that_was_killed_is_replaced", idle_dies),
    ("pool_a_running_task_is_killed_with_its_process", killed_task),
    ("pool_what_cannot_be_passed_fails_that_task_only", not_passed),
    ("pool_large_arguments_and_results_pass", large),
    ("pool_what_is_larger_than_the_limit_says_so", too_large),
    ("pool_an_initializer_runs_in_each_process", initializer),
    ("pool_an_initializer_that_fails_breaks_it", broken),
    ("pool_an_initializer_that_hangs_holds_no_task_and_can_be_ended", hanging),
    ("pool_processes_end_after_so_many_tasks", max_tasks),
    ("pool_terminate_ends_everything_at_once", terminate),
    ("pool_dropped_with_a_backlog_runs_it", dropped),
    ("pool_takes_nothing_after_close", closed),
    ("pool_bad_settings_are_errors", bad_settings),
    ("pool_a_forked_child_is_refused", forked),
    ("pool_grandchildren_hold_nobody_up", grandchildren),
    ("pool_the_same_call_runs_on_any_executor", any_executor),
    ("pool_250_deaths_leave_one_outcome_each_and_nothing_else", deaths),
    ("pool_processes_end_with_their_parent", parent_dies),
    ("pool_a_parent_that_ignores_the_ends_of_children_is_served", statuses_ignored),
    ("pool_the_end_of_a_run_ends_no_task_of_another", two_runs),
    ("pool_waiting_for_processes_and_for_tasks_is_no_deadlock", no_deadlock),
];

fn square(number: u64) -> u64 {
    number * number
}

fn add(left: i32, right: i32) -> i32 {
    left + right
}

fn pid() -> u32 {
    std::process::id()
}

fn nap(milliseconds: u64) -> u32 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    std::process::id()
}

fn fail(text: String) -> u8 {
    panic!("{text}")
}

/// Its destructor panics.
#[derive(Debug, Serialize, Deserialize)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

fn fail_badly() {
    std::panic::panic_any(Bomb);
}

fn gives_bomb() -> Bomb {
    Bomb
}

/// Panics when it is encoded.
#[derive(Deserialize)]
struct Silent;

impl Serialize for Silent {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("while encoding")
    }
}

fn encodes_badly() -> Silent {
    Silent
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Death {
    Kill,
    Abort,
    Exit,
    Garbage,
}

fn die(how: Death) -> u8 {
    match how {
        // SAFETY: a signal to this process.
        Death::Kill => unsafe {
            libc::kill(libc::getpid(), libc::SIGKILL);
        },
        Death::Abort => std::process::abort(),
        Death::Exit => std::process::exit(3),
        Death::Garbage => write_garbage(),
    }
    0
}

/// Into the connection with the parent, which is the only Unix socket of this process.
fn write_garbage() {
    let garbage = [0xa5u8; 64];
    for descriptor in 3..64 {
        // SAFETY: what is no socket refuses it.
        unsafe {
            libc::send(descriptor, garbage.as_ptr().cast(), garbage.len(), libc::MSG_NOSIGNAL)
        };
    }
}

fn pool(workers: usize) -> ProcessPool {
    ProcessPool::new(workers).unwrap()
}

fn values() {
    let pool = pool(2);
    assert_eq!(pool.apply(function!(square), 12).unwrap(), 144);
    assert_eq!(pool.apply(function!(add(a, b)), (-3, 5)).unwrap(), 2);
    let squares: Vec<u64> = (0..50).map(|n| n * n).collect();
    assert_eq!(pool.map(function!(square), 0..50).unwrap(), squares);
    assert_eq!(pool.starmap(function!(add(a, b)), [(1, 2), (3, 4)]).unwrap(), [3, 7]);
    assert_eq!(pool.imap(function!(square), 0..).nth(9).unwrap().unwrap(), 81);
    let mut all: Vec<u64> =
        pool.imap_unordered(function!(square), 0..50).map(Result::unwrap).collect();
    all.sort();
    assert_eq!(all, squares);
    let future = pool.apply_async(function!(square), 9).unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let see = Arc::clone(&seen);
    future.add_done_callback(move |future| {
        see.store(*future.result().unwrap() as usize, Ordering::SeqCst);
    });
    assert_eq!(future.result().unwrap(), &81);
    pool.close();
    pool.join();
    assert_eq!(seen.load(Ordering::SeqCst), 81);
}

fn at_once() {
    let pool = pool(2);
    let first = pool.apply_async(function!(nap), 20).unwrap();
    let second = pool.apply_async(function!(nap), 20).unwrap();
    let third = pool.apply_async(function!(nap), 0).unwrap();
    assert!(third.cancel() || third.done(), "one at a time");
    let pids: HashSet<_> = [first, second].map(|one| one.into_result().unwrap()).into();
    assert!(!pids.contains(&std::process::id()));
    let more: HashSet<_> = pool.map(function!(pid()), [(); 20]).unwrap().into_iter().collect();
    assert!(more.is_subset(&pids) && pids.len() == 2, "{more:?} {pids:?}");
    assert_eq!(pool.processes().into_iter().collect::<HashSet<_>>(), pids);
}

fn panics() {
    let pool = pool(1);
    let before = pool.apply(function!(pid()), ()).unwrap();
    let error = pool.apply(function!(fail), "no luck".to_string()).unwrap_err();
    assert!(error.is_panic() && error.take_panic().is_none());
    assert_eq!(error.to_string(), "the task panicked: no luck");
    assert!(pool.apply(function!(fail_badly()), ()).unwrap_err().is_panic());
    assert!(pool.apply(function!(takes_late), Late(0)).unwrap_err().is_panic(), "decoding");
    assert!(pool.apply(function!(encodes_badly()), ()).map(drop).unwrap_err().is_panic());
    // What comes back is as good as what was returned, whatever its destructor does there.
    std::mem::forget(pool.apply(function!(gives_bomb()), ()).unwrap());
    assert_eq!(pool.apply(function!(pid()), ()).unwrap(), before);
}

fn one_dies() {
    let pool = pool(2);
    let deaths = [Death::Kill, Death::Abort, Death::Exit];
    let outcomes = deaths.map(|how| pool.apply_async(function!(die), how).unwrap());
    let others: Vec<_> = (0..20).map(|n| pool.apply_async(function!(square), n).unwrap()).collect();
    let errors = outcomes.map(|one| one.into_result().unwrap_err());
    let statuses = errors.map(|error| error.exit_status().unwrap());
    assert_eq!(statuses[0].signal(), Some(libc::SIGKILL));
    assert_eq!(statuses[1].signal(), Some(libc::SIGABRT));
    assert_eq!(statuses[2].code(), Some(3));
    for (n, other) in (0..).zip(others) {
        assert_eq!(other.into_result().unwrap(), n * n);
    }
    let error = pool.apply(function!(die), Death::Garbage).unwrap_err();
    assert_eq!(error.io_error().map(std::io::Error::kind), Some(ErrorKind::InvalidData));
    assert_eq!(pool.apply(function!(square), 3).unwrap(), 9);
}

fn idle_dies() {
    let pool = pool(1);
    let first = pool.apply(function!(pid()), ()).unwrap();
    // SAFETY: a process of this test's.
    assert_eq!(unsafe { libc::kill(first as i32, libc::SIGKILL) }, 0);
    // The pool has heard of it.
    until(|| parent_and_state(first).is_none());
    let second = pool.apply(function!(pid()), ()).unwrap();
    assert_ne!(first, second);
    assert_eq!(pool.processes(), [second]);
}

fn killed_task() {
    let pool = pool(1);
    let long = pool.apply_async(function!(nap), LONG.as_millis() as u64).unwrap();
    let next = pool.apply_async(function!(square), 5).unwrap();
    until(|| long.running());
    assert!(!long.cancel(), "it has begun");
    assert!(long.kill());
    assert!(long.result().unwrap_err().is_killed());
    assert_eq!(next.result().unwrap(), &25);
    assert!(!next.kill(), "it has ended");
    // A kill that comes as its task ends is not for the next one.
    for _ in 0..20 {
        let first = pool.apply_async(function!(square), 2).unwrap();
        let second = pool.apply_async(function!(square), 3).unwrap();
        greenthread::yield_now();
        first.kill();
        assert_eq!(second.result().unwrap(), &9);
    }
}

/// Cannot be encoded.
#[derive(Deserialize)]
struct Odd;

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it is odd"))
    }
}

/// Cannot be decoded.
#[derive(Debug, Serialize)]
struct Late(u8);

impl<'de> Deserialize<'de> for Late {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => panic!("while decoding"),
            _ => Err(serde::de::Error::custom("too late")),
        }
    }
}

fn takes_odd(_: Odd) {}

fn gives_odd() -> Odd {
    Odd
}

fn takes_late(_: Late) {}

fn gives_late(kind: u8) -> Late {
    Late(kind)
}

fn not_passed() {
    let pool = pool(1);
    let process = pool.apply(function!(pid()), ()).unwrap();
    let errors = [
        pool.apply(function!(takes_odd), Odd).unwrap_err(),
        pool.apply(function!(gives_odd()), ()).map(drop).unwrap_err(),
        pool.apply(function!(takes_late), Late(1)).unwrap_err(),
        pool.apply(function!(gives_late), 1).unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_not_passed() && !error.is_panic(), "{error}");
    }
    assert!(pool.apply(function!(gives_late), 0).unwrap_err().is_panic());
    assert_eq!(pool.apply(function!(pid()), ()).unwrap(), process, "it was not the process");
}

/// A string is passed as it is; a vector of bytes, one after the other, takes minutes in a debug build.
fn longer(mut text: String) -> String {
    text.push('!');
    text
}

fn large() {
    let text = "x".repeat(64 << 20);
    let back = pool(1).apply(function!(longer), text.clone()).unwrap();
    assert!(back.len() == text.len() + 1 && back.starts_with(&text));
}

fn of_length(length: usize) -> String {
    "\0".repeat(length)
}

fn length(text: String) -> usize {
    text.len()
}

/// Once only, since it takes some gibibytes.
fn too_large() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    if DONE.fetch_add(1, Ordering::SeqCst) > 0 {
        return;
    }
    let pool = pool(1);
    let process = pool.apply(function!(pid()), ()).unwrap();
    let errors = [
        pool.apply(function!(of_length), process::MAX_MESSAGE).unwrap_err(),
        pool.apply(function!(length), of_length(process::MAX_MESSAGE)).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_not_passed() && error.to_string().contains("1073741824"), "{error}");
    }
    assert_eq!(pool.apply(function!(pid()), ()).unwrap(), process, "only the tasks fail");
}

static GIVEN: AtomicU32 = AtomicU32::new(0);

fn prepare(value: u32) {
    assert!(value != 0, "nothing to prepare with");
    GIVEN.store(value, Ordering::SeqCst);
}

fn given() -> u32 {
    GIVEN.load(Ordering::SeqCst)
}

fn initializer() {
    let builder = ProcessPool::builder().max_workers(2).max_tasks_per_worker(2).name("prepared");
    let pool = builder.initializer(function!(prepare), 17).build().unwrap();
    assert!(pool.map(function!(given()), [(); 10]).unwrap().iter().all(|given| *given == 17));
    assert_eq!(GIVEN.load(Ordering::SeqCst), 0);
}

fn leave(status: i32) {
    std::process::exit(status)
}

fn broken() {
    let build = |function: Function<u32, ()>, value| {
        ProcessPool::builder().max_workers(2).initializer(function, value).build().unwrap()
    };
    let pools = [
        (build(function!(prepare), 0), "nothing to prepare with"),
        (
            ProcessPool::builder().max_workers(1).initializer(function!(leave), 9).build().unwrap(),
            "exit status: 9",
        ),
    ];
    for (pool, reason) in pools {
        let futures: Vec<_> =
            (0..5).map_while(|n| pool.apply_async(function!(square), n).ok()).collect();
        assert!(!futures.is_empty());
        for outcome in gather_all(futures) {
            let error = outcome.unwrap_err();
            assert!(error.is_broken() && error.to_string().contains(reason), "{error}");
        }
        until(|| matches!(pool.apply_async(function!(square), 1), Err(SubmitError::Broken(_))));
    }
}

fn hang(_: u32) {
    std::thread::sleep(LONG);
}

fn hanging() {
    let build =
        || ProcessPool::builder().max_workers(1).initializer(function!(hang), 1).build().unwrap();
    let pool = build();
    let futures = [1, 2, 3].map(|n| pool.apply_async(function!(square), n).unwrap());
    until(|| !pool.processes().is_empty());
    assert!(futures[0].cancel());
    pool.shutdown(false, true);
    assert!(gather_all(futures).iter().all(|one| one.as_ref().unwrap_err().is_cancelled()));
    pool.terminate();
    pool.join();
    until(|| pool.processes().is_empty());

    let pool = build();
    let future = pool.apply_async(function!(square), 4).unwrap();
    until(|| !pool.processes().is_empty());
    pool.terminate();
    pool.join();
    assert!(future.into_result().unwrap_err().is_cancelled());
    assert!(matches!(pool.apply_async(function!(square), 4), Err(SubmitError::ShutDown)));
}

fn max_tasks() {
    let pool = ProcessPool::builder().max_workers(1).max_tasks_per_worker(2).build().unwrap();
    let pids = pool.map(function!(pid()), [(); 6]).unwrap();
    assert_eq!(pids.iter().collect::<HashSet<_>>().len(), 3, "{pids:?}");
}

fn terminate() {
    let pool = pool(2);
    let futures: Vec<_> = (0..6)
        .map(|_| pool.apply_async(function!(nap), LONG.as_millis() as u64).unwrap())
        .collect();
    until(|| futures[0].running() && futures[1].running());
    pool.terminate();
    pool.join();
    let outcomes = gather_all(futures);
    assert!(outcomes.iter().all(Result::is_err));
    let cancelled = outcomes.iter().filter(|one| one.as_ref().unwrap_err().is_cancelled()).count();
    assert_eq!(cancelled, 4);
    assert!(matches!(pool.apply_async(function!(pid()), ()), Err(SubmitError::ShutDown)));
}

fn dropped() {
    let pool = pool(1);
    let futures: Vec<_> =
        (0..10).map(|n| pool.apply_async(function!(square), n).unwrap()).collect();
    drop(pool);
    for (n, outcome) in (0..).zip(gather_all(futures)) {
        assert_eq!(outcome.unwrap(), n * n);
    }
}

fn closed() {
    let pool = pool(1);
    let future = pool.apply_async(function!(square), 4).unwrap();
    pool.close();
    assert!(matches!(pool.apply_async(function!(square), 4), Err(SubmitError::ShutDown)));
    pool.join();
    assert!(future.done());
    assert_eq!(future.into_result().unwrap(), 16);
}

fn bad_settings() {
    let errors = [
        ProcessPool::new(0).unwrap_err(),
        ProcessPool::builder().max_tasks_per_worker(0).build().unwrap_err(),
        ProcessPool::builder().name("a\0b").build().unwrap_err(),
        ProcessPool::builder().initializer(function!(takes_odd), Odd).build().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

fn forked() {
    let pool = pool(1);
    pool.apply(function!(pid()), ()).unwrap();
    let future = pool.apply_async(function!(nap), 50).unwrap();
    // SAFETY: the child looks at the pool and ends at once.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = |error: SubmitError| error.to_string().contains("forked");
        let good = pool.apply_async(function!(pid()), ()).is_err_and(refused)
            && future.result().is_err_and(|error| error.to_string().contains("forked"));
        pool.shutdown(true, true);
        drop(pool);
        // SAFETY: ends the child.
        unsafe { libc::_exit(if good { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    assert!(future.result().is_ok());
}

/// Has the standard streams, and runs on.
fn leave_a_sleeper() -> u32 {
    std::process::Command::new("sleep").arg(LONG.as_secs().to_string()).spawn().unwrap().id()
}

fn leave_a_copy_and_die() -> u32 {
    // SAFETY: the copy, which has the connection with the parent too, only sleeps.
    if unsafe { libc::fork() } == 0 {
        std::thread::sleep(Duration::from_secs(3));
        // SAFETY: ends the copy.
        unsafe { libc::_exit(0) };
    }
    std::process::exit(4)
}

fn grandchildren() {
    let pool = pool(1);
    let sleeper = pool.apply(function!(leave_a_sleeper()), ()).unwrap();
    let error = pool.apply(function!(leave_a_copy_and_die()), ()).unwrap_err();
    assert_eq!(error.exit_status().and_then(|status| status.code()), Some(4));
    assert_eq!(pool.apply(function!(square), 2).unwrap(), 4);
    pool.join();
    assert!(parent_and_state(sleeper).is_some());
    // SAFETY: a process of this test's.
    assert_eq!(unsafe { libc::kill(sleeper as i32, libc::SIGKILL) }, 0);
}

fn any_executor() {
    let call = || Remote::new(function!(square), 7);
    assert_eq!(pool(1).submit(call()).unwrap().result().unwrap(), &49);
    assert_eq!(ThreadPool::new(1).unwrap().submit(call()).unwrap().result().unwrap(), &49);
    assert_eq!(GreenExecutor::new().submit(call()).unwrap().result().unwrap(), &49);
    let failing = Remote::new(function!(fail), "here".to_string());
    let error = GreenExecutor::new().submit(failing).unwrap().exception().unwrap();
    assert!(error.is_panic() && error.to_string().contains("here"));
}

fn listing(folder: &std::path::Path) -> HashSet<std::ffi::OsString> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    // Compilers and other tests leave and take theirs.
    entries
        .map(|entry| entry.file_name())
        .filter(|name| {
            let name = name.to_string_lossy();
            name.contains("green") || name.contains("gt")
        })
        .collect()
}

/// `GREENTHREAD_TEST_DEATHS` sets how many. Each kind of runtime has as many.
fn deaths() {
    let folders = [std::env::temp_dir(), "/dev/shm".into()];
    let before: Vec<_> = folders.iter().map(|folder| listing(folder)).collect();
    // What the library itself keeps is there afterwards.
    pool(2).apply(function!(pid()), ()).unwrap();
    until(|| children().is_empty());
    let open = descriptors();
    let outcomes = Arc::new(AtomicUsize::new(0));
    let pool = pool(2);
    let kinds = [Death::Kill, Death::Abort, Death::Exit, Death::Garbage];
    let number = std::env::var("GREENTHREAD_TEST_DEATHS").map_or(250, |text| text.parse().unwrap());
    let futures: Vec<(Death, Future<u8>)> = (0..number)
        .map(|n| {
            let how = kinds[n % 4];
            let future = pool.apply_async(function!(die), how).unwrap();
            let count = Arc::clone(&outcomes);
            future.add_done_callback(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            (how, future)
        })
        .collect();
    for (how, future) in futures {
        let error = future.into_result().unwrap_err();
        match how {
            Death::Garbage => assert!(error.io_error().is_some(), "{error}"),
            _ => assert!(error.exit_status().is_some(), "{error}"),
        }
    }
    pool.join();
    assert_eq!(outcomes.load(Ordering::SeqCst), number);
    drop(pool);
    until(|| children().is_empty() && descriptors() <= open);
    let after: Vec<_> = folders.iter().map(|folder| listing(folder)).collect();
    assert_eq!(before, after);
}

/// Ignores SIGTERM, tells its number, and computes for ever.
fn stubborn() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    println!("{}", std::process::id());
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// What the program does if it is started for [`parent_dies`].
pub(crate) fn as_parent() {
    let pool = pool(2);
    let futures = [(), ()].map(|()| pool.apply_async(function!(stubborn()), ()).unwrap());
    drop(gather_all(futures));
}

fn parent_dies() {
    let mut parent = process::Command::new(std::env::current_exe().unwrap())
        .env("GREENTHREAD_TEST_PARENT", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pids = [(), ()].map(|()| lines.next().unwrap().unwrap().parse::<u32>().unwrap());
    parent.kill().unwrap();
    parent.wait().unwrap();
    let is_gone = |pid: &u32| parent_and_state(*pid).is_none_or(|(_, state)| state == 'Z');
    until(|| pids.iter().all(is_gone));
}

/// What the program does if it is started for [`statuses_ignored`]: the system keeps no exit status for who ignores SIGCHLD.
pub(crate) fn without_statuses() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let pool = pool(2);
    for kind in [Death::Kill, Death::Exit, Death::Abort] {
        let error = pool.apply(function!(die), kind).unwrap_err();
        assert!(error.io_error().is_some() || error.exit_status().is_some(), "{error}");
        assert_eq!(pool.apply(function!(square), 3).unwrap(), 9);
    }
    let long = pool.apply_async(function!(nap), LONG.as_millis() as u64).unwrap();
    until(|| long.running());
    long.kill();
    assert!(long.result().is_err());
    pool.join();
    let mut child = process::Command::new("true").spawn().unwrap();
    assert_eq!(child.wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    until(|| children().is_empty());
    println!("served");
}

fn statuses_ignored() {
    let output = process::Command::new(std::env::current_exe().unwrap())
        .env("GREENTHREAD_TEST_IGNORES_SIGCHLD", "1")
        .output()
        .unwrap();
    assert!(output.status.success() && output.stdout.ends_with(b"served\n"), "{output:?}");
}

/// The first `run` has made the worker, and ends while a task of the second one is in it and another waits.
fn two_runs() {
    let pool = Arc::new(pool(1));
    let (first, second) = (Arc::clone(&pool), Arc::clone(&pool));
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (end, may_end) = std::sync::mpsc::channel();
    let first = move || {
        first.apply(function!(square), 2).unwrap();
        ready.send(()).unwrap();
        greenthread::blocking(move || may_end.recv()).unwrap();
    };
    let first = std::thread::spawn(|| greenthread::run(first));
    greenthread::blocking(move || is_ready.recv()).unwrap();
    let second = move || {
        let running = second.apply_async(function!(nap), 200).unwrap();
        let waiting = second.apply_async(function!(square), 3).unwrap();
        until(|| running.running());
        end.send(()).unwrap();
        assert!(running.into_result().is_ok());
        waiting.into_result().unwrap()
    };
    let second = std::thread::spawn(|| greenthread::run(second));
    let value = greenthread::blocking(|| {
        first.join().unwrap();
        second.join().unwrap()
    });
    assert_eq!(value, 9);
}

/// Run again as a process that reports a deadlock soon.
fn no_deadlock() {
    let mut command = process::Command::new(std::env::current_exe().unwrap());
    command.env("GREENTHREAD_TEST_DEADLOCK", "1").env("GREENTHREAD_DEADLOCK_MS", "50");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.is_empty(), "{text}");
}

pub(crate) fn without_deadlock() {
    let wait = || {
        let pool = pool(1);
        pool.apply(function!(nap), 200).unwrap();
        process::Process::start(function!(nap), 200).unwrap().join().unwrap();
        pool
    };
    greenthread::Runtime::new_current_thread().unwrap().run(wait).unwrap();
    // A worker without a task and without a process.
    let pool = ProcessPool::builder().max_workers(1).max_tasks_per_worker(1).build().unwrap();
    pool.apply(function!(pid()), ()).unwrap();
    until(|| children().is_empty());
    std::thread::sleep(Duration::from_millis(300));
}
