//! Looks at many green threads, most of which are at the same place as another one.
//!
//! To unwind a stack takes microseconds, and the result is nearly always one that another stack has had. So the tracer
//! keeps where each return address was, and does not unwind a stack that has the same ones at the same places. Its
//! trace is the same: seen from the outermost function on, each return address says in which function the next frame
//! is, and so how long that is. (Functions whose frames vary in length could have left old addresses there, each at the
//! right place and down to the same depth.)

use crate::stack::GUARD;
use crate::sys::unwind;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// How many bytes of the stack must be left for a look. The unwinder takes about a third of them.
const ROOM: usize = 12 * 1024;
/// How many addresses are noted at most.
const MOST: usize = 128;
/// How many traces are kept in all, and how many of stacks of one length.
const KEPT: usize = 4096;
const KEPT_OF_LENGTH: usize = 8;

/// A trace, and the places by which it is recognized.
#[derive(Clone, Debug)]
struct Known {
    /// Each return address, and how far below the end of the stack it is.
    places: Box<[(usize, usize)]>,
    addresses: Arc<[usize]>,
}

/// The result of a look.
#[derive(Clone, Debug, Default)]
enum Found {
    /// Too little of the stack is left for a look.
    #[default]
    NoRoom,
    Known(Arc<[usize]>),
    /// A trace that is not known yet. It is in the tracer's own memory.
    New,
}

/// Where a green thread is.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// The return addresses, innermost first; none if the stack lacked room for a look.
    pub(crate) addresses: Arc<[usize]>,
    /// How many bytes of the stack are in use, and how many it has.
    pub(crate) used: usize,
    pub(crate) size: usize,
    /// Whether too little of the stack was left for a look.
    pub(crate) lacks_room: bool,
}

/// Looks at one green thread after the other. The memory that a look needs is allocated before it: nothing is allocated
/// on the stack that is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracer {
    /// The known traces, by how many bytes of the stack are in use.
    known: HashMap<usize, Vec<Known>>,
    kept: usize,
    addresses: Vec<usize>,
    places: Vec<(usize, usize)>,
    used: usize,
    size: usize,
    found: Found,
}

impl Tracer {
    /// Has `ask` make a green thread call [`look`](Self::look), and returns what that has found.
    pub(crate) fn trace(&mut self, ask: impl FnOnce(&mut Self)) -> Trace {
        self.addresses.reserve(MOST);
        self.places.reserve(MOST);
        ask(self);
        let found = std::mem::take(&mut self.found);
        let lacks_room = matches!(found, Found::NoRoom);
        let addresses = match found {
            Found::NoRoom => [].into(),
            Found::Known(addresses) => addresses,
            Found::New => self.keep(),
        };
        Trace { addresses, used: self.used, size: self.size, lacks_room }
    }

    /// Returns what has been found, and keeps it for later looks if all of its places are known.
    fn keep(&mut self) -> Arc<[usize]> {
        let addresses: Arc<[usize]> = self.addresses.as_slice().into();
        if !self.places.is_empty() && self.kept < KEPT {
            let same = self.known.entry(self.used).or_default();
            if same.len() < KEPT_OF_LENGTH {
                let places = self.places.as_slice().into();
                same.push(Known { places, addresses: Arc::clone(&addresses) });
                self.kept += 1;
            }
        }
        addresses
    }

    /// Called on the stack of a green thread, which is in use from `here` on. `inner` is the stack of the coroutine
    /// that runs in it.
    ///
    /// # Safety
    /// The caller runs on `inner`, and `here` is in its frame or below that.
    #[inline(never)]
    pub(super) unsafe fn look(&mut self, here: usize, stack: Range<usize>, inner: Range<usize>) {
        self.used = if stack.contains(&here) { stack.end - here } else { 0 };
        self.size = stack.len() - GUARD;
        self.found = Found::NoRoom;
        if here.saturating_sub(inner.start + GUARD) < ROOM {
            return;
        }
        // A green thread that is inside a generator or a greenlet is on the stack of that.
        let own = here..if stack == inner { stack.end } else { here };
        // SAFETY: all of it is above `here` on the stack that the caller runs on.
        let word = |at: usize| unsafe { word(at, &own) };
        let same = self.known.get(&self.used).into_iter().flatten().find(|known| {
            known.places.iter().all(|(below, address)| word(own.end - below) == *address)
        });
        if let Some(same) = same {
            self.found = Found::Known(Arc::clone(&same.addresses));
            return;
        }
        self.found = Found::New;
        let (addresses, places) = (&mut self.addresses, &mut self.places);
        addresses.clear();
        places.clear();
        let (mut from, mut all_found, mut was_on_stack) = (here, !own.is_empty(), false);
        unwind::frames_on_stack(&mut |address, end| {
            let is_on_stack = stack.contains(&end);
            if address == 0 || (was_on_stack && !is_on_stack) {
                return false;
            }
            was_on_stack = is_on_stack;
            addresses.push(address);
            if all_found && end > here {
                let words = (from..end.min(own.end)).step_by(size_of::<usize>()).rev();
                let place = words.into_iter().find(|at| word(*at) == address);
                from = end;
                match place {
                    Some(place) => places.push((own.end - place, address)),
                    None => all_found = false,
                }
            }
            addresses.len() < MOST
        });
        if !all_found || addresses.len() == MOST {
            places.clear();
        }
    }
}

/// # Safety
/// What is in `stack` can be read.
unsafe fn word(at: usize, stack: &Range<usize>) -> usize {
    if at < stack.start || at + size_of::<usize>() > stack.end {
        return 0;
    }
    // SAFETY: as the caller promises. The value may be anything, as what lies between the values of a frame is not
    // initialized: so it is read as the processor reads it, and only compared.
    unsafe { std::ptr::with_exposed_provenance::<usize>(at).read_volatile() }
}
