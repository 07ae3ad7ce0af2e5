//! Programs that are started: what std documents of `process`, and what is here beyond it.

use crate::support::{FOR_EVER, LIMIT, everywhere, until};
use greenthread::os::unix::process::{CommandExt, ExitStatusExt};
use greenthread::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use greenthread::signal::Signal;
use greenthread::{Runtime, spawn};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

fn text(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

/// The state letter of a process, if there is one of that number.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn exit_statuses_are_reported() {
    everywhere(|| {
        assert!(Command::new("true").status().unwrap().success());
        assert_eq!(Command::new("false").status().unwrap().code(), Some(1));
        assert_eq!(sh("exit 7").status().unwrap().code(), Some(7));
        let status = sh("kill -9 $$").status().unwrap();
        assert_eq!((status.code(), status.signal()), (None, Some(9)));
    });
}

#[test]
fn a_program_or_folder_that_is_missing_is_named() {
    everywhere(|| {
        let error = Command::new("no-such-program").arg("x").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`no-such-program`"), "{error}");
        let source = std::error::Error::source(error.get_ref().unwrap()).unwrap();
        let source = source.downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.raw_os_error(), Some(libc::ENOENT));
        let error = Command::new("/etc").output().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let error = Command::new("true").current_dir("/no/such/folder").status().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`true` in `/no/such/folder`"), "{error}");
        assert_eq!(Command::new("nul\0").spawn().unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_command_is_started_again() {
    everywhere(|| {
        let mut command = sh("echo once");
        for _ in 0..3 {
            assert_eq!(command.output().unwrap().stdout, b"once\n");
        }
        // What `output` sets for itself does not stay.
        let mut command = Command::new("true");
        command.output().unwrap();
        assert!(command.spawn().unwrap().stdout.is_none());
        // A failed start does not spoil it either.
        let mut command = Command::new("no-such-program");
        assert!(command.spawn().is_err());
        assert_eq!(command.get_program(), "no-such-program");
        assert!(command.spawn().unwrap_err().to_string().contains("no-such-program"));
    });
}

#[test]
fn streams_are_what_was_asked_for() {
    everywhere(|| {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        assert!(child.stderr.is_none());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"through cat").unwrap();
        drop(stdin);
        assert_eq!(text(child.stdout.take().unwrap()), "through cat");
        assert!(child.wait().unwrap().success());

        let mut command = sh("echo 1; echo 2 >&2");
        let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b""[..], &b"2\n"[..]));

        // Nothing comes from an `output` that was not given anything.
        assert_eq!(Command::new("cat").output().unwrap().stdout, b"");
        // What was said counts for `output` too.
        let output = sh("echo 1").stdout(Stdio::null()).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty());
    });
}

#[test]
fn one_program_reads_from_another() {
    everywhere(|| {
        let mut first = sh("printf 'b\\na\\n'").stdout(Stdio::piped()).spawn().unwrap();
        let output = Command::new("sort").stdin(first.stdout.take().unwrap()).output().unwrap();
        assert_eq!(output.stdout, b"a\nb\n");
        assert!(first.wait().unwrap().success());
        // By way of descriptors, and to a pipe of this library's.
        let (reader, writer) = greenthread::io::pipe().unwrap();
        let mut child = sh("echo here").stdout(writer).spawn().unwrap();
        assert_eq!(text(reader), "here\n");
        child.wait().unwrap();
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = ChildStdin::from(OwnedFd::from(child.stdin.take().unwrap()));
        let stdout = ChildStdout::from(OwnedFd::from(child.stdout.take().unwrap()));
        (&stdin).write_all(b"a").unwrap();
        let parts = [io::IoSlice::new(b"b"), io::IoSlice::new(b"c")];
        assert_eq!(stdin.write_vectored(&parts).unwrap(), 2);
        drop(stdin);
        assert_eq!(text(stdout), "abc");
        child.wait().unwrap();
    });
}

#[test]
fn both_outputs_are_taken_in_at_once() {
    everywhere(|| {
        let output = sh("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; \
                         head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero")
        .output()
        .unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (600_000, 600_000));
    });
}

#[test]
fn wait_closes_standard_input_and_can_be_repeated() {
    everywhere(|| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        assert_eq!(child.wait_timeout(Duration::from_millis(1)).unwrap(), None);
        assert!(child.stdin.is_some());
        for _ in 0..2 {
            assert!(child.wait().unwrap().success());
            assert!(child.try_wait().unwrap().unwrap().success());
            assert!(child.wait_timeout(Duration::ZERO).unwrap().unwrap().success());
        }
        // Its number may be another's by now, so nobody is sent anything.
        child.kill().unwrap();
        child.send_signal(Signal::KILL).unwrap();
        child.terminate(Duration::ZERO).unwrap();
    });
}

#[test]
fn the_environment_the_folder_and_the_rest_are_passed_on() {
    everywhere(|| {
        let mut command = sh("echo $A $B; pwd; echo $0");
        command.env("A", "1").envs([("B", "2"), ("C", "3")]).env_remove("C").current_dir("/");
        command.arg0("other");
        let envs: Vec<_> = command.get_envs().collect();
        assert_eq!(envs.len(), 3);
        assert_eq!(command.get_current_dir(), Some(std::path::Path::new("/")));
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["-c", "echo $A $B; pwd; echo $0"]);
        assert!(format!("{command:?}").contains("sh"));
        assert_eq!(command.output().unwrap().stdout, b"1 2\n/\nother\n");
        let output = Command::new("/usr/bin/env").env_clear().env("ONLY", "1").output().unwrap();
        assert_eq!(output.stdout, b"ONLY=1\n");
    });
}

#[test]
fn what_runs_before_the_program_runs_and_may_fail() {
    everywhere(|| {
        let mut command = sh("echo $$; cut -d' ' -f5 /proc/$$/stat");
        // SAFETY: one system call.
        unsafe {
            command.pre_exec(|| {
                libc::close(2);
                Ok(())
            })
        };
        let output = command.process_group(0).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let (pid, group) = output.trim().split_once('\n').unwrap();
        assert_eq!(pid, group);
        let mut command = Command::new("true");
        // SAFETY: as above.
        unsafe { command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EXDEV))) };
        let error = command.spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CrossesDevices);
    });
}

#[test]
fn terminate_asks_first_and_then_insists() {
    everywhere(|| {
        assert_eq!(sleeper().terminate(LIMIT).unwrap().signal(), Some(15));
        let mut deaf =
            sh("trap '' TERM; echo deaf; exec sleep 1000").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(deaf.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(deaf.terminate(Duration::from_millis(20)).unwrap().signal(), Some(9));
    });
}

#[test]
fn any_number_may_wait_for_one_child() {
    everywhere(|| {
        let mut child = sleeper();
        let waiting = Arc::new(AtomicUsize::new(0));
        let green: Vec<_> = (0..10)
            .map(|at| {
                let (handle, waiting) = (child.handle(), Arc::clone(&waiting));
                spawn(move || {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    match at % 3 {
                        0 => handle.wait().unwrap(),
                        1 => handle.wait_timeout(FOR_EVER).unwrap().unwrap(),
                        _ => loop {
                            if let Some(status) =
                                handle.wait_timeout(Duration::from_millis(1)).unwrap()
                            {
                                break status;
                            }
                        },
                    }
                })
            })
            .collect();
        let handle = child.handle();
        let plain = std::thread::spawn(move || handle.wait().unwrap());
        until(|| waiting.load(Ordering::SeqCst) == 10);
        child.kill().unwrap();
        for waiter in green {
            assert_eq!(waiter.join().unwrap().signal(), Some(9));
        }
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert_eq!(plain.join().unwrap().signal(), Some(9));
    });
}

#[test]
fn waiters_that_are_killed_or_time_out_leave_the_others_waiting() {
    everywhere(|| {
        for _ in 0..20 {
            let mut child = sh("read line").stdin(Stdio::piped()).spawn().unwrap();
            let waiters: Vec<_> = (0..6)
                .map(|at| {
                    let handle = child.handle();
                    spawn(move || match at % 2 {
                        0 => handle.wait().unwrap().code(),
                        _ => greenthread::timeout(Duration::from_millis(at), || handle.wait())
                            .map_or(None, |status| status.unwrap().code()),
                    })
                })
                .collect();
            waiters[0].kill();
            greenthread::yield_now();
            waiters[2].kill();
            drop(child.stdin.take());
            let all: Vec<_> = waiters.into_iter().map(|one| one.join()).collect();
            assert_eq!(all[4].as_ref().unwrap(), &Some(1));
            assert_eq!(child.wait().unwrap().code(), Some(1));
        }
    });
}

#[test]
fn a_child_that_is_dropped_runs_on_and_leaves_no_zombie() {
    everywhere(|| {
        // More than one, and one that ends long after.
        let mut all: Vec<_> =
            (0..5).map(|_| sh("read line").stdin(Stdio::piped()).spawn().unwrap()).collect();
        let pids: Vec<_> = all.iter().map(Child::id).collect();
        let inputs: Vec<_> = all.iter_mut().map(|child| child.stdin.take()).collect();
        drop(all);
        assert!(pids.iter().all(|pid| state(*pid).is_some_and(|state| state != 'Z')));
        let late = sleeper();
        let handle = late.handle();
        drop(late);
        drop(inputs);
        until(|| pids.iter().all(|pid| state(*pid).is_none()));
        handle.kill().unwrap();
        let pid = handle.id();
        drop(handle);
        until(|| state(pid).is_none());
    });
}

/// With `kill`s at any point of a start, a wait, and a transfer.
#[test]
fn killed_green_threads_leave_no_child_behind() {
    everywhere(|| {
        let pids = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut random = crate::support::Random(7);
        let all: Vec<_> = (0..60)
            .map(|at| {
                let pids = Arc::clone(&pids);
                spawn(move || match at % 3 {
                    0 => drop(sh("exit 3").status()),
                    1 => {
                        drop(sh("head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2").output())
                    }
                    _ => {
                        let mut child = sh("exit 4").spawn().unwrap();
                        pids.lock().unwrap().push(child.id());
                        let _ = child.wait();
                    }
                })
            })
            .collect();
        for one in &all {
            if random.below(2) == 0 {
                greenthread::sleep(Duration::from_micros(random.below(2000)));
            }
            one.kill();
        }
        all.into_iter().for_each(|one| drop(one.join()));
        until(|| pids.lock().unwrap().iter().all(|pid| state(*pid).is_none()));
    });
}

/// All on one worker: had any of these blocked it, nobody would count.
#[test]
fn others_run_while_one_starts_waits_reads_and_writes() {
    let runtime = Runtime::new_current_thread().unwrap();
    runtime
        .run(|| {
            let (ticks, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
            let count = {
                let (ticks, stop) = (Arc::clone(&ticks), Arc::clone(&stop));
                move || {
                    while !stop.load(Ordering::SeqCst) {
                        ticks.fetch_add(1, Ordering::SeqCst);
                        greenthread::sleep(Duration::from_micros(100));
                    }
                }
            };
            greenthread::Builder::new().daemon(true).spawn(count).unwrap();
            let ticking = |body: &mut dyn FnMut()| {
                let before = ticks.load(Ordering::SeqCst);
                body();
                assert!(ticks.load(Ordering::SeqCst) > before);
            };
            let mut child = None;
            ticking(&mut || {
                let mut command = sh("read line; sleep 0.1; echo; read line; sleep 0.1");
                // SAFETY: one system call.
                unsafe {
                    command.pre_exec(|| {
                        libc::usleep(100_000);
                        Ok(())
                    })
                };
                child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok();
            });
            let mut child = child.unwrap();
            let (mut stdin, mut stdout) =
                (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            stdin.write_all(b"\n").unwrap();
            ticking(&mut || assert_eq!(stdout.read(&mut [0; 9]).unwrap(), 1));
            stdin.write_all(b"\n").unwrap();
            ticking(&mut || assert!(child.wait().unwrap().success()));
            // A pipe that is full until somebody reads.
            let mut child = sh("sleep 0.1; cat >/dev/null").stdin(Stdio::piped()).spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            ticking(&mut || stdin.write_all(&vec![0; 300_000]).unwrap());
            drop(stdin);
            assert!(child.wait().unwrap().success());
            stop.store(true, Ordering::SeqCst);
        })
        .unwrap();
}

#[test]
fn a_pipe_whose_reader_is_gone_is_broken() {
    everywhere(|| {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        child.wait().unwrap();
        assert_eq!(stdin.write_all(&vec![0; 100_000]).unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn children_run_at_the_same_time() {
    everywhere(|| {
        // None ends before all have begun.
        let (mut begun, out) = greenthread::io::pipe().unwrap();
        let (input, end) = greenthread::io::pipe().unwrap();
        let one = |_| {
            let mut command = sh("echo; cat");
            command.stdin(input.try_clone().unwrap()).stdout(out.try_clone().unwrap());
            spawn(move || command.status().unwrap())
        };
        let all: Vec<_> = (0..20).map(one).collect();
        begun.read_exact(&mut [0; 20]).unwrap();
        drop(end);
        assert!(all.into_iter().all(|one| one.join().unwrap().success()));
    });
}

/// Its number may be another process's by then.
#[test]
fn a_child_that_somebody_else_has_waited_for_is_not_signalled() {
    everywhere(|| {
        let mut child = Command::new("true").spawn().unwrap();
        // SAFETY: waits for the child, and writes nothing.
        let waited = unsafe { libc::waitpid(child.id() as i32, std::ptr::null_mut(), 0) };
        assert_eq!(waited, child.id() as i32);
        assert_eq!(child.wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
        assert_eq!(child.kill().unwrap_err().raw_os_error(), Some(libc::ESRCH));
        let sent = child.send_signal(Signal::TERM);
        assert_eq!(sent.unwrap_err().raw_os_error(), Some(libc::ESRCH));
        assert_eq!(child.try_wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    });
}
