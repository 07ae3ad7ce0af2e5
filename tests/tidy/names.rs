//! One name means one thing: no two types of the crate are called the same.

use super::{code_of, is_word, texts};
use std::collections::BTreeMap;

/// Names that several types have, and why. What is public has the names of std, Python and gevent, of which several may be the same.
const SHARED: &[(&str, &str)] = &[
    ("AsCompleted", "of green threads, and of futures of executors"),
    ("Child", "std's; ours stands around that of `sys`"),
    ("Command", "std's; ours stands around that of `sys`"),
    ("Condvar", "std's; and the one that models use instead"),
    ("ContextVar", "Python's; of green threads, and of greenlets"),
    ("DirEntry", "std's; ours stands around that of `sys`"),
    ("Event", "Python's; of threads, and of processes"),
    ("File", "std's; ours stands around that of `sys`"),
    ("Incoming", "std's; of TCP, and of Unix"),
    ("IntoIter", "std's and crossbeam's; of either kind of channel"),
    (
        "Iter",
        "std's and crossbeam's; of either kind of channel, of queues of processes, and of futures",
    ),
    ("Map", "what an executor's `map` returns, and a map of processes"),
    ("Mutex", "std's; the one for moments, and the one that models use instead of that"),
    ("MutexGuard", "std's; and the one that models use instead"),
    ("OpenOptions", "std's; ours stands around that of `sys`"),
    ("Outbox", "the one of `sys`, and what stands in for it where its feature is off"),
    ("PipeReader", "std's; ours stands around that of `sys`"),
    ("PipeWriter", "std's; ours stands around that of `sys`"),
    ("Queue", "Python's; of threads, and of processes"),
    ("ReadDir", "std's; ours stands around that of `sys`"),
    ("Receiver", "std's and crossbeam's; of either kind of channel"),
    ("Runtime", "the picture of it in a dump"),
    ("Sender", "std's and crossbeam's; of either kind of channel"),
    ("TcpListener", "std's; ours stands around that of `sys`"),
    ("TcpStream", "std's; ours stands around that of `sys`"),
    ("TryIter", "std's and crossbeam's; of either kind of channel"),
    ("UdpSocket", "std's; ours stands around that of `sys`"),
    ("UnixDatagram", "std's; ours stands around that of `sys`"),
    ("UnixListener", "std's; ours stands around that of `sys`"),
    ("UnixStream", "std's; ours stands around that of `sys`"),
    ("Worker", "what a worker has counted, and the picture of it in a dump"),
];

/// The types that a file makes, but for those within a function, which are seen on one screen, and types of traits.
fn made(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for line in code.lines().filter(|line| !line.starts_with(char::is_whitespace)) {
        let mut words = line.split(|char| !is_word(char)).filter(|word| !word.is_empty());
        let is_kind = |word: &&str| ["struct", "enum", "union", "trait", "type"].contains(word);
        let before = ["pub", "crate", "super", "in", "unsafe", "runtime", "sync", "task"];
        let mut kind = words.next();
        while kind.is_some_and(|word| before.contains(&word)) {
            kind = words.next();
        }
        names.extend(kind.as_ref().filter(|word| is_kind(word)).and_then(|_| words.next()));
    }
    names
}

/// Whether these files of one folder are a feature's part and what stands in for it.
fn are_twins(files: &[&str]) -> bool {
    let folder = |file: &str| file.rsplit_once('/').map(|(folder, _)| folder.to_string());
    files.iter().any(|file| file.ends_with("/disabled.rs"))
        && files.iter().all(|file| folder(file) == folder(files[0]))
}

fn shared_names(sources: &[(String, String)]) -> BTreeMap<&str, Vec<&str>> {
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for (file, code) in sources {
        for name in made(code) {
            names.entry(name).or_default().push(file.as_str());
        }
    }
    names.retain(|_, files| files.len() > 1 && !are_twins(files));
    names
}

#[test]
fn no_two_types_have_one_name() {
    let of_tests = |file: &str| ["/tests.rs", "/stress.rs"].iter().any(|name| file.ends_with(name));
    let texts = texts().into_iter().filter(|(file, _)| !of_tests(file));
    let sources: Vec<_> = texts.map(|(file, text)| (file, code_of(&text))).collect();
    let shared = shared_names(&sources);
    let is_excused = |name: &str| SHARED.iter().any(|(excused, _)| *excused == name);
    let wrong: Vec<_> = shared
        .iter()
        .filter(|(name, _)| !is_excused(name))
        .map(|(name, files)| format!("`{name}` is a type of {}", files.join(", ")))
        .collect();
    assert!(wrong.is_empty(), "each is to say what it is:\n{}", wrong.join("\n"));
    for (name, _) in SHARED {
        assert!(shared.contains_key(name), "an exception that nothing needs: {name}");
    }
}

#[test]
fn the_rule_of_names_can_fail() {
    let files = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(file, code)| (file.to_string(), code.to_string())).collect()
    };
    let state = "pub(in crate::sync) enum State {\n    Open,\n}";
    let two = files(&[("sync/a.rs", state), ("net/b.rs", "struct State;")]);
    assert_eq!(
        shared_names(&two).into_iter().collect::<Vec<_>>(),
        [("State", vec!["sync/a.rs", "net/b.rs"])]
    );
    let alias = files(&[("sync/a.rs", state), ("net/b.rs", "pub type State = u8;")]);
    assert_eq!(shared_names(&alias).len(), 1);
    let local = files(&[("sync/a.rs", state), ("net/b.rs", "fn f() {\n    struct State;\n}")]);
    assert_eq!(shared_names(&local).len(), 0);
    let twins = files(&[("a/probe.rs", "struct Probe;"), ("a/disabled.rs", "struct Probe(());")]);
    assert_eq!(shared_names(&twins).len(), 0);
    let elsewhere =
        files(&[("a/probe.rs", "struct Probe;"), ("b/disabled.rs", "struct Probe(());")]);
    assert_eq!(shared_names(&elsewhere).len(), 1);
}

/// The tests in a text whose names are too short to say what holds.
fn short_test_names(text: &str) -> Vec<&str> {
    let is_test = |line: &&str| *line == "#[test]" || line.starts_with("#[tokio::test");
    let mut lines = text.lines().map(str::trim);
    let mut short = Vec::new();
    while lines.by_ref().any(|line| is_test(&line)) {
        let function = lines.find_map(|line| line.split_once("fn "));
        let name = function.and_then(|(_, rest)| rest.split('(').next()).unwrap_or_default();
        short.extend((name.split('_').count() < 3).then_some(name));
    }
    short
}

#[test]
fn the_name_of_a_test_says_what_holds() {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        super::collect(&root, &mut files);
    }
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let short = short_test_names(&text).into_iter();
        wrong.extend(short.map(|name| format!("{}: {name}", file.display())));
    }
    assert!(wrong.is_empty(), "it is to be a sentence:\n{}", wrong.join("\n"));
    assert_eq!(short_test_names("#[test]\n#[ignore]\nfn locks() {\n}"), ["locks"]);
    assert_eq!(short_test_names("#[test]\nfn a_lock_is_free() {\n}"), [""; 0]);
}
