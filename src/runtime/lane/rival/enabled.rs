//! The twin with the feature `monkey`: the table of patched descriptors has sources too, and owns none of the
//! descriptors.
#![forbid(unsafe_code)]

use crate::runtime::lane::source::Source;
use std::io;
use std::sync::OnceLock;

/// The value of `bound` for a source that is never registered again, and whose waits end at once.
const RETIRED: u32 = u32::MAX;

/// The function that ends the registration of a source's descriptor elsewhere, if there is one.
static LET_GO: OnceLock<fn(&Source)> = OnceLock::new();

/// Has `let_go` called when a source cannot be registered because another source of the same descriptor is. The owner
/// of that other source, which does not own the descriptor, then ends its registration.
pub(crate) fn let_go_by(let_go: fn(&Source)) {
    let _ = LET_GO.set(let_go);
}

/// Returns an error if the source has been retired.
pub(in crate::runtime::lane) fn check(bound: u32) -> io::Result<()> {
    if bound == RETIRED {
        return Err(io::Error::other(
            "the descriptor has been closed: nobody can wait for it any more",
        ));
    }
    Ok(())
}

/// Whether a source whose registration has failed in this way can be registered now.
pub(in crate::runtime::lane) fn lets_go(source: &Source, error: &io::Error) -> bool {
    let let_go = LET_GO.get().filter(|_| error.kind() == io::ErrorKind::AlreadyExists);
    let_go.inspect(|let_go| let_go(source)).is_some()
}

impl Source {
    /// Like [`unbind`](Self::unbind), for ever, as the number may mean something else from now on. To be called in the
    /// process that has made the source.
    pub(crate) fn retire(&self) {
        self.end_registrations(RETIRED);
    }
}
