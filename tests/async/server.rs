//! Servers of others, each of our own for a test: started, and ended with the value.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Who PostgreSQL and nginx's worker run as, where we are root.
pub(crate) const NOBODY: u32 = 65_534;

/// One that runs.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // For PostgreSQL the "immediate shutdown": its processes end with it. The others end too.
        let process = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::QUIT);
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// Starts what `command` says for a folder of its own, which listens at this port of 127.0.0.1.
    pub(crate) fn start(name: &str, port: u16, command: impl FnOnce(&PathBuf) -> Command) -> Self {
        let folder =
            std::env::temp_dir().join(format!("greenthread-{name}-{}-{port}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut command = command(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        let process =
            command.spawn().unwrap_or_else(|error| panic!("this test needs {name}: {error}"));
        let server = Self { process, folder };
        let end = Instant::now() + crate::LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "{name} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub(crate) fn redis(port: u16) -> Self {
        Self::start("redis-server", port, |folder| {
            let mut command = Command::new("redis-server");
            command.args(["--save", "", "--bind", "127.0.0.1", "--port", &port.to_string()]);
            command.arg("--dir").arg(folder);
            command
        })
    }

    /// Its user is `tester`, with a database `postgres`, and needs no password. It listens before it takes anybody in.
    pub(crate) fn postgres(port: u16) -> Self {
        Self::start("postgres", port, |folder| {
            // Debian keeps its programs out of the path.
            let program = |name: &str| {
                let versions =
                    std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
                let found =
                    versions.map(|one| one.path().join("bin").join(name)).find(|at| at.exists());
                let mut command = Command::new(found.unwrap_or_else(|| name.into()));
                if rustix::process::geteuid().is_root() {
                    command.uid(NOBODY).gid(NOBODY);
                }
                command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
                command
            };
            let data = folder.join("data");
            let made = program("initdb")
                .args(["--auth=trust", "--no-sync", "--no-instructions", "-U", "tester", "-D"])
                .arg(&data)
                .status()
                .expect("this test needs PostgreSQL");
            assert!(made.success());
            let mut command = program("postgres");
            command.args(["-F", "-h", "127.0.0.1", "-p", &port.to_string(), "-k"]);
            command.arg(folder).arg("-D").arg(data);
            command
        })
    }

    /// Serves the file `big`, of three million bytes 7.
    pub(crate) fn nginx(port: u16) -> Self {
        Self::start("nginx", port, |folder| {
            let at = folder.display();
            let config = format!(
                "daemon off; worker_processes 1; pid {at}/pid; error_log stderr;
                 events {{ worker_connections 1000; }}
                 http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p;
                         fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
                         server {{ listen 127.0.0.1:{port} backlog=500; root {at}; }} }}"
            );
            std::fs::write(folder.join("config"), config).unwrap();
            std::fs::write(folder.join("big"), vec![7; 3_000_000]).unwrap();
            let mut command = Command::new("nginx");
            command.args(["-e", "stderr", "-c"]).arg(folder.join("config"));
            command
        })
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
