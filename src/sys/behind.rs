//! Sockets and files: types of std's wrapped in types of our own, so that each call asks [`fault`](super::fault) first.
#![forbid(unsafe_code)]

/// Wraps a type of std's. The list has a line for each method: the kind of call it makes, and its signature.
macro_rules! behind {
    ($name:ident, $std:ty: $($call:ident $method:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::os::fd::AsFd for $name {
            #[inline]
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl From<$std> for $name {
            fn from(inner: $std) -> Self {
                Self(inner)
            }
        }

        impl From<$name> for $std {
            fn from(own: $name) -> Self {
                own.0
            }
        }

        impl $name {
            /// A second descriptor of the same object.
            pub(crate) fn try_clone(&self) -> std::io::Result<Self> {
                fault::check(Syscall::Dup)?;
                self.0.try_clone().map(Self)
            }

            $(
                pub(crate) fn $method(&self $(, $arg: $type)*) -> std::io::Result<$result> {
                    fault::check(Syscall::$call)?;
                    self.0.$method($($arg),*)
                }
            )*
        }
    };
}

/// As [`behind`], for a socket that transfers data.
macro_rules! transfers {
    ($name:ident, $std:ty: $($rest:tt)*) => {
        behind! { $name, $std:
            SetSockOpt set_read_timeout(timeout: Option<std::time::Duration>) -> ();
            SetSockOpt set_write_timeout(timeout: Option<std::time::Duration>) -> ();
            GetSockOpt read_timeout() -> Option<std::time::Duration>;
            GetSockOpt write_timeout() -> Option<std::time::Duration>;
            GetSockOpt take_error() -> Option<std::io::Error>;
            $($rest)*
        }
    };
}

pub(super) use {behind, transfers};
