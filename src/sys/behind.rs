//! Sockets and files of std's behind types of our own.
#![forbid(unsafe_code)]

/// A type of std's behind one of our own: for each method of std's the kind of call, and how it reads.
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
            /// A second descriptor of the same.
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
