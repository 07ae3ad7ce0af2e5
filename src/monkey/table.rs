//! The descriptors that are waited for, looked up by their numbers.
//!
//! A socket stays registered between waits, until its number is closed. The kernel has a number for each socket, which
//! tells whether the descriptor still means the same one; so a socket that was closed unnoticed is found out. All other
//! descriptors are registered for one wait each, by a duplicate: they are seldom waited for, and an inode does not tell
//! two opens apart.

use super::patch::is_in_handler;
use crate::runtime::reactor::Source;
use crate::sync::Mutex as GreenMutex;
use crate::sys::bare::{self, errno, set_errno, socket_option};
use crate::sys::poll::{PollFd, PollFlags, gather_into};
use crate::sys::process::{self, PerProcess};
use crate::util::lock::{Mutex, RwLock};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering, fence};

/// The identity of the file behind a descriptor: its device and inode, or for a socket the kernel's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

/// The identity of a descriptor that stands for several others, which is equal to no file's.
const SEVERAL: Identity = Identity(0, 0);

/// States of a [`KnownDescriptor`], besides the number by which it was closed. `OPEN`: it has not been closed.
/// `LOOK_AGAIN`: something that it cannot be told from has been closed, so those who wait look again.
const OPEN: c_int = -1;
const LOOK_AGAIN: c_int = -2;

/// The identity of a socket, for which the kernel can be asked in a faster way. No file has the device zero.
fn identity_of_socket(fd: c_int) -> Option<Identity> {
    let mut cookie = 0u64;
    // SAFETY: the option is such a number.
    if unsafe { socket_option(fd, libc::SO_COOKIE, &mut cookie) } == 0 {
        return Some(Identity(0, cookie));
    }
    examine(fd).map(|(_, identity)| identity)
}

fn is_tcp(fd: c_int) -> bool {
    let mut protocol: c_int = 0;
    // SAFETY: the option is a number.
    let result = unsafe { socket_option(fd, libc::SO_PROTOCOL, &mut protocol) };
    result == 0 && protocol == libc::IPPROTO_TCP
}

/// The kind of file behind a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Socket,
    /// A pipe or a FIFO.
    Pipe,
    /// Something else that can be polled: a terminal, an `eventfd`, a `pidfd`, an epoll instance.
    Other,
    /// A file for which `poll` never waits, such as one on a disk, or a directory.
    Disk,
}

/// Asks the kernel what a descriptor is.
pub(super) fn examine(fd: c_int) -> Option<(FileKind, Identity)> {
    let stat = bare::stat(fd)?;
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFSOCK => FileKind::Socket,
        libc::S_IFIFO => FileKind::Pipe,
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => FileKind::Disk,
        _ => FileKind::Other,
    };
    Some((kind, Identity(stat.st_dev, stat.st_ino)))
}

/// A descriptor that is, or has been, waited for.
#[derive(Debug)]
pub(super) struct KnownDescriptor {
    pub(super) source: Arc<Source>,
    identity: Identity,
    /// [`OPEN`], [`LOOK_AGAIN`], or the number that callers know, after it has been closed.
    closed: AtomicI32,
    /// If the last wait for something to read was short, the value of [`LIMITS`] then; else [`NOT_BRISK`].
    brisk: AtomicU32,
    /// Whether a read that gets less than it asked for has left nothing.
    runs_empty: AtomicBool,
    /// Held by the one who waits for a connection on this listener, so that each connection wakes only one.
    pub(super) accepting: GreenMutex<()>,
    /// The descriptor that is registered instead of the caller's, and is open until the registration has ended.
    own: Option<OwnedFd>,
}

impl Drop for KnownDescriptor {
    fn drop(&mut self) {
        // This comes before `own` is closed.
        self.source.unbind();
    }
}

impl KnownDescriptor {
    pub(super) fn new(fd: c_int, identity: Identity, own: Option<OwnedFd>) -> Arc<Self> {
        let registered = own.as_ref().map_or(fd, AsRawFd::as_raw_fd);
        Arc::new(Self {
            source: Source::new(registered),
            identity,
            closed: AtomicI32::new(OPEN),
            brisk: AtomicU32::new(NOT_BRISK),
            runs_empty: AtomicBool::new(false),
            accepting: GreenMutex::new(()),
            own,
        })
    }

    /// An entry for a descriptor that stands for several.
    pub(super) fn of_several(own: OwnedFd) -> Arc<Self> {
        Self::new(own.as_raw_fd(), SEVERAL, Some(own))
    }

    /// Adds descriptors to the one that [`of_several`](Self::of_several) was given.
    pub(super) fn gather(&self, fds: &[PollFd<'_>], wanted: &[PollFlags]) -> io::Result<()> {
        match &self.own {
            Some(own) => gather_into(own.as_fd(), fds, wanted),
            None => Ok(()),
        }
    }

    /// Whether the number is that of the descriptor which is registered instead of the caller's.
    pub(super) fn is_own(&self, fd: c_int) -> bool {
        self.own.as_ref().is_some_and(|own| own.as_raw_fd() == fd)
    }

    /// Whether a number means the socket of this entry now.
    pub(super) fn is_of(&self, fd: c_int) -> bool {
        identity_of_socket(fd) == Some(self.identity)
    }

    /// Calls `look_and_take` for one caller at a time among those who use this socket, by whatever numbers. So what it
    /// finds is still there when it takes it. It must not wait.
    pub(super) fn alone<T>(&self, look_and_take: impl FnOnce() -> T) -> T {
        let _alone = table().alone[self.identity.1 as usize % SHARDS].lock();
        look_and_take()
    }

    /// Whether the wait must end, as the number has been closed or is to be looked at again.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) != OPEN
    }

    /// The number that has been closed; `None` if it is open, or is to be looked at again.
    pub(super) fn closed_number(&self) -> Option<c_int> {
        Some(self.closed.load(Ordering::Acquire)).filter(|number| *number >= 0)
    }

    /// Whether the last wait for something to read was short, and the socket's timeouts have not changed since.
    pub(super) fn is_brisk(&self) -> bool {
        self.brisk.load(Ordering::Relaxed) == self.limits() && has_seen_few_strangers()
    }

    /// Notes whether waits are short; `limits` is the value of [`limits`](Self::limits) from before the timeouts were
    /// read.
    pub(super) fn set_brisk(&self, limits: Option<u32>) {
        let brisk = limits.unwrap_or(NOT_BRISK);
        if self.brisk.load(Ordering::Relaxed) != brisk {
            self.brisk.store(brisk, Ordering::Relaxed);
        }
    }

    /// A number that changes whenever the timeouts of this socket are changed. (It may change with those of another
    /// socket too.)
    pub(super) fn limits(&self) -> u32 {
        limits_of(self.identity).load(Ordering::Relaxed)
    }

    /// Whether a read that gets less than it asked for has left nothing. That does not hold for datagrams, nor for a
    /// Unix stream, where bytes that came with a descriptor are read separately.
    pub(super) fn runs_empty(&self) -> bool {
        self.runs_empty.load(Ordering::Relaxed)
    }

    /// Notes that such a read has left something, as on a socket whose records the kernel deciphers.
    #[cold]
    pub(super) fn does_not_run_empty(&self) {
        self.runs_empty.store(false, Ordering::Relaxed);
    }

    /// The number has been closed, or is about to be: all waits end, and none begins. Nothing stays registered for a
    /// number that may soon mean something else.
    fn close(&self, number: c_int) {
        self.closed.store(number, Ordering::Release);
        self.source.retire();
        self.source.wake_all();
    }

    /// Ends all waits, so that those who wait look at the number again.
    fn look_again(&self) {
        let _ =
            self.closed.compare_exchange(OPEN, LOOK_AGAIN, Ordering::Release, Ordering::Relaxed);
        self.source.wake_all();
    }
}

const NOT_BRISK: u32 = 0;

/// Counts changes of sockets' timeouts, by the sockets' identities. Never equal to [`NOT_BRISK`].
static LIMITS: [AtomicU32; 256] = [const { AtomicU32::new(1) }; 256];

fn limits_of(identity: Identity) -> &'static AtomicU32 {
    &LIMITS[identity.1 as usize % LIMITS.len()]
}

/// To be called when the timeouts of a socket are about to be changed, by this number or a duplicate.
pub(super) fn limits_change(fd: c_int) {
    if let Some(identity) = identity_of_socket(fd) {
        limits_of(identity).fetch_add(2, Ordering::Relaxed);
    }
}

/// How often a number was found to mean another socket than before: the former one was closed past the patched
/// functions, for example by `fclose`.
static STRANGERS: AtomicU32 = AtomicU32::new(0);

/// If that happens more often than this, the kernel is always asked.
const FEW: u32 = 16;

fn has_seen_few_strangers() -> bool {
    STRANGERS.load(Ordering::Relaxed) < FEW
}

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
    /// See [`KnownDescriptor::alone`].
    alone: [Mutex<()>; SHARDS],
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
            if has_seen_few_strangers() {
                STRANGERS.fetch_add(1, Ordering::Relaxed);
            }
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
