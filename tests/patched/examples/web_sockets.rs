//! A hundred unmodified `tungstenite` clients and their server, over std's connections, on one OS thread. Each client says a
//! word, and hears those of all others.
//!
//!     cargo run -p greenthread-patched --example web_sockets
//!
//! It prints
//!
//! ```text
//! 100 clients have heard 100 words each
//! ```

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use tungstenite::{Message, WebSocket};

const CLIENTS: usize = 100;

type Failure = Box<dyn Error + Send + Sync>;

/// What has been said; who serves a client waits for more of it.
#[derive(Default)]
struct Room {
    words: Mutex<Vec<String>>,
    said: Condvar,
}

/// Takes the client's word, and passes on all that are said.
fn serve(stream: TcpStream, room: &Room) -> Result<(), Failure> {
    let mut client: WebSocket<TcpStream> = tungstenite::accept(stream)?;
    let word = client.read()?.into_text()?.to_string();
    room.words.lock().unwrap().push(word);
    room.said.notify_all();
    for heard in 0..CLIENTS {
        let words = room.words.lock().unwrap();
        // A lock and a condition of std's: they suspend this green thread only.
        let words = room.said.wait_while(words, |words| words.len() == heard).unwrap();
        let next = words[heard].clone();
        drop(words);
        client.send(Message::text(next))?;
    }
    Ok(client.close(None)?)
}

/// Says a word, and how many different ones were heard.
fn speak(address: std::net::SocketAddr, word: &str) -> Result<usize, Failure> {
    let stream = TcpStream::connect(address)?;
    let (mut server, _) = tungstenite::client(format!("ws://{address}/"), stream)?;
    server.send(Message::text(word))?;
    let mut heard = std::collections::HashSet::new();
    while let Ok(message) = server.read() {
        if let Message::Text(word) = message {
            heard.insert(word.to_string());
        }
    }
    Ok(heard.len())
}

fn everybody() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| greenthread::spawn(move || speak(address, &format!("word {number}"))))
        .collect();
    let room = Arc::new(Room::default());
    for _ in 0..CLIENTS {
        let (stream, room) = (listener.accept()?.0, Arc::clone(&room));
        greenthread::spawn(move || serve(stream, &room));
    }
    let mut all = 0;
    for client in clients {
        all += usize::from(client.join()?? == CLIENTS);
    }
    println!("{all} clients have heard {CLIENTS} words each");
    Ok(())
}

fn main() -> Result<(), Failure> {
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    unsafe { greenthread::monkey::patch_all() };
    greenthread::Runtime::builder().workers(1).build()?.run(everybody)?
}
