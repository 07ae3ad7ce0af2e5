//! Settings by environment variables. One with a value that cannot be read is reported, as its user would take it for
//! one that works.
#![forbid(unsafe_code)]

use super::standard_error;
use std::str::FromStr;

/// The number in the environment variable `name`. `None` if it is not set, or is not a number.
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

/// Whether the environment variable `name` has this value, the only one that it can be set to.
pub(crate) fn is(name: &str, value: &str) -> bool {
    let Some(text) = std::env::var_os(name) else { return false };
    if text != value {
        standard_error::report(format_args!(
            "{name}={text:?} is as if that were not set: it can be set to {value:?}"
        ));
    }
    text == value
}
