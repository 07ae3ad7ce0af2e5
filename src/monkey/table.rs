//! The descriptors that are waited for, looked up by their numbers.
//!
//! A socket stays registered between waits, until its number is closed. The kernel has a number for each socket, which
//! tells whether the descriptor still means the same one; so a socket that was closed unnoticed is found out. All other
//! descriptors are registered for one wait each, by a duplicate: they are seldom waited for, and an inode does not tell
//! two opens apart.
//!
//! Invariant: a number for which something is entered is marked; and what is entered is taken out before the number is closed, or found
//! not to mean the same any more when it has been.

use super::identity::{FileKind, Identity, examine, identity_of_socket, is_tcp};
use super::known_descriptor::{KnownDescriptor, note_stranger};
use super::patch::is_in_handler;
use crate::runtime::reactor::Source;
use crate::sys::bare::{errno, set_errno};
use crate::sys::process::{self, PerProcess};
use crate::util::lock::RwLock;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

/// What is known of one number.
#[derive(Debug, Default)]
struct KnownNumber {
    socket: Option<Arc<KnownDescriptor>>,
    /// Waits that do not use the socket's registration, each with what the number meant when it began.
    waits: Vec<(Identity, Arc<KnownDescriptor>)>,
}

const SHARDS: usize = 16;

#[derive(Debug, Default)]
struct DescriptorTable {
    shards: [RwLock<Vec<KnownNumber>>; SHARDS],
}

static TABLE: PerProcess<DescriptorTable> = PerProcess::new();

impl DescriptorTable {
    fn place(fd: c_int) -> Option<(usize, usize)> {
        let fd = usize::try_from(fd).ok()?;
        Some((fd % SHARDS, fd / SHARDS))
    }

    fn with<R>(&self, fd: c_int, change: impl FnOnce(&mut KnownNumber) -> R) -> Option<R> {
        let (shard, at) = Self::place(fd)?;
        let mut numbers = self.shards[shard].write();
        if numbers.len() <= at {
            numbers.resize_with(at + 1, KnownNumber::default);
        }
        Some(change(&mut numbers[at]))
    }
}

/// The generation, plus one, of the process in which something was last entered.
static USED_IN: AtomicU32 = AtomicU32::new(0);

fn table() -> &'static DescriptorTable {
    TABLE.get(DescriptorTable::default)
}

/// The table, if anything was ever entered in this process. Does not make one: the caller may be a child between `fork` and
/// `exec`.
fn used_table() -> Option<&'static DescriptorTable> {
    (USED_IN.load(Ordering::Relaxed) == process::generation().wrapping_add(1)).then(table)
}

/// How many numbers [`MARKS`] has.
const MARKED: usize = 1 << 16;

/// For each number, whether something may be entered for it; closing a number for which nothing is entered then costs
/// nothing. Changed under the lock of the number's shard.
static MARKS: [AtomicBool; MARKED] = [const { AtomicBool::new(false) }; MARKED];

/// Notes that something is entered for a number.
fn mark(fd: c_int) {
    if let Some(mark) = MARKS.get(fd as usize) {
        mark.store(true, Ordering::Relaxed);
    }
    USED_IN.store(process::generation().wrapping_add(1), Ordering::Relaxed);
}

/// Notes that nothing is entered for a number any more.
fn unmark(fd: c_int) {
    if let Some(mark) = MARKS.get(fd as usize) {
        mark.store(false, Ordering::Relaxed);
    }
}

/// Whether something may be entered for a number. Numbers beyond [`MARKED`] always may have something.
#[inline(always)]
pub(super) fn is_marked(fd: c_int) -> bool {
    fd >= 0 && MARKS.get(fd as usize).is_none_or(|mark| mark.load(Ordering::Relaxed))
}

/// The socket that has been registered for a number. It may have been closed since without our noticing.
#[inline]
pub(super) fn known_socket(fd: c_int) -> Option<Arc<KnownDescriptor>> {
    let (shard, at) = DescriptorTable::place(fd)?;
    table().shards[shard].read().get(at)?.socket.clone()
}

/// The entry of the socket that the number means now; `known` is what [`known_socket`] returned.
pub(super) fn socket(
    fd: c_int,
    known: Option<&Arc<KnownDescriptor>>,
) -> Option<Arc<KnownDescriptor>> {
    let identity = identity_of_socket(fd)?;
    if let Some(known) = known.filter(|known| known.identity == identity && !known.is_closed()) {
        return Some(Arc::clone(known));
    }
    let new = KnownDescriptor::new(fd, identity, None);
    new.runs_empty.store(is_tcp(fd), Ordering::Relaxed);
    let entry = loop {
        let is_other = |known: &mut Arc<KnownDescriptor>| known.identity != identity;
        // Its number was closed without our noticing. Its registration ends before anybody can make one for what the
        // number means now.
        if let Some(old) = table().with(fd, |number| number.socket.take_if(is_other)).flatten() {
            note_stranger();
            old.close(fd);
        }
        // Another worker may have entered the socket meanwhile, or another one that the number means by now.
        let entered = table().with(fd, |number| {
            mark(fd);
            Arc::clone(number.socket.get_or_insert_with(|| Arc::clone(&new)))
        })?;
        if entered.identity == identity {
            break entered;
        }
    };
    // From here on, closing the number is noticed. It may have been closed since the look above.
    fence(Ordering::SeqCst);
    if identity_of_socket(fd) != Some(identity) {
        let gone = |known: &mut Arc<KnownDescriptor>| Arc::ptr_eq(known, &entry);
        drop(table().with(fd, |number| number.socket.take_if(gone)));
        entry.close(fd);
        return None;
    }
    Some(entry)
}

/// A type of this library is about to register the number: waits that are under way here go on by duplicates.
pub(super) fn let_go(source: &Source) {
    if let Some(known) = known_socket(source.fd())
        && !std::ptr::eq(&*known.source, source)
    {
        known.source.unbind();
        known.source.wake_all();
    }
}

/// While this guard lives, [`closed`] finds a wait for the number, with what the number meant when the wait began.
pub(super) struct Listed<'a> {
    fd: c_int,
    entry: &'a Arc<KnownDescriptor>,
}

pub(super) fn list(fd: c_int, identity: Identity, entry: &Arc<KnownDescriptor>) -> Listed<'_> {
    table().with(fd, |number| {
        number.waits.push((identity, Arc::clone(entry)));
        mark(fd);
    });
    // Either the one who closes the number sees the mark, or what the caller does next sees that the number is closed.
    fence(Ordering::SeqCst);
    Listed { fd, entry }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        // Returned, so that it is dropped after the lock is released, as closing a descriptor uses this table again.
        let gone = table().with(self.fd, |number| {
            let at = number.waits.iter().position(|(_, one)| Arc::ptr_eq(one, self.entry))?;
            let gone = number.waits.swap_remove(at);
            if number.socket.is_none() && number.waits.is_empty() {
                unmark(self.fd);
            }
            Some(gone)
        });
        drop(gone);
    }
}

/// To be called when the number is about to be closed: ends its registration and every wait for it.
pub(super) fn closed(fd: c_int) {
    if !is_marked(fd) {
        return;
    }
    // A signal handler may have interrupted a thread that holds the lock of the table.
    if is_in_handler() {
        return;
    }
    let Some((table, (shard, at))) = used_table().zip(DescriptorTable::place(fd)) else { return };
    // Taken out, and dropped after the lock is released.
    let gone = table.shards[shard].write().get_mut(at).map(|number| {
        unmark(fd);
        std::mem::take(number)
    });
    if let Some(gone) = gone {
        let waits = gone.waits.iter().map(|(_, entry)| entry);
        gone.socket.iter().chain(waits).for_each(|entry| entry.close(fd));
    }
}

/// To be called when the number has been closed, or means something else now, and is marked. A wait that another worker
/// began after [`closed`], but before the number was closed, waits for a file that is gone: it ends as well. `errno`
/// stays as it is.
///
/// Whoever has marked the number since sees that it is closed, or the caller sees the mark: the kernel orders all of
/// memory when it gives up the file that the number meant.
#[cold]
pub(super) fn has_closed(fd: c_int) {
    if !is_in_handler() {
        let errno = errno();
        end_stale_waits(fd);
        set_errno(errno);
    }
}

fn end_stale_waits(fd: c_int) {
    let Some((table, (shard, at))) = used_table().zip(DescriptorTable::place(fd)) else { return };
    let (mut gone, mut doubtful) = (Vec::new(), Vec::new());
    if let Some(number) = table.shards[shard].write().get_mut(at) {
        let socket = identity_of_socket(fd);
        gone.extend(number.socket.take_if(|entry| Some(entry.identity) != socket));
        let file = examine(fd);
        let is_stale = |wait: &mut (Identity, _)| file.is_none_or(|(_, now)| now != wait.0);
        gone.extend(number.waits.extract_if(.., is_stale).map(|(_, entry)| entry));
        // Files of one kind may have the same identity, as all `eventfd`s do.
        if matches!(file, Some((FileKind::Other, _))) {
            doubtful.extend(number.waits.iter().map(|(_, entry)| Arc::clone(entry)));
        }
        if number.socket.is_none() && number.waits.is_empty() {
            unmark(fd);
        }
    }
    gone.iter().for_each(|entry| entry.close(fd));
    doubtful.iter().for_each(|entry| entry.look_again());
}

/// As [`closed`], for all numbers from `first` to `last`.
pub(super) fn closed_range(first: u32, last: u32) {
    // As in `closed`, this comes before any lock of the table.
    if is_in_handler() {
        return;
    }
    let Some(table) = used_table() else { return };
    let longest = table.shards.iter().map(|shard| shard.read().len()).max().unwrap_or(0);
    let end = u32::try_from(longest * SHARDS).unwrap_or(u32::MAX);
    for fd in first..=last.min(end) {
        closed(fd as c_int);
    }
}
