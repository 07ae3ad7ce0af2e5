//! Standard input and output: each test runs itself again as a child whose streams are its own.

use greenthread::io::{self, BufRead, Read, Write};
use greenthread::{Runtime, sleep, spawn, yield_now};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

fn is_child(name: &str) -> bool {
    std::env::var_os("GREENTHREAD_TEST_CHILD").is_some_and(|child| child == name)
}

fn child(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("GREENTHREAD_TEST_CHILD", name)
        .stdout(Stdio::piped());
    command
}

/// Ends with success, and in time.
fn finish(mut child: Child) {
    let end = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("the child hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{status}");
}

/// On one worker: whoever waits for standard input or output keeps nobody waiting.
fn in_child(body: impl FnOnce() + 'static) -> ! {
    Runtime::new_current_thread().unwrap().run_local(body).unwrap();
    std::process::exit(0);
}

/// What the child said after the test harness's own lines.
fn after_ready(stdout: &mut impl std::io::BufRead) {
    let mut line = String::new();
    while !line.ends_with("ready\n") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "the child ended");
    }
}

#[test]
fn lines_from_a_pipe() {
    const NAME: &str = "lines_from_a_pipe";
    if is_child(NAME) {
        in_child(|| {
            static BEATS: AtomicUsize = AtomicUsize::new(0);
            let heart = spawn(|| {
                loop {
                    BEATS.fetch_add(1, Ordering::SeqCst);
                    sleep(Duration::from_millis(1));
                }
            });
            assert!(!io::stdin().is_terminal() && !io::stdout().lock().is_terminal());
            println!("ready");
            let mut line = String::new();
            io::stdin().read_line(&mut line).unwrap();
            assert_eq!(line, "first\n");
            let beats = BEATS.load(Ordering::SeqCst);
            writeln!(io::stdout(), "beating: {}", beats > 2).unwrap();
            // Another waits for the lock meanwhile.
            let other = spawn(|| {
                let mut byte = [0];
                io::stdin().read_exact(&mut byte).unwrap();
                byte[0]
            });
            let mut lock = io::stdin().lock();
            yield_now();
            line.clear();
            lock.read_line(&mut line).unwrap();
            assert_eq!(line, "second\n");
            drop(lock);
            assert_eq!(other.join().unwrap(), b'!');
            let rest: Vec<_> = io::stdin().lines().map(Result::unwrap).collect();
            assert_eq!(rest, ["", "third", "no end"]);
            assert_eq!(io::stdin().read(&mut [0]).unwrap(), 0);
            heart.kill();
            // Without an end of its line: flushed when the process ends.
            write!(io::stdout(), "bye").unwrap();
        })
    }
    let mut child = child(NAME).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    after_ready(&mut stdout);
    std::thread::sleep(Duration::from_millis(50));
    stdin.write_all(b"first\n").unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "beating: true\n");
    for piece in ["sec", "ond\n!", "\nthird\nno end"] {
        stdin.write_all(piece.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(stdin);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "bye");
    finish(child);
}

#[test]
fn everything_from_a_file() {
    const NAME: &str = "everything_from_a_file";
    if is_child(NAME) {
        in_child(|| {
            let mut all = Vec::new();
            io::stdin().read_to_end(&mut all).unwrap();
            assert_eq!(all, std::fs::read(std::env::current_exe().unwrap()).unwrap());
        })
    }
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    finish(child(NAME).stdin(file).stdout(Stdio::null()).spawn().unwrap());
}

/// The reader of the child's output waits until the child's other green threads have proved that they run.
#[test]
fn output_to_a_slow_reader() {
    const NAME: &str = "output_to_a_slow_reader";
    if is_child(NAME) {
        in_child(|| {
            static DONE: AtomicBool = AtomicBool::new(false);
            println!("ready");
            let neighbour = spawn(|| {
                // The pipe holds 64 KiB: the writer waits for good by now.
                sleep(Duration::from_millis(20));
                assert!(!DONE.load(Ordering::SeqCst));
                // This asks the parent to read.
                io::stderr().write_all(b"go").unwrap();
                io::stderr().flush().unwrap();
            });
            let mut out = io::stdout().lock();
            for i in 0..100_000 {
                writeln!(out, "line {i}").unwrap();
                if i % 1000 == 0 {
                    // The same green thread may lock it again.
                    write!(io::stdout(), "").unwrap();
                }
            }
            out.flush().unwrap();
            DONE.store(true, Ordering::SeqCst);
            neighbour.join().unwrap();
        })
    }
    let mut child = child(NAME).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    after_ready(&mut stdout);
    let mut go = [0; 2];
    child.stderr.take().unwrap().read_exact(&mut go).unwrap();
    assert_eq!(&go, b"go");
    for i in 0..100_000 {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        assert_eq!(line, format!("line {i}\n"));
    }
    finish(child);
}

/// As std: a closed input is empty and a closed output takes everything.
#[test]
fn a_closed_input_is_empty_and_a_closed_output_takes_everything() {
    const NAME: &str = "a_closed_input_is_empty_and_a_closed_output_takes_everything";
    if is_child(NAME) {
        in_child(|| {
            // SAFETY: nobody else uses these descriptors: this process has only this test.
            unsafe {
                libc::close(0);
                libc::close(1);
            }
            assert_eq!(io::stdin().read(&mut [0; 8]).unwrap(), 0);
            io::stdout().write_all(b"nobody\n").unwrap();
        })
    }
    finish(child(NAME).stdin(Stdio::null()).spawn().unwrap());
}

#[test]
fn a_grandchild_has_our_standard_output() {
    const NAME: &str = "a_grandchild_has_our_standard_output";
    if is_child(NAME) {
        in_child(|| {
            println!("ready");
            let mut echo = Command::new("echo");
            echo.arg("from the grandchild").stdout(io::stdout()).stderr(io::stderr());
            assert!(echo.status().unwrap().success());
        });
    }
    let mut child = child(NAME).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    after_ready(&mut stdout);
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "from the grandchild\n");
    finish(child);
}
