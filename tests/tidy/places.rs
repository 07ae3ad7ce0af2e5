//! What is done in one place only, so that simulated time, repeated runs and the like have one place to stand.

use super::sources;

/// What code says, the file that may say it, and what everything else calls.
const PLACES: &[(&str, &str, &str)] = &[
    ("Instant::now", "sys/clock.rs", "`clock::now`"),
    ("SystemTime::now", "sys/clock.rs", "`clock::date`"),
    (".elapsed()", "sys/clock.rs", "`clock::since`"),
    ("_rdtsc", "sys/clock.rs", "`clock::ticks`"),
    ("RandomState::new", "sys/random.rs", "`random::Numbers` or `secret::secret`"),
    ("getrandom", "sys/secret.rs", "`secret::secret`"),
];

fn out_of_place(file: &str, code: &str) -> Vec<String> {
    let said = PLACES.iter().filter(|(what, place, _)| file != *place && code.contains(what));
    said.map(|(what, _, instead)| format!("src/{file}: `{what}`, which {instead} stands for"))
        .collect()
}

#[test]
fn what_time_it_is_and_what_is_random_is_asked_in_one_place() {
    let wrong: Vec<_> = sources()
        .iter()
        .filter(|(file, _)| !file.ends_with("sync/stress.rs"))
        .flat_map(|(file, code)| out_of_place(file, code))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_rule_of_places_can_fail() {
    assert_eq!(out_of_place("io/wait.rs", "Some(Instant::now())").len(), 1);
    assert_eq!(out_of_place("io/wait.rs", "begun.elapsed() < Duration::ZERO").len(), 1);
    assert_eq!(out_of_place("sys/clock.rs", "Instant::now()"), [""; 0]);
    assert_eq!(out_of_place("io/wait.rs", "Some(clock::now())"), [""; 0]);
}
