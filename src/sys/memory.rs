//! Address space for stacks: reserved, guarded, discarded, released.

use super::fault::{self, Syscall};
use super::setting;
use std::io;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// `MADV_GUARD_INSTALL` of Linux 6.13: marks pages so that touching them faults, without a mapping of their own.
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// Bytes in a page.
pub(crate) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
        usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
    })
}

/// How the pages below a stack are made to fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardKind {
    /// `MADV_GUARD_INSTALL`: costs no mapping, so the number of stacks has no limit of its own.
    Lightweight,
    /// `mprotect(PROT_NONE)`: splits the mapping, two entries of `vm.max_map_count` for each stack.
    Protected,
}

/// Which kind of guard this kernel offers, found out once by trying it.
///
/// Some emulators accept any advice and do nothing, so the probe looks at the effect: the kernel itself must refuse to
/// read from the guarded page.
pub(crate) fn guard_kind() -> GuardKind {
    static KIND: OnceLock<GuardKind> = OnceLock::new();
    *KIND.get_or_init(|| {
        if lightweight_guard_works() { GuardKind::Lightweight } else { GuardKind::Protected }
    })
}

fn lightweight_guard_works() -> bool {
    if setting::is("GREENTHREAD_GUARD", "mprotect") {
        return false;
    }
    let page = page_size();
    let Ok(region) = reserve(page) else { return false };
    // SAFETY: `region` is one page that we just mapped and that nothing else refers to.
    let advised = fault::check(Syscall::GuardProbe).is_ok()
        && unsafe { libc::madvise(region.as_ptr().cast(), page, MADV_GUARD_INSTALL) } == 0;
    let faults = advised && kernel_read_faults(region);
    // SAFETY: as above; the page is not used after this.
    unsafe { release(region, page) };
    faults
}

/// Whether the kernel gets EFAULT when it reads a byte at `at`; unlike our own read, that raises no signal.
fn kernel_read_faults(at: NonNull<u8>) -> bool {
    let mut pipe = [0; 2];
    // SAFETY: `pipe` has room for the two descriptors.
    let make = |pipe: &mut [i32; 2]| unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) };
    if fault::check(Syscall::GuardProbe).is_err() || make(&mut pipe) != 0 {
        return false;
    }
    // SAFETY: write only reads the given byte, and reports EFAULT where it cannot; the descriptors are ours.
    unsafe {
        let faults = libc::write(pipe[1], at.as_ptr().cast(), 1) == -1;
        libc::close(pipe[0]);
        libc::close(pipe[1]);
        faults
    }
}

/// Reserves `len` bytes of zeroed memory that costs nothing until it is touched.
///
/// Huge pages are switched off for it: a policy that uses them would make each stack resident as a whole.
pub(crate) fn reserve(len: usize) -> io::Result<NonNull<u8>> {
    fault::check(Syscall::Mmap)?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    // SAFETY: an anonymous private mapping at an address of the kernel's choice overlaps nothing.
    let at = unsafe {
        libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the range was mapped just above. The advice is only about page sizes; a kernel without it says EINVAL.
    unsafe { libc::madvise(at, len, libc::MADV_NOHUGEPAGE) };
    NonNull::new(at.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

/// Makes `len` bytes at `at` fault when touched.
///
/// # Safety
/// The range lies in a mapping made by [`reserve`], and nothing in it is in use.
pub(crate) unsafe fn install_guard(at: NonNull<u8>, len: usize) -> io::Result<()> {
    let result = match guard_kind() {
        GuardKind::Lightweight => {
            fault::check(Syscall::Madvise)?;
            // SAFETY: the caller gives up the contents of the range.
            unsafe { libc::madvise(at.as_ptr().cast(), len, MADV_GUARD_INSTALL) }
        }
        GuardKind::Protected => {
            fault::check(Syscall::Mprotect)?;
            // SAFETY: the caller says that nothing in the range is in use.
            unsafe { libc::mprotect(at.as_ptr().cast(), len, libc::PROT_NONE) }
        }
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the pages of a range back to the system, if it takes them; they read as zeroes then. Guards inside it stay.
///
/// # Safety
/// The range lies in a mapping made by [`reserve`], and nothing in it is in use.
pub(crate) unsafe fn discard(at: NonNull<u8>, len: usize) {
    // A failure leaves the pages as they are, which is harmless.
    if fault::check(Syscall::Discard).is_ok() {
        // SAFETY: the caller gives up the contents of the range.
        unsafe { libc::madvise(at.as_ptr().cast(), len, libc::MADV_DONTNEED) };
    }
}

/// Unmaps a range made by [`reserve`]. Where that fails its pages are given back all the same: the system has joined it with its
/// neighbours, and has no room for another mapping.
///
/// # Safety
/// The range is a whole mapping made by [`reserve`], and nothing refers to it any more.
pub(crate) unsafe fn release(at: NonNull<u8>, len: usize) {
    // SAFETY: as the caller promises.
    let unmap = || unsafe { libc::munmap(at.as_ptr().cast(), len) };
    if fault::check(Syscall::Munmap).is_err() || unmap() != 0 {
        // SAFETY: as the caller promises.
        unsafe { discard(at, len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guard_faults_and_neighbours_do_not() {
        let page = page_size();
        let region = reserve(4 * page).unwrap();
        // SAFETY: the offsets lie in the four pages just mapped.
        unsafe {
            install_guard(region, page).unwrap();
            assert!(kernel_read_faults(region));
            let above = region.add(page);
            assert!(!kernel_read_faults(above));
            discard(above, 3 * page);
            assert!(kernel_read_faults(region), "a guard survives discarding its neighbours");
            release(region, 4 * page);
        }
    }

    #[test]
    fn failures_of_reserving_memory_are_errors() {
        fault::fail(Syscall::Mmap, 0, 1, libc::ENOMEM);
        assert_eq!(reserve(page_size()).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
        let region = reserve(page_size()).unwrap();
        let call = match guard_kind() {
            GuardKind::Lightweight => Syscall::Madvise,
            GuardKind::Protected => Syscall::Mprotect,
        };
        fault::fail(call, 0, 1, libc::ENOMEM);
        // SAFETY: the page was just mapped and is used by nobody.
        unsafe {
            assert_eq!(
                install_guard(region, page_size()).unwrap_err().raw_os_error(),
                Some(libc::ENOMEM)
            );
            release(region, page_size());
        }
    }

    #[test]
    fn what_the_system_does_not_take_back_stays_as_it_is_and_its_pages_go_back_where_they_can() {
        let page = page_size();
        let region = reserve(page).unwrap();
        // SAFETY: the page was just mapped, and is unmapped by the last call only: the others are told to fail.
        unsafe {
            region.write(7);
            fault::fail(Syscall::Discard, 0, 2, libc::EAGAIN);
            discard(region, page);
            assert_eq!(region.read(), 7);
            fault::fail(Syscall::Munmap, 0, 2, libc::ENOMEM);
            release(region, page);
            assert_eq!(region.read(), 7, "neither goes");
            release(region, page);
            assert_eq!(region.read(), 0, "the mapping stays, and the page has gone back");
            release(region, page);
            assert!(kernel_read_faults(region));
        }
    }

    #[test]
    fn guards_are_mappings_of_their_own_where_it_cannot_be_seen_that_others_work() {
        // The advice; and the look whether it did anything.
        for skip in 0..2 {
            fault::fail(Syscall::GuardProbe, skip, 1, libc::EINVAL);
            assert!(!lightweight_guard_works(), "{skip}");
        }
    }
}
