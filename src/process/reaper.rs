//! Waiting for children that nobody else will wait for, so that none stays a zombie.
//!
//! An OS thread does that, which exists while there are such children. A green thread could not, as no runtime may be
//! running, and a runtime that ended would leave its children to nobody.
#![forbid(unsafe_code)]

use crate::sys::child::{self, Child};
use crate::sys::file::{self, PipeReader, PipeWriter};
use crate::sys::process::PerProcess;
use crate::sys::{clock, poll, socket, thread};
use crate::util::lock::Mutex;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// How often those children are looked at for whose ends no descriptor could be had.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Orphans {
    /// The children that the thread has not taken over yet.
    new: Vec<Child>,
    running: bool,
    /// Ends the thread's wait.
    bell: Option<PipeWriter>,
}

static ORPHANS: PerProcess<Mutex<Orphans>> = PerProcess::new();

/// Waits for a child in the background.
pub(super) fn adopt(mut child: Child) {
    // An error means that somebody else has waited for it.
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let shared = ORPHANS.get(Mutex::default);
    let mut orphans = shared.lock();
    orphans.new.push(child);
    if orphans.running {
        if let Some(bell) = &orphans.bell {
            // A full pipe wakes the thread as well. The reader exists as long as the thread does.
            let _ = bell.write(&[1]);
        }
        return;
    }
    // If the thread cannot be started, the next child that is given up tries again.
    orphans.running = thread::start("gt-reaper", None, move || reap(shared)).is_ok();
}

#[derive(Debug)]
struct Orphan {
    child: Child,
    pidfd: Option<OwnedFd>,
}

fn reap(shared: &'static Mutex<Orphans>) {
    let mut bell = None;
    let mut mine: Vec<Orphan> = Vec::new();
    loop {
        let mut orphans = shared.lock();
        if bell.is_none()
            && let Ok((reader, writer)) = ring()
        {
            bell = Some(reader);
            orphans.bell = Some(writer);
        }
        let before = mine.len();
        for child in orphans.new.drain(..) {
            let pidfd = child::open_pidfd(child.id()).ok();
            mine.push(Orphan { child, pidfd });
        }
        mine.retain_mut(|orphan| matches!(orphan.child.try_wait(), Ok(None)));
        // A child that is traced may have ended and still not be ready to be waited for.
        let in_vain = before > 0 && mine.len() == before;
        if mine.is_empty() {
            orphans.running = false;
            orphans.bell = None;
            return;
        }
        drop(orphans);
        wait(bell.as_ref(), &mine);
        if in_vain {
            std::thread::sleep(PAUSE);
        }
        if let Some(bell) = &bell {
            let _ = file::read(bell.as_fd(), &mut [0; 64]);
        }
    }
}

/// The two ends of a pipe that do not block.
fn ring() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = file::pipe()?;
    socket::set_nonblocking(reader.as_fd(), true)?;
    socket::set_nonblocking(writer.as_fd(), true)?;
    Ok((reader, writer))
}

/// Waits until a child may have ended, or there is a new one.
fn wait(bell: Option<&PipeReader>, mine: &[Orphan]) {
    let pidfds = mine.iter().filter_map(|orphan| orphan.pidfd.as_ref().map(AsFd::as_fd));
    let all = bell.map(AsFd::as_fd).into_iter().chain(pidfds);
    let mut fds: Vec<_> =
        all.map(|fd| poll::PollFd::from_borrowed_fd(fd, poll::PollFlags::IN)).collect();
    let told = bell.is_some() && mine.iter().all(|orphan| orphan.pidfd.is_some());
    let deadline = (!told).then(|| clock::now() + PAUSE);
    if poll::wait_fds(&mut fds, deadline).is_err() {
        std::thread::sleep(PAUSE);
    }
}
