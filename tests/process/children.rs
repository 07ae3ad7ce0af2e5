//! Children of a process that is short of something.

use crate::{LIMIT, is_child, passes};
use greenthread::process::{Command, Stdio};
use greenthread::{Runtime, spawn};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::time::Instant;

fn limit_descriptors(most: u64) {
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: Some(most) }).unwrap();
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn zombies() -> usize {
    let own = format!(" {} ", std::process::id());
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest[1..].starts_with(&own)))
        .count()
}

/// All end; those that cannot be started say for want of what.
#[test]
fn a_thousand_at_once_with_few_descriptors() {
    let name = "children::a_thousand_at_once_with_few_descriptors";
    if is_child(name) {
        limit_descriptors(256);
        for workers in [1, 2] {
            let runtime = Runtime::builder().workers(workers).build().unwrap();
            runtime
                .run(|| {
                    let begin = Instant::now();
                    let before = open_descriptors();
                    // Without pipes there is enough for all.
                    let all: Vec<_> =
                        (0..1000).map(|_| spawn(|| Command::new("true").status())).collect();
                    let good = all.into_iter().map(|one| one.join().unwrap());
                    let (good, bad): (Vec<_>, Vec<_>) = good.partition(Result::is_ok);
                    bad.iter().for_each(|bad| println!("{:?}", bad.as_ref().unwrap_err()));
                    assert_eq!(good.len(), 1000);

                    let one = || Command::new("echo").arg("out").output();
                    let all: Vec<_> = (0..1000).map(|_| spawn(one)).collect();
                    let mut good = 0;
                    for one in all {
                        match one.join().unwrap() {
                            Ok(output) => {
                                assert_eq!(output.stdout, b"out\n");
                                good += 1;
                            }
                            Err(error) => {
                                let text = error.to_string();
                                assert!(text.contains("Too many open files"), "{text}");
                            }
                        }
                    }
                    println!("{good} of 1000 with pipes, after {:?}", begin.elapsed());
                    assert!(good > 50, "{good}");
                    while zombies() > 0 || open_descriptors() > before {
                        assert!(begin.elapsed() < LIMIT, "{} {}", zombies(), open_descriptors());
                        greenthread::sleep(std::time::Duration::from_millis(5));
                    }
                })
                .unwrap();
        }
        return;
    }
    passes(name);
}

/// Where there is not one descriptor left, a child is waited for all the same.
#[test]
fn a_wait_needs_no_descriptor() {
    let name = "children::a_wait_needs_no_descriptor";
    if is_child(name) {
        let case = || {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let dropped = Command::new("sleep").arg("0.1").spawn().unwrap();
            let mut held = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                held.push(file);
            }
            drop(dropped);
            assert!(child.wait_timeout(std::time::Duration::from_millis(1)).unwrap().is_none());
            // With this its standard input ends.
            assert!(child.wait().unwrap().success());
            let error = Command::new("cat").output().unwrap_err();
            assert!(error.to_string().contains("Too many open files"), "{error}");
            drop(held);
            let end = Instant::now() + LIMIT;
            while zombies() > 0 {
                assert!(Instant::now() < end);
                greenthread::sleep(std::time::Duration::from_millis(5));
            }
        };
        limit_descriptors(64);
        case();
        Runtime::new_current_thread().unwrap().run(case).unwrap();
        Runtime::builder().workers(2).build().unwrap().run(case).unwrap();
        return;
    }
    passes(name);
}

/// The system ends a child that asked for it with the OS thread that started it; that is one which stays.
#[test]
fn a_child_that_dies_with_its_parent_outlives_idle_threads() {
    let name = "children::a_child_that_dies_with_its_parent_outlives_idle_threads";
    if is_child(name) {
        use greenthread::os::unix::process::CommandExt;
        let mut child = None;
        for _ in 0..2 {
            let runtime = Runtime::builder().workers(2).build().unwrap();
            let started = runtime.run(|| {
                let mut command = Command::new("sleep");
                // SAFETY: one system call.
                unsafe {
                    command.arg("1000").pre_exec(|| {
                        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                        Ok(())
                    });
                }
                command.spawn().unwrap()
            });
            // The runtime's own threads are gone with it.
            drop(runtime);
            child = Some(started.unwrap());
        }
        let mut child = child.unwrap();
        // Longer than an idle thread of the other pools lives.
        assert_eq!(child.wait_timeout(std::time::Duration::from_secs(11)).unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    }
    passes(name);
}
