//! Whoever in `sys/` calls the system asks first whether a test wants that to fail.

use super::graph::{leaves, split_uses};
use super::{code_of, is_word, sources, texts};
use std::collections::{BTreeSet, HashMap};

/// Functions that call the system and do not ask, each because its call cannot fail, or because nobody could be told of it.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    // A test's plan would wait for its lock by what comes through here.
    ("sys/bare.rs", "room_for_descriptors", STANDS_IN),
    ("sys/bare.rs", "stat", STANDS_IN),
    ("sys/bare.rs", "time_of", STANDS_IN),
    ("sys/child.rs", "$asked", VALUE),
    ("sys/child.rs", "$setting", VALUE),
    ("sys/child.rs", "id", VALUE),
    ("sys/child.rs", "exit_at_once", "it returns to nobody"),
    ("sys/disk.rs", "$option", VALUE),
    ("sys/disk.rs", "file_name", VALUE),
    ("sys/disk.rs", "ino", VALUE),
    ("sys/disk.rs", "path", VALUE),
    ("sys/look.rs", "install", "a handler of a signal that there is"),
    ("sys/look.rs", "this_thread", "it cannot fail"),
    ("sys/memory.rs", "page_size", "it cannot fail"),
    ("sys/notify.rs", "handle", IN_HANDLER),
    ("sys/process.rs", "this_thread", "it cannot fail"),
    ("sys/signal.rs", "on_fault", IN_HANDLER),
    ("sys/signal.rs", "write_stderr", IN_HANDLER),
];

const STANDS_IN: &str = "it stands in for the C library's, by which a plan of faults is kept";
const IN_HANDLER: &str = "a handler of a signal, where there is nobody to be told";
const VALUE: &str = "a value that is there already";

/// Paths that lead to the system.
const TO_THE_SYSTEM: &[&str] = &[
    "io_uring::",
    "libc::",
    "mio::",
    "rustix::",
    "signal_hook_registry::",
    "socket2::",
    "std::env::current_exe",
    "std::fs::",
    "std::io::pipe",
    "std::net::",
    "std::os::unix::fs::",
    "std::os::unix::net::",
];

/// What of these makes no call that could fail: it computes, makes a description, or asks the C library or the linker.
const HARMLESS: &[&str] = &[
    "libc::__errno_location",
    "libc::abort",
    "libc::atexit",
    "libc::c_int::try_from",
    "libc::dl_iterate_phdr",
    "libc::dladdr",
    "libc::dlsym",
    "libc::major",
    "libc::pthread_atfork",
    "libc::pthread_getspecific",
    "libc::pthread_key_create",
    "libc::pthread_setspecific",
    "libc::sigaddset",
    "libc::sigemptyset",
    "libc::time_t::try_from",
    "rustix::buffer::spare_capacity",
    "rustix::stdio::stdin",
    "socket2::SockAddr::unix",
    "std::fs::OpenOptions::new",
    "std::os::unix::net::SocketAddr::from_abstract_name",
    "std::os::unix::net::SocketAddr::from_pathname",
];

/// Methods that make a call, whosever they are.
const METHODS: &[&str] = &[
    "deregister",
    "exec",
    "register",
    "register_probe",
    "spawn",
    "spawn_scoped",
    "submit",
    "submit_and_wait",
    "to_socket_addrs",
    "try_clone",
    "try_clone_to_owned",
];

/// Files with types that are std's inside: what their methods ask of `self.0` goes to the system.
const AROUND_STD: &[&str] =
    &["sys/behind.rs", "sys/child.rs", "sys/disk.rs", "sys/file.rs", "sys/net/"];

/// Methods of such types that ask nothing.
const OF_VALUES: &[&str] = &["as_fd", "as_raw_fd", "fmt"];

/// Each function of the code, with its body.
fn functions(code: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let rest = &code[at + 3..];
        let name = &rest[..rest.find(|char| !is_word(char) && char != '$').unwrap_or(0)];
        let (mut brackets, mut braces, mut begin) = (0, 0, None);
        for (at, char) in rest.char_indices() {
            match char {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                '{' => {
                    begin = begin.or(Some(at));
                    braces += 1;
                }
                '}' => braces -= 1,
                _ => {}
            }
            match begin {
                // A declaration, or the type of one.
                None if brackets < 0 || (brackets == 0 && matches!(char, ';' | ',')) => break,
                Some(begin) if braces == 0 => {
                    found.push((name, &rest[begin..=at]));
                    break;
                }
                _ => {}
            }
        }
    }
    found
}

/// The paths that a body calls, and the methods with the dot before them.
fn calls(body: &str) -> Vec<&str> {
    let is_path = |char| is_word(char) || matches!(char, ':' | '.' | '$');
    let ends = body.match_indices('(').map(|(at, _)| &body[..at]);
    let called = ends.map(|before| {
        let begin = before.rfind(|char| !is_path(char)).map_or(0, |at| at + 1);
        before[begin..].trim_start_matches(':')
    });
    called.filter(|path| !path.is_empty()).collect()
}

/// The first call to the system in a body.
fn to_the_system<'a>(
    file: &str,
    body: &'a str,
    names: &HashMap<String, String>,
) -> Option<&'a str> {
    calls(body).into_iter().find(|call| {
        if let Some((before, method)) = call.rsplit_once('.') {
            let inside = before == "self.0" || before.is_empty() && body.contains("(&self.0)");
            let is_around = AROUND_STD.iter().any(|around| file.starts_with(around));
            return METHODS.contains(&method)
                || (is_around && inside && !OF_VALUES.contains(&method));
        }
        let (first, rest) = call.split_once("::").unwrap_or((call, ""));
        let first = names.get(first).map_or(first, String::as_str);
        let path = if rest.is_empty() { first.to_string() } else { format!("{first}::{rest}") };
        let last = path.rsplit("::").next().unwrap_or_default();
        let is_function = last.starts_with(|char: char| char.is_lowercase() || char == '_');
        let leads = TO_THE_SYSTEM.iter().any(|to| path.starts_with(to));
        is_function && leads && !HARMLESS.contains(&path.as_str())
    })
}

/// The functions of a file that call the system and do not ask, with the call.
fn unasked<'a>(file: &str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    let (uses, _) = split_uses(code);
    let mut all = Vec::new();
    uses.iter().for_each(|(_, tree)| leaves(tree, &[], &mut all));
    let names = all.into_iter().map(|(path, name)| (name, path.join("::"))).collect();
    let asks = |body: &str| {
        let asks =
            |call: &str| call == "fault::check" || call == "checked" || call == "Self::check";
        calls(body).into_iter().any(asks)
    };
    let found = functions(code).into_iter().filter(|(_, body)| !asks(body));
    found.filter_map(|(name, body)| Some((name, to_the_system(file, body, &names)?))).collect()
}

#[test]
fn whoever_calls_the_system_asks_first_whether_that_is_to_fail() {
    let (mut wrong, mut excused) = (Vec::new(), Vec::new());
    for (file, code) in sources().iter().filter(|(file, _)| file.starts_with("sys/")) {
        for (name, call) in unasked(file, code) {
            match EXCEPTIONS.iter().position(|(of, who, _)| of == file && *who == name) {
                Some(at) => excused.push(at),
                None => wrong.push(format!("src/{file}: `{name}` calls `{call}`")),
            }
        }
    }
    assert!(wrong.is_empty(), "without `fault::check`:\n{}", wrong.join("\n"));
    for (at, (file, name, _)) in EXCEPTIONS.iter().enumerate() {
        assert!(excused.contains(&at), "an exception that nothing needs: `{name}` of {file}");
    }
}

/// The kinds of calls to the system, from the text of `sys/fault.rs`.
fn kinds(text: &str) -> BTreeSet<&str> {
    let from = text.find("enum Syscall {").expect("the kinds") + "enum Syscall {".len();
    let body = &text[from..from + text[from..].find('}').expect("their end")];
    let mut of_system = true;
    let mut found = BTreeSet::new();
    for line in body.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            of_system = !doc.trim_start().starts_with("No system call");
        } else if let Some(kind) = line.strip_suffix(',') {
            if of_system {
                found.insert(kind);
            }
            of_system = true;
        }
    }
    found
}

/// The kinds in the second column of the table of calls that could block a worker, from the text of `sys/mod.rs`.
fn in_table(text: &str) -> BTreeSet<&str> {
    let begin = text.find("//! # Calls that could block a worker").expect("the table");
    let rows = text[begin..].lines().skip_while(|line| !line.starts_with("//! |"));
    let rows = rows.take_while(|line| line.starts_with("//! |")).skip(2);
    rows.filter_map(|row| row.split('|').nth(2))
        .flat_map(|kinds| kinds.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn each_kind_of_call_is_in_the_table_of_what_could_block() {
    let texts = texts();
    let text = |name: &str| &*texts.iter().find(|(file, _)| file == name).expect("the file").1;
    assert_eq!(in_table(text("sys/mod.rs")), kinds(text("sys/fault.rs")));
}

#[test]
fn the_rule_of_faults_can_fail() {
    let found = |file: &str, text: &str| {
        let code = code_of(text);
        let found = unasked(file, &code);
        found.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    let none = [""; 0];
    assert_eq!(found("sys/a.rs", "fn f() { unsafe { libc::kill(1, 2) } }"), ["f"]);
    assert_eq!(
        found("sys/a.rs", "fn f() { fault::check(Syscall::Kill)?; libc::kill(1, 2) }"),
        none
    );
    assert_eq!(
        found("sys/a.rs", "fn f(a: [u8; 2]) -> T { libc::CMSG_LEN(0); libc::major(1) }"),
        none
    );
    assert_eq!(found("sys/a.rs", "use rustix::fs::{fstat as see, Mode}; fn f() { see(a) }"), ["f"]);
    assert_eq!(found("sys/a.rs", "use std::fs; fn f() { fs::read(a) } fn g() { read(a) }"), ["f"]);
    assert_eq!(
        found("sys/a.rs", "use rustix::net; fn f() { net::Flags(a); g(net::recv(a)) }"),
        ["f"]
    );
    assert_eq!(
        found("sys/a.rs", "fn f() { self.poll.register(a) } fn g() { self.0.open(a) }"),
        ["f"]
    );
    assert_eq!(found("sys/disk.rs", "fn f() { self.0.open(a) } fn g() { self.0.fmt(f) }"), ["f"]);
    assert_eq!(found("sys/disk.rs", "fn $name() { (&self.0).read(a) }"), ["$name"]);
    assert_eq!(found("sys/a.rs", "extern { fn kill(); } fn f() { mod_of(a) }"), none);
    let of_calls = "enum Syscall {\n    /// No system call: chance.\n    Chance,\n    /// Sleeps.\n    Nap,\n    Park,\n}";
    assert_eq!(kinds(of_calls), BTreeSet::from(["Nap", "Park"]));
    let table = "//! # Calls that could block a worker\n//!\n//! | a | b | c |\n//! |---|---|---|\n//! | `x` | `Nap`, `Park` | `y` |\n//!\n";
    assert_eq!(in_table(table), BTreeSet::from(["Nap", "Park"]));
}
