//! A value that is made when it is first needed.
#![forbid(unsafe_code)]

use super::OnceLock;
use crate::thread::shield;
use crate::util::lock::Mutex;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A value that is made when it is first used, as [`std::sync::LazyLock`].
///
/// Those who use it while it is made wait for that. If making it panics, the lock is poisoned: every later use panics. As the
/// closure can be called only once, it runs inside a [`shield`](crate::shield): a green thread that is killed, or whose
/// [`timeout`](crate::timeout) expires, while it makes the value, finishes this for the others. Where that may take too long,
/// [`OnceLock::get_or_init`] is better: it can be interrupted, and the next one tries again.
///
/// # When std's is better
/// Where making the value never waits.
///
/// # Examples
/// ```
/// use greenthread::sync::LazyLock;
/// static TABLE: LazyLock<Vec<u32>> = LazyLock::new(|| (0..4).map(|i| i * i).collect());
/// assert_eq!(TABLE[3], 9);
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    value: OnceLock<T>,
    /// Taken out by whoever makes the value.
    init: Mutex<Option<F>>,
}

const POISONED: &str = "LazyLock instance has previously been poisoned";

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Makes a lock whose value is made by `f`, later.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::LazyLock;
    ///
    /// // Made once, by whoever is first; that may wait for a file or a server.
    /// static GREETING: LazyLock<String> = LazyLock::new(|| {
    ///     greenthread::yield_now();
    ///     "hello".to_string()
    /// });
    /// let readers = [(); 3].map(|()| greenthread::spawn(|| GREETING.len()));
    /// assert!(readers.into_iter().all(|reader| reader.join().unwrap() == 5));
    /// ```
    pub const fn new(f: F) -> Self {
        Self { value: OnceLock::new(), init: Mutex::new(Some(f)) }
    }

    /// Returns the value, and makes it first if need be. While another thread makes it, suspends a green thread and blocks an
    /// OS thread. Using the value by `*` does the same.
    ///
    /// # Panics
    /// If the closure panics, or did so before.
    ///
    /// # Examples
    /// To have it made before it is needed; [`get`](Self::get) tells whether it has been:
    /// ```
    /// use greenthread::sync::LazyLock;
    ///
    /// static PORT: LazyLock<u16> = LazyLock::new(|| 8000);
    /// assert_eq!(LazyLock::get(&PORT), None);
    /// assert_eq!(LazyLock::force(&PORT), &8000);
    /// assert_eq!(LazyLock::get(&PORT), Some(&8000));
    /// ```
    pub fn force(this: &Self) -> &T {
        this.value.get_or_init(|| {
            let f = this.init.lock().take();
            shield(f.expect(POISONED))
        })
    }

    /// As [`force`](Self::force), for changing the value.
    ///
    /// # Panics
    /// If the closure panics, or did so before.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::LazyLock;
    /// let mut lazy = LazyLock::new(|| 1);
    /// assert_eq!(LazyLock::get(&lazy), None);
    /// assert_eq!(LazyLock::get_mut(&mut lazy), None);
    /// *LazyLock::force_mut(&mut lazy) += 1;
    /// assert_eq!(LazyLock::get(&lazy), Some(&2));
    /// ```
    pub fn force_mut(this: &mut Self) -> &mut T {
        Self::force(this);
        this.value.get_mut().expect("it has just been made")
    }
}

impl<T, F> LazyLock<T, F> {
    /// Returns the value if it has been made. Does not suspend.
    pub fn get(this: &Self) -> Option<&T> {
        this.value.get()
    }

    /// Returns the value, for changing it, if it has been made. Does not suspend.
    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        this.value.get_mut()
    }
}

// A panic while the value is made poisons it; the closure is called only once.
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for LazyLock<T, F> {
    fn deref_mut(&mut self) -> &mut T {
        Self::force_mut(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("LazyLock");
        match self.value.get() {
            Some(value) => out.field(value),
            None => out.field(&format_args!("<uninit>")),
        };
        out.finish()
    }
}
