//! What an arm is to send or put.
#![forbid(unsafe_code)]

use crate::util::dropping::Held;

/// An item, or none, and where it is as long as it has not been sent.
#[derive(Debug)]
pub(crate) enum Item<'a, T> {
    /// It was made for the arm, and goes with it.
    Own(Held<Option<T>>),
    /// It stays in the caller's `Option`: even an arm that is made and never tried takes nothing along.
    Of(&'a mut Option<T>),
}

impl<'a, T> Item<'a, T> {
    /// From what the macro gives: the item, or the `Option` that it is in.
    pub(crate) fn new(own: Option<T>, home: Option<&'a mut Option<T>>) -> Self {
        home.map_or(Self::Own(Held::new(own)), Self::Of)
    }

    /// The `Option` that it is in.
    pub(crate) fn place(&mut self) -> &mut Option<T> {
        match self {
            Self::Own(item) => item,
            Self::Of(item) => item,
        }
    }

    pub(crate) fn is_some(&self) -> bool {
        match self {
            Self::Own(item) => item.is_some(),
            Self::Of(item) => item.is_some(),
        }
    }

    /// Drops an item that nobody has but the arm.
    pub(crate) fn drop_own(&mut self) {
        if let Self::Own(item) = self {
            drop(item.take());
        }
    }
}
