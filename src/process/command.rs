//! Programs to be started, and how.
#![forbid(unsafe_code)]

use super::Child;
use crate::runtime::blocking::{self, Kind};
use crate::runtime::outside::Expectation;
use crate::sys::{child, number};
use crate::thread::shield;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};

/// Describes a program to start, as [`std::process::Command`], with the same methods.
///
/// The start, which takes the system a millisecond or so, is made by an OS thread that is kept for that; only the
/// calling green thread is suspended. A start from a plain OS thread is made by that thread, as with std.
///
/// The difference matters for the "parent death signal" (`PR_SET_PDEATHSIG`), which a `pre_exec` may ask for: the
/// system sends it when the OS *thread* ends that started the process. The threads that make starts never end, so the
/// signal comes when this process ends.
///
/// # Errors
/// If the program is not there or cannot be executed, the error names it. It is not the system's own error then, but
/// has the same [`kind`](io::Error::kind), and the system's error as its source. Other errors are the system's, as in
/// std.
///
/// # Examples
/// ```
/// use greenthread::process::Command;
///
/// let output = Command::new("echo").arg("hello").output()?;
/// assert_eq!(output.stdout, b"hello\n");
///
/// let error = Command::new("no-such-program").spawn().unwrap_err();
/// assert!(error.to_string().contains("no-such-program"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Programs that talk to each other by a pipe:
/// ```
/// use greenthread::process::{Command, Stdio};
///
/// let mut list = Command::new("printf").arg(r"b\na\n").stdout(Stdio::piped()).spawn()?;
/// let sorted = Command::new("sort").stdin(list.stdout.take().unwrap()).output()?;
/// list.wait()?;
/// assert_eq!(sorted.stdout, b"a\nb\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "subprocess")]
#[doc(alias = "Popen")]
#[doc(alias = "exec")]
pub struct Command {
    inner: child::Command,
    given: StreamsGiven,
}

/// Which of the three streams the user has set. The default of the others depends on how the process is started.
#[derive(Clone, Copy, Debug, Default)]
struct StreamsGiven {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Command {
    /// Describes a start of `program`, as [`std::process::Command::new`]. If it has no slash in it, it is looked for in
    /// the folders of `PATH`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::Command;
    ///
    /// // Whoever waits for it here holds up nobody else.
    /// let status = Command::new("true").status()?;
    /// assert!(status.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new<S: AsRef<OsStr>>(program: S) -> Self {
        Self { inner: child::Command::new(program), given: StreamsGiven::default() }
    }

    /// Adds an argument.
    ///
    /// # Examples
    /// Each argument is passed as it is, with no shell that would take it apart; [`args`](Self::args) adds several:
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let output = Command::new("printf").arg("%s|").args(["a b", "$HOME"]).output()?;
    /// assert_eq!(output.stdout, b"a b|$HOME|");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Self {
        self.inner.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets an environment variable.
    ///
    /// # Examples
    /// See also [`envs`](Self::envs), for several, and [`env_remove`](Self::env_remove).
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let mut greet = Command::new("printenv");
    /// greet.arg("GREETING").env("GREETING", "hello");
    /// assert_eq!(greet.output()?.stdout, b"hello\n");
    /// greet.env_remove("GREETING");
    /// assert_eq!(greet.output()?.stdout, b"");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Self
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.env(key, val);
        self
    }

    /// Sets several environment variables.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Removes an environment variable, so that the process does not inherit it.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Self {
        self.inner.env_remove(key);
        self
    }

    /// Removes all environment variables, so that the process inherits none.
    ///
    /// # Examples
    /// A program that sees nothing of this one's environment:
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let output = Command::new("/usr/bin/env").env_clear().envs([("A", "1"), ("B", "2")]).output()?;
    /// assert_eq!(output.stdout, b"A=1\nB=2\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn env_clear(&mut self) -> &mut Self {
        self.inner.env_clear();
        self
    }

    /// Sets the folder in which the process runs.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let output = Command::new("pwd").current_dir("/").output()?;
    /// assert_eq!(output.stdout, b"/\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "cwd")]
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Self {
        self.inner.current_dir(dir);
        self
    }

    /// Sets the standard input of the process. Unless it is set, it is inherited; for [`output`](Self::output) it is
    /// empty.
    ///
    /// # Examples
    /// What the program reads comes from here, and what it writes goes there; [`stdout`](Self::stdout) and
    /// [`stderr`](Self::stderr) are set likewise:
    /// ```
    /// use greenthread::io::Write;
    /// use greenthread::process::{Command, Stdio};
    ///
    /// let mut sort = Command::new("sort")
    ///     .stdin(Stdio::piped())
    ///     .stdout(Stdio::piped())
    ///     .stderr(Stdio::null())
    ///     .spawn()?;
    /// sort.stdin.take().unwrap().write_all(b"b\na\n")?;
    /// assert_eq!(sort.wait_with_output()?.stdout, b"a\nb\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.given.stdin = true;
        self.inner.stdin(cfg);
        self
    }

    /// Sets the standard output of the process. Unless it is set, it is inherited; for [`output`](Self::output) it is a
    /// pipe.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.given.stdout = true;
        self.inner.stdout(cfg);
        self
    }

    /// Sets the standard error of the process. Unless it is set, it is inherited; for [`output`](Self::output) it is a
    /// pipe.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.given.stderr = true;
        self.inner.stderr(cfg);
        self
    }

    /// Starts the process, as [`std::process::Command::spawn`]. Suspends the green thread until it is started; a kill
    /// or a timeout waits until then.
    ///
    /// # Errors
    /// No process is left of a start that fails.
    /// - [`NotFound`](io::ErrorKind::NotFound) or [`PermissionDenied`](io::ErrorKind::PermissionDenied), with the name
    ///   of the program, if it is not there or cannot be executed: see [`Command`].
    /// - [`NotFound`](io::ErrorKind::NotFound) also if the [folder](Self::current_dir) is not there.
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock) (`EAGAIN`) if the user has too many processes, `ENOMEM` if there is
    ///   no memory.
    /// - Too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// It runs beside; `wait` suspends only whoever calls it:
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let mut children = Vec::new();
    /// for code in 0..3 {
    ///     children.push(Command::new("sh").args(["-c", &format!("exit {code}")]).spawn()?);
    /// }
    /// for (code, child) in children.iter_mut().enumerate() {
    ///     assert_eq!(child.wait()?.code(), Some(code as i32));
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.start(Stdio::inherit, Stdio::inherit)
    }

    /// Starts the process, collects what it writes to standard output and standard error, both at once, and waits for
    /// its end, as [`std::process::Command::output`]. Suspends the green thread. After a kill or a timeout the process
    /// runs on.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`]. That the process itself fails is no error, but its
    /// [`status`](std::process::Output::status).
    ///
    /// # Examples
    /// That the program fails is no error of the call:
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let output = Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]).output()?;
    /// assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"err\n"[..]));
    /// assert_eq!(output.status.code(), Some(3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "check_output")]
    pub fn output(&mut self) -> io::Result<Output> {
        self.start(Stdio::null, Stdio::piped)?.wait_with_output()
    }

    /// Starts the process and waits for its end, as [`std::process::Command::status`]. Suspends the green thread. After
    /// a kill or a timeout the process runs on.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait`]. That the process itself fails is no error.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::Command;
    ///
    /// assert!(!Command::new("false").status()?.success());
    /// assert!(Command::new("no-such-program").status().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "call")]
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// The program.
    ///
    /// # Examples
    /// See also [`get_args`](Self::get_args), [`get_envs`](Self::get_envs) and
    /// [`get_current_dir`](Self::get_current_dir), to log what is about to be started.
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let mut command = Command::new("ls");
    /// command.arg("-l").env("LANG", "C").current_dir("/");
    /// assert_eq!(command.get_program(), "ls");
    /// assert_eq!(command.get_args().collect::<Vec<_>>(), ["-l"]);
    /// assert_eq!(command.get_envs().count(), 1);
    /// assert_eq!(command.get_current_dir().unwrap().to_str(), Some("/"));
    /// ```
    #[must_use]
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// The arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// What was set of the environment variables; a value of `None` is one that was removed.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// The folder in which the process is to run, if one was set.
    #[must_use]
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }

    pub(crate) fn inner(&mut self) -> &mut child::Command {
        &mut self.inner
    }

    /// Like [`spawn`](Self::spawn), on the calling OS thread.
    #[allow(dead_code, reason = "functions in other processes alone use it")]
    pub(super) fn spawn_here(&mut self) -> io::Result<Child> {
        self.inner.start().map(Child::from).map_err(|error| self.name(error))
    }

    /// Names the program, and the folder where it was to run, in an error that may be about them.
    fn name(&self, error: io::Error) -> io::Error {
        const OF_PROGRAM: [i32; 4] =
            [number::ENOENT, number::EACCES, number::ENOTDIR, number::ENOEXEC];
        if !error.raw_os_error().is_some_and(|code| OF_PROGRAM.contains(&code)) {
            return error;
        }
        let folder = self.inner.get_current_dir().map(Path::to_path_buf);
        let program = Program { name: self.inner.get_program().into(), folder, error };
        io::Error::new(program.error.kind(), program)
    }

    /// Sets the streams that the user has not set, and starts the process.
    fn start(&mut self, input: fn() -> Stdio, output: fn() -> Stdio) -> io::Result<Child> {
        if !self.given.stdin {
            self.inner.stdin(input());
        }
        if !self.given.stdout {
            self.inner.stdout(output());
        }
        if !self.given.stderr {
            self.inner.stderr(output());
        }
        let blank = child::Command::new("");
        let mut command = std::mem::replace(&mut self.inner, blank);
        let _started = Expectation::new();
        // It is shielded, as neither the description nor a process that has just been started may be lost.
        let (command, started) = shield(|| {
            blocking::run(Kind::Starts, move || {
                let started = command.start();
                (command, started)
            })
        });
        self.inner = command;
        started.map(Child::from).map_err(|error| self.name(error))
    }
}

/// Why a program could not be started.
#[derive(Debug)]
struct Program {
    name: PathBuf,
    /// The folder in which it was to run; the error may be about that.
    folder: Option<PathBuf>,
    error: io::Error,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start `{}`", self.name.display())?;
        if let Some(folder) = &self.folder {
            write!(f, " in `{}`", folder.display())?;
        }
        write!(f, ": {}", self.error)
    }
}

impl std::error::Error for Program {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
