//! A value that is set once.
//!
//! | state of `once` | who may touch the value |
//! |---|---|
//! | not done, not running | nobody; there is none |
//! | running | the one closure that runs, which writes it |
//! | done | everybody, by `&T`; whoever has the `OnceLock` by `&mut` or by value, in the same way |

use crate::sync::once::Once;
use crate::util::dropping::Held;
use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;

/// A value that is set once and read by everybody from then on, as [`std::sync::OnceLock`].
///
/// Those who need the value while another thread makes it wait for that. If making it panics or is killed, the next one makes it.
/// std's own is better where making the value never waits.
///
/// # Examples
/// ```
/// use greenthread::sync::OnceLock;
/// static NAME: OnceLock<String> = OnceLock::new();
/// assert_eq!(NAME.get(), None);
/// assert_eq!(NAME.get_or_init(|| "first".to_string()), "first");
/// assert_eq!(NAME.set("second".to_string()), Err("second".to_string()));
///
/// // Others can wait for it.
/// static PORT: OnceLock<u16> = OnceLock::new();
/// let waits = greenthread::spawn(|| *PORT.wait());
/// PORT.set(80).unwrap();
/// assert_eq!(waits.join().unwrap(), 80);
/// ```
pub struct OnceLock<T> {
    once: Once,
    /// `Some` exactly when `once` is done.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: shared references go to several threads (`Sync`), and the thread that sets the value need not be the one that
// drops it (`Send`).
unsafe impl<T: Sync + Send> Sync for OnceLock<T> {}

impl<T: std::panic::RefUnwindSafe + std::panic::UnwindSafe> std::panic::RefUnwindSafe
    for OnceLock<T>
{
}
impl<T: std::panic::UnwindSafe> std::panic::UnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Makes one that has no value yet.
    pub const fn new() -> Self {
        Self { once: Once::new(), value: UnsafeCell::new(None) }
    }

    /// The value, if it is set. Does not suspend.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.once.is_completed() {
            // SAFETY: it is done, so from here on nobody writes except through `&mut self`.
            unsafe { &*self.value.get() }.as_ref()
        } else {
            None
        }
    }

    /// The value, if it is set.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Waits until the value is set, and returns it. Suspends a green thread, blocks an OS thread.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::OnceLock;
    ///
    /// static ADDRESS: OnceLock<String> = OnceLock::new();
    /// let client = greenthread::spawn(|| ADDRESS.wait().clone());
    /// assert!(ADDRESS.set("127.0.0.1:80".to_string()).is_ok());
    /// assert_eq!(client.join().unwrap(), "127.0.0.1:80");
    /// ```
    pub fn wait(&self) -> &T {
        self.once.wait_force();
        self.present()
    }

    /// Sets the value; if another thread is setting it, waits for that. Suspends a green thread meanwhile, blocks an OS thread.
    ///
    /// # Errors
    /// `value` itself, if there is a value already.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::OnceLock;
    ///
    /// let name = OnceLock::new();
    /// assert_eq!(name.set("first"), Ok(()));
    /// assert_eq!(name.set("second"), Err("second"));
    /// assert_eq!(name.get(), Some(&"first"));
    /// ```
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Held::new(Some(value));
        self.get_or_init(|| match value.take() {
            Some(value) => value,
            None => unreachable!("a closure that runs once"),
        });
        value.into_inner().map_or(Ok(()), Err)
    }

    /// Returns the value; `f` makes it if there is none. If another thread is making it, waits for that: suspends a green thread,
    /// blocks an OS thread. `f` must not use the same `OnceLock`: that waits for ever.
    ///
    /// # Panics
    /// If `f` does.
    ///
    /// # Examples
    /// Others that need it meanwhile wait, and do not make it a second time:
    /// ```
    /// use greenthread::sync::{OnceLock, atomic::{AtomicUsize, Ordering}};
    ///
    /// let (config, reads) = (OnceLock::new(), AtomicUsize::new(0));
    /// greenthread::scope(|s| {
    ///     for _ in 0..3 {
    ///         s.spawn(|| {
    ///             let config = config.get_or_init(|| {
    ///                 greenthread::yield_now(); // it is read from somewhere
    ///                 reads.fetch_add(1, Ordering::SeqCst);
    ///                 "config"
    ///             });
    ///             assert_eq!(*config, "config");
    ///         });
    ///     }
    /// });
    /// assert_eq!(reads.into_inner(), 1);
    /// ```
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        match self.get_or_try_init(|| Ok::<T, Infallible>(f())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_init`](Self::get_or_init), with an `f` that may fail: then there is still no value, and the next one makes it.
    /// As the method of the crate once_cell, and std's unstable one.
    ///
    /// # Errors
    /// The error of `f`.
    ///
    /// # Panics
    /// If `f` does.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::OnceLock;
    /// let port: OnceLock<u16> = OnceLock::new();
    /// assert!(port.get_or_try_init(|| "none".parse()).is_err());
    /// assert_eq!(port.get_or_try_init(|| "80".parse()), Ok(&80));
    /// ```
    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        self.once.call(true, |_| {
            let value = f()?;
            // SAFETY: running, so nobody else touches the value.
            unsafe { *self.value.get() = Some(value) };
            Ok(())
        })?;
        Ok(self.present())
    }

    fn present(&self) -> &T {
        match self.get() {
            Some(value) => value,
            None => unreachable!("done, so there is a value"),
        }
    }

    /// The value, if it is set.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out; afterwards there is none.
    ///
    /// # Examples
    /// To have it made anew; [`get_mut`](Self::get_mut) changes it where it is:
    /// ```
    /// use greenthread::sync::OnceLock;
    ///
    /// let mut cached = OnceLock::from(1);
    /// *cached.get_mut().unwrap() += 1;
    /// assert_eq!(cached.take(), Some(2));
    /// assert_eq!(*cached.get_or_init(|| 3), 3);
    /// assert_eq!(cached.into_inner(), Some(3));
    /// ```
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        let lock = Self::new();
        let _ = lock.set(value);
        lock
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> Self {
        self.get().map_or_else(Self::new, |value| Self::from(value.clone()))
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("OnceLock");
        match self.get() {
            Some(value) => out.field(value),
            None => out.field(&format_args!("<uninit>")),
        };
        out.finish()
    }
}
