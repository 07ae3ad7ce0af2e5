//! Unmodified blocking code on patched green threads. Patching is for the whole process, so this is a binary of its own; all
//! tests run patched.

mod before;
mod cancel;
mod cases;
mod children;
mod close;
mod close_race;
mod connections;
mod culprits;
mod files;
mod futexes;
mod glances;
mod hostile;
mod kills;
mod libraries;
mod locks;
mod must_block;
mod names;
mod processes;
mod signals;
mod sockets;
mod unseen;
mod waits;

use cases::{LIMIT, join_all, on, patch, waits};

/// Lets others run until that has happened once more.
fn until_waits_exceed(name: &str, before: u64) {
    while waits(name) == before {
        greenthread::yield_now();
    }
}

#[test]
fn each_row_of_the_documentation_names_tests_that_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = std::fs::read_to_string(root.join("tests/monkey_allocator.rs")).unwrap();
    for folder in ["tests/monkey", "tests/patched"] {
        for entry in root.join(folder).read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                tests += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let rows = include_str!("../../src/monkey/mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "));
    let cells = rows.skip(1).map(|row| row.trim_end_matches('|').rsplit('|').next().unwrap());
    let mut named = 0;
    for test in cells.flat_map(|cell| cell.split('`')).filter(|word| word.contains('_')) {
        assert!(tests.contains(&format!("fn {test}()")), "there is no test {test}");
        named += 1;
    }
    assert!(named > 40, "only {named}");
}
