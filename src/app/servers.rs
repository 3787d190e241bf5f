//! The HTTP servers, one an address.
//!
//! Ports are bound before anything else: that fails at once where it fails, and needs what is then given up.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Error, Sidecar, now, options, system};
use crate::config::{Config, ListenAddress};
use crate::web::access::Listener;
use crate::web::{Answers, Shared, router, server};

/// How long connections get to end by themselves.
const GRACE: Duration = Duration::from_millis(500);

/// The HTTP servers, one an address.
pub(super) struct Servers {
    running: tokio::task::JoinSet<()>,
    stop: CancellationToken,
    bound: Vec<SocketAddr>,
}

impl Servers {
    /// Serves on `ports` what `sidecar` knows.
    pub async fn start(ports: Vec<TcpListener>, sidecar: &Sidecar, config: &Config) -> Result<Self, Error> {
        let access = Arc::new(options::access(config)?);
        let shared = Shared {
            access: Arc::clone(&access),
            observer: Arc::clone(&sidecar.observer),
            vitals: Arc::clone(&sidecar.vitals),
            confinement: Arc::clone(&sidecar.confinement),
            registry: sidecar.registry.clone(),
            telemetry_path: config.web.telemetry_path.clone(),
            answers: Arc::new(Answers::new(
                options::asked(config),
                options::surroundings(config.logs_path.as_deref(), &config.store_path),
                config.preview.max_bytes,
                config.preview.max_time,
                sidecar.turns.clone(),
                Arc::clone(&sidecar.vitals),
            )),
            broker: sidecar.broker.clone(),
            clock: now,
        };
        let seats = server::Seats::for_this_process();
        let mut servers =
            Self { running: tokio::task::JoinSet::new(), stop: CancellationToken::new(), bound: Vec::new() };
        for port in ports {
            let start = |port: TcpListener| {
                let bound = port.local_addr()?;
                Ok((bound, tokio::net::TcpListener::from_std(port)?))
            };
            let (bound, port) = start(port).map_err(system("listen"))?;
            tracing::info!(address = %bound, "listening");
            servers.bound.push(bound);
            servers.running.spawn(server::serve(
                Listener::new(port, Arc::clone(&access), Arc::clone(&sidecar.vitals)),
                router(shared.clone()),
                Arc::clone(&seats),
                servers.stop.clone(),
            ));
        }
        Ok(servers)
    }

    /// Where people look.
    pub fn url(&self) -> String {
        self.bound.first().map(|address| format!("http://{address}")).unwrap_or_default()
    }

    /// Serves until `end`.
    pub async fn run(mut self, end: impl Future<Output = ()>) {
        end.await;
        self.stop.cancel();
        let _ =
            tokio::time::timeout(GRACE, async { while self.running.join_next().await.is_some() {} }).await;
    }
}

/// Binds every address.
pub(super) fn bind(addresses: &[ListenAddress]) -> Result<Vec<TcpListener>, Error> {
    addresses.iter().map(bind_one).collect()
}

fn bind_one(address: &ListenAddress) -> Result<TcpListener, Error> {
    let mut last = None;
    for host in address.hosts() {
        let bound = (host, address.port).to_socket_addrs().and_then(|addresses| {
            let listener = TcpListener::bind(addresses.collect::<Vec<_>>().as_slice())?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    let source = last.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into());
    Err(system(format!("listen on {address}"))(source))
}

/// Resolves at SIGTERM or SIGINT.
pub(super) async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be waited for");
            std::future::pending::<()>().await;
        }
    }
}
