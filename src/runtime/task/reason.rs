//! The reasons of waits. A new one is added here: its number, its words, and its place in the list of all.
#![forbid(unsafe_code)]

/// What a thread waits for, as reports name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    None,
    Sleep,
    Park,
    Join,
    Run,
    Shutdown,
    Readable,
    Writable,
    Lock,
    Condition,
    Semaphore,
    Event,
    Barrier,
    Once,
    Send,
    Receive,
    Select,
    Queue,
    /// A worker of an executor has nothing to do. Nobody is held up by that.
    Task,
    Blocking,
    Future,
    /// Waiting for the workers to report what they run.
    Report,
}

impl Reason {
    /// What is waited for, in words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::None => "something",
            Self::Sleep => "the end of a sleep",
            Self::Park => "an unpark",
            Self::Join => "the end of another",
            Self::Run => "a run of another runtime",
            Self::Shutdown => "the end of a runtime",
            Self::Readable => "something to read",
            Self::Writable => "room to write",
            Self::Lock => "a lock",
            Self::Condition => "a condition variable",
            Self::Semaphore => "a permit of a semaphore",
            Self::Event => "an event",
            Self::Barrier => "others at a barrier",
            Self::Once => "an initialization",
            Self::Send => "room in a channel",
            Self::Receive => "a value from a channel",
            Self::Select => "one of several in a select",
            Self::Queue => "a queue",
            Self::Task => "a task to run",
            Self::Blocking => "a blocking call",
            Self::Future => "a future",
            Self::Report => "the answers of workers",
        }
    }

    /// All reasons in the order of their numbers.
    pub(crate) const ALL: [Self; 22] = [
        Self::None,
        Self::Sleep,
        Self::Park,
        Self::Join,
        Self::Run,
        Self::Shutdown,
        Self::Readable,
        Self::Writable,
        Self::Lock,
        Self::Condition,
        Self::Semaphore,
        Self::Event,
        Self::Barrier,
        Self::Once,
        Self::Send,
        Self::Receive,
        Self::Select,
        Self::Queue,
        Self::Task,
        Self::Blocking,
        Self::Future,
        Self::Report,
    ];
}
