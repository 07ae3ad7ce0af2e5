//! The item that an arm is to send or put.
#![forbid(unsafe_code)]

use crate::util::dropping::Held;

/// An item, or none, and where it is until it has been sent.
#[derive(Debug)]
pub(crate) enum Item<'a, T> {
    /// The item was made for the arm, and is dropped with it.
    Own(Held<Option<T>>),
    /// The item stays in the caller's `Option`, so that an arm which is made and never tried takes nothing along.
    Of(&'a mut Option<T>),
}

impl<'a, T> Item<'a, T> {
    /// Made from what the macro passes: the item, or the `Option` that holds it.
    pub(crate) fn new(own: Option<T>, home: Option<&'a mut Option<T>>) -> Self {
        home.map_or(Self::Own(Held::new(own)), Self::Of)
    }

    /// The `Option` that holds the item.
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

    /// Drops an item that belongs to the arm alone.
    pub(crate) fn drop_own(&mut self) {
        if let Self::Own(item) = self {
            drop(item.take());
        }
    }
}
