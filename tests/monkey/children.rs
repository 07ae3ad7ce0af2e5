//! Cases that run in a process of their own: this same program, told to run one test only.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a child may go on that has told that a worker is held up, before it counts as one that hangs.
const HANGS_AFTER: Duration = Duration::from_secs(5);

/// What is told then.
const HELD_UP: [&str; 2] = ["has blocked its worker", "has kept worker"];

/// What is told of `std::thread::park` and of what waits by it.
pub(crate) const PARK: &str = "in std::thread::park, by which std's mpsc channels, std::thread::scope and crossbeam-channel wait";

const VARIABLE: &str = "GREENTHREAD_TEST_CASE";

/// How a child ended.
pub(crate) struct Outcome {
    /// `None` if it hung and was killed.
    pub(crate) status: Option<ExitStatus>,
    /// What it has written to standard error.
    pub(crate) told: String,
    /// The processor time that it used.
    pub(crate) used: Duration,
}

impl Outcome {
    /// It ended well.
    #[track_caller]
    pub(crate) fn works(&self) {
        assert!(self.status.is_some_and(|status| status.success()), "{}", self.summary());
    }

    /// It hung, without using the processor, and had told why.
    #[track_caller]
    pub(crate) fn hangs_and_tells(&self, what: &str) {
        assert!(self.status.is_none() && self.told.contains(what), "{}", self.summary());
        assert!(self.used < HANGS_AFTER / 3, "it spins: {}", self.summary());
    }

    fn summary(&self) -> String {
        format!("{:?}, {:?} of the processor; it told:\n{}", self.status, self.used, self.told)
    }
}

/// Runs `body` in a process of its own. `test` is the whole name of the test that calls this, before all else that it does.
pub(crate) fn in_child(test: &str, body: impl FnOnce()) -> Outcome {
    in_child_with(&[], &[], test, body)
}

/// The same, started by another program, with more in its environment.
pub(crate) fn in_child_with(
    starter: &[&str],
    environment: &[(&str, &str)],
    test: &str,
    body: impl FnOnce(),
) -> Outcome {
    if std::env::var(VARIABLE).is_ok_and(|case| case == test) {
        body();
        std::process::exit(0);
    }
    let program = std::env::current_exe().unwrap();
    let words: Vec<_> = starter.iter().copied().chain(program.to_str()).collect();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .args(["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(VARIABLE, test)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut pipe = child.stderr.take().unwrap();
    let all = Arc::clone(&told);
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(got @ 1..) = pipe.read(&mut buffer) {
            all.lock().unwrap().extend_from_slice(&buffer[..got]);
        }
    });
    let mut end = Instant::now() + crate::LIMIT;
    let mut has_told = false;
    let mut used = Duration::ZERO;
    let status = loop {
        // Before it is waited for, while the kernel still knows.
        used = processor_time(&child).unwrap_or(used);
        if !has_told && is_held_up(&told.lock().unwrap()) {
            has_told = true;
            end = end.min(Instant::now() + HANGS_AFTER);
        }
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > end => break None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let _ = reader.join();
    let told = String::from_utf8_lossy(&told.lock().unwrap()).into_owned();
    Outcome { status, told, used }
}

fn is_held_up(told: &[u8]) -> bool {
    let told = String::from_utf8_lossy(told);
    HELD_UP.iter().any(|text| told.contains(text))
}

/// Two green threads, of one worker or of one each, the second of which ends the wait of the first.
pub(crate) fn two<T: Send + 'static>(
    test: &str,
    workers: usize,
    waits: impl FnOnce() -> T + Send + 'static,
    ends_it: impl FnOnce() + Send + 'static,
) -> Outcome {
    in_child(test, || {
        crate::on(1, move || {
            let apart =
                (workers == 2).then(|| greenthread::Runtime::builder().workers(1).build().unwrap());
            let waiter = match &apart {
                Some(runtime) => runtime.spawn(waits),
                None => greenthread::spawn(waits),
            };
            let other = greenthread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                ends_it();
            });
            other.join().unwrap();
            waiter.join().unwrap();
        });
    })
}

/// A channel of another library's: between two of one worker it blocks that.
pub(crate) fn a_receive_blocks_its_worker_and_tells(
    test: &str,
    receive: impl Fn() -> u32 + Send + 'static,
    send: impl Fn(u32) + Send + 'static,
) {
    two(test, 1, receive, move || send(1)).hangs_and_tells(PARK);
}

/// A channel of another library's: between two workers it works.
pub(crate) fn receives_work_between_two_workers(
    test: &str,
    receive: impl Fn() -> u32 + Send + 'static,
    send: impl Fn(u32) + Send + 'static,
) {
    let receives = move || (0..100).for_each(|number| assert_eq!(receive(), number));
    two(test, 2, receives, move || (0..100).for_each(send)).works();
}

fn processor_time(child: &Child) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // The name of the program, which may have spaces, is in brackets.
    let fields: Vec<_> = text.rsplit(')').next()?.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // A hundred in a second, on all that this runs on.
    Some(Duration::from_millis(ticks * 10))
}
