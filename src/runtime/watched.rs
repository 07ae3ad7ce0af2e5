//! The setting of the watchdog.
#![forbid(unsafe_code)]

use super::builder::RuntimeBuilder;
use std::time::Duration;

impl RuntimeBuilder {
    /// Reports on standard error when a green thread holds up its worker for longer than `most`, once for each time: it
    /// computes, or calls something that blocks the OS thread. The report names it and says where in the program it is.
    ///
    /// A further OS thread looks at the workers four times within `most`, and at most once in a millisecond. It finds out where
    /// the green thread is by a signal (`SIGURG`) to the worker; like every signal, that may interrupt a system call. Names
    /// and lines of functions need debug information (`debug = "line-tables-only"`).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let runtime = greenthread::Runtime::builder().watchdog(Duration::from_millis(100)).build()?;
    /// assert_eq!(runtime.run(|| "quick").unwrap(), "quick");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "watchdog")))]
    pub fn watchdog(self, most: Duration) -> Self {
        self.watched_for(Some(most))
    }
}
