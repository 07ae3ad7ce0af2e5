//! Seeing several things at one moment.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

/// The numbers that `look` gives, all of one moment. It looks at one thing after the other for something that, once it holds, holds for
/// ever. Others may come to it meanwhile: only a look that sees no more than the one before shows a single moment.
pub(crate) fn at_one_moment(look: impl Fn() -> VecDeque<usize>) -> VecDeque<usize> {
    let mut seen = VecDeque::new();
    loop {
        let again = look();
        if again.len() == seen.len() {
            return again;
        }
        seen = again;
    }
}
