//! Builds the parts from the configuration, starts and stops them in order.
//!
//! Three threads feed the observer: one follows the broker's logs, one looks at the store, one foretells its next start. HTTP runs on a small tokio runtime and
//! reads what is known. At the end the store's thread saves the state; nothing else has to be saved.

mod options;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::broker::BrokerConf;
use crate::config::{Config, ListenAddress, is_at_or_below};
use crate::demo::{Capture, CaptureError, DemoError, Narration, Pace, Player, SystemClock};
use crate::metrics::StoreCollector;
use crate::metrics::collector::MetricOptions;
use crate::observe::observer::Observer;
use crate::observe::outlook_loop::OutlookLoop;
use crate::observe::pass::Passes;
use crate::observe::pass_loop::{PassLoop, PassLoopOptions};
use crate::observe::picture::Picture;
use crate::observe::state_file::{Saved, set_aside};
use crate::observe::tail_loop::TailLoop;
use crate::units::EpochMillis;
use crate::watch::lines::LogTail;
use crate::watch::tree::Thoroughness;
use crate::watch::wake::{Wake, Waker};
use crate::web::access::Listener;
use crate::web::{Answers, Shared, router};

pub use options::surroundings;

/// Why a command ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state would be kept inside the store.
    #[error("state.path {} lies in the store {}", state.display(), store.display())]
    StateInStore {
        /// Where the state would be kept.
        state: PathBuf,
        /// The store.
        store: PathBuf,
    },
    /// The web configuration file went wrong between two looks.
    #[error("{0}")]
    WebFile(String),
    /// The system does not give what the process needs.
    #[error("{what}: {source}")]
    System {
        /// What was asked for.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The capture of the demo cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The capture of the demo cannot be replayed.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.into();
    move |source| Error::System { what, source }
}

/// The time of the system.
#[must_use]
pub fn now() -> EpochMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    EpochMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Watches the store until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start, or cannot go on.
pub fn serve(config: &Config) -> Result<(), Error> {
    tracing::debug!(?config, "configuration");
    let sidecar = Sidecar::start(config)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(Servers::start(&sidecar, config));
    let outcome = outcome.map(|servers| runtime.block_on(servers.run(terminated())));
    // An answer that is being made may hang in a read.
    runtime.shutdown_background();
    sidecar.stop();
    outcome
}

/// Replays the captured incident and serves it on `listen_addresses` until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start, or cannot go on.
pub fn demo(listen_addresses: &[ListenAddress]) -> Result<(), Error> {
    let (mut clock, stop) = SystemClock::new();
    let mut player = Player::prepare(Capture::embedded()?, now())?;
    let dirs = player.dirs().clone();
    let release = player.manifest().release.clone();
    let mut config = Config::for_store(dirs.store);
    config.logs_path = Some(dirs.logs);
    config.state_path = Some(dirs.state);
    config.broker.conf = Some(dirs.broker_conf);
    config.broker.version = Some(release);
    config.follow.interval = Duration::from_secs(1);
    config.web.listen_addresses = listen_addresses.to_vec();

    let sidecar = Sidecar::start(&config)?;
    let runtime = runtime()?;
    let servers = match runtime.block_on(Servers::start(&sidecar, &config)) {
        Ok(servers) => servers,
        Err(error) => {
            // Before the player's directory goes, whoever writes to it must have ended.
            sidecar.stop();
            return Err(error);
        }
    };
    let url = servers.url();
    let story = spawn("story", move || {
        let mut terminal = std::io::stdout();
        if let Err(error) = player.play(Pace::default(), &mut clock, &mut Narration::new(&mut terminal, &url))
        {
            tracing::error!(%error, "the replay ended early");
        }
    })?;
    runtime.block_on(servers.run(terminated()));
    runtime.shutdown_background();
    sidecar.stop();
    // The player goes with its thread, and with it everything that it has written.
    stop.stop();
    if story.join().is_err() {
        tracing::error!("the replay had panicked");
    }
    Ok(())
}

/// How long the first look at the store waits for the logs; behind logs that do not answer it must not wait for ever.
const LOGS_FIRST: Duration = Duration::from_secs(60);
/// How long threads get to end. One that reads from a file system that does not answer ends when that does, or never.
const PATIENCE: Duration = Duration::from_secs(3);

/// The threads that watch one store.
struct Sidecar {
    observer: Arc<Mutex<Observer>>,
    registry: prometheus::Registry,
    broker: Option<Arc<BrokerConf>>,
    threads: Vec<(Waker, JoinHandle<()>)>,
}

impl Sidecar {
    fn start(config: &Config) -> Result<Self, Error> {
        let conf = options::read_broker_conf(config);
        let logs_dir = config.logs_path.clone().or_else(|| options::find_logs(&config.store_path));
        let state_dir = state_dir(config)?;
        let saved = state_dir.as_deref().and_then(|dir| load_state(dir, &config.store_path));
        let (mut pass_wake, pass_waker) = Wake::new();
        let mut passes = Passes::new(options::pass_options(config, conf.as_ref(), pass_waker.stopped()));
        if let Some(saved) = &saved {
            saved.restore(&mut passes.tree);
        }
        let has_marks = saved.is_some();
        let (position, memory) = saved.map(|saved| (saved.tail, saved.memory)).unzip();
        let observer = Arc::new(Mutex::new(Observer::new(memory)));

        let tail = logs_dir.as_deref().map(|dir| TailLoop {
            tail: LogTail::new(dir, position),
            observer: Arc::clone(&observer),
            clock: now,
        });
        if tail.is_none() {
            tracing::warn!(
                "no directory with store.log was found, give --logs.path; only the store is watched"
            );
        }
        let outlook_dir = state_dir.clone();
        let pass_options = PassLoopOptions {
            interval: config.follow.interval,
            start_interval: config.follow.start_interval,
            max_cpu_ratio: config.follow.max_cpu_ratio,
            state_dir,
            evidence_starts: config.evidence.starts,
            evidence_bytes: config.evidence.max_bytes,
            logs_dir: logs_dir.clone(),
            version: options::version(config),
        };
        let pass = PassLoop::new(passes, Arc::clone(&observer), pass_options, now, has_marks);
        let registry = register(config, conf.clone(), &observer)?;
        let mut threads = Vec::new();
        let (has_caught_up, caught_up) = std::sync::mpsc::channel::<()>();
        if let Some(mut tail) = tail {
            let (mut wake, waker) = Wake::new();
            let (pass_waker, stopped) = (pass_waker.clone(), waker.stopped());
            let run = move || {
                if let Some(dir) = &logs_dir {
                    wake.watch(dir);
                }
                tail.catch_up(&stopped);
                drop(has_caught_up);
                tail.run(&mut wake, &pass_waker);
            };
            threads.push((waker, spawn("tail", run)?));
        } else {
            drop(has_caught_up);
        }
        let run = move || {
            // What the log tells of the past explains what the first look at the store finds.
            let _ = caught_up.recv_timeout(LOGS_FIRST);
            pass.run(&mut pass_wake);
        };
        threads.push((pass_waker, spawn("pass", run)?));
        let outlook = OutlookLoop {
            foreteller: options::foreteller(config),
            observer: Arc::clone(&observer),
            interval: config.preview.interval,
            max_cpu_ratio: config.follow.max_cpu_ratio,
            state_dir: outlook_dir,
            keep: config.evidence.starts,
            clock: now,
        };
        let (mut wake, waker) = Wake::new();
        threads.push((waker, spawn("outlook", move || outlook.run(&mut wake))?));
        Ok(Self { observer, registry, broker: conf.map(Arc::new), threads })
    }

    /// Stops the tail first, so that what is saved at the end is all that was read.
    fn stop(self) {
        let until = Instant::now() + PATIENCE;
        for (waker, thread) in self.threads {
            waker.stop();
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(2));
            }
            if !thread.is_finished() {
                let name = thread.thread().name().unwrap_or_default();
                tracing::error!(thread = name, "hangs in a read and is left behind");
            } else if thread.join().is_err() {
                tracing::error!("a thread had panicked");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(system(format!("thread {name}")))
}

fn register(
    config: &Config,
    conf: Option<BrokerConf>,
    observer: &Arc<Mutex<Observer>>,
) -> Result<prometheus::Registry, Error> {
    let options = MetricOptions {
        topics_limit: config.topics_limit,
        bad_queues_limit: config.bad_queues_limit,
        is_broker_told: conf.is_some(),
        broker: conf.unwrap_or_default(),
    };
    let registry = prometheus::Registry::new();
    let collectors: [Box<dyn prometheus::core::Collector>; 2] = [
        Box::new(StoreCollector::new(Arc::clone(observer), options, now)),
        Box::new(prometheus::process_collector::ProcessCollector::for_self()),
    ];
    for collector in collectors {
        registry.register(collector).map_err(|error| Error::System {
            what: "metrics".to_owned(),
            source: std::io::Error::other(error),
        })?;
    }
    Ok(registry)
}

/// Longest time that a single look takes.
const ONE_LOOK: Duration = Duration::from_secs(3600);

/// Looks at a store once.
#[must_use]
pub fn inspect(config: &Config) -> Picture {
    let conf = options::read_broker_conf(config);
    let mut options = options::pass_options(config, conf.as_ref(), Arc::default());
    // There is no next look that could go on.
    (options.time_budget, options.byte_budget) = (ONE_LOOK, u64::MAX);
    Passes::new(options).look(Thoroughness::Thorough, now()).picture
}

/// The configured place, or the usual one of the system; never below the store.
fn state_dir(config: &Config) -> Result<Option<PathBuf>, Error> {
    let (dir, is_told) = match &config.state_path {
        Some(dir) => (dir.clone(), true),
        None => {
            let base = std::env::var_os("XDG_STATE_HOME")
                .map(PathBuf::from)
                .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")));
            let Some(base) = base else {
                tracing::warn!(
                    "no place for the state was found, give --state.path; nothing outlives a restart"
                );
                return Ok(None);
            };
            (base.join("rocketmq-store-exporter"), false)
        }
    };
    if is_at_or_below(&config.store_path, &dir) {
        return Err(Error::StateInStore { state: dir, store: config.store_path.clone() });
    }
    match std::fs::create_dir_all(&dir) {
        Ok(()) => Ok(Some(dir)),
        Err(source) if is_told => Err(system(dir.display().to_string())(source)),
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "no place for the state, give --state.path; nothing outlives a restart");
            Ok(None)
        }
    }
}

fn load_state(dir: &Path, store: &Path) -> Option<Saved> {
    match Saved::load(dir) {
        Ok(saved) => saved.filter(|saved| saved.root == store),
        Err(error) => {
            tracing::error!(%error, "the saved state cannot be used and is set aside");
            if let Err(error) = set_aside(dir) {
                tracing::error!(%error, "nor can it be renamed");
            }
            None
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(system("runtime"))
}

/// How long connections get to end by themselves.
const GRACE: Duration = Duration::from_millis(500);

/// The HTTP servers, one an address.
struct Servers {
    running: tokio::task::JoinSet<std::io::Result<()>>,
    stop: watch::Sender<bool>,
    bound: Vec<SocketAddr>,
}

impl Servers {
    async fn start(sidecar: &Sidecar, config: &Config) -> Result<Self, Error> {
        let access = Arc::new(options::access(config)?);
        let shared = Shared {
            access: Arc::clone(&access),
            observer: Arc::clone(&sidecar.observer),
            registry: sidecar.registry.clone(),
            telemetry_path: config.web.telemetry_path.clone(),
            answers: Arc::new(Answers::new(
                options::asked(config),
                surroundings(config.logs_path.as_deref(), &config.store_path),
                config.preview.max_bytes,
                config.preview.max_time,
            )),
            broker: sidecar.broker.clone(),
            clock: now,
        };
        let (stop, stopped) = watch::channel(false);
        let mut servers = Self { running: tokio::task::JoinSet::new(), stop, bound: Vec::new() };
        for address in &config.web.listen_addresses {
            let listener = bind(address).await?;
            let bound = listener.local_addr().map_err(system(address.to_string()))?;
            let listener =
                Listener::new(listener, Arc::clone(&access)).map_err(system(address.to_string()))?;
            tracing::info!(address = %bound, "listening");
            servers.bound.push(bound);
            let (app, mut stopped) = (router(shared.clone()), stopped.clone());
            servers.running.spawn(async move {
                axum::serve(listener, app)
                    .with_graceful_shutdown(async move {
                        let _ = stopped.wait_for(|stopped| *stopped).await;
                    })
                    .await
            });
        }
        Ok(servers)
    }

    /// Where people look.
    fn url(&self) -> String {
        self.bound.first().map(|address| format!("http://{address}")).unwrap_or_default()
    }

    /// Serves until `end`.
    async fn run(mut self, end: impl Future<Output = ()>) {
        end.await;
        let _ = self.stop.send(true);
        let _ =
            tokio::time::timeout(GRACE, async { while self.running.join_next().await.is_some() {} }).await;
    }
}

async fn bind(address: &ListenAddress) -> Result<TcpListener, Error> {
    let mut last = None;
    for host in address.hosts() {
        let addresses: Vec<SocketAddr> = match tokio::net::lookup_host((host, address.port)).await {
            Ok(addresses) => addresses.collect(),
            Err(error) => {
                last = Some(error);
                continue;
            }
        };
        match TcpListener::bind(addresses.as_slice()).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    let source = last.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into());
    Err(system(format!("listen on {address}"))(source))
}

/// Resolves at SIGTERM or SIGINT.
async fn terminated() {
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
