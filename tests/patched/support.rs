//! Servers that are started and ended by the tests.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A program that serves, ended with this.
pub(crate) struct Server {
    process: Child,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::QUIT);
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// Starts what `command` says, which listens at the port of 127.0.0.1 that it is given.
    fn start(name: &str, command: impl FnOnce(&PathBuf, u16) -> Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir()
            .join(format!("greenthread-patched-{name}-{}-{port}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        // Below root, nginx's worker is somebody else.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&folder, Some(65_534), Some(65_534)).unwrap();
        }
        let mut command = command(&folder, port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process =
            command.spawn().unwrap_or_else(|error| panic!("this test needs {name}: {error}"));
        let server = Self { process, folder, port };
        let end = Instant::now() + crate::LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "{name} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub(crate) fn redis() -> Self {
        Self::start("redis-server", |folder, port| {
            let mut command = Command::new("redis-server");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
            command.arg("--dir").arg(folder);
            command
        })
    }

    /// Serves the file `big`, of three million bytes 7.
    pub(crate) fn nginx() -> Self {
        Self::start("nginx", |folder, port| {
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

/// An HTTP server with an OS thread for each connection, which nothing patched concerns. It answers nobody before so many
/// requests are there at the same time, and then takes its time for each.
pub(crate) fn answers_when_all_are_there(requests: usize, takes: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let arrived = Arc::new((Mutex::new(0), Condvar::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, arrived) = (stream.unwrap(), Arc::clone(&arrived));
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().unwrap().unwrap() != "" {}
                let (count, changed) = &*arrived;
                let mut there = count.lock().unwrap();
                *there += 1;
                changed.notify_all();
                let all = changed
                    .wait_timeout_while(there, crate::LIMIT / 2, |there| *there < requests)
                    .unwrap();
                let word = if all.1.timed_out() { "alone" } else { "hello" };
                drop(all);
                std::thread::sleep(takes);
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
                stream.write_all(format!("{head}{word}").as_bytes()).unwrap();
            });
        }
    });
    address
}

/// Lets the process have as many descriptors as the system gives.
pub(crate) fn many_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, most).unwrap();
}
