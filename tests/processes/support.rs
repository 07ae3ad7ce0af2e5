//! What several tests need.

use greenthread::Runtime;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Long, and short enough to end by itself where a test that failed has left it behind.
pub(crate) const LONG: Duration = Duration::from_secs(100);

pub(crate) type Tests = &'static [(&'static str, fn())];

/// Runs `body` on an OS thread of its own; a hang is a panic.
fn within_limit(body: impl FnOnce() + Send + 'static) {
    let (send, receive) = channel();
    let thread = std::thread::spawn(move || {
        body();
        let _ = send.send(());
    });
    match receive.recv_timeout(LIMIT) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}

/// On 1 and 2 workers, on a current-thread runtime, and on an OS thread.
pub(crate) fn everywhere(case: fn()) {
    for count in [1, 2] {
        within_limit(move || {
            Runtime::builder().workers(count).build().unwrap().run(case).unwrap();
        });
    }
    within_limit(move || Runtime::new_current_thread().unwrap().run(case).unwrap());
    within_limit(case);
}

pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "what was waited for did not come");
        greenthread::sleep(Duration::from_millis(1));
    }
}

/// The processes whose parent this one is, zombies included.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent_and_state(*pid).is_some_and(|(parent, _)| parent == own)).collect()
}

pub(crate) fn parent_and_state(pid: u32) -> Option<(u32, char)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// All children have been waited for.
pub(crate) fn nothing_is_left() {
    until(|| children().is_empty());
}

/// How many descriptors are open, without the ring of the feature `io-uring`: a hub makes it when it first sends several
/// messages together, which may be at any time, and keeps it.
pub(crate) fn descriptors() -> usize {
    let is_ring = |path: std::path::PathBuf| path.as_os_str() == "anon_inode:[io_uring]";
    let all = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    all.filter(|entry| !std::fs::read_link(entry.path()).is_ok_and(is_ring)).count()
}
