//! Why a `Select` has no operation to tell.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident: $text:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }

        impl Error for $name {}
    )*};
}

errors! {
    /// No operation was ready; of [`Select::try_select`](super::Select::try_select).
    TrySelectError: "no operation was ready";
    /// No operation was ready in that time; of [`Select::select_timeout`](super::Select::select_timeout).
    SelectTimeoutError: "no operation was ready in time";
    /// No operation is ready; of [`Select::try_ready`](super::Select::try_ready).
    TryReadyError: "no operation is ready";
    /// No operation became ready in that time; of [`Select::ready_timeout`](super::Select::ready_timeout).
    ReadyTimeoutError: "no operation became ready in time";
}
