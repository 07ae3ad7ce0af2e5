//! What the environment sets. A setting that cannot be read is told of, as it would be taken for one that works.
#![forbid(unsafe_code)]

use super::standard_error;
use std::str::FromStr;

/// The number in the environment variable `name`, if it is there and one.
pub(crate) fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var_os(name)?;
    let number = text.to_str().and_then(|text| text.trim().parse().ok());
    if number.is_none() {
        standard_error::report(format_args!(
            "{name}={text:?} is not a number that it can be set to: it is as if that were not set"
        ));
    }
    number
}

/// Whether the environment variable `name` has the only value that it knows.
pub(crate) fn is(name: &str, value: &str) -> bool {
    let Some(text) = std::env::var_os(name) else { return false };
    if text != value {
        standard_error::report(format_args!(
            "{name}={text:?} is as if that were not set: it can be set to {value:?}"
        ));
    }
    text == value
}
