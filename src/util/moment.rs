//! Several numbers as they were at one moment.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

/// The numbers that `look` gives, as they were at one moment. `look` asks one thing after the other whether something
/// holds that never ends once it holds, and gives the numbers of those for which it does. These may become more
/// meanwhile, so a look shows a single moment only if it sees no more than the look before.
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
