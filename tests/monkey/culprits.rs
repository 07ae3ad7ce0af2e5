//! Who blocks a worker past everything that can be patched is told of: by name, with what it waits in, for how long, and what to do;
//! and with the feature `watchdog` also with where in the program that is.

use crate::children::in_child_with;
use crate::patch;
use greenthread::{Builder, Runtime};
use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Standard error, kept in memory while this lives.
struct Told {
    all: File,
    before: File,
}

impl Told {
    fn begin() -> Self {
        // SAFETY: a name that ends in a zero, and descriptors that are open; the new ones are ours.
        unsafe {
            let all = libc::memfd_create(c"told".as_ptr(), libc::MFD_CLOEXEC);
            let before = libc::fcntl(2, libc::F_DUPFD_CLOEXEC, 3);
            assert!(all >= 0 && before >= 0 && libc::dup2(all, 2) == 2);
            Self { all: File::from_raw_fd(all), before: File::from_raw_fd(before) }
        }
    }

    fn text(&self) -> String {
        let mut text = vec![0; self.all.metadata().unwrap().len() as usize];
        self.all.read_exact_at(&mut text, 0).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // SAFETY: both are open.
        assert_eq!(unsafe { libc::dup2(self.before.as_raw_fd(), 2) }, 2);
        eprint!("{}", self.text());
    }
}

/// What tells: the report of a worker that is held up, or the watchdog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Lookout,
    Watchdog,
}

/// A green thread blocks its worker by `blocks`, in the system call `call`, until a byte comes through the pipe. The byte comes when
/// all has been told.
fn is_told(test: &str, call: &str, place: &str, blocks: fn(PipeReader)) {
    const VARIABLE: &str = "GREENTHREAD_TEST_TOLD_BY";
    let all = [
        (By::Lookout, "300"),
        #[cfg(feature = "watchdog")]
        (By::Watchdog, "0"),
    ];
    for (by, patience) in all {
        let name = format!("{by:?}");
        let environment = [("GREENTHREAD_WATCHDOG_MS", patience), (VARIABLE, &name)];
        let outcome = in_child_with(&[], &environment, test, || {
            let by = if std::env::var(VARIABLE).unwrap() == "Lookout" {
                By::Lookout
            } else {
                By::Watchdog
            };
            let wanted = match by {
                By::Lookout => vec![
                    "green thread 'culprit' has kept worker 'greenthread-0'",
                    "and sleeps in the system call ",
                    call,
                    "is for `greenthread::blocking`",
                ],
                By::Watchdog => {
                    vec!["green thread 'culprit' has kept its worker from the others for ", place]
                }
            };
            hold(by, &wanted, blocks);
        });
        outcome.works();
    }
}

fn hold(by: By, wanted: &[&str], blocks: fn(PipeReader)) {
    patch();
    let told = Told::begin();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let builder = Runtime::builder().workers(1);
    #[cfg(feature = "watchdog")]
    let builder = match by {
        By::Watchdog => builder.watchdog(Duration::from_millis(300)),
        By::Lookout => builder,
    };
    let runtime = builder.build().unwrap();
    // One that could run, and is kept from it.
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let neighbour = runtime.spawn(move || {
        while !is_over.load(Ordering::SeqCst) {
            greenthread::yield_now();
        }
    });
    let culprit = runtime.spawn(move || {
        let named = Builder::new().name("culprit".into());
        named.spawn(move || blocks(reader)).unwrap().join().unwrap();
    });
    let end = Instant::now() + crate::LIMIT / 2;
    while !wanted.iter().all(|text| told.text().contains(text)) {
        assert!(Instant::now() < end, "{by:?}: not all of {wanted:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.write_all(b"x").unwrap();
    culprit.join().unwrap();
    over.store(true, Ordering::SeqCst);
    neighbour.join().unwrap();
    let text = told.text();
    assert_eq!(text.matches("has kept").count(), 1, "told once");
    let (_, held) = text.split_once("has kept").unwrap();
    let (_, held) = held.split_once(" for ").unwrap();
    assert!(held.starts_with(char::is_numeric), "says for how long");
}

/// As rustix does by default: no function of the C library is called.
#[inline(never)]
fn reads_past_the_c_library(pipe: PipeReader) {
    assert_eq!(rustix::io::read(&pipe, &mut [0u8; 1]), Ok(1));
    std::hint::black_box(&pipe);
}

#[test]
fn a_raw_system_call_is_told_of_with_its_place() {
    let test = "culprits::a_raw_system_call_is_told_of_with_its_place";
    is_told(test, "read", "reads_past_the_c_library", reads_past_the_c_library);
}

struct Foreign(std::cell::UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a lock of the C library's, for all threads.
unsafe impl Sync for Foreign {}

static FOREIGN: Foreign = Foreign(std::cell::UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

fn lock() -> i32 {
    // SAFETY: unlocked by the OS thread that locks it.
    unsafe { libc::pthread_mutex_lock(FOREIGN.0.get()) }
}

fn unlock() {
    // SAFETY: the caller has locked it.
    assert_eq!(unsafe { libc::pthread_mutex_unlock(FOREIGN.0.get()) }, 0);
}

#[inline(never)]
fn locks_a_foreign_mutex(mut pipe: PipeReader) {
    let (sender, holds) = std::sync::mpsc::channel();
    // Held by an OS thread until the byte comes.
    let holder = std::thread::spawn(move || {
        assert_eq!(lock(), 0);
        sender.send(()).unwrap();
        pipe.read_exact(&mut [0]).unwrap();
        unlock();
    });
    holds.recv().unwrap();
    assert_eq!(lock(), 0);
    unlock();
    holder.join().unwrap();
}

#[test]
fn a_foreign_mutex_is_told_of_with_its_place() {
    let test = "culprits::a_foreign_mutex_is_told_of_with_its_place";
    is_told(test, "futex", "locks_a_foreign_mutex", locks_a_foreign_mutex);
}

#[inline(never)]
fn reads_a_file_of_c(pipe: PipeReader) {
    // SAFETY: the descriptor is the file's own from here on.
    unsafe {
        let file = libc::fdopen(pipe.into_raw_fd(), c"r".as_ptr());
        assert_eq!(libc::fgetc(file), i32::from(b'x'));
        std::hint::black_box(libc::fclose(file));
    }
}

#[test]
fn a_call_inside_the_c_library_is_told_of_with_its_place() {
    let test = "culprits::a_call_inside_the_c_library_is_told_of_with_its_place";
    is_told(test, "read", "reads_a_file_of_c", reads_a_file_of_c);
}
