//! A type as an address, so that types are compared by one comparison; `TypeId::of` behind a `dyn Any` would be a call.

use std::any::{TypeId, type_name};
use std::ptr::{self, NonNull};
use std::rc::Rc;

/// A type as a value whose address can be compared.
pub(crate) struct TypeMark {
    type_id: fn() -> TypeId,
    type_name: fn() -> &'static str,
    /// Gives up a share of an `Rc` of the type.
    release: unsafe fn(NonNull<()>),
}

/// The mark of each type.
pub(crate) trait HasMark: 'static + Sized {
    const MARK: &'static TypeMark = &TypeMark {
        type_id: TypeId::of::<Self>,
        type_name: type_name::<Self>,
        release: release::<Self>,
    };
}

impl<T: 'static> HasMark for T {}

/// # Safety
/// The address comes from `Rc::<T>::into_raw`, and the share that it stands for is not used again.
unsafe fn release<T>(value: NonNull<()>) {
    // SAFETY: as the caller promises.
    drop(unsafe { Rc::from_raw(value.as_ptr().cast::<T>()) });
}

impl TypeMark {
    /// Whether this is the mark of `T`. If the addresses are equal, it is: each mark has the function that tells its
    /// own type's id, so no two types share one. If they differ, it may be nevertheless.
    #[inline(always)]
    pub(crate) fn is_of<T: 'static>(&'static self) -> bool {
        ptr::eq(self, T::MARK) || (self.type_id)() == TypeId::of::<T>()
    }

    /// Drops the share of an `Rc` of the type that `value` is.
    ///
    /// # Safety
    /// The address comes from `Rc::into_raw` for that type, and the share that it stands for is not used again.
    pub(crate) unsafe fn release(&self, value: NonNull<()>) {
        // SAFETY: as the caller promises; the function is that of the type.
        unsafe { (self.release)(value) };
    }

    /// The name of the type.
    pub(crate) fn name(&self) -> &'static str {
        (self.type_name)()
    }
}

#[cfg(test)]
mod tests {
    use super::HasMark;

    #[test]
    fn a_mark_is_of_its_own_type_only() {
        assert!(u8::MARK.is_of::<u8>());
        assert!(!u8::MARK.is_of::<i8>());
        assert_eq!(<Vec<u8>>::MARK.name(), std::any::type_name::<Vec<u8>>());
    }
}
