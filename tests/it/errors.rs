//! Errors are what other code makes of them: `Box<dyn Error + Send + Sync>`, `?`, a line in a log.

use std::error::Error;

fn is_good<E: Error + Send + Sync + 'static>() {}

#[test]
fn every_error_can_be_boxed_and_sent() {
    use greenthread::{executor, generator, greenlet, pool, queue, sync, thread};

    is_good::<greenthread::JoinError>();
    is_good::<greenthread::Elapsed>();
    is_good::<greenthread::Stragglers>();
    is_good::<thread::AccessError>();
    is_good::<thread::TaskError<std::io::Error>>();
    is_good::<thread::GroupError<std::io::Error>>();
    is_good::<executor::ExecutionError>();
    is_good::<executor::SubmitError>();
    is_good::<executor::GatherError<std::io::Error>>();
    is_good::<generator::SendError<u8>>();
    is_good::<generator::CloseError>();
    // That of a switch stays on its OS thread, as greenlets do.
    is_good::<greenlet::ParentError>();
    is_good::<pool::TrySpawnError<fn()>>();
    is_good::<queue::PutError<u8>>();
    is_good::<queue::TryPutError<u8>>();
    is_good::<queue::GetError>();
    is_good::<queue::TryGetError>();
    is_good::<queue::TaskDoneError>();
    is_good::<sync::BrokenBarrierError>();
    is_good::<sync::ReleaseError>();
    is_good::<sync::mpmc::SendTimeoutError<u8>>();
    is_good::<sync::mpmc::TrySelectError>();
    is_good::<sync::mpmc::SelectTimeoutError>();
    is_good::<sync::mpmc::TryReadyError>();
    is_good::<sync::mpmc::ReadyTimeoutError>();
    #[cfg(feature = "processes")]
    is_good::<greenthread::process::CallError>();
    #[cfg(feature = "tokio")]
    is_good::<greenthread::future::InUse>();
}

/// A text begins and ends as part of a sentence: whoever passes it on puts it behind a colon.
#[test]
fn texts_are_parts_of_sentences() {
    use greenthread::{queue, sync};

    let panicked = greenthread::spawn(|| panic!("no luck")).join().unwrap_err();
    let never = sync::Event::new();
    let elapsed = greenthread::timeout(std::time::Duration::ZERO, || never.wait()).unwrap_err();
    let full = queue::Queue::with_capacity(0).try_put(1).unwrap_err();
    let texts = [
        panicked.to_string(),
        elapsed.to_string(),
        full.to_string(),
        queue::GetError.to_string(),
        queue::TaskDoneError.to_string(),
        sync::BoundedSemaphore::new(1).release().unwrap_err().to_string(),
        sync::mpmc::Select::new().try_select().unwrap_err().to_string(),
    ];
    for text in texts {
        assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
    }
}

/// A `main` that returns `io::Result` passes on with `?` what is not its business.
#[test]
fn errors_without_a_value_become_io_errors() {
    use std::io::{Error, ErrorKind};

    let never = greenthread::sync::Event::new();
    let elapsed = greenthread::timeout(std::time::Duration::ZERO, || never.wait()).unwrap_err();
    assert_eq!(Error::from(elapsed).kind(), ErrorKind::TimedOut);
    let panicked = greenthread::spawn(|| panic!("no luck")).join().unwrap_err();
    assert!(Error::from(panicked).to_string().contains("no luck"));

    let (begun, has_begun) = std::sync::mpsc::channel();
    let runtime = greenthread::Runtime::builder().workers(1).build().unwrap();
    runtime.spawn(move || {
        greenthread::shield(|| {
            begun.send(()).unwrap();
            greenthread::thread::park();
        });
    });
    has_begun.recv().unwrap();
    let stragglers = runtime.shutdown(std::time::Duration::ZERO).unwrap_err();
    let text = stragglers.to_string();
    let error = Error::from(stragglers);
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::TimedOut, text));
}
