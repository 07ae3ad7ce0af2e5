//! What the figures depend on: the machine, the versions, the day.

use crate::elsewhere::output;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};

/// The folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_path_buf()
}

pub(crate) fn date() -> String {
    output("date", &["-u", "+%F"]).unwrap_or_default()
}

/// The commit that is measured, where this is a checkout.
pub(crate) fn commit() -> String {
    let folder = workspace().display().to_string();
    output("git", &["-C", &folder, "rev-parse", "--short", "HEAD"]).unwrap_or_default()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The rest of the first line that begins so.
fn line_of(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_default().trim_matches([' ', ':', '\t']).to_string()
}

/// Of the libraries that are compared, the versions that are compiled here.
fn version_of(package: &str) -> String {
    let lock = read(workspace().join("Cargo.lock"));
    let after = lock.split(&format!("name = \"{package}\"\n")).nth(1).unwrap_or_default();
    line_of(after, "version =").trim_matches([' ', '"']).to_string()
}

/// Names and values of what the figures depend on.
pub(crate) fn description(others: &[(String, String)]) -> Vec<(String, String)> {
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_string();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = line_of(&read("/proc/cpuinfo"), "model name");
    let kib: u64 =
        line_of(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    let mut all = vec![
        ("Kernel".to_string(), format!("Linux {kernel}")),
        (
            "Processor".into(),
            format!("{processor}, {processors} of its cores, shared with other work"),
        ),
        ("Memory".into(), format!("{:.0} GiB", kib as f64 / (1 << 20) as f64)),
        ("Compiler".into(), output("rustc", &["--version"]).unwrap_or_default()),
    ];
    let packages = [
        "may",
        "tokio",
        "corosensei",
        "generator",
        "crossbeam-channel",
        "flume",
        "parking_lot",
        "httparse",
        "mio",
    ];
    let libraries = packages.map(|package| format!("{package} {}", version_of(package))).join(", ");
    all.push(("Libraries".into(), libraries));
    all.extend(others.iter().cloned());
    all
}

/// Lets this process, and those that it starts, have as many files open as the system allows.
pub(crate) fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
