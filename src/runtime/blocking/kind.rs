//! The kinds of jobs.
#![forbid(unsafe_code)]

/// What a job does. Each kind has threads of its own, so that jobs of one kind never wait for those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Kind {
    /// Code of users, which may run for as long as it likes.
    User,
    /// Looking up names.
    Names,
    /// Files on disks.
    Files,
    /// Starting processes. These threads never end, as a process may be sent a signal when the thread that started it
    /// ends.
    Starts,
    /// Calls that may wait for others without a limit, for example for a terminal. Each has a thread of its own:
    /// otherwise one could keep the very call waiting that would end its wait.
    Waits,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Names => "names",
            Self::Files => "files",
            Self::Starts => "starts",
            Self::Waits => "waits",
        }
    }
}
