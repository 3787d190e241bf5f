//! Takes connections, and speaks TLS on them where the rules want it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::reload::Access;
use crate::observe::vitals::{Task, Vitals};

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at a time.
const HANDSHAKES: usize = 64;
/// Rest after a connection could not be taken, as when no file descriptor is left, and after a panic.
const REST: Duration = Duration::from_millis(500);

/// One connection.
pub type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// Connections that may be served. A client that is slow to agree on TLS holds up nobody.
#[derive(Debug)]
pub struct Listener {
    ready: mpsc::Receiver<(Stream, SocketAddr)>,
}

impl Listener {
    /// Takes connections of `tcp` from now on.
    #[must_use]
    pub fn new(tcp: TcpListener, access: Arc<Access>, vitals: Arc<Vitals>) -> Self {
        let (sender, ready) = mpsc::channel(1);
        tokio::spawn(keep_taking(Arc::new(tcp), access, sender, vitals));
        Self { ready }
    }

    /// The next connection.
    pub async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The task that takes connections ends with this listener only.
            None => std::future::pending().await,
        }
    }
}

/// Takes connections until the listener ends, again and again if that panics: else nobody would be answered any more.
async fn keep_taking(
    tcp: Arc<TcpListener>,
    access: Arc<Access>,
    ready: mpsc::Sender<(Stream, SocketAddr)>,
    vitals: Arc<Vitals>,
) {
    loop {
        let taking = tokio::spawn(take(Arc::clone(&tcp), Arc::clone(&access), ready.clone()));
        let Err(error) = taking.await else { return };
        if !error.is_panic() {
            return;
        }
        vitals.panicked(Task::Http);
        tracing::error!(%error, task = Task::Http.as_str(), "taking connections panicked, it is started again");
        tokio::time::sleep(REST).await;
    }
}

async fn take(tcp: Arc<TcpListener>, access: Arc<Access>, ready: mpsc::Sender<(Stream, SocketAddr)>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let rules = access.rules();
        if rules.tls.is_none() {
            if ready.send((Either::Left(stream), address)).await.is_err() {
                return;
            }
            continue;
        }
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let ready = ready.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let Some(tls) = &rules.tls else { return };
            let acceptor = TlsAcceptor::from(Arc::clone(&tls.config));
            let agreed = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
            match agreed {
                Ok(Ok(stream)) if tls.is_welcome(stream.get_ref().1) => {
                    let _ = ready.send((Either::Right(stream), address)).await;
                }
                Ok(Ok(_)) => {
                    tracing::debug!(%address, "the client's certificate has no name that is allowed")
                }
                Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS with this client"),
                Err(_) => tracing::debug!(%address, "a client took too long to agree on TLS"),
            }
        });
    }
}
