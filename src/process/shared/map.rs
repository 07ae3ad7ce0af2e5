//! A map between processes.
#![forbid(unsafe_code)]

use super::link::{Link, decode, encode, handle};
use super::object::{self, ask, told};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

/// A small map of many processes, as the `dict` of Python's `Manager`: see [`shared`](super). Two keys are the same if they
/// are encoded the same way.
///
/// All operations fail with `ConnectionAborted` where the process that has it has ended, with `InvalidInput` for what cannot
/// be encoded, and with `InvalidData` for what cannot be decoded.
pub struct Map<K, V> {
    link: Arc<Link>,
    of: PhantomData<fn(K, V)>,
}

handle!(Map<K, V>);

impl<K, V> Map<K, V> {
    /// Makes one in this process. Suspends.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
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
    pub fn new() -> io::Result<Self> {
        Ok(Self::of(Link::make(object::MAP, 0, 0)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link, of: PhantomData }
    }
}

impl<K: Serialize, V: Serialize + DeserializeOwned> Map<K, V> {
    /// Inserts a value; returns what was there under that key.
    ///
    /// # Errors
    /// See [`Map`].
    pub fn insert(&self, key: &K, value: &V) -> io::Result<Option<V>> {
        let (key, value) = (encode(key)?, encode(value)?);
        self.ask(ask::INSERT, &[&(key.len() as u64).to_le_bytes(), &key, &value])
    }

    /// The value under a key.
    ///
    /// # Errors
    /// See [`Map`].
    pub fn get(&self, key: &K) -> io::Result<Option<V>> {
        self.ask(ask::LOOK_UP, &[&encode(key)?])
    }

    /// Takes a value away, and returns it.
    ///
    /// # Errors
    /// See [`Map`].
    pub fn remove(&self, key: &K) -> io::Result<Option<V>> {
        self.ask(ask::REMOVE, &[&encode(key)?])
    }

    fn ask(&self, what: u8, with: &[&[u8]]) -> io::Result<Option<V>> {
        match self.link.ask(what, super::link::Patience::None, with)? {
            (told::NOTHING, _) => Ok(None),
            (_, bytes) => decode(&bytes).map(Some),
        }
    }
}

impl<K: DeserializeOwned, V: DeserializeOwned> Map<K, V> {
    /// All that is in it at one moment, in the order of the encoded keys.
    ///
    /// # Errors
    /// See [`Map`].
    pub fn items(&self) -> io::Result<Vec<(K, V)>> {
        let items: Vec<(Vec<u8>, Vec<u8>)> = decode(&self.link.ask_now(ask::ITEMS, &[])?)?;
        items.iter().map(|(key, value)| Ok((decode(key)?, decode(value)?))).collect()
    }
}
