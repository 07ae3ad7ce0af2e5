//! tonic's client and server, the unmodified crate, with messages of prost's.

use crate::{everywhere, join_all};
use greenthread::future::{self, FutureExt as _, green};
use greenthread::{sleep, spawn, timeout};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{Body as HttpBody, BoxFuture, BoxStream, Service, StdError, http};
use tonic::server::{Grpc as Server, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, prost::Message)]
struct Ask {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    times: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(string, tag = "1")]
    text: String,
}

/// How many streams of answers have not ended.
static STREAMS: AtomicUsize = AtomicUsize::new(0);

/// The method whose answer is one message, by blocking code.
struct Hello;

impl UnaryService<Ask> for Hello {
    type Response = Answer;
    type Future = BoxFuture<Response<Answer>, Status>;

    fn call(&mut self, request: Request<Ask>) -> Self::Future {
        let answer = green(move || {
            sleep(Duration::from_millis(1));
            let Ask { name, .. } = request.into_inner();
            if name.is_empty() {
                return Err(Status::invalid_argument("who?"));
            }
            Ok(Response::new(Answer { text: format!("hello {name}") }))
        });
        Box::pin(async { answer.await.map_err(|error| Status::internal(error.to_string()))? })
    }
}

/// The method whose answer is a stream of messages, which blocking code sends.
struct Count;

impl ServerStreamingService<Ask> for Count {
    type Response = Answer;
    type ResponseStream = BoxStream<Answer>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Ask>) -> Self::Future {
        struct Ends;
        impl Drop for Ends {
            fn drop(&mut self) {
                STREAMS.fetch_sub(1, Ordering::SeqCst);
            }
        }

        let Ask { name, times } = request.into_inner();
        STREAMS.fetch_add(1, Ordering::SeqCst);
        let ends = Ends;
        let answers = future::stream(move |answers| {
            let _ends = ends;
            for i in 0..times {
                if answers.send(Ok(Answer { text: format!("{name} {i}") })).is_err() {
                    return;
                }
            }
        });
        Box::pin(async move { Ok(Response::new(Box::pin(answers) as Self::ResponseStream)) })
    }
}

/// What protobuf's compiler would write.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "test.Greeter";
}

impl<B> Service<http::Request<B>> for Greeter
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async move {
            let mut server = Server::new(ProstCodec::<Answer, Ask>::default());
            Ok(match request.uri().path() {
                "/test.Greeter/Hello" => server.unary(Hello, request).await,
                "/test.Greeter/Count" => server.server_streaming(Count, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// A server on tokio's runtime, and its address.
fn serve() -> (String, tokio::task::JoinHandle<()>) {
    async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder().add_service(Greeter);
        let server = tokio::spawn(async { server.serve_with_incoming(incoming).await.unwrap() });
        (format!("http://{address}"), server)
    }
    .wait()
}

fn codec() -> ProstCodec<Ask, Answer> {
    ProstCodec::default()
}

fn hello(client: &mut Client<Channel>, name: &str) -> Result<String, Status> {
    let path = PathAndQuery::from_static("/test.Greeter/Hello");
    let ask = Ask { name: name.to_string(), times: 1 };
    client.ready().wait().unwrap();
    let answer = client.unary(Request::new(ask), path, codec()).wait();
    answer.map(|answer| answer.into_inner().text)
}

fn count(client: &mut Client<Channel>, times: u32) -> tonic::Streaming<Answer> {
    let path = PathAndQuery::from_static("/test.Greeter/Count");
    let ask = Ask { name: "n".to_string(), times };
    client.ready().wait().unwrap();
    client.server_streaming(Request::new(ask), path, codec()).wait().unwrap().into_inner()
}

#[test]
fn tonic_calls_methods_that_block_on_green_threads() {
    everywhere(|| {
        let (url, server) = serve();
        let channel = Channel::from_shared(url).unwrap().connect().wait().unwrap();
        let calls = (0..50).map(|i| {
            let mut client = Client::new(channel.clone());
            spawn(move || {
                assert_eq!(hello(&mut client, &i.to_string()).unwrap(), format!("hello {i}"));
            })
        });
        join_all(calls.collect::<Vec<_>>());
        let mut client = Client::new(channel);
        assert_eq!(hello(&mut client, "").unwrap_err().code(), Code::InvalidArgument);

        let answers = future::iter(count(&mut client, 100));
        let texts: Vec<_> = answers.map(|answer| answer.unwrap().text).collect();
        assert_eq!((texts.len(), texts[99].as_str()), (100, "n 99"));
        // A stream that is left half way, and a call that is cut off, end at the server too and leave the connection in order.
        let mut endless = future::iter(count(&mut client, u32::MAX));
        assert_eq!(endless.next().unwrap().unwrap().text, "n 0");
        drop(endless);
        let mut other = client.clone();
        assert!(
            timeout(Duration::from_micros(200), || {
                let all = future::iter(count(&mut other, u32::MAX));
                all.count()
            })
            .is_err()
        );
        assert_eq!(hello(&mut client, "again").unwrap(), "hello again");
        drop((client, other));
        server.abort();
        let _ = server.wait();
    });
    let end = std::time::Instant::now() + crate::LIMIT;
    while STREAMS.load(Ordering::SeqCst) != 0 {
        assert!(std::time::Instant::now() < end, "a stream of answers does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}
