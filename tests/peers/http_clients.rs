//! `ureq` as client of the example server, and of worse ones.

#[path = "../../examples/shared/http.rs"]
mod http;

use crate::{LIMIT, Scratch, data, everywhere, join_all};
use greenthread::net::TcpStream;
use greenthread::server::{Stats, StreamServer};
use greenthread::{sleep, spawn};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::time::Duration;

/// `ureq` over our connections.
mod requests {
    use greenthread::net::TcpStream;
    use std::io::{ErrorKind, Read, Write};
    use std::time::Duration;
    use ureq::Error;
    use ureq::unversioned::resolver::DefaultResolver;
    use ureq::unversioned::transport::{
        Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
    };

    #[derive(Debug)]
    struct Green;

    struct Connection {
        stream: TcpStream,
        buffers: LazyBuffers,
    }

    impl std::fmt::Debug for Connection {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.stream.fmt(f)
        }
    }

    fn of(timeout: &NextTimeout) -> Option<Duration> {
        timeout.not_zero().map(|timeout| *timeout)
    }

    impl Connector for Green {
        type Out = Connection;

        fn connect(
            &self,
            details: &ConnectionDetails<'_>,
            _: Option<()>,
        ) -> Result<Option<Connection>, Error> {
            let stream = TcpStream::connect(&details.addrs[..])?;
            let config = &details.config;
            let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
            Ok(Some(Connection { stream, buffers }))
        }
    }

    impl Connection {
        fn outcome<T>(result: std::io::Result<T>, timeout: &NextTimeout) -> Result<T, Error> {
            result.map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
                _ => error.into(),
            })
        }
    }

    impl Transport for Connection {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
            self.stream.set_write_timeout(of(&timeout))?;
            let output = &self.buffers.output()[..amount];
            Self::outcome(self.stream.write_all(output), &timeout)
        }

        fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
            self.stream.set_read_timeout(of(&timeout))?;
            let got = self.stream.read(self.buffers.input_append_buf());
            let got = Self::outcome(got, &timeout)?;
            self.buffers.input_appended(got);
            Ok(got > 0)
        }

        fn is_open(&mut self) -> bool {
            let _ = self.stream.set_nonblocking(true);
            let open = matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            let _ = self.stream.set_nonblocking(false);
            open
        }
    }

    pub(super) fn agent(timeout: Duration) -> ureq::Agent {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_recv_response(Some(timeout))
            .timeout_recv_body(Some(timeout))
            .build();
        ureq::Agent::with_parts(config, Green, DefaultResolver::default())
    }
}

#[test]
fn an_http_client_against_the_example_server() {
    everywhere(|| {
        let scratch = Scratch::new();
        let files = [0, 10, 100_000, 2_000_000].map(|size| data(size, size));
        for (number, file) in files.iter().enumerate() {
            std::fs::write(scratch.0.join(number.to_string()), file).unwrap();
        }
        let site = http::Site::new(&scratch.0, LIMIT).unwrap();
        let server =
            StreamServer::bind("127.0.0.1:0", move |stream, _| site.serve(stream)).unwrap();
        server.start().unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let agent = requests::agent(LIMIT);
        let client = || {
            for number in [1, 2, 3, 0] {
                let mut response = agent.get(format!("{url}/{number}")).call().unwrap();
                assert_eq!(response.status(), 200);
                assert!(response.body_mut().read_to_vec().unwrap() == files[number]);
            }
            let part = agent.get(format!("{url}/3")).header("Range", "bytes=1000-1999");
            let mut response = part.call().unwrap();
            assert_eq!(response.status(), 206);
            assert!(response.body_mut().read_to_vec().unwrap() == files[3][1000..2000]);
            assert_eq!(agent.get(format!("{url}/none")).call().unwrap().status(), 404);
            assert_eq!(agent.post(format!("{url}/1")).send("text").unwrap().status(), 405);
        };
        greenthread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(client);
            }
        });
        let before = server.stats().accepted;
        for _ in 0..10 {
            agent.get(format!("{url}/1")).call().unwrap().body_mut().read_to_vec().unwrap();
        }
        assert!(server.stats().accepted <= before + 1, "connections are used again");
        drop(agent);
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!(server.stats().panicked, 0);
    });
}

/// Servers that stall, lie about the length, or reset are errors of the client, and soon.
#[test]
fn an_http_client_against_bad_servers() {
    everywhere(|| {
        let server = StreamServer::bind("127.0.0.1:0", |mut stream: TcpStream, _| {
            let mut lines = BufReader::new(stream.try_clone()?).lines();
            let line = lines.next().unwrap_or(Ok(String::new()))?;
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
            match line.split(' ').nth(1) {
                Some("/stall") => sleep(LIMIT),
                Some("/half") => {
                    stream.write_all(HEAD)?;
                    sleep(LIMIT);
                }
                Some("/short") => stream.write_all(HEAD)?,
                Some("/reset") => {
                    stream.write_all(HEAD)?;
                    stream.set_linger(Some(Duration::ZERO))?;
                }
                _ => stream.write_all(b"nonsense\r\n\r\n")?,
            }
            io::Result::Ok(())
        })
        .unwrap();
        server.start().unwrap();
        let (patient, hasty) = (requests::agent(LIMIT), requests::agent(Duration::from_millis(50)));
        let url = format!("http://{}", server.local_addr().unwrap());
        let clients = (0..25).map(|number| {
            let path = ["stall", "half", "short", "reset", "nonsense"][number % 5];
            let stalls = ["stall", "half"].contains(&path);
            let agent = if stalls { hasty.clone() } else { patient.clone() };
            let url = url.clone();
            spawn(move || {
                let answer = agent.get(format!("{url}/{path}")).call();
                let error = match answer {
                    Err(error) => error,
                    Ok(mut answer) => answer.body_mut().read_to_vec().unwrap_err(),
                };
                let is_timeout = matches!(error, ureq::Error::Timeout(_))
                    || matches!(&error, ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut);
                assert_eq!(is_timeout, stalls, "{path}: {error:?}");
            })
        });
        join_all(clients.collect::<Vec<_>>());
        drop((patient, hasty));
        assert!(server.stop(Duration::ZERO) <= 10);
        let Stats { panicked, live, .. } = server.stats();
        assert_eq!((panicked, live), (0, 0));
    });
}
