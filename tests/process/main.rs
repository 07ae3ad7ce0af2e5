//! What concerns the whole process: each test runs itself again as a child, and looks at how that ends.

mod children;
mod deadlock;
#[cfg(target_arch = "x86_64")]
mod debugger;
mod dropped;
mod environment;
mod exit;
mod fork;
mod leftovers;
mod limits;
mod overflow;
mod panic_hook;
mod signal;
mod switch_hook;

use greenthread::{Runtime, sleep};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) const FOR_EVER: Duration = Duration::from_secs(100_000);
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const SHORT: Duration = Duration::from_millis(30);

pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) text: String,
}

pub(crate) fn is_child(name: &str) -> bool {
    std::env::var_os("GREENTHREAD_TEST_CHILD").is_some_and(|child| child == name)
}

/// The test of this name, its module included, again, in a process of its own; with one test thread that is the main thread.
pub(crate) fn child(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("GREENTHREAD_TEST_CHILD", name)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end; a hang is a panic.
pub(crate) fn finish(command: Command) -> End {
    finish_told(command, None)
}

/// Runs it until it has said all of `told`, lets [`until_told`] of the child return, and runs it to its end.
pub(crate) fn finish_once_told(command: Command, told: &[&str]) -> End {
    finish_told(command, Some(told))
}

/// In the child: returns once its parent has read what it waits for.
pub(crate) fn until_told() {
    assert_eq!(io::stdin().read(&mut [0]).unwrap(), 0, "the parent closes it");
}

fn finish_told(mut command: Command, told: Option<&[&str]>) -> End {
    if told.is_some() {
        command.stdin(Stdio::piped());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take();
    let [out, err] = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
    let readers = [
        collect(child.stdout.take().unwrap(), Arc::clone(&out)),
        collect(child.stderr.take().unwrap(), Arc::clone(&err)),
    ];
    let said =
        || [&out, &err].map(|all| String::from_utf8_lossy(&all.lock().unwrap()).into_owned());
    let end = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        if let Some(told) = told
            && stdin.is_some()
            && let said = said().concat()
            && told.iter().all(|part| said.contains(part))
        {
            stdin = None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let text = said().concat();
    let status = status.unwrap_or_else(|| panic!("the child hangs; it said:\n{text}"));
    assert!(text.contains("running 1 test\n"), "the child found no test of that name:\n{text}");
    End { code: status.code(), signal: status.signal(), text }
}

/// Adds what comes from there, as it comes.
fn collect(mut from: impl Read + Send + 'static, to: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            to.lock().unwrap().extend_from_slice(&piece[..count]);
        }
    })
}

#[track_caller]
pub(crate) fn passes(name: &str) {
    let end = finish(child(name));
    assert!(end.code == Some(0), "{:?} {:?}\n{}", end.code, end.signal, end.text);
}

pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "what was waited for did not come");
        sleep(Duration::from_millis(1));
    }
}

pub(crate) fn workers(count: usize) -> Runtime {
    Runtime::builder().workers(count).build().unwrap()
}

pub(crate) fn set_limit(what: libc::__rlimit_resource_t, to: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only use the struct.
    unsafe {
        assert_eq!(libc::getrlimit(what, &mut limit), 0);
        limit.rlim_cur = to;
        assert_eq!(libc::setrlimit(what, &limit), 0);
    }
}
