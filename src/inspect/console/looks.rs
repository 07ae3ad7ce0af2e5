//! Looks at all green threads. One look serves all who ask at about the same time.
#![forbid(unsafe_code)]

use super::serve::NAME;
use crate::inspect::{Dump, dump};
use crate::sync::Mutex;
use crate::sys::clock;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How old a look may be to be shown once more.
const FRESH: Duration = Duration::from_millis(500);

/// What was seen.
#[derive(Debug)]
pub(super) struct ConsoleLook {
    pub(super) dump: Dump,
    at: Instant,
    /// How long it took.
    pub(super) took: Duration,
}

/// The last look.
#[derive(Debug, Default)]
pub(super) struct LatestLook(Mutex<Option<Arc<ConsoleLook>>>);

impl LatestLook {
    /// A look that is fresh. A caller that comes while one is being taken waits for it.
    pub(super) fn get(&self) -> Arc<ConsoleLook> {
        let mut last = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(look) = last.as_ref().filter(|look| clock::since(look.at) < FRESH) {
            return Arc::clone(look);
        }
        let begun = clock::now();
        let mut dump = dump();
        let own = dump.runtimes.iter().position(|it| it.name.as_deref() == Some(NAME));
        // Its place stays, as others are told by theirs.
        dump.threads.retain(|thread| Some(thread.runtime) != own);
        let at = clock::now();
        let look = Arc::new(ConsoleLook { dump, at, took: at - begun });
        *last = Some(Arc::clone(&look));
        look
    }
}
