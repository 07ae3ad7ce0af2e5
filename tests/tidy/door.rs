//! One door to the system: outside of `sys/` nothing makes a system call by itself.

use super::graph::{leaves, split_uses};
use super::{code_of, is_word, sources, texts};
use std::collections::BTreeSet;

/// Crates that lead to the system.
const CRATES: &[&str] = &["io_uring", "libc", "mio", "rustix", "signal_hook_registry", "socket2"];

/// Modules of std that lead to it, and what in them is only a value, a name of one, or a trait that reads one.
const OF_STD: &[(&str, &[&str])] = &[
    ("std::fs", &["FileTimes", "FileType", "Metadata", "Permissions", "TryLockError"]),
    (
        "std::net",
        &[
            "AddrParseError",
            "IpAddr",
            "Ipv4Addr",
            "Ipv6Addr",
            "Shutdown",
            "SocketAddr",
            "SocketAddrV4",
            "SocketAddrV6",
        ],
    ),
    (
        "std::os::unix::fs",
        &[
            "DirBuilderExt",
            "DirEntryExt",
            "FileTypeExt",
            "MetadataExt",
            "OpenOptionsExt",
            "PermissionsExt",
        ],
    ),
    ("std::os::unix::net", &["SocketAddr"]),
    ("std::os::unix::process", &["ExitStatusExt", "parent_id"]),
    // `abort`, `exit` and `id` cannot fail.
    (
        "std::process",
        &["CommandArgs", "CommandEnvs", "ExitStatus", "Output", "Stdio", "abort", "exit", "id"],
    ),
    // Of the functions none can fail. What is started is started by `sys::thread`.
    (
        "std::thread",
        &[
            "JoinHandle",
            "Result",
            "Thread",
            "ThreadId",
            "available_parallelism",
            "current",
            "panicking",
            "park",
            "park_timeout",
            "sleep",
            "yield_now",
        ],
    ),
];

/// What else of std's leads to it.
const NAMES: &[&str] =
    &["std::env::current_exe", "std::io::PipeReader", "std::io::PipeWriter", "std::io::pipe"];

/// Methods of std's that make a call.
const METHODS: &[&str] = &["try_clone_to_owned"];

/// Files that still make calls of their own. None is added, and each goes from here when it has none any more.
const STANDING: &[&str] = &[];

/// Types of std's that users get and give: a file that names them converts from and to them, and calls nothing of theirs.
const SHOWN: &[(&str, &str)] = &[
    ("fs/file.rs", "std::fs::File"),
    ("io/pipe.rs", "std::io::PipeReader"),
    ("io/pipe.rs", "std::io::PipeWriter"),
    ("process/child.rs", "std::process::Child"),
    ("process/mod.rs", "std::process::*"),
    ("process/stdio.rs", "std::process"),
    ("fs/transfer.rs", "std::os::unix::fs::FileExt"),
    ("io/forward.rs", "std::os::unix::fs::FileExt"),
    ("net/tcp_listener.rs", "std::net::TcpListener"),
    ("net/tcp_stream.rs", "std::net::TcpStream"),
    ("net/udp_socket.rs", "std::net::UdpSocket"),
    ("os/unix/fs.rs", "std::os::unix::fs::FileExt"),
    ("os/unix/fs.rs", "std::os::unix::fs::chroot"),
    ("os/unix/net/datagram.rs", "std::os::unix::net::UnixDatagram"),
    ("os/unix/net/listener.rs", "std::os::unix::net::UnixListener"),
    ("os/unix/net/stream.rs", "std::os::unix::net::UnixStream"),
];

/// All paths in the code, those that `use` names with what they are known by.
fn paths(code: &str) -> BTreeSet<String> {
    let (uses, rest) = split_uses(code);
    let mut found = BTreeSet::new();
    for (_, tree) in &uses {
        let mut all = Vec::new();
        leaves(tree, &[], &mut all);
        found.extend(all.into_iter().map(|(path, _)| path.join("::")));
    }
    for path in rest.split(|char| !is_word(char) && char != ':') {
        found.insert(path.trim_matches(':').to_string());
    }
    found
}

/// Why a path must not be in a file.
fn refused(file: &str, path: &str, code: &str) -> bool {
    if file.starts_with("sys/") || SHOWN.contains(&(file, path)) {
        return false;
    }
    let first = path.split("::").next().unwrap_or_default();
    if file.starts_with("monkey/") && first == "libc" {
        // It stands in for functions of the C library, so it has their types and constants. The calls are the kernel's.
        return code.contains(&format!("{path}("));
    }
    if CRATES.contains(&first) && path.contains("::") {
        return true;
    }
    let last = path.rsplit("::").next().unwrap_or_default();
    if NAMES.iter().any(|name| path.starts_with(name)) || METHODS.contains(&last) {
        return true;
    }
    OF_STD.iter().any(|(module, values)| {
        let inside = path.strip_prefix(module);
        inside.is_some_and(|rest| match rest.strip_prefix("::") {
            Some(rest) => !values.contains(&rest.split("::").next().unwrap_or_default()),
            None => rest.is_empty(),
        })
    })
}

/// What of a file goes past the door.
fn past_the_door(file: &str, code: &str) -> Vec<String> {
    paths(code).into_iter().filter(|path| refused(file, path, code)).collect()
}

/// Whether a file is unit tests only, by the text of the module that has it.
fn is_of_tests(file: &str, texts: &[(String, String)]) -> bool {
    let Some((folder, name)) = file.rsplit_once('/') else { return false };
    let declaration = format!("#[cfg(test)]\nmod {};", name.trim_end_matches(".rs"));
    let parent = format!("{folder}/mod.rs");
    texts.iter().any(|(other, text)| *other == parent && text.contains(&declaration))
}

#[test]
fn system_calls_are_made_by_sys_only() {
    let (texts, mut wrong) = (texts(), Vec::new());
    for (file, code) in sources().into_iter().filter(|(file, _)| !is_of_tests(file, &texts)) {
        let found = past_the_door(&file, &code);
        let stands = STANDING.contains(&file.as_str());
        if !stands && !found.is_empty() {
            wrong.push(format!("src/{file}: {}; `sys` makes the calls", found.join(", ")));
        }
        if stands && found.is_empty() {
            wrong.push(format!("src/{file}: goes by the door now, and from STANDING"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_rule_of_the_door_can_fail() {
    let past = |file, text| past_the_door(file, &code_of(text));
    let none = Vec::<String>::new();
    assert_eq!(past("net/tcp.rs", "use socket2::{Domain, Socket};").len(), 2);
    assert_eq!(past("net/tcp.rs", "fn f() { unsafe { libc::close(3) } }"), ["libc::close"]);
    assert_eq!(past("net/tcp.rs", "use std::{net, fs::{self, File, Metadata}};").len(), 3);
    assert_eq!(past("net/tcp.rs", "f(std::net::TcpStream::connect)").len(), 1);
    assert_eq!(past("net/tcp.rs", "use std::net::{IpAddr, SocketAddr}; std::fs::Metadata"), none);
    assert_eq!(past("net/tcp.rs", "// libc::close\n\"libc::close\""), none);
    assert_eq!(past("net/tcp_stream.rs", "from_std!(Own, std::net::TcpStream)"), none);
    assert_eq!(past("net/tcp_stream.rs", "std::net::TcpStream::connect(a)").len(), 1);
    assert_eq!(past("io/pipe.rs", "from_std!(Own, std::io::PipeReader)"), none);
    assert_eq!(past("io/pipe.rs", "std::io::pipe()"), ["std::io::pipe"]);
    assert_eq!(past("io/pipe.rs", "fd.try_clone_to_owned()"), ["try_clone_to_owned"]);
    assert_eq!(
        past("net/tcp.rs", "use std::process::{Command, Stdio};"),
        ["std::process::Command"]
    );
    assert_eq!(past("net/tcp.rs", "use std::thread;").len(), 1);
    assert_eq!(past("net/tcp.rs", "std::thread::Builder::new()"), ["std::thread::Builder::new"]);
    assert_eq!(past("net/tcp.rs", "std::thread::panicking(); std::thread_local! {}"), none);
    assert_eq!(past("sys/socket.rs", "libc::close(3)"), none);
    assert_eq!(past("monkey/wait.rs", "let a: libc::pollfd; libc::POLLIN; bare::syscall()"), none);
    assert_eq!(past("monkey/wait.rs", "libc::poll(a)"), ["libc::poll"]);
    assert_eq!(past("monkey/wait.rs", "rustix::event::poll(a)"), ["rustix::event::poll"]);
}
