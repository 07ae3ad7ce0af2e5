//! Items that a `Select` has received, for the call that asks for them.
#![forbid(unsafe_code)]

use crate::util::lock::Mutex;

/// A `Select` does not know the type of what it receives, and its caller does. So the one leaves the item in the
/// channel and the other takes it out of there, within one call. Several callers may be in such a call at once, and
/// each gets its own item: another's may be older than what this one has received or sent since.
#[derive(Debug)]
pub(crate) struct Hands<T>(Mutex<Vec<(CallId, T)>>);

/// Identifies one such call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId(usize);

impl CallId {
    /// The call that has exclusive use of `own`, whose address identifies it while it lasts.
    pub(crate) fn with<O>(own: &mut O) -> Self {
        Self(std::ptr::from_mut(own).addr())
    }
}

impl<T> Hands<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn put(&self, call: CallId, item: T) {
        self.0.lock().push((call, item));
    }

    pub(crate) fn take(&self, call: CallId) -> Option<T> {
        let mut items = self.0.lock();
        let place = items.iter().position(|(by, _)| *by == call)?;
        Some(items.swap_remove(place).1)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{CallId, Hands};

    #[test]
    fn each_call_gets_its_own() {
        let hands = Hands::new();
        let mut owns = [1u8, 2, 3];
        let calls = owns.each_mut().map(CallId::with);
        for (number, call) in calls.iter().enumerate() {
            hands.put(*call, number);
        }
        assert_eq!([1, 0, 2].map(|number| hands.take(calls[number])), [Some(1), Some(0), Some(2)]);
        assert_eq!(hands.take(calls[0]), None);
    }
}
