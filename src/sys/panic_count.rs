//! std's count of the panics that unwind on an OS thread, as memory that can be saved and restored.
//!
//! std counts by OS thread how many unwinds are under way, and notes beside that number whether a panic hook runs. Both
//! belong to the stack that unwinds, so whoever switches stacks has to switch them too, and std has no function for it. But
//! they lie in a thread-local, and thread-locals lie in blocks that the C library names. An experiment finds out once where
//! in its block the count is: it is the only word that goes n, n + 1, n + 2, n through two unwinds inside one another. The
//! note is the byte beside it that the end of an unwind clears. From then on each OS thread looks up its own block and checks
//! what it finds there: writing zero into the count must make `std::thread::panicking()` say no.
//!
//! Where one of these steps does not give what it should, in a later std say, there is no [`PanicCount`], and the layers above
//! do without. std's other count, which is the sum over all OS threads, is not touched: it goes up and down where an unwind
//! begins and ends, whatever stack that is on. Where an unwinding stack is leaked it stays above zero, which costs
//! `panicking()` a look at the thread's own count.

use super::fault::{self, Syscall};
use std::ffi::{c_int, c_void};
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

/// The C library's thread-local block of one program or library, on the calling OS thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Where that program or library was loaded: the same on each OS thread.
    pub(super) module: usize,
    pub(super) start: usize,
    pub(super) bytes: usize,
}

/// Where std's count is, on every OS thread.
#[derive(Clone, Copy, Debug)]
struct CountPlace {
    module: usize,
    count: usize,
    hook: usize,
}

/// How many bytes of thread-locals are searched at most: where there are more, the search is not made.
pub(super) const MOST_BYTES: usize = 64 << 20;
const WORD: usize = size_of::<usize>();

unsafe extern "C" fn note(
    info: *mut libc::dl_phdr_info,
    size: usize,
    blocks: *mut c_void,
) -> c_int {
    if size < size_of::<libc::dl_phdr_info>() {
        return 0;
    }
    // SAFETY: the C library hands over valid information of the size that was just checked, and `blocks` is what
    // `blocks_of_this_thread` passes.
    let (info, blocks) = unsafe { (&*info, &mut *blocks.cast::<Vec<Block>>()) };
    if info.dlpi_tls_data.is_null() || info.dlpi_phdr.is_null() {
        return 0;
    }
    for at in 0..usize::from(info.dlpi_phnum) {
        // SAFETY: there are `dlpi_phnum` headers.
        let header = unsafe { &*info.dlpi_phdr.add(at) };
        if header.p_type == libc::PT_TLS && blocks.len() < blocks.capacity() {
            blocks.push(Block {
                module: info.dlpi_addr as usize,
                start: info.dlpi_tls_data.expose_provenance(),
                bytes: header.p_memsz as usize,
            });
        }
    }
    0
}

pub(super) fn blocks_of_this_thread() -> Vec<Block> {
    // Not grown in the callback, which must not panic.
    let mut blocks = Vec::<Block>::with_capacity(1024);
    // SAFETY: the callback has the right type, and what it gets lives through the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut blocks).cast()) };
    blocks
}

fn pointer<T>(address: usize) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address)
}

/// The address of every aligned word of the blocks.
pub(super) fn words(blocks: &[Block]) -> impl Iterator<Item = usize> {
    blocks.iter().flat_map(|block| {
        let first = block.start.next_multiple_of(WORD);
        (first..).step_by(WORD).take_while(|at| at + WORD <= block.start + block.bytes)
    })
}

pub(super) fn read(address: usize) -> usize {
    // SAFETY: the address is that of an aligned word in a thread-local block of the calling thread. Others may write there
    // too, or nobody may have yet: the value is only compared, and volatile keeps the compiler from knowing better.
    unsafe { pointer::<usize>(address).read_volatile() }
}

/// Calls a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Calls `inside` while an unwind is under way that this begins and ends.
fn while_unwinding(inside: impl FnMut()) {
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _inside = OnDrop(inside);
        resume_unwind(Box::new(()))
    }));
    let _: Result<(), _> = unwound;
}

/// Finds the place by an experiment on the calling OS thread, on which no panic hook may be running.
fn search() -> Option<CountPlace> {
    let blocks = blocks_of_this_thread();
    let bytes: usize = blocks.iter().map(|block| block.bytes).sum();
    if bytes > MOST_BYTES {
        return None;
    }
    let mut seen: Vec<(usize, usize)> = words(&blocks).map(|at| (at, read(at))).collect();
    let rose = |seen: &mut Vec<(usize, usize)>, by: usize| {
        seen.retain(|(at, before)| read(*at) == before.wrapping_add(by));
    };
    while_unwinding(|| {
        rose(&mut seen, 1);
        while_unwinding(|| rose(&mut seen, 2));
        rose(&mut seen, 1);
    });
    rose(&mut seen, 0);
    let &[(count, _)] = &seen[..] else { return None };
    let block = blocks.iter().find(|b| (b.start..b.start + b.bytes).contains(&count))?;
    let hook = [count.wrapping_add(WORD), count.wrapping_sub(WORD)].into_iter().find(|&at| {
        let inside = at >= block.start && at < block.start + block.bytes;
        inside && is_cleared_at_the_end(pointer(at))
    })?;
    Some(CountPlace {
        module: block.module,
        count: count - block.start,
        hook: hook.wrapping_sub(block.start),
    })
}

/// Whether the end of an unwind writes zero to a byte, which is in a thread-local block of the calling thread.
fn is_cleared_at_the_end(byte: *mut u8) -> bool {
    // SAFETY: as above. Where the byte is not what is looked for it gets its value back below, and no code but the
    // unwinder's runs on this thread in between.
    let before = unsafe { byte.read_volatile() };
    if before != 0 {
        return false;
    }
    while_unwinding(|| {
        // SAFETY: as above.
        unsafe { byte.write_volatile(1) };
    });
    // SAFETY: as above.
    let after = unsafe { byte.read_volatile() };
    if after != 0 {
        // SAFETY: as above.
        unsafe { byte.write_volatile(before) };
    }
    after == 0
}

/// The place, found out at the first call. While the caller unwinds a panic hook may be running, in which the experiment
/// would go wrong: then another OS thread makes it.
fn place() -> Option<CountPlace> {
    static PLACE: Mutex<Option<Option<CountPlace>>> = Mutex::new(None);
    let known = || *PLACE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(place) = known() {
        return place;
    }
    let place = if std::thread::panicking() {
        // If no thread can be made now, perhaps one can the next time.
        super::thread::start("gt-search", None, search).ok()?.join().ok()?
    } else {
        search()
    };
    *PLACE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(place);
    place
}

/// Finds out where the count is, unless the caller unwinds. Later calls then need no thread for it.
pub(crate) fn prepare() {
    if cfg!(panic = "unwind") && !std::thread::panicking() {
        place();
    }
}

/// The unwinds of one stack: how many are under way, and whether a panic hook runs on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unwinds {
    pub(crate) count: usize,
    pub(crate) in_hook: bool,
}

/// The calling OS thread's count. It is `!Send`, and valid while the thread runs, also during the destructors of its
/// thread-locals, as std's count has no destructor itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PanicCount {
    count: *mut usize,
    hook: *mut u8,
}

impl PanicCount {
    /// Looks it up. To be called while `std::thread::panicking()` is true: then the memory is there, and can be
    /// checked.
    #[cold]
    pub(crate) fn of_this_thread() -> Option<Self> {
        if cfg!(panic = "abort") || fault::check(Syscall::PanicCount).is_err() {
            return None;
        }
        let place = place()?;
        let block =
            blocks_of_this_thread().into_iter().find(|block| block.module == place.module)?;
        let found = Self {
            count: pointer(block.start.wrapping_add(place.count)),
            hook: pointer(block.start.wrapping_add(place.hook)),
        };
        found.is_right().then_some(found)
    }

    fn is_right(self) -> bool {
        let own = self.get();
        // SAFETY: as in `get`.
        if own.count == 0 || unsafe { self.hook.read_volatile() } > 1 {
            return false;
        }
        self.set(Unwinds { count: 0, ..own });
        let none = !std::thread::panicking();
        self.set(own);
        none && std::thread::panicking()
    }

    /// The unwinds of the calling stack.
    pub(crate) fn get(self) -> Unwinds {
        // SAFETY: both lie in a thread-local block of the calling thread, which is there while it runs. Volatile, since the
        // compiler does not know that std's functions write there.
        unsafe {
            Unwinds { count: self.count.read_volatile(), in_hook: self.hook.read_volatile() != 0 }
        }
    }

    /// Changes the count, so that std takes these for the unwinds of this stack.
    pub(crate) fn set(self, unwinds: Unwinds) {
        // SAFETY: as above. Both values are valid for std's types, a word and a bool.
        unsafe {
            self.count.write_volatile(unwinds.count);
            self.hook.write_volatile(u8::from(unwinds.in_hook));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_on_every_thread_and_is_stds() {
        let check = || {
            let mut checked = false;
            while_unwinding(|| {
                let count = PanicCount::of_this_thread().expect("std's count");
                let own = count.get();
                assert_eq!(own, Unwinds { count: 1, in_hook: false });
                count.set(Unwinds::default());
                assert!(!std::thread::panicking());
                while_unwinding(|| assert_eq!(count.get().count, 1));
                count.set(own);
                assert!(std::thread::panicking());
                checked = true;
            });
            assert!(checked && !std::thread::panicking());
        };
        check();
        std::thread::spawn(check).join().unwrap();
        // Where the first caller unwinds, the experiment is made on another thread.
        while_unwinding(|| assert!(std::thread::spawn(search).join().unwrap().is_some()));
    }

    /// Nothing that std notes for each OS thread tells one payload from another. So nobody can tell whether a payload
    /// that somebody has kept is the one that unwinds. Should this test fail, a later std can tell, and then locks
    /// could too.
    #[test]
    fn std_does_not_note_what_an_unwind_carries() {
        #[derive(Clone, Copy)]
        enum Carried {
            Kept,
            Another,
            Panic,
        }
        /// The contents of all thread-locals while a payload unwinds beside another one that was caught before.
        fn noted(carried: Carried) -> Vec<usize> {
            let kept = catch_unwind(|| resume_unwind(Box::new([1usize; 4]))).unwrap_err();
            let mut noted = Vec::with_capacity(1 << 16);
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let _look = OnDrop(|| {
                    noted.clear();
                    noted.extend(words(&blocks_of_this_thread()).map(read));
                });
                match carried {
                    Carried::Kept => resume_unwind(kept),
                    Carried::Another => {
                        std::mem::forget(kept);
                        resume_unwind(Box::new([1usize; 4]))
                    }
                    Carried::Panic => {
                        std::mem::forget(kept);
                        panic!("not told from what was caught before")
                    }
                }
            }));
            std::mem::forget(unwound);
            noted
        }
        let compare = || {
            let all = [Carried::Kept, Carried::Another, Carried::Panic];
            // The first run makes things that stay.
            let _ = all.map(noted);
            let (first, second) = (all.map(noted), all.map(noted));
            // The words that do not change from run to run, but may differ with what unwinds.
            let steady = |at: &usize| (0..3).all(|case| first[case][*at] == second[case][*at]);
            let other = |at: &usize| (1..3).any(|case| first[case][*at] != first[0][*at]);
            assert!(!first[0].is_empty());
            assert_eq!((0..first[0].len()).filter(steady).filter(other).count(), 0);
        };
        std::thread::spawn(compare).join().unwrap();
    }

    #[test]
    fn a_count_that_is_not_to_be_found_is_none() {
        std::thread::spawn(|| {
            fault::fail(Syscall::PanicCount, 0, 1, libc::ENOSYS);
            while_unwinding(|| assert!(PanicCount::of_this_thread().is_none()));
            while_unwinding(|| assert!(PanicCount::of_this_thread().is_some()));
        })
        .join()
        .unwrap();
    }
}
