//! Takes connections, and speaks TLS on them where the rules want it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::reload::Access;
use super::rules::Rules;
use crate::observe::vitals::{Task, Vitals};
use crate::web::server::third_of_descriptors;

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How much of that it is sure to have while others want its place.
const PATIENCE: Duration = Duration::from_secs(1);
/// Handshakes under way at a time.
const HANDSHAKES: usize = 256;
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
        let taking =
            tokio::spawn(take(Arc::clone(&tcp), Arc::clone(&access), ready.clone(), Arc::clone(&vitals)));
        let Err(error) = taking.await else { return };
        if !error.is_panic() {
            return;
        }
        vitals.panicked(Task::Http);
        tracing::error!(%error, task = Task::Http.as_str(), "taking connections panicked, it is started again");
        tokio::time::sleep(REST).await;
    }
}

async fn take(
    tcp: Arc<TcpListener>,
    access: Arc<Access>,
    ready: mpsc::Sender<(Stream, SocketAddr)>,
    vitals: Arc<Vitals>,
) {
    let most = third_of_descriptors().clamp(1, HANDSHAKES);
    let (mut handshakes, mut under_way) = (JoinSet::new(), VecDeque::<(Instant, AbortHandle)>::new());
    loop {
        if under_way.len() >= most {
            under_way.retain(|(_, handshake)| !handshake.is_finished());
        }
        let longest =
            under_way.front().filter(|_| under_way.len() >= most).map(|(began, _)| *began + PATIENCE);
        let accepted = tokio::select! {
            Some(ended) = handshakes.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    vitals.panicked(Task::Http);
                    tracing::error!(task = Task::Http.as_str(), "agreeing on TLS panicked");
                }
                continue;
            }
            accepted = tcp.accept(), if longest.is_none() => accepted,
            // Whoever has been at it longest makes room.
            () = sleep_until(longest.unwrap_or_else(Instant::now)), if longest.is_some() => {
                if let Some((_, handshake)) = under_way.pop_front() {
                    handshake.abort();
                }
                continue;
            }
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
        if rules.tls.is_some() {
            let handshake = handshakes.spawn(agree(rules, stream, address, ready.clone()));
            under_way.push_back((Instant::now(), handshake));
        } else if ready.send((Either::Left(stream), address)).await.is_err() {
            return;
        }
    }
}

/// Agrees on TLS, and hands the connection on.
async fn agree(
    rules: Arc<Rules>,
    stream: TcpStream,
    address: SocketAddr,
    ready: mpsc::Sender<(Stream, SocketAddr)>,
) {
    let Some(tls) = &rules.tls else { return };
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.config));
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) if tls.is_welcome(stream.get_ref().1) => {
            let _ = ready.send((Either::Right(stream), address)).await;
        }
        Ok(Ok(_)) => tracing::debug!(%address, "the client's certificate has no name that is allowed"),
        Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS with this client"),
        Err(_) => tracing::debug!(%address, "a client took too long to agree on TLS"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::time::timeout;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
    use tokio_rustls::rustls::sign::CertifiedKey;
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

    use super::super::tls::Tls;
    use super::*;

    #[derive(Debug)]
    struct Panics;

    impl ResolvesServerCert for Panics {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            panic!("wanted")
        }
    }

    /// What a client says first.
    fn hello() -> Vec<u8> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    #[tokio::test]
    async fn each_handshake_that_panics_is_counted_and_ends_no_other() {
        let read = || {
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(Panics));
            let tls = Tls { config: Arc::new(config), allowed_sans: Vec::new() };
            Ok((Rules { tls: Some(tls), ..Rules::default() }, Vec::new()))
        };
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let vitals = Arc::new(Vitals::default());
        let _listener = Listener::new(tcp, Arc::new(Access::told(read).unwrap()), Arc::clone(&vitals));
        for count in 1..=3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&hello()).await.unwrap();
            let counted = async {
                while vitals.panics(Task::Http) < count {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(Duration::from_secs(20), counted).await.expect("the panic is counted");
        }
    }
}
