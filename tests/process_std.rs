//! What std documents and tests of `process`: one table of cases, made twice by one macro, of std's types and of ours. Only the
//! `use` lines differ. Std's cases run on an OS thread, ours on green threads of every kind of runtime and on an OS thread.
//!
//! It has a process of its own, and no other tests in it: cases look for children that are left, at descriptors, and change the
//! environment.
//!
//!     cargo test --test process_std [-- FILTER]

use greenthread::Runtime;
use std::collections::HashSet;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How long all cases together may take on one kind of runtime before one counts as hanging.
const LIMIT: Duration = Duration::from_secs(120);

type Table = Vec<(&'static str, fn())>;

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        vec![$((stringify!($name), $name as fn())),*]
    };
}

macro_rules! table {
    ($table:ident, $process:path, $extensions:path) => {
        mod $table {
            use $extensions::{CommandExt, ExitStatusExt, parent_id};
            use $process as process;
            use process::{
                Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio,
            };
            use std::io::{self, ErrorKind, Read, Write};
            use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

            fn sh(script: &str) -> Command {
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg(script);
                command
            }

            fn stdout_of(mut command: Command) -> String {
                let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
                let mut text = String::new();
                child.stdout.as_mut().unwrap().read_to_string(&mut text).unwrap();
                assert!(child.wait().unwrap().success());
                text
            }

            fn lines(command: &mut Command) -> Vec<String> {
                let output = command.output().unwrap();
                String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect()
            }

            fn a_start_and_an_end() {
                let mut child: Child = sh("true").spawn().unwrap();
                assert!(child.id() > 0);
                let status: ExitStatus = child.wait().unwrap();
                assert!(status.success());
                assert_eq!((status.code(), status.signal()), (Some(0), None));
                assert_eq!(status.to_string(), "exit status: 0");
            }

            fn what_does_not_exist_is_not_found() {
                for name in ["if-this-is-there-the-world-has-ended", "/no-program-has-this-name"] {
                    assert_eq!(Command::new(name).spawn().unwrap_err().kind(), ErrorKind::NotFound);
                    assert_eq!(Command::new(name).status().unwrap_err().kind(), ErrorKind::NotFound);
                    assert_eq!(Command::new(name).output().unwrap_err().kind(), ErrorKind::NotFound);
                }
                let error = Command::new("/etc/passwd").spawn().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
                let error = Command::new("true").current_dir("/no/such/folder").spawn().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound);
            }

            fn failed_starts_leave_no_zombie() {
                let before = crate::children();
                for _ in 0..50 {
                    assert!(Command::new("/no-program-has-this-name").spawn().is_err());
                }
                assert_eq!(crate::children(), before);
            }

            fn exit_codes_are_reported_again_and_again() {
                let mut child = sh("exit 3").spawn().unwrap();
                for _ in 0..3 {
                    assert_eq!(child.wait().unwrap().code(), Some(3));
                    assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(3));
                }
                assert_eq!(Command::new("false").status().unwrap().code(), Some(1));
                assert!(Command::new("true").status().unwrap().success());
                assert!(!Command::new("false").status().unwrap().success());
            }

            fn signals_are_reported() {
                let mut child = sh("read a").stdin(Stdio::piped()).spawn().unwrap();
                child.kill().unwrap();
                let status = child.wait().unwrap();
                assert_eq!((status.code(), status.signal()), (None, Some(libc::SIGKILL)));
                assert!(!status.success() && !status.core_dumped());
                assert_eq!((status.stopped_signal(), status.continued()), (None, false));
                assert_eq!(status.to_string(), "signal: 9 (SIGKILL)");
                let status = sh("kill -ABRT $$").status().unwrap();
                assert_eq!(status.signal(), Some(libc::SIGABRT));
                let status = ExitStatus::from_raw(7 << 8);
                assert_eq!((status.code(), status.into_raw()), (Some(7), 7 << 8));
                assert_eq!(ExitStatus::default(), ExitStatus::from_raw(0));
            }

            fn a_kill_of_what_has_ended_is_good() {
                let mut child = sh("true").spawn().unwrap();
                crate::until_ended(child.id());
                child.kill().unwrap();
                assert!(child.wait().unwrap().success());
                child.kill().unwrap();
                assert!(child.try_wait().unwrap().unwrap().success());
            }

            fn kill_ends_what_waits_for_input() {
                let mut child = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                assert!(child.try_wait().unwrap().is_none());
                child.kill().unwrap();
                child.kill().unwrap();
                assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
                let mut rest = Vec::new();
                assert_eq!(child.stdout.take().unwrap().read_to_end(&mut rest).unwrap(), 0);
            }

            fn try_wait_does_not_wait() {
                let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
                for _ in 0..3 {
                    assert!(child.try_wait().unwrap().is_none());
                }
                drop(child.stdin.take());
                let status = loop {
                    match child.try_wait().unwrap() {
                        Some(status) => break status,
                        None => std::thread::yield_now(),
                    }
                };
                assert!(status.success());
                assert_eq!(child.wait().unwrap(), status);
            }

            fn standard_output_is_read() {
                assert_eq!(stdout_of(sh("echo foobar")), "foobar\n");
                let Output { status, stdout, stderr } = sh("echo hello").output().unwrap();
                assert!(status.success() && stderr.is_empty());
                assert_eq!(stdout, b"hello\n");
                let output = Command::new("mkdir").arg("./").output().unwrap();
                assert!(output.status.code().is_some_and(|code| code != 0));
                assert!(output.stdout.is_empty() && !output.stderr.is_empty());
                let copy = output.clone();
                assert_eq!(copy, output);
                assert!(format!("{output:?}").starts_with("Output { status: "));
            }

            fn standard_input_is_written_and_closed() {
                let mut child = sh("read line; echo $line")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                child.stdin.as_mut().unwrap().write_all(b"foobar").unwrap();
                drop(child.stdin.take());
                let mut text = String::new();
                child.stdout.as_mut().unwrap().read_to_string(&mut text).unwrap();
                assert!(child.wait().unwrap().success());
                assert_eq!(text, "foobar\n");
                // `wait` and `wait_with_output` close it by themselves.
                let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
                assert!(child.wait().unwrap().success());
                assert!(child.stdin.is_none());
                let mut child = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                (&mut child.stdin).as_mut().unwrap().write_all(b"all of it").unwrap();
                assert_eq!(child.wait_with_output().unwrap().stdout, b"all of it");
            }

            fn streams_that_were_not_piped_are_not_there() {
                let mut child = sh("true").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
                assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
                child.wait().unwrap();
                let output = sh("echo 1; echo 2 >&2")
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
                    .wait_with_output()
                    .unwrap();
                assert_eq!((output.stdout, output.stderr), (vec![], b"2\n".to_vec()));
                // Nothing is read from, or written to, the null device.
                assert_eq!(sh("cat; echo end").output().unwrap().stdout, b"end\n");
            }

            fn both_outputs_are_drained_at_once() {
                let script = "for i in 1 2 3; do head -c 200000 /dev/zero >&2; head -c 200000 /dev/zero; done";
                let output = sh(script).output().unwrap();
                assert_eq!((output.stdout.len(), output.stderr.len()), (600_000, 600_000));
            }

            fn much_goes_through_both_ways() {
                let mut child = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
                let text: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
                let expected = text.clone();
                let writer = std::thread::spawn(move || stdin.write_all(&text).unwrap());
                let (mut stdout, mut got) = (stdout, Vec::new());
                stdout.read_to_end(&mut got).unwrap();
                writer.join().unwrap();
                assert!(got == expected && child.wait().unwrap().success());
            }

            fn the_environment_is_inherited_and_changed() {
                let has = |lines: &[String], line: &str| lines.iter().any(|one| one == line);
                let path = std::env::var_os("PATH").unwrap();
                // Captured at the start, not when the command is made.
                let mut command = Command::new("env");
                command.env("NEW_ONE", "123");
                // SAFETY: this process has no other thread that looks at its environment now.
                unsafe { std::env::set_var("SET_LATER", "456") };
                let all = lines(&mut command);
                assert!(has(&all, "NEW_ONE=123") && has(&all, "SET_LATER=456"), "{all:?}");
                let all = lines(Command::new("env").env_remove("SET_LATER"));
                assert!(!has(&all, "SET_LATER=456"));
                // SAFETY: as above.
                unsafe { std::env::remove_var("SET_LATER") };
                let mut command = Command::new("env");
                command.env("GONE", "1").env_clear().env("PATH", &path).env("NEW_ONE", "1 2=3");
                let mut all = lines(&mut command);
                all.retain(|line| !line.starts_with("PATH="));
                assert_eq!(all, ["NEW_ONE=1 2=3"]);
                let mut command = Command::new("env");
                command.envs([("A", "1"), ("B", "2")]).env("B", "3").env_remove("A");
                let all = lines(&mut command);
                assert!(has(&all, "B=3") && !all.iter().any(|line| line.starts_with("A=")));
                // The child's `PATH` decides where its program is looked for.
                let error = Command::new("env").env("PATH", "/no/such/folder").spawn().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound);
            }

            fn nulls_inside_are_invalid_input() {
                const BAD: &str = "has-some-\0\0s-inside";
                let echo = || Command::new("echo");
                let errors = [
                    Command::new(BAD).spawn().unwrap_err(),
                    echo().arg(BAD).spawn().unwrap_err(),
                    echo().args([BAD]).spawn().unwrap_err(),
                    echo().current_dir(BAD).spawn().unwrap_err(),
                    echo().env(BAD, "value").spawn().unwrap_err(),
                    echo().env("key", BAD).spawn().unwrap_err(),
                    echo().arg(BAD).output().unwrap_err(),
                    echo().arg(BAD).status().unwrap_err(),
                    echo().arg(BAD).exec(),
                ];
                assert!(errors.iter().all(|error| error.kind() == ErrorKind::InvalidInput));
            }

            fn what_was_said_can_be_asked_for() {
                let mut command = Command::new("program");
                command.arg("one").args(["two", "three"]).env("B", "2").env("A", "1").env_remove("C");
                assert_eq!(command.get_program(), "program");
                let arguments = command.get_args();
                assert_eq!(arguments.len(), 3);
                assert_eq!(arguments.collect::<Vec<_>>(), ["one", "two", "three"]);
                let variables: Vec<_> = command.get_envs().collect();
                let text = |key: &'static str, value: Option<&'static str>| {
                    (std::ffi::OsStr::new(key), value.map(std::ffi::OsStr::new))
                };
                let expected = [text("A", Some("1")), text("B", Some("2")), text("C", None)];
                assert_eq!(variables, expected);
                assert_eq!(command.get_current_dir(), None);
                command.current_dir("/here");
                assert_eq!(command.get_current_dir(), Some(std::path::Path::new("/here")));
                let text = format!("{:?}", Command::new("say").arg("a b").env("K", "v"));
                assert_eq!(text, r#"K="v" "say" "a b""#);
                let text = format!("{:?}", Command::new("echo").arg0("other").arg("x"));
                assert_eq!(text, r#"["echo"] "other" "x""#);
            }

            fn a_name_of_its_own() {
                assert_eq!(stdout_of_args(Command::new("/bin/sh").arg0("renamed")), "renamed\n");
            }

            fn stdout_of_args(command: &mut Command) -> String {
                let output = command.args(["-c", "echo $0"]).output().unwrap();
                String::from_utf8(output.stdout).unwrap()
            }

            fn the_folder_is_the_childs_only() {
                let mut command = sh("pwd");
                command.current_dir("/");
                assert_eq!(stdout_of(command), "/\n");
                assert_ne!(std::env::current_dir().unwrap(), std::path::Path::new("/"));
                let folder = std::env::temp_dir().join(format!("föl der-{}", std::process::id()));
                std::fs::create_dir_all(&folder).unwrap();
                let output = sh("pwd; echo \"$1 $VAR\"")
                    .args(["sh", "ärgument"])
                    .env("VAR", "wërt")
                    .current_dir(&folder)
                    .output()
                    .unwrap();
                let expected = format!("{}\närgument wërt\n", folder.canonicalize().unwrap().display());
                assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
                // Bytes that are no text go through as they are.
                use std::os::unix::ffi::OsStrExt;
                let bytes = std::ffi::OsStr::from_bytes(b"\xff\xfe");
                let output = Command::new("printf").arg("%s").arg(bytes).output().unwrap();
                assert_eq!(output.stdout, b"\xff\xfe");
                std::fs::remove_dir(&folder).unwrap();
            }

            fn what_runs_before_the_program() {
                let mut command = sh("umask");
                // SAFETY: only a system call.
                unsafe {
                    command.pre_exec(|| {
                        libc::umask(0o123);
                        Ok(())
                    })
                };
                assert_eq!(stdout_of(command), "0123\n");
                // In their order; the first error ends the start, and is that of the start.
                let mut command = sh("true");
                // SAFETY: neither allocates.
                unsafe {
                    command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EBADF)));
                    command.pre_exec(|| libc::_exit(9));
                }
                let error = command.spawn().unwrap_err();
                assert!(error.raw_os_error() == Some(libc::EBADF), "{error:?}");
                let error = command.output().unwrap_err();
                assert!(error.raw_os_error() == Some(libc::EBADF), "{error:?}");
                let mut command = sh("exit 4");
                #[expect(deprecated, reason = "it is still there")]
                // SAFETY: it does nothing.
                unsafe {
                    command.before_exec(|| Ok(()))
                };
                assert_eq!(command.status().unwrap().code(), Some(4));
            }

            fn the_standard_streams_may_be_closed_before() {
                let mut command = sh("exit 0");
                // SAFETY: only system calls, in the child.
                unsafe {
                    command.pre_exec(|| {
                        for fd in 0..3 {
                            libc::close(fd);
                        }
                        Ok(())
                    })
                };
                assert!(command.status().unwrap().success());
            }

            fn users_and_groups() {
                // SAFETY: takes nothing and cannot fail.
                let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
                let ids = |command: &mut Command| {
                    let output = command.args(["-c", "id -u; id -g"]).output().unwrap();
                    String::from_utf8(output.stdout).unwrap()
                };
                let mut command = Command::new("/bin/sh");
                assert_eq!(ids(command.uid(user).gid(group)), format!("{user}\n{group}\n"));
                if user == 0 {
                    let mut command = Command::new("/bin/sh");
                    assert_eq!(ids(command.uid(4321).gid(1234)), "4321\n1234\n");
                } else {
                    let error = Command::new("/bin/sh").uid(0).gid(0).spawn().unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
                }
            }

            fn process_groups() {
                let mut child = Command::new("cat")
                    .stdin(Stdio::piped())
                    .process_group(0)
                    .spawn()
                    .unwrap();
                let own = child.id() as libc::pid_t;
                // SAFETY: only numbers.
                assert_eq!(unsafe { libc::getpgid(own) }, own);
                let mut other = Command::new("cat")
                    .stdin(Stdio::piped())
                    .process_group(own)
                    .spawn()
                    .unwrap();
                // SAFETY: ends both, which are a group of this test's own.
                assert_eq!(unsafe { libc::kill(-own, libc::SIGKILL) }, 0);
                assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
                assert_eq!(other.wait().unwrap().signal(), Some(libc::SIGKILL));
                let plain = sh("cut -d ' ' -f 5 /proc/$$/stat").output().unwrap().stdout;
                // SAFETY: takes nothing and cannot fail.
                let group = unsafe { libc::getpgid(0) };
                assert_eq!(String::from_utf8(plain).unwrap().trim(), group.to_string());
            }

            fn signals_of_the_child_are_as_by_default() {
                // This process ignores SIGPIPE, as every program of Rust's; a child does not.
                let script = "yes | head -n 1; echo ${PIPESTATUS:-none}";
                assert_eq!(sh(script).output().unwrap().stdout, b"y\nnone\n");
                let status = sh("kill -PIPE $$; exit 0").status().unwrap();
                assert_eq!(status.signal(), Some(libc::SIGPIPE));
                let output = sh("grep SigBlk /proc/self/status").output().unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(text.trim_end().ends_with("0000000000000000"), "{text}");
            }

            fn a_child_has_the_standard_streams_only() {
                let _open = std::fs::File::open("/dev/zero").unwrap();
                let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
                // Descriptors that the test itself was started with without the flag are everybody's.
                let text = |command: &mut Command| {
                    let output = command.output().unwrap();
                    String::from_utf8(output.stdout).unwrap()
                };
                let links = text(&mut sh("for fd in /proc/self/fd/*; do readlink $fd; done"));
                assert!(!links.contains("/dev/zero"), "{links}");
                let pipe = other.stdin.as_ref().unwrap().as_raw_fd();
                let name = std::fs::read_link(format!("/proc/self/fd/{pipe}")).unwrap();
                assert!(!links.contains(name.to_str().unwrap()), "{links}");
                drop(other.stdin.take());
                other.wait().unwrap();
            }

            fn one_program_feeds_another() {
                let mut first = sh("printf 'b\\na\\n'").stdout(Stdio::piped()).spawn().unwrap();
                let pipe: ChildStdout = first.stdout.take().unwrap();
                let output = Command::new("sort").stdin(pipe).output().unwrap();
                assert_eq!(output.stdout, b"a\nb\n");
                assert!(first.wait().unwrap().success());
                let mut last = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let pipe: ChildStdin = last.stdin.take().unwrap();
                assert!(sh("echo through").stdout(pipe).status().unwrap().success());
                let mut text = String::new();
                last.stdout.take().unwrap().read_to_string(&mut text).unwrap();
                assert_eq!(text, "through\n");
                last.wait().unwrap();
                let mut first = sh("echo wrong >&2").stderr(Stdio::piped()).spawn().unwrap();
                let pipe: ChildStderr = first.stderr.take().unwrap();
                assert_eq!(Command::new("cat").stdin(pipe).output().unwrap().stdout, b"wrong\n");
                first.wait().unwrap();
            }

            fn streams_are_descriptors() {
                let mut child = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let stdin = child.stdin.take().unwrap();
                assert_eq!(stdin.as_fd().as_raw_fd(), stdin.as_raw_fd());
                let raw = stdin.into_raw_fd();
                // SAFETY: it was given up just now.
                let stdin = unsafe { OwnedFd::from_raw_fd(raw) };
                let mut stdin = ChildStdin::from(stdin);
                stdin.write_all(b"x").unwrap();
                (&stdin).write_all(b"y").unwrap();
                stdin.flush().unwrap();
                drop(OwnedFd::from(stdin));
                let stdout = OwnedFd::from(child.stdout.take().unwrap());
                let mut text = String::new();
                ChildStdout::from(stdout).read_to_string(&mut text).unwrap();
                let stderr = ChildStderr::from(OwnedFd::from(child.stderr.take().unwrap()));
                assert_eq!(stderr.as_fd().as_raw_fd(), stderr.as_raw_fd());
                assert_eq!(text, "xy");
                child.wait().unwrap();
                let (reader, writer) = io::pipe().unwrap();
                let mut command = sh("echo to a pipe; echo and a file >&2");
                let path = std::env::temp_dir().join(format!("process-std-{}", std::process::id()));
                let file = std::fs::File::create(&path).unwrap();
                assert!(command.stdout(writer).stderr(file).status().unwrap().success());
                // The command has the writing end until then.
                drop(command);
                assert_eq!(io::read_to_string(reader).unwrap(), "to a pipe\n");
                assert_eq!(std::fs::read_to_string(&path).unwrap(), "and a file\n");
                let from = std::fs::File::open(&path).unwrap();
                assert_eq!(Command::new("cat").stdin(from).output().unwrap().stdout, b"and a file\n");
                std::fs::remove_file(&path).unwrap();
            }

            fn a_reader_that_is_gone_breaks_the_pipe() {
                let mut child = sh("exec <&-; read x; exit 0").stdin(Stdio::piped()).spawn().unwrap();
                crate::until_ended(child.id());
                let error = child.stdin.as_mut().unwrap().write_all(&[0; 100_000]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
                child.wait().unwrap();
            }

            fn a_command_may_be_started_often() {
                let mut command = sh("echo once");
                for _ in 0..3 {
                    assert_eq!(command.output().unwrap().stdout, b"once\n");
                }
                let mut command = sh("exit 2");
                assert_eq!(command.status().unwrap().code(), Some(2));
                assert_eq!(command.spawn().unwrap().wait().unwrap().code(), Some(2));
            }

            fn a_dropped_child_runs_on() {
                let path = std::env::temp_dir().join(format!("process-std-{}-on", std::process::id()));
                let mut child =
                    sh("read x; echo done > \"$0\"").arg(&path).stdin(Stdio::piped()).spawn().unwrap();
                let stdin = child.stdin.take();
                drop(child);
                drop(stdin);
                while std::fs::read_to_string(&path).ok().as_deref() != Some("done\n") {
                    std::thread::yield_now();
                }
                std::fs::remove_file(&path).unwrap();
            }

            fn several_threads_start_children() {
                let threads: Vec<_> = (0..8)
                    .map(|n| {
                        std::thread::spawn(move || {
                            let output = sh(&format!("echo {n}")).output().unwrap();
                            assert_eq!(output.stdout, format!("{n}\n").as_bytes());
                        })
                    })
                    .collect();
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            }

            fn the_parent_is_this_process() {
                assert!(parent_id() > 0);
                let output = sh("echo $PPID").output().unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                assert_eq!(text.trim(), process::id().to_string());
            }

            fn exec_becomes_the_program() {
                let own = std::env::current_exe().unwrap();
                let mut command = Command::new(own);
                command.env("PROCESS_STD_EXEC", stringify!($table));
                let output = command.output().unwrap();
                let text = String::from_utf8_lossy(&output.stdout);
                assert_eq!(text, "replaced 1\n", "{output:?}");
            }

            /// In the process that `exec_becomes_the_program` has started.
            pub(crate) fn exec() -> io::Error {
                // A failure may leave signals as a program finds them, so it is not tried elsewhere.
                assert_eq!(Command::new("/no-such").exec().kind(), ErrorKind::NotFound);
                Command::new("/bin/sh").args(["-c", "echo replaced $X"]).env("X", "1").exec()
            }

            fn names_and_auto_traits() {
                fn is_both<T: Send + Sync>() {}
                is_both::<Command>();
                is_both::<Child>();
                is_both::<ChildStdin>();
                is_both::<ChildStdout>();
                is_both::<ChildStderr>();
                is_both::<process::ExitCode>();
                fn debugs<T: std::fmt::Debug>() {}
                debugs::<Child>();
                debugs::<Command>();
                debugs::<ChildStdin>();
                debugs::<Stdio>();
                let _ = [process::ExitCode::SUCCESS, process::ExitCode::FAILURE, 3.into()];
                let _: fn(i32) -> ! = process::exit;
                let _: fn() -> ! = process::abort;
                fn reports<T: process::Termination>() {}
                reports::<Result<(), String>>();
                let _ = [Stdio::piped(), Stdio::null(), Stdio::inherit()];
                let _: Stdio = std::io::stdout().into();
                let _: Stdio = std::io::stderr().into();
            }

            pub(crate) fn table() -> crate::Table {
                names!(
                    a_start_and_an_end,
                    what_does_not_exist_is_not_found,
                    failed_starts_leave_no_zombie,
                    exit_codes_are_reported_again_and_again,
                    signals_are_reported,
                    a_kill_of_what_has_ended_is_good,
                    kill_ends_what_waits_for_input,
                    try_wait_does_not_wait,
                    standard_output_is_read,
                    standard_input_is_written_and_closed,
                    streams_that_were_not_piped_are_not_there,
                    both_outputs_are_drained_at_once,
                    much_goes_through_both_ways,
                    the_environment_is_inherited_and_changed,
                    nulls_inside_are_invalid_input,
                    what_was_said_can_be_asked_for,
                    a_name_of_its_own,
                    the_folder_is_the_childs_only,
                    what_runs_before_the_program,
                    the_standard_streams_may_be_closed_before,
                    users_and_groups,
                    process_groups,
                    signals_of_the_child_are_as_by_default,
                    a_child_has_the_standard_streams_only,
                    one_program_feeds_another,
                    streams_are_descriptors,
                    a_reader_that_is_gone_breaks_the_pipe,
                    a_command_may_be_started_often,
                    a_dropped_child_runs_on,
                    several_threads_start_children,
                    the_parent_is_this_process,
                    exec_becomes_the_program,
                    names_and_auto_traits,
                )
            }
        }
    };
}

table!(theirs, std::process, std::os::unix::process);
table!(ours, greenthread::process, greenthread::os::unix::process);

/// The processes whose parent this one is, zombies included.
fn children() -> HashSet<u32> {
    let own = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|stat| stat[1] == own)).collect()
}

/// What the system says of a process, from its state on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_string).collect())
}

/// Waits until a child has ended, and not for the child.
fn until_ended(pid: u32) {
    while stat(pid).is_some_and(|stat| stat[0] != "Z") {
        std::thread::yield_now();
    }
}

/// One after the other: some change what belongs to the process.
fn run(kind: &'static str, table: &Table, around: impl Fn(fn()) + Send + 'static) {
    let table = table.clone();
    let (send, receive) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        for (name, case) in table {
            let _ = send.send(name);
            around(case);
            println!("test {kind} {name} ... ok");
        }
    });
    let end = Instant::now() + LIMIT;
    let mut last = "the first";
    loop {
        match receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(name) => last = name,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("{kind} {last}: it hangs"),
        }
    }
    if thread.join().is_err() {
        panic!("{kind} {last}: failed");
    }
}

fn main() {
    match std::env::var("PROCESS_STD_EXEC").as_deref() {
        Ok("theirs") => panic!("{}", theirs::exec()),
        Ok(_) => panic!("{}", greenthread::run(ours::exec)),
        Err(_) => {}
    }
    let filter = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let filter = filter.unwrap_or_default();
    let only = |mut table: Table| {
        table.retain(|(name, _)| name.contains(&filter));
        table
    };
    let (theirs, ours) = (only(theirs::table()), only(ours::table()));
    run("std", &theirs, |case| case());
    run("on an OS thread", &ours, |case| case());
    let runtime = Runtime::new_current_thread().unwrap();
    run("on the current thread", &ours, move |case| runtime.run(case).unwrap());
    for (kind, workers) in [("on one worker", 1), ("on two workers", 2)] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        run(kind, &ours, move |case| runtime.run(case).unwrap());
    }
    println!("test result: ok. {} passed", theirs.len() + 4 * ours.len());
}
