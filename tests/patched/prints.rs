//! Programs print what their documentation says. Used by several packages, whose examples are beside it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the documentation of a program has between the lines that begin and end text.
fn promised(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let inside = lines.skip_while(|line| line.trim() != "```text").skip(1);
    inside
        .take_while(|line| line.trim() != "```")
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect()
}

/// Runs a program; it must end in time and print what it says.
pub(crate) fn prints_what_it_says(name: &str, arguments: &[&str]) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let source = std::fs::read_to_string(sources.join(format!("{name}.rs"))).unwrap();
    let promised = promised(&source);
    assert!(!promised.is_empty(), "{name} says nothing");
    // Beside the folder of the tests.
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples").join(name);
    let mut child = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut output).unwrap());
    let end = Instant::now() + crate::LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("{name} hangs; it has printed {:?}", reader.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(reader.join().unwrap(), promised, "{name}");
    assert!(status.success(), "{name}: {status}");
}

/// All programs of the package are run by the tests, whose source is `tests`.
pub(crate) fn each_is_run(tests: &str) {
    for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let run = format!("prints_what_it_says(\"{name}\"");
        assert!(path.is_dir() || tests.contains(&run), "{name} is not run");
    }
}
