//! HTTP/1.1 on a listener: so many connections and no more, each with limits
//! for what it may keep us waiting for.
//!
//! Invariant: a call that was begun is carried through, whether or not its
//! caller waits for the answer: what it journals is announced, too.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tracing::{error, warn};

use crate::stop::Stop;

/// How many connections there are at once.
const MOST: usize = 1024;
/// How long a connection may take for the head of a call, and how long it may
/// be silent between calls.
const HEAD: Duration = Duration::from_secs(10);
/// How long anything of it may take when more than half of the connections are
/// taken: whoever only holds them makes room for those who call.
const CROWDED: Duration = Duration::from_secs(1);
/// How long a caller may take nothing of an answer.
const DEAF: Duration = Duration::from_secs(5);
/// The longest head of a call, in bytes.
const HEAD_MAX: usize = 32 * 1024;
/// How long to wait when the system gives no connection, for want of files.
const BREATH: Duration = Duration::from_millis(200);

/// How many connections there may be, and how many there are.
#[derive(Clone)]
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    all: usize,
}

impl Seats {
    pub(crate) fn new(all: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(all)),
            all,
        }
    }

    /// How long a caller may keep us waiting now: so long, or less where others
    /// need the room.
    pub(crate) fn patience(&self, most: Duration) -> Duration {
        let crowded = self.free.available_permits() < self.all / 2;
        if crowded { most.min(CROWDED) } else { most }
    }
}

/// Calls that are being carried out.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<JoinSet<()>>>);

/// Serves until the end is asked for, and then what was begun.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: Stop) {
    serve_so_many(MOST, listener, router, stop).await;
}

async fn serve_so_many(most: usize, listener: TcpListener, router: Router, stop: Stop) {
    let seats = Seats::new(most);
    let calls = Calls::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.asked() => break,
            // Until the first one comes there is nothing to join.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &seats.free) => accepted,
        };
        let Some((stream, peer, seat)) = accepted else {
            continue;
        };
        let (calls, seats) = (calls.clone(), seats.clone());
        let conversation = converse(stream, peer, seats, router.clone(), calls, stop.clone());
        connections.spawn(async move {
            conversation.await;
            drop(seat);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    let mut left = std::mem::take(&mut *calls.0.lock().unwrap_or_else(PoisonError::into_inner));
    while left.join_next().await.is_some() {}
}

/// Waits for a free seat, then for a caller.
async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> Option<(
    tokio::net::TcpStream,
    SocketAddr,
    tokio::sync::OwnedSemaphorePermit,
)> {
    let seat = Arc::clone(seats).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are short and whole: nothing is won by waiting for more.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, seat))
        }
        Err(error) => {
            warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(BREATH).await;
            None
        }
    }
}

/// One connection, from its first call to its last.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    seats: Seats,
    router: Router,
    calls: Calls,
    stop: Stop,
) {
    let (head, deaf) = (seats.patience(HEAD), seats.patience(DEAF));
    // Whoever takes nothing of an answer holds a seat as well as who sends nothing.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(deaf));
    let stream = Box::pin(stream);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(seats.clone());
        calls.clone().carry_out(router.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_header_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // What goes wrong with a connection is its caller's to notice.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.asked() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

impl Calls {
    async fn carry_out(self, router: Router, request: Request) -> Result<Response, Infallible> {
        let (answer, answered) = oneshot::channel();
        self.begin(async move {
            let Ok(response) = TowerToHyperService::new(router).call(request).await;
            // The caller may have gone.
            let _ = answer.send(response);
        });
        Ok(answered.await.unwrap_or_else(|_| {
            error!("a call ended without an answer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }))
    }

    fn begin(&self, call: impl Future<Output = ()> + Send + 'static) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while calls.try_join_next().is_some() {}
        calls.spawn(call);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::stop::Switch;

    /// What a connection says to these bytes before it closes.
    async fn check(bytes: &str) -> String {
        let (mut ours, theirs) = tokio::io::duplex(65_536);
        let (_switch, stop) = Switch::new();
        let router = Router::new().route("/", axum::routing::get(|| async { "hello" }));
        let peer = ([127, 0, 0, 1], 1).into();
        let server = converse(theirs, peer, Seats::new(9), router, Calls::default(), stop);
        let client = async {
            ours.write_all(bytes.as_bytes()).await.unwrap();
            let mut said = String::new();
            ours.read_to_string(&mut said).await.unwrap();
            said
        };
        let ((), said) = tokio::join!(server, client);
        said.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_keeps_us_waiting_is_closed() {
        for (bytes, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK"),
            ("GET / HTTP/1.1\r\nHost: a\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(check(bytes).await, expected, "{bytes:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_MAX));
        assert_eq!(
            check(&long).await,
            "HTTP/1.1 431 Request Header Fields Too Large"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_an_answer_is_left_alone() {
        // So small a way that the answer does not fit.
        let (mut ours, theirs) = tokio::io::duplex(512);
        let (_switch, stop) = Switch::new();
        let long = || async { "x".repeat(100_000) };
        let router = Router::new().route("/", axum::routing::get(long));
        let peer = ([127, 0, 0, 1], 1).into();
        let call = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        ours.write_all(call).await.unwrap();
        let server = converse(theirs, peer, Seats::new(9), router, Calls::default(), stop);
        let ended = tokio::time::timeout(2 * DEAF, server).await;
        assert!(ended.is_ok(), "its seat is free again");
    }

    #[tokio::test]
    async fn those_who_only_hold_connections_make_room_for_those_who_call() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (switch, stop) = Switch::new();
        let router = Router::new().route("/", axum::routing::get(|| async { "hello" }));
        let caller = async {
            let mut held = Vec::new();
            for _ in 0..16 {
                held.push(tokio::net::TcpStream::connect(address).await.unwrap());
            }
            let mut ours = tokio::net::TcpStream::connect(address).await.unwrap();
            let call = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            ours.write_all(call).await.unwrap();
            let mut said = String::new();
            let answer = ours.read_to_string(&mut said);
            // Before those that came early are tired of waiting.
            tokio::time::timeout(HEAD / 2, answer)
                .await
                .unwrap()
                .unwrap();
            switch.flip();
            said
        };
        let ((), said) = tokio::join!(serve_so_many(16, listener, router, stop), caller);
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    }
}
