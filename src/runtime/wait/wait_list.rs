//! Those who wait for one thing, first come, first served.
//!
//! It is a doubly linked list inside a vector. A waiter that gives up leaves from the middle in constant time, and
//! places are used again, so that in the long run a wait allocates nothing. It is a plain data structure: its owner
//! keeps it in a lock, and never parks while holding that.
//!
//! An entry that is still in the list has not been served. That decides what to do when a wait ends by a timeout or a
//! kill: if [`WaitList::remove`] finds the entry, nothing has been handed to it. If not, somebody has served it at the
//! same moment, and it takes what it was handed, or passes that on.
#![forbid(unsafe_code)]

const NIL: u32 = u32::MAX;

/// The place of an entry. One that was removed or served is not found any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Node<T> {
    generation: u32,
    prev: u32,
    /// The next entry in the list, or in the chain of free places.
    next: u32,
    value: Option<T>,
}

/// The list; the text of the module explains it.
#[derive(Debug)]
pub(crate) struct WaitList<T> {
    nodes: Vec<Node<T>>,
    head: u32,
    tail: u32,
    free: u32,
    len: u32,
}

impl<T> Default for WaitList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> WaitList<T> {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), head: NIL, tail: NIL, free: NIL, len: 0 }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head == NIL
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    fn place(&mut self, value: T, prev: u32, next: u32) -> Key {
        self.len += 1;
        if self.free == NIL {
            let index = u32::try_from(self.nodes.len()).expect("fewer than 2^32 waiters");
            self.nodes.push(Node { generation: 0, prev, next, value: Some(value) });
            return Key { index, generation: 0 };
        }
        let index = self.free;
        let node = &mut self.nodes[index as usize];
        self.free = node.next;
        (node.prev, node.next, node.value) = (prev, next, Some(value));
        Key { index, generation: node.generation }
    }

    /// Joins at the end.
    #[inline]
    pub(crate) fn push_back(&mut self, value: T) -> Key {
        let key = self.place(value, self.tail, NIL);
        match self.tail {
            NIL => self.head = key.index,
            tail => self.nodes[tail as usize].next = key.index,
        }
        self.tail = key.index;
        key
    }

    /// Joins in front of all others: for a waiter that was served in vain and keeps its turn.
    pub(crate) fn push_front(&mut self, value: T) -> Key {
        let key = self.place(value, NIL, self.head);
        match self.head {
            NIL => self.tail = key.index,
            head => self.nodes[head as usize].prev = key.index,
        }
        self.head = key.index;
        key
    }

    #[inline]
    fn unlink(&mut self, index: u32) -> Option<T> {
        let node = &mut self.nodes[index as usize];
        let value = node.value.take()?;
        let (prev, next) = (node.prev, node.next);
        node.generation = node.generation.wrapping_add(1);
        node.next = self.free;
        self.free = index;
        self.len -= 1;
        match prev {
            NIL => self.head = next,
            prev => self.nodes[prev as usize].next = next,
        }
        match next {
            NIL => self.tail = prev,
            next => self.nodes[next as usize].prev = prev,
        }
        Some(value)
    }

    /// Serves the first entry: takes it out.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        if self.head == NIL { None } else { self.unlink(self.head) }
    }

    /// The first entry, which stays in the list.
    pub(crate) fn front(&self) -> Option<&T> {
        self.nodes.get(self.head as usize)?.value.as_ref()
    }

    /// The entry, if it has not been served.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let node = self.nodes.get_mut(key.index as usize)?;
        if node.generation == key.generation { node.value.as_mut() } else { None }
    }

    /// Takes an entry back; `None` if it has been served.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        self.unlink(key.index)
    }

    /// The entries in order, with their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            let key = Key { index: at, generation: node.generation };
            at = node.next;
            Some((key, node.value.as_ref()?))
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::WaitList;

    #[test]
    fn first_come_first_served_and_leaving_from_anywhere() {
        let mut list = WaitList::new();
        let keys: Vec<_> = (0..5).map(|i| list.push_back(i)).collect();
        assert_eq!(list.remove(keys[2]), Some(2));
        assert_eq!(list.remove(keys[2]), None, "it has left already");
        assert_eq!(list.remove(keys[4]), Some(4));
        assert_eq!(list.pop_front(), Some(0));
        assert_eq!(list.remove(keys[0]), None, "it has been served");
        let again = list.push_back(6);
        list.push_front(7);
        assert_eq!(list.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [7, 1, 3, 6]);
        assert_eq!((list.len(), list.front()), (4, Some(&7)));
        assert_eq!(list.remove(again), Some(6));
        assert_eq!(
            [list.pop_front(), list.pop_front(), list.pop_front()],
            [Some(7), Some(1), Some(3)]
        );
        assert!(list.pop_front().is_none() && list.is_empty());
        assert_eq!(list.nodes.len(), 5, "places are used again");
    }

    #[test]
    fn agrees_with_a_vector() {
        let (mut list, mut model) = (WaitList::new(), Vec::new());
        let mut seed = 7u64;
        for i in 0..20_000u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match (seed >> 33) % 5 {
                0 | 1 => model.push((list.push_back(i), i)),
                2 => model.insert(0, (list.push_front(i), i)),
                3 if !model.is_empty() => {
                    let (key, value) = model.remove((seed >> 40) as usize % model.len());
                    assert_eq!(list.remove(key), Some(value));
                }
                _ => {
                    let first = (!model.is_empty()).then(|| model.remove(0).1);
                    assert_eq!(list.pop_front(), first);
                }
            }
            assert_eq!(list.len(), model.len());
        }
        assert!(list.iter().map(|(_, value)| value).eq(model.iter().map(|(_, value)| value)));
    }
}
