//! A proxy before the server that cuts connections at a message. It reads the protocol (version 3, without TLS).

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A message that went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Whether the client sent it.
    pub(crate) asks: bool,
    /// Its type; `\0` for the one that begins a connection.
    pub(crate) tag: char,
    /// Its statement, where it has one.
    pub(crate) sql: String,
}

/// What becomes of new connections after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// They are made.
    Alive,
    /// They are cut at once.
    Dead,
}

#[derive(Debug, Default)]
struct State {
    passed: Vec<Message>,
    /// The index of the message that does not go through any more.
    cut: Option<(usize, After)>,
    dead: bool,
}

/// A proxy. It ends when it is dropped.
pub(crate) struct Proxy {
    url: String,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// Puts a proxy before the server of an address.
    pub(crate) async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (before, rest) = url.rsplit_once('@').unwrap();
        let (host, database) = rest.split_once('/').unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("{before}@127.0.0.1:{port}/{database}?sslmode=disable");
        let (state, host) = (Arc::<Mutex<State>>::default(), host.to_owned());
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            let (cut, _) = watch::channel(());
            while let Ok((client, _)) = listener.accept().await {
                if !shared.lock().unwrap().dead {
                    tokio::spawn(pass(client, host.clone(), Arc::clone(&shared), cut.clone()));
                }
            }
        });
        Self { url, state, accepting }
    }

    /// Returns the address that leads through it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Begins to count anew, and cuts all connections before the message of this index.
    pub(crate) fn arm(&self, cut: Option<(usize, After)>) {
        *self.state.lock().unwrap() = State { cut, ..State::default() };
    }

    /// Returns what went through since it was armed.
    pub(crate) fn passed(&self) -> Vec<Message> {
        self.state.lock().unwrap().passed.clone()
    }

    /// Returns whether it cut.
    pub(crate) fn has_cut(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.cut.is_some_and(|(at, _)| state.passed.len() > at)
    }
}

/// Passes the messages of a connection on until it ends or any connection is cut.
async fn pass(client: TcpStream, host: String, state: Arc<Mutex<State>>, cut: watch::Sender<()>) {
    let mut over = cut.subscribe();
    let Ok(server) = TcpStream::connect(host).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let ((client_reads, client_writes), (server_reads, server_writes)) = (client.into_split(), server.into_split());
    tokio::select! {
        _ = pump(client_reads, server_writes, true, &state, &cut) => {}
        _ = pump(server_reads, client_writes, false, &state, &cut) => {}
        _ = over.changed() => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    asks: bool,
    state: &Mutex<State>,
    cut: &watch::Sender<()>,
) -> io::Result<()> {
    let mut begins = asks;
    loop {
        let mut whole = Vec::new();
        let tag = if begins { 0 } else { from.read_u8().await? };
        if !begins {
            whole.push(tag);
        }
        begins = false;
        let length = from.read_u32().await?;
        whole.extend(length.to_be_bytes());
        let head = whole.len();
        whole.resize(head + length as usize - 4, 0);
        from.read_exact(&mut whole[head..]).await?;
        let sql = match (asks, tag) {
            (true, b'Q') => text(&whole[head..]),
            (true, b'P') => {
                whole[head..].iter().position(|byte| *byte == 0).map_or_else(String::new, |end| text(&whole[head + end + 1..]))
            }
            _ => String::new(),
        };
        if is_cut(state, Message { asks, tag: char::from(tag), sql }) {
            cut.send_replace(());
            return Ok(());
        }
        to.write_all(&whole).await?;
    }
}

/// Returns a text that ends with a zero.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// Counts a message; whether it is the one at which connections are cut.
fn is_cut(state: &Mutex<State>, message: Message) -> bool {
    let mut state = state.lock().unwrap();
    let index = state.passed.len();
    state.passed.push(message);
    match state.cut {
        Some((at, after)) if at == index => {
            state.dead = after == After::Dead;
            true
        }
        _ => state.dead,
    }
}
