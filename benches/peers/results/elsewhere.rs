//! Peers in other languages, where their tools are installed. Their programs lie in `benches/peers/elsewhere`.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// A peer's command, or why there is none.
type Found = Result<Vec<OsString>, &'static str>;

const LEFT_OUT: &str = "left out";
const NOT_INSTALLED: &str = "not installed";

/// Whether that is why a peer takes no part.
pub(crate) fn is_absent(reason: &str) -> bool {
    reason.starts_with(NOT_INSTALLED) || reason == LEFT_OUT
}

pub(crate) struct Tools {
    go: Found,
    java: Found,
    gevent: Found,
    /// What these are, for the report.
    pub(crate) versions: Vec<(String, String)>,
}

/// What a command prints where it succeeds, on either stream.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&text).trim().to_string())
}

fn words(command: &[&str]) -> Vec<OsString> {
    command.iter().map(OsString::from).collect()
}

impl Tools {
    /// None of them, though they may be installed.
    pub(crate) fn none() -> Self {
        let none = || Err(LEFT_OUT);
        Self { go: none(), java: none(), gevent: none(), versions: Vec::new() }
    }

    /// Looks for the tools, and compiles into `scratch`.
    pub(crate) fn find(scratch: &Path) -> Self {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("elsewhere");
        let source = |name: &str| sources.join(name).display().to_string();
        let mut versions = Vec::new();

        let program = scratch.join("peer-go").display().to_string();
        let built = output("go", &["build", "-o", &program, &source("peer.go")]);
        let go = built.map(|_| words(&[&program])).ok_or(NOT_INSTALLED);
        if go.is_ok()
            && let Some(version) = output("go", &["env", "GOVERSION"])
        {
            versions.push(("Go".into(), version));
        }

        let classes = scratch.join("java").display().to_string();
        let built = output("javac", &["-d", &classes, &source("Peer.java")]);
        let java = match (built, output("java", &["-version"])) {
            (Some(_), Some(version)) => {
                let version = version.lines().next().unwrap_or_default().to_string();
                versions.push(("Java".into(), version));
                Ok(words(&["java", "-cp", &classes]))
            }
            (None, Some(_)) => Err("not installed: virtual threads need Java 21"),
            _ => Err(NOT_INSTALLED),
        };

        let script = "import gevent, greenlet, sys; print(gevent.__version__, greenlet.__version__, sys.version.split()[0])";
        let python = ["python3", "/usr/bin/python3"].into_iter();
        let python = python.filter_map(|it| Some((it, output(it, &["-c", script])?))).next();
        let gevent = match python {
            Some((python, version)) => {
                let numbers: Vec<_> = version.split(' ').collect();
                for (name, number) in ["gevent", "greenlet", "Python"].iter().zip(numbers) {
                    versions.push((name.to_string(), number.into()));
                }
                Ok(words(&[python, &source("peer.py")]))
            }
            None => Err(NOT_INSTALLED),
        };
        Self { go, java, gevent, versions }
    }

    /// The beginning of the command of a peer in another language.
    pub(crate) fn command(&self, peer: &str, workers: usize) -> Option<io::Result<Vec<OsString>>> {
        let found = match peer {
            "Go" => &self.go,
            "Java" => &self.java,
            "gevent" => &self.gevent,
            _ => return None,
        };
        let mut found = found.clone();
        if let ("Java", Ok(command)) = (peer, &mut found) {
            for limit in ["parallelism", "maxPoolSize"] {
                command.push(format!("-Djdk.virtualThreadScheduler.{limit}={workers}").into());
            }
            command.push("Peer".into());
        }
        Some(found.map_err(io::Error::other))
    }
}
