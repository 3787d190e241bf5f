//! Clients that are silent, slow or without end keep nobody out.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rocketmq_store_exporter::observe::vitals::{Task, Vitals};
use rocketmq_store_exporter::web::access::{Access, Listener, Rules};
use rocketmq_store_exporter::web::server::{Seats, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const SEATS: usize = 16;
const LONG: Duration = Duration::from_secs(20);

/// A server with an answer that is short, one that is long, and one that never comes.
async fn start() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    start_with(Arc::new(Access::open()), Arc::default()).await
}

async fn start_with(
    access: Arc<Access>,
    vitals: Arc<Vitals>,
) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(|| async { "here\n" }))
        .route("/long", get(|| async { "x".repeat(8 << 20) }))
        .route("/never", get(|| async { std::future::pending::<&str>().await }));
    let stop = CancellationToken::new();
    let listener = Listener::new(tcp, access, vitals);
    (address, stop.clone(), tokio::spawn(serve(listener, router, Seats::new(SEATS), stop)))
}

/// The whole answer to one request on a connection of its own; what there was of it if the connection broke.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the connection is not held open");
    String::from_utf8_lossy(&answer).into_owned()
}

const CLOSING: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

async fn assert_answers(address: SocketAddr) {
    let answer = ask(address, CLOSING).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("here\n"), "{answer}");
}

#[tokio::test]
async fn a_panic_while_connections_are_taken_was_silent_and_for_good() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_owned();
    let reads = AtomicUsize::new(0);
    let read = move || {
        assert_ne!(reads.fetch_add(1, Ordering::Relaxed), 1, "the second look ends badly");
        Ok((Rules::default(), vec![path.clone()]))
    };
    let vitals = Arc::new(Vitals::default());
    let (address, ..) = start_with(Arc::new(Access::told(read).unwrap()), Arc::clone(&vitals)).await;
    assert_answers(address).await;
    std::fs::write(file.path(), "it has changed").unwrap();
    // The files are looked at once a second, when somebody connects.
    let asking = async {
        while vitals.panics(Task::Http) == 0 {
            ask(address, CLOSING).await;
        }
    };
    timeout(LONG, asking).await.expect("the panic is counted");
    assert_answers(address).await;
    assert_eq!(vitals.panics(Task::Http), 1);
}

#[tokio::test]
async fn who_says_nothing_or_reads_nothing_loses_its_seat_to_whoever_asks() {
    let (address, ..) = start().await;
    let mut held = Vec::new();
    for number in 0..20 * SEATS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET / HTTP/1.1\r\nx-slow: ",
            _ => b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n",
        };
        // Whoever lost its seat meanwhile cannot say anything any more.
        let _ = stream.write_all(said).await;
        held.push(stream);
        if number % 40 == 0 {
            assert_answers(address).await;
        }
    }
    assert_answers(address).await;
    // The first one has been cut.
    assert_eq!(rest(&mut held[0]).await, "");
}

#[tokio::test]
async fn who_waits_for_an_answer_keeps_its_seat() {
    let (address, ..) = start().await;
    let mut waiting = Vec::new();
    for _ in 0..SEATS - 1 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        waiting.push(stream);
    }
    for _ in 0..3 * SEATS {
        assert_answers(address).await;
    }
    for stream in &mut waiting {
        let silent = timeout(Duration::from_millis(1), stream.read_u8()).await;
        assert!(silent.is_err(), "neither answered nor cut");
    }
}

#[tokio::test]
async fn more_clients_that_wait_than_there_are_seats_shut_out_whoever_came_then() {
    let (address, ..) = start().await;
    let mut waiting = Vec::new();
    for number in 0..3 * SEATS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
        waiting.push(stream);
        if number % SEATS == 0 {
            assert_answers(address).await;
        }
    }
    assert_answers(address).await;
    assert_eq!(rest(&mut waiting[0]).await, "", "who has waited longest has made room");
}

#[tokio::test]
async fn heads_and_bodies_without_end_are_cut_off() {
    let (address, ..) = start().await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}", "y".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(100_000));
    for request in [head, many] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = rest(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = b"GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "z".repeat(65_536));
    let sent = timeout(LONG, async {
        let mut sent = 0_u64;
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += 65_536;
        }
        sent
    });
    assert!(sent.await.expect("a body is not taken for ever") < 64 << 20);
    assert_answers(address).await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_though_clients_are_connected() {
    let (address, stop, server) = start().await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stop.cancel();
    timeout(LONG, server).await.expect("it ends").unwrap();
}
