//! What is left of a runtime that should have ended.
#![forbid(unsafe_code)]

use std::fmt;

/// The error of [`Runtime::shutdown`](crate::Runtime::shutdown): green threads that did not end in time. They are given up: they
/// never run again, and their stacks are leaked.
///
/// # Examples
/// ```
/// use greenthread::{Runtime, shield, thread::park};
/// use std::time::Duration;
/// let runtime = Runtime::builder().workers(1).build()?;
/// let (begun, has_begun) = std::sync::mpsc::channel();
/// runtime.spawn(move || {
///     shield(|| {
///         begun.send(()).unwrap();
///         park() // a shield keeps the kill off
///     })
/// });
/// has_begun.recv().unwrap();
/// let stragglers = runtime.shutdown(Duration::ZERO).unwrap_err();
/// assert!(stragglers.is_busy() || stragglers.given_up().len() == 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stragglers {
    /// For each its name, and what it waited for.
    pub(super) given_up: Vec<String>,
    /// Whether a worker has not returned from user code.
    pub(super) busy: bool,
}

impl Stragglers {
    /// A line for each green thread: its name, and what it waits for. One that does not wait but keeps its worker busy is not
    /// listed, nor are those that wait behind it, as nothing can be known of them.
    ///
    /// # Examples
    /// To say what kept a program from ending; see also [`is_busy`](Self::is_busy):
    /// ```
    /// use greenthread::{Runtime, thread::park};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// runtime.spawn(park);
    /// match runtime.shutdown(Duration::from_secs(10)) {
    ///     Ok(()) => println!("all have ended"),
    ///     Err(stragglers) => {
    ///         for line in stragglers.given_up() {
    ///             eprintln!("does not end: {line}");
    ///         }
    ///         # unreachable!();
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn given_up(&self) -> &[String] {
        &self.given_up
    }

    /// Whether a green thread still keeps a worker busy: its OS thread goes on until the green thread waits or ends.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) fn are_none(&self) -> bool {
        !self.busy && self.given_up.is_empty()
    }
}

impl fmt::Display for Stragglers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.given_up.is_empty() {
            write!(
                f,
                "{} green threads did not end when their runtime did; their stacks are leaked: {}",
                self.given_up.len(),
                self.given_up.join(", ")
            )?;
        }
        if self.busy {
            let also = if self.given_up.is_empty() { "" } else { "; " };
            write!(f, "{also}a runtime ended while a green thread keeps its worker busy")?;
        }
        Ok(())
    }
}

impl std::error::Error for Stragglers {}

/// Of the kind [`TimedOut`](std::io::ErrorKind::TimedOut), with this as its source: for a `main` that returns `io::Result`.
impl From<Stragglers> for std::io::Error {
    fn from(stragglers: Stragglers) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, stragglers)
    }
}
