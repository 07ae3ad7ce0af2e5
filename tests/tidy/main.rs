//! Rules of the house that a compiler does not check: no layer uses one above it, and `unsafe` stays where it belongs.
#![forbid(unsafe_code)]

mod door;
mod examples;
mod faults;
mod features;
mod graph;
mod names;
mod places;

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `src` with their heights. A folder uses what is lower or equally high, never what is higher.
const LAYERS: &[(&str, u32)] = &[
    ("util", 0),
    ("sys", 0),
    ("stack", 10),
    ("coroutine", 11),
    ("greenlet", 12),
    ("generator", 12),
    ("runtime", 20),
    ("thread", 21),
    ("sync", 30),
    ("queue", 30),
    ("io", 40),
    ("net", 40),
    ("os", 40),
    ("fs", 40),
    ("future", 40),
    ("process", 40),
    ("signal", 40),
    ("pool", 50),
    ("executor", 50),
    ("server", 50),
    ("inspect", 50),
    ("metrics", 50),
    ("tracing", 50),
    ("opentelemetry", 50),
    ("monkey", 60),
];

/// Uses of something higher that are meant to be: the file, what it uses, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Where `unsafe` may be; everything else forbids it.
const UNSAFE_FOLDERS: &[&str] = &[
    "util/",
    "sys/",
    "stack/",
    "coroutine/",
    "runtime/task/",
    "runtime/lane/current.rs",
    "runtime/hub/current.rs",
    "runtime/wait/scope.rs",
    "runtime/wait/outgoing/",
    "sync/cell/",
    "os/fd.rs",
    "os/unix/process.rs",
    "monkey/",
];

/// What is code in a `mod.rs`, which has documentation, modules and what they pass on.
fn code_in_mod(file: &str, code: &str) -> Option<String> {
    let items = ["fn", "struct", "enum", "impl", "trait", "static", "macro_rules"];
    let found = |word: &str| items.contains(&word);
    (file.ends_with("mod.rs") && code.split(|char| !is_word(char)).any(found))
        .then(|| format!("src/{file}: has code; it goes into a file with a name"))
}

#[test]
fn a_mod_file_has_no_code() {
    let wrong: Vec<_> =
        sources().iter().filter_map(|(file, code)| code_in_mod(file, code)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// How long a file may be, without its unit tests and its documentation.
const LINES: usize = 450;

/// Files that are longer, with how long they may be: such a file only gets shorter.
const LONGER: &[(&str, usize)] = &[];

/// The text without the unit tests, which come last in a file and may use whatever they like.
fn without_tests(text: &str) -> &str {
    let begins = |at: usize| {
        let module = text[at..].lines().find(|line| line.starts_with("mod "));
        module.is_some_and(|line| !line.ends_with(';'))
    };
    let places = ["\n#[cfg(test)]\nmod ", "\n#[cfg(all(test"].into_iter();
    let tests = places.flat_map(|tests| text.match_indices(tests)).map(|(at, _)| at);
    &text[..tests.filter(|at| begins(*at)).min().unwrap_or(text.len())]
}

/// The text without comments, literals, and the unit tests.
fn code_of(text: &str) -> String {
    let text = without_tests(text);
    let mut code = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('/', Some('/')) => {
                chars.by_ref().find(|&char| char == '\n');
                code.push('\n');
            }
            ('/', Some('*')) => {
                let mut last = ' ';
                chars
                    .by_ref()
                    .find(|&char| std::mem::replace(&mut last, char) == '*' && char == '/');
            }
            ('"', _) => {
                while let Some(char) = chars.next() {
                    match char {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                code.push_str("\"\"");
            }
            // A quotation mark as a character would open a string here.
            ('\'', Some('"' | '\\')) => {
                chars.next();
                chars.by_ref().find(|&char| char == '\'');
            }
            _ => code.push(char),
        }
    }
    code
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The names at the start of the paths in `rest`: one, or those of a group in braces.
fn first_names(rest: &str) -> Vec<&str> {
    let word = |text: &'_ str| text.find(|char| !is_word(char)).unwrap_or(text.len());
    let rest = rest.trim_start();
    let Some(group) = rest.strip_prefix('{') else { return vec![&rest[..word(rest)]] };
    let (mut depth, mut start, mut names) = (1, 0, Vec::new());
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && char == ',') {
            let path = group[start..at].trim();
            names.extend((!path.is_empty()).then(|| &path[..word(path)]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// What a file uses from the top of the crate, by `crate::` or by enough `super::`.
fn uses<'a>(file: &str, code: &'a str) -> Vec<&'a str> {
    let module = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = module.split('/').count();
    let mut found = Vec::new();
    for root in ["crate::".to_string(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&root) {
            let before = &code[..at];
            if !before.ends_with(is_word) && !before.ends_with(':') {
                found.extend(first_names(&code[at + root.len()..]));
            }
        }
    }
    found
}

fn height(folder: &str) -> Option<u32> {
    LAYERS.iter().find(|(name, _)| *name == folder).map(|(_, height)| *height)
}

/// The upward uses of one file, exceptions included: what is used, and what is wrong with it.
fn upward<'a>(file: &str, code: &'a str) -> Vec<(&'a str, String)> {
    let folder = file.split(['/', '.']).next().unwrap_or(file);
    let Some(own) = height(folder) else {
        return vec![(
            "",
            format!("src/{file}: the folder has no place in LAYERS of tests/tidy/main.rs"),
        )];
    };
    let mut wrong = Vec::new();
    for used in uses(file, code) {
        let why = match height(used) {
            Some(height) if height <= own => continue,
            // The root has exported macros only, whichever folder they are in.
            None if used.starts_with("__") || used == "green_local" => continue,
            Some(_) => format!("src/{file}: uses `crate::{used}`, which is above it"),
            None => format!("src/{file}: `crate::{used}` is no layer; name the module that has it"),
        };
        wrong.push((used, why));
    }
    wrong
}

/// What is wrong with a file's stance on `unsafe`.
fn unsafety(file: &str, code: &str) -> Option<String> {
    if UNSAFE_FOLDERS.iter().any(|allowed| file.starts_with(allowed)) {
        return None;
    }
    let has = |word: &str| code.split(|char| !is_word(char)).any(|found| found == word);
    let only_declares =
        ["fn", "impl", "unsafe", "struct", "static", "macro_rules"].iter().all(|word| !has(word));
    (!code.contains("#![forbid(unsafe_code)]") && !only_declares)
        .then(|| format!("src/{file}: has code and does not begin with #![forbid(unsafe_code)]"))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("an entry of that folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Every source file below `src` with its text.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let name = |path: &Path| path.strip_prefix(&root).expect("below src").display().to_string();
    files
        .iter()
        .map(|path| (name(path), fs::read_to_string(path).expect("a source file")))
        .collect()
}

/// Every source file below `src` with its code.
fn sources() -> Vec<(String, String)> {
    texts().into_iter().map(|(file, text)| (file, code_of(&text))).collect()
}

/// The files that are longer than they may be.
fn too_long(texts: &[(String, String)], longer: &[(&str, usize)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, text) in texts {
        let is_doc =
            |line: &&str| ["///", "//!"].iter().any(|mark| line.trim_start().starts_with(mark));
        let lines = without_tests(text).lines().filter(|line| !is_doc(line)).count();
        let exception = longer.iter().find(|(name, _)| name == file).map(|(_, most)| *most);
        if lines > exception.unwrap_or(LINES) {
            wrong.push(format!("src/{file}: {lines} lines; one subject a file"));
        }
    }
    wrong
}

#[test]
fn no_file_is_long() {
    assert_eq!(too_long(&texts(), LONGER), [""; 0]);
}

#[test]
fn no_layer_uses_one_above_it() {
    let sources = sources();
    assert!(sources.len() > 50, "only {} files found", sources.len());
    let mut wrong = Vec::new();
    let mut excused = Vec::new();
    for (file, code) in sources.iter().filter(|(file, _)| file != "lib.rs") {
        for (used, why) in upward(file, code) {
            match EXCEPTIONS.iter().position(|(of, what, _)| of == file && *what == used) {
                Some(at) => excused.push(at),
                None => wrong.push(why),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for (at, (file, used, _)) in EXCEPTIONS.iter().enumerate() {
        assert!(excused.contains(&at), "an exception that nothing needs: {file} uses {used}");
    }
}

#[test]
fn unsafe_stays_in_its_folders() {
    let wrong: Vec<_> = sources().iter().filter_map(|(file, code)| unsafety(file, code)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The rules themselves, on samples that are good and bad: a rule that never fails would show nothing.
/// The rows of an index of examples that name a file, a function or a command that is not there, and the files without a row.
fn faults_of_index(index: &str, sources: &[(String, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    let rows: Vec<_> = index.lines().filter(|line| line.contains(".rs](")).collect();
    for row in &rows {
        let file =
            row.split_once(".rs](").and_then(|(_, rest)| rest.split_once(')')).expect("a link").0;
        let Some((_, source)) = sources.iter().find(|(name, _)| name == file) else {
            faults.push(format!("{file} is not there"));
            continue;
        };
        let cell = row.split('|').nth(2).unwrap_or_default();
        if let Some(function) = cell.split('`').nth(1)
            && !source.contains(&format!("fn {function}"))
        {
            faults.push(format!("{file} has no function `{function}`"));
        }
        let stem = file.trim_end_matches(".rs");
        let command = row.split('|').nth(3).unwrap_or_default();
        if !command
            .trim_matches(['`', ' '])
            .split(" -- ")
            .any(|part| part.ends_with(&format!("--example {stem}")))
        {
            faults.push(format!("{command} does not run {file}"));
        }
    }
    let without = sources.iter().filter(|(name, _)| !index.contains(&format!("]({name})")));
    faults.extend(without.map(|(name, _)| format!("{name} has no row")));
    faults
}

#[test]
fn the_index_of_examples_names_what_is_there_and_all_of_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut sources = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            sources.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    assert_eq!(faults_of_index(&index, &sources), [""; 0]);
}

#[test]
fn the_rules_can_fail() {
    let sources =
        [("a.rs", "fn one() {}"), ("b.rs", "")].map(|(name, code)| (name.into(), code.into()));
    let index = "| x | [a.rs](a.rs), `one` | `cargo run --example a` |\n\
                 | x | [a.rs](a.rs), `two` | `cargo run --example b` |\n\
                 | x | [c.rs](c.rs) | `cargo run --example c` |";
    assert_eq!(faults_of_index(index, &sources).len(), 4);
    let in_mod = |file, text| code_in_mod(file, &code_of(text)).is_some();
    assert!(in_mod("net/mod.rs", "mod tcp;\nfn f() {}"));
    assert!(!in_mod("net/mod.rs", "//! An fn.\nmod tcp;\npub use tcp::Tcp;"));
    assert!(!in_mod("net/tcp.rs", "fn f() {}"));
    assert!(in_mod("net/mod.rs", "mod tcp;\n#[cfg(test)]\nmod faults;\nfn f() {}"));
    assert!(!in_mod("net/mod.rs", "mod tcp;\n#[cfg(test)]\nmod tests {\nfn f() {}\n}"));
    let long = |lines| [("a.rs".to_string(), "\n".repeat(lines))];
    assert_eq!(too_long(&long(LINES), &[]).len(), 0);
    assert_eq!(too_long(&long(LINES + 1), &[]).len(), 1);
    assert_eq!(too_long(&long(LINES + 1), &[("a.rs", LINES + 1)]).len(), 0);
    let documented = [("a.rs".to_string(), "    /// What it does.\n".repeat(LINES + 1))];
    assert_eq!(too_long(&documented, &[]).len(), 0);
    let used = |file, text| {
        let code = code_of(text);
        upward(file, &code).into_iter().map(|(used, _)| used.to_string()).collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    assert_eq!(used("stack/pool.rs", "use crate::runtime::park;"), ["runtime"]);
    assert_eq!(used("stack/pool.rs", "fn f() { crate::coroutine::suspend() }"), ["coroutine"]);
    assert_eq!(
        used("sys/poll.rs", "use crate::{util::{ring, slab}, net, thread as t};"),
        ["net", "thread"]
    );
    assert_eq!(used("runtime/task/cell.rs", "use super::super::super::net::TcpStream;"), ["net"]);
    assert_eq!(used("runtime/mod.rs", "pub use super::thread::spawn;"), ["thread"]);
    assert_eq!(used("io/handle.rs", "use crate::spawn;"), ["spawn"], "a re-export hides its layer");
    assert_eq!(used("other/mod.rs", ""), [""], "a folder without a place");
    assert_eq!(
        used("net/tcp.rs", "use crate::io::Io; use crate::runtime::park; use std::sync::Arc;"),
        none
    );
    assert_eq!(used("runtime/task/cell.rs", "use super::super::hub::Hub; use crate::stack;"), none);
    assert_eq!(
        used("stack/pool.rs", "/// As crate::net.\n// crate::net\nlet a = \"crate::net\";"),
        none
    );
    assert_eq!(used("stack/pool.rs", "let a = ('\"', crate::net::A, '\\'', '\"');"), ["net"]);
    assert_eq!(used("sys/poll.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::net; }"), none);

    let stance = |file, text| unsafety(file, &code_of(text)).is_some();
    assert!(stance("net/tcp.rs", "fn f() {}"));
    assert!(stance("net/mod.rs", "// #![forbid(unsafe_code)]\nstruct S;"), "only in a comment");
    assert!(stance("runtime/hub/local.rs", "//! Docs.\nfn f() { unsafe { g() } }"));
    assert!(!stance("net/tcp.rs", "//! Docs.\n#![forbid(unsafe_code)]\nfn f() {}"));
    assert!(!stance("net/mod.rs", "//! Docs.\nmod tcp;\npub use tcp::{A, B};"));
    assert!(!stance("runtime/task/cell.rs", "fn f() { unsafe { g() } }"));
}
