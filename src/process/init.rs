//! A process that was started to run functions for another one: the side that is asked. The other side is in
//! [`worker`](super::worker).
#![forbid(unsafe_code)]

use super::{frame, function};
use crate::os::unix::net::UnixStream;
use crate::sys::image::{self, Failed, Record};
use crate::sys::{child, file, poll, report, thread as os_thread};
use crate::thread;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The first argument of such a process. The second one is its name.
pub(super) const ARGUMENT: &str = "--greenthread-process";

/// What the parent sends.
pub(super) mod call {
    pub(in super::super) const HELLO: u8 = 1;
    pub(in super::super) const CALL: u8 = 2;
}

/// What the child sends.
pub(super) mod reply {
    pub(in super::super) const READY: u8 = 1;
    pub(in super::super) const DONE: u8 = 2;
    pub(in super::super) const ARGUMENTS: u8 = 3;
    pub(in super::super) const PANICKED: u8 = 4;
    pub(in super::super) const RESULT: u8 = 5;
    pub(in super::super) const TOO_LARGE: u8 = 6;
}

/// The exit status of a process that was given this argument, but not by this library.
const BY_HAND: i32 = 2;
/// The exit status of a process whose function panicked, which is that of a program that panics.
const PANICKED: i32 = 101;
/// How long a process that is to end with its parent may take to do so by itself.
const GRACE: Duration = Duration::from_secs(1);

static CALLED: AtomicBool = AtomicBool::new(false);
static IS_WORKER: AtomicBool = AtomicBool::new(false);
/// The name that the parent gave to this process.
static NAME: OnceLock<String> = OnceLock::new();

/// Makes functions callable in other processes of this program: call it first thing in `main`.
///
/// A [`Process`](super::Process) is this same program, started again. In that process this function runs what it was
/// started for, and does not return: nothing of `main` after it happens there. In the program itself it only notes that
/// it was called. It has the place of Python's `if __name__ == "__main__"`.
///
/// Code that stands before it in `main` runs in each process.
///
/// # Examples
/// ```no_run
/// use greenthread::process;
///
/// fn main() {
///     process::init();
///     // The program.
/// }
/// ```
#[doc(alias = "freeze_support")]
#[doc(alias = "__main__")]
pub fn init() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == ARGUMENT) {
        IS_WORKER.store(true, Ordering::Relaxed);
        CALLED.store(true, Ordering::Relaxed);
        let name = arguments.next().unwrap_or_default();
        std::process::exit(work(NAME.get_or_init(|| name.to_string_lossy().into_owned())));
    }
    CALLED.store(true, Ordering::Relaxed);
}

/// Whether this process was started to run functions for another one of the same program. `false` in the program
/// itself.
///
/// # Examples
/// For what the program itself does and its workers need not:
/// ```
/// use greenthread::process;
///
/// if !process::is_worker() {
///     println!("reading the configuration");
/// }
/// ```
pub fn is_worker() -> bool {
    IS_WORKER.load(Ordering::Relaxed)
}

/// The name of the calling process, as Python's `current_process().name`: the one that its
/// [`ProcessBuilder`](super::ProcessBuilder::name) or [pool](crate::executor::ProcessPoolBuilder::name) gave it, and
/// `MainProcess` in the program itself.
///
/// # Examples
/// ```no_run
/// use greenthread::process::{self, Process, function};
///
/// fn tell() -> String {
///     format!("{} runs", process::current_name())
/// }
///
/// fn main() -> std::io::Result<()> {
///     process::init();
///     assert_eq!(process::current_name(), "MainProcess");
///     let process = Process::builder().name("reader").start(function!(tell()), ())?;
///     assert_eq!(process.join()?, "reader runs");
///     Ok(())
/// }
/// ```
#[doc(alias = "current_process")]
#[must_use]
pub fn current_name() -> &'static str {
    NAME.get().map_or("MainProcess", String::as_str)
}

/// Whether such processes can be started.
///
/// # Errors
/// [`init`] was not called: a process that was started would run the whole program again.
pub(crate) fn check() -> io::Result<()> {
    if CALLED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let text = "functions run in other processes only where `greenthread::process::init()` is \
                called first thing in `main`";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// The whole life of such a process; returns its exit status.
fn work(name: &'static str) -> i32 {
    let stream = match connection() {
        Ok(stream) => stream,
        Err(error) => {
            report(format_args!(
                "{ARGUMENT} is for processes that this program starts by itself, not to be given \
                 by hand: {error}"
            ));
            return BY_HAND;
        }
    };
    thread::run(move || match serve(&stream) {
        Ok(status) => status,
        Err(error) => {
            report(format_args!("process {name}: {error}"));
            BY_HAND
        }
    })
}

/// Takes the connection away from standard input, so that no program that this one starts finds it there.
fn connection() -> io::Result<UnixStream> {
    if !child::stdin_has_a_peer() {
        return Err(io::Error::other("standard input is no connection to a parent"));
    }
    child::take_stdin().map(UnixStream::from)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn serve(stream: &UnixStream) -> io::Result<i32> {
    let once = match frame::receive(&mut &*stream) {
        Ok(Some((call::HELLO, hello))) => greet(stream, &hello)?,
        // The parent has ended, or does not want this process any more.
        Ok(None) => return Ok(0),
        Ok(Some(_)) => return Err(invalid("it was greeted with something else")),
        Err(error) => return Err(error),
    };
    loop {
        let (head, arguments) = match frame::receive(&mut &*stream)? {
            None => return Ok(0),
            Some((call::CALL, call)) => split(call)?,
            Some(_) => return Err(invalid("a call of an unknown kind")),
        };
        let result = match postcard::from_bytes::<Any>(&head) {
            Ok(Any(record)) => record.run(&arguments),
            Err(_) => Err(Failed::Arguments("the process has no such function".into())),
        };
        drop(arguments);
        let panicked = matches!(result, Err(Failed::Panicked(_)));
        let sent = answer(stream, result);
        if once {
            // An error means that the parent has ended, which does not matter to this process.
            return Ok(if panicked { PANICKED } else { 0 });
        }
        sent?;
    }
}

/// Receives what the parent says of itself and of this process.
fn greet(stream: &UnixStream, hello: &[u8]) -> io::Result<bool> {
    let hello = postcard::from_bytes::<(Vec<u8>, bool, bool, bool)>(hello);
    let (identity, dies_with_parent, by_system, once) =
        hello.map_err(|_| invalid("its parent speaks another language"))?;
    if identity != image::identity()? {
        return Err(invalid("its parent is another build of this program"));
    }
    if by_system {
        // If that is refused, the end of the connection must do.
        let _ = child::die_with_parent();
    }
    if dies_with_parent {
        let own = file::duplicate(stream.as_fd())?;
        os_thread::start("gt-parent", None, move || watch_parent(&own))?;
    }
    // An error means that the parent has ended, which the next call notices.
    let _ = frame::send(&mut &*stream, reply::READY, &[]);
    Ok(once)
}

/// Ends the process when the parent has ended, whatever it is doing.
fn watch_parent(connection: &OwnedFd) {
    use poll::{PollFd, PollFlags};
    let mut fds = [PollFd::from_borrowed_fd(connection.as_fd(), PollFlags::RDHUP)];
    while !matches!(poll::wait_fds(&mut fds, None), Ok(1..)) {}
    std::thread::sleep(GRACE);
    child::exit_at_once(0)
}

/// Any function, whatever its types.
struct Any(&'static Record);

impl<'de> serde::Deserialize<'de> for Any {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        function::record(deserializer).map(Self)
    }
}

fn split(mut call: Vec<u8>) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let length = call.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
    let end = length.and_then(|length| length.checked_add(4)).filter(|end| *end <= call.len());
    let end = end.ok_or_else(|| invalid("a call that is cut off"))?;
    let arguments = call.split_off(end);
    Ok((call.split_off(4), arguments))
}

fn answer(stream: &UnixStream, result: Result<Vec<u8>, Failed>) -> io::Result<()> {
    let (kind, bytes) = match result {
        Ok(bytes) if bytes.len() > super::MAX_MESSAGE => {
            (reply::TOO_LARGE, (bytes.len() as u64).to_le_bytes().to_vec())
        }
        Ok(bytes) => (reply::DONE, bytes),
        Err(Failed::Arguments(why)) => (reply::ARGUMENTS, why.into_bytes()),
        Err(Failed::Panicked(message)) => (reply::PANICKED, message.into_bytes()),
        Err(Failed::Result(why)) => (reply::RESULT, why.into_bytes()),
    };
    frame::send(&mut &*stream, kind, &[&bytes])
}
