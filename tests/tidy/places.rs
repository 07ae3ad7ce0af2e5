//! What is done in one place only, so that simulated time, repeated runs, other locks and the like have one place to stand.

use super::{sources, texts, without_tests};

/// What code says, the file that may say it, and what everything else calls.
const PLACES: &[(&str, &str, &str)] = &[
    ("Instant::now", "sys/clock.rs", "`clock::now`"),
    ("SystemTime::now", "sys/clock.rs", "`clock::date`"),
    (".elapsed()", "sys/clock.rs", "`clock::since`"),
    ("_rdtsc", "sys/clock.rs", "`clock::ticks`"),
    ("RandomState::new", "sys/random.rs", "`random::Numbers` or `secret::secret`"),
    ("getrandom", "sys/secret.rs", "`secret::secret`"),
    // Other libraries' own are locked while they are printed, to whatever the user writes to; and what waits for parking_lot's stays in
    // a table that a forked child inherits.
    ("rustix_futex_sync::", "util/lock.rs", "`util::lock`"),
    ("parking_lot::", "util/lock.rs", "`util::lock`"),
    ("lock_api::", "util/lock.rs", "`util::lock`"),
];

fn out_of_place(file: &str, code: &str) -> Vec<String> {
    let said = PLACES.iter().filter(|(what, place, _)| file != *place && code.contains(what));
    said.map(|(what, _, instead)| format!("src/{file}: `{what}`, which {instead} stands for"))
        .collect()
}

#[test]
fn time_random_numbers_and_locks_for_moments_come_from_one_place_each() {
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
    assert_eq!(out_of_place("io/wait.rs", "use parking_lot::Mutex;").len(), 1);
    assert_eq!(out_of_place("sys/clock.rs", "Instant::now()"), [""; 0]);
    assert_eq!(out_of_place("io/wait.rs", "Some(clock::now())"), [""; 0]);
}

/// Files where a feature decides within code, and why it cannot be a file of its own.
const DECIDING: &[(&str, &str)] =
    &[("sys/process.rs", "which signal is the library's own is one bit of a mask")];

/// The lines on which a feature decides about something else than a module, and what a `mod.rs` passes on of it.
fn deciding(file: &str, text: &str) -> Vec<String> {
    let mut lines = without_tests(text).lines().map(str::trim_start);
    let mut wrong = Vec::new();
    while let Some(line) = lines.next() {
        let asks = ["#[cfg(", "#[cfg_attr(", "cfg!("].iter().any(|cfg| line.contains(cfg));
        if !asks || !line.contains("feature =") || line.starts_with("#[cfg_attr(docsrs") {
            continue;
        }
        let item = lines.clone().find(|line| !line.starts_with("#[")).unwrap_or_default();
        let mut words = item.split_whitespace();
        let about_module =
            words.any(|word| word == "mod" || (word == "use" && file.ends_with("mod.rs")));
        if line.contains("cfg!(") || !about_module {
            wrong.push(format!("src/{file}: `{line}`"));
        }
    }
    wrong
}

#[test]
fn features_decide_about_modules_only() {
    let is_excused = |file: &str| DECIDING.iter().any(|(excused, _)| *excused == file);
    let texts = texts();
    let wrong: Vec<_> = texts.iter().map(|(file, text)| (file, deciding(file, text))).collect();
    for (file, _) in DECIDING {
        let needed = wrong.iter().any(|(other, lines)| other == file && !lines.is_empty());
        assert!(needed, "an exception that nothing needs: {file}");
    }
    let wrong: Vec<_> = wrong
        .into_iter()
        .filter(|(file, _)| !is_excused(file))
        .flat_map(|(_, lines)| lines)
        .collect();
    assert!(
        wrong.is_empty(),
        "what a feature adds is a file of its own, with a twin where it is missed:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_rule_of_features_can_fail() {
    let in_code = "    #[cfg(feature = \"monkey\")]\n    fn retire() {}";
    assert_eq!(deciding("lane/source.rs", in_code).len(), 1);
    assert_eq!(deciding("lane/source.rs", "if cfg!(feature = \"monkey\") {}").len(), 1);
    assert_eq!(deciding("wait/park.rs", "#[cfg(feature = \"monkey\")]\nuse a::b;").len(), 1);
    let module = "#[cfg(feature = \"monkey\")]\npub(crate) mod patched;";
    assert_eq!(deciding("wait/mod.rs", module), [""; 0]);
    let passed_on = "#[cfg(feature = \"monkey\")]\npub(crate) use enabled::check;";
    assert_eq!(deciding("rival/mod.rs", passed_on), [""; 0]);
}
