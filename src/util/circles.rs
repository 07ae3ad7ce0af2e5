//! The circles of a graph in which at most one way leads on from each place.
#![forbid(unsafe_code)]

/// `next` says to which place the way from each place leads. Returns each circle once, in the order of its way; a place
/// that leads to itself is one.
pub(crate) fn circles(next: &[Option<usize>]) -> Vec<Vec<usize>> {
    const NEVER: usize = usize::MAX;
    let mut circles = Vec::new();
    let mut walked_from = vec![NEVER; next.len()];
    for from in 0..next.len() {
        let (mut at, mut path) = (Some(from), Vec::new());
        while let Some(here) = at.filter(|here| walked_from[*here] == NEVER) {
            walked_from[here] = from;
            path.push(here);
            at = next[here];
        }
        // This very walk has come back to where it was before.
        if let Some(begin) = at.and_then(|here| path.iter().position(|it| *it == here)) {
            circles.push(path.split_off(begin));
        }
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::circles;

    #[test]
    fn each_circle_is_found_once_and_what_leads_there_is_no_part_of_it() {
        let ways = [Some(1), Some(2), Some(0), Some(1), None, Some(4), Some(6), Some(3)];
        assert_eq!(circles(&ways), [vec![0, 1, 2], vec![6]]);
        assert!(circles(&[]).is_empty() && circles(&[None, Some(0)]).is_empty());
        assert_eq!(circles(&[Some(2), Some(0), Some(1)]), [[0, 2, 1]]);
    }
}
