//! A map that processes share.
#![forbid(unsafe_code)]

use super::connection::{ask, decode, encode, told};
use super::link::{Answer, HowLong, Link, handle};
use super::object;
use super::pins::UnderWay;
use crate::thread::shield;
use crate::util::dropping::Held;
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

/// A small map that many processes share, as the `dict` of Python's `Manager`. See [`shared`](super). Two keys are the
/// same if they are encoded in the same way.
///
/// # Errors
/// All operations suspend, and fail with [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the process that
/// made the map has ended, [`InvalidInput`](io::ErrorKind::InvalidInput) for a key or a value that cannot be encoded,
/// [`InvalidData`](io::ErrorKind::InvalidData) for one that cannot be decoded; or with too many open files.
///
/// # Examples
/// ```
/// use greenthread::process::shared::Map;
///
/// let map = Map::new()?;
/// map.insert(&"one".to_string(), &1)?;
/// assert_eq!(map.insert(&"one".to_string(), &2)?, Some(1));
/// assert_eq!(map.get(&"one".to_string())?, Some(2));
/// assert_eq!(map.items()?, [("one".to_string(), 2)]);
/// assert_eq!(map.remove(&"one".to_string())?, Some(2));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "Manager")]
#[doc(alias = "dict")]
pub struct Map<K, V> {
    link: Arc<Link>,
    of: PhantomData<fn(K, V)>,
}

handle!(Map<K, V>);

impl<K, V> Map<K, V> {
    /// Makes a map that lives in this process, and is empty. Suspends.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`), or no room for the OS thread that serves shared objects.
    pub fn new() -> io::Result<Self> {
        Ok(Self::of(Link::make(object::MAP, 0, 0)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link, of: PhantomData }
    }
}

impl<K: Serialize, V: Serialize + DeserializeOwned> Map<K, V> {
    /// Inserts a value under a key, and returns the one that was there before. Suspends.
    ///
    /// # Errors
    /// As for all operations of a [`Map`]. If the old value cannot be decoded, the new one is there all the same. After a kill or a
    /// timeout it may be there, or not.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Map;
    ///
    /// let found = Map::<String, u32>::new()?;
    /// assert_eq!(found.insert(&"a".to_string(), &1)?, None);
    /// assert_eq!(found.insert(&"a".to_string(), &2)?, Some(1));
    /// assert_eq!(found.get(&"b".to_string())?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn insert(&self, key: &K, value: &V) -> io::Result<Option<V>> {
        let (encoded, handles) =
            UnderWay::noted(|| Ok::<_, io::Error>((encode(key)?, encode(value)?)));
        let (key, value) = encoded?;
        let parts: [&[u8]; 3] = [&(key.len() as u64).to_le_bytes(), &key, &value];
        let answer = self.link.put_in(ask::INSERT, HowLong::None, &parts, &handles);
        drop(handles);
        // It is shielded, as decoding a handle waits, and the map does not have the old value any more.
        shield(|| Self::value(answer?))
    }

    /// The value under a key. Suspends.
    ///
    /// # Errors
    /// As for all operations of a [`Map`].
    pub fn get(&self, key: &K) -> io::Result<Option<V>> {
        Self::value(self.ask(ask::LOOK_UP, key)?)
    }

    /// Removes the value under a key, and returns it. Suspends.
    ///
    /// # Errors
    /// As for all operations of a [`Map`]. A value that cannot be decoded is removed all the same. After a kill or a timeout it may
    /// have been removed, or not.
    pub fn remove(&self, key: &K) -> io::Result<Option<V>> {
        let answer = self.ask(ask::REMOVE, key)?;
        // It is shielded, as in `insert`.
        shield(|| Self::value(answer))
    }

    fn ask(&self, what: u8, key: &K) -> io::Result<Answer<'_>> {
        let (key, handles) = UnderWay::noted(|| encode(key));
        let answer = self.link.ask(what, HowLong::None, &[&key?]);
        drop(handles);
        answer
    }

    fn value(answer: Answer<'_>) -> io::Result<Option<V>> {
        if answer.kind == told::NOTHING {
            answer.done();
            return Ok(None);
        }
        answer.decode().map(Some)
    }
}

impl<K: DeserializeOwned, V: DeserializeOwned> Map<K, V> {
    /// All keys and values at one moment, in the order of the encoded keys. Suspends.
    ///
    /// # Errors
    /// As for all operations of a [`Map`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Map;
    ///
    /// let squares = Map::new()?;
    /// for n in 1..=3u32 {
    ///     squares.insert(&n, &(n * n))?;
    /// }
    /// squares.remove(&2)?;
    /// assert_eq!(squares.items()?, [(1, 1), (3, 9)]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn items(&self) -> io::Result<Vec<(K, V)>> {
        let answer = self.link.ask(ask::ITEMS, HowLong::None, &[])?;
        let decoded = answer.decode_by(|bytes| {
            let items: Vec<(Vec<u8>, Vec<u8>)> = decode(bytes)?;
            let decoded = items.iter().map(|(key, value)| -> io::Result<(Held<K>, Held<V>)> {
                Ok((Held::new(decode(key)?), Held::new(decode(value)?)))
            });
            decoded.collect::<io::Result<Vec<_>>>()
        })?;
        Ok(decoded.into_iter().map(|(key, value)| (key.into_inner(), value.into_inner())).collect())
    }
}
