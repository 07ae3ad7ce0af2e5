//! Why a `Select` returns no operation.
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
    /// The error of [`Select::try_select`](super::Select::try_select): no operation was ready.
    TrySelectError: "no operation was ready";
    /// The error of [`Select::select_timeout`](super::Select::select_timeout): no operation was ready in that time.
    SelectTimeoutError: "no operation was ready in time";
    /// The error of [`Select::try_ready`](super::Select::try_ready): no operation is ready.
    TryReadyError: "no operation is ready";
    /// The error of [`Select::ready_timeout`](super::Select::ready_timeout): no operation became ready in that time.
    ReadyTimeoutError: "no operation became ready in time";
}
