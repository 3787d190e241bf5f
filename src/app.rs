//! Builds the parts from the configuration, starts and stops them in order.
//!
//! Ports are bound and the directory for the state is made; then what is not needed any more is given up; only then the store is looked at.
//!
//! Three threads feed the observer: one follows the broker's logs, one looks at the store, one foretells its next start. HTTP runs on a small tokio runtime and
//! reads what is known. At the end the store's thread saves the state; nothing else has to be saved.

mod ground;
mod options;
mod servers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::broker::BrokerConf;
use crate::config::{Config, ListenAddress};
use crate::confine::{Confinement, Writes};
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
use crate::observe::turns::Turns;
use crate::observe::vitals::{Task, Vitals};
use crate::units::EpochMillis;
use crate::watch::lines::LogTail;
use crate::watch::tree::Thoroughness;
use crate::watch::wake::{Wake, Waker, Woken};

use ground::Ground;
use servers::{Servers, terminated};

pub use ground::confine_reader;
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

/// Logs what is amiss with the broker's properties, as [`serve`] does, which goes on all the same.
pub fn check(config: &Config) {
    let _ = options::read_broker_conf(config);
}

/// Watches the store until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start, or cannot go on.
pub fn serve(config: &Config) -> Result<(), Error> {
    tracing::debug!(?config, "configuration");
    let ports = servers::bind(&config.web.listen_addresses)?;
    let ground = Ground::prepare(config)?;
    let confinement = ground.confine(config, ground.writes());
    let sidecar = Sidecar::start(config, ground, confinement)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(Servers::start(ports, &sidecar, config));
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
    let ports = servers::bind(listen_addresses)?;
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

    let ground = Ground::prepare(&config)?;
    let confinement = ground.confine(&config, Writes::Play(dirs.home));
    let sidecar = Sidecar::start(&config, ground, confinement)?;
    let runtime = runtime()?;
    let servers = match runtime.block_on(Servers::start(ports, &sidecar, &config)) {
        Ok(servers) => servers,
        Err(error) => {
            // Before the player's directory goes, whoever writes to it must have ended.
            sidecar.stop();
            return Err(error);
        }
    };
    let url = servers.url();
    let vitals = Arc::clone(&sidecar.vitals);
    let story = spawn(Task::Demo.as_str(), move || {
        let mut terminal = std::io::stdout();
        let mut narration = Narration::new(&mut terminal, &url);
        let play = AssertUnwindSafe(|| player.play(Pace::default(), &mut clock, &mut narration));
        // It is not started again: a story cannot be taken up in its middle.
        match catch_unwind(play) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the replay ended early"),
            Err(_) => {
                vitals.panicked(Task::Demo);
                tracing::error!("the replay panicked");
            }
        }
    })?;
    runtime.block_on(servers.run(terminated()));
    runtime.shutdown_background();
    sidecar.stop();
    // The player goes with its thread, and with it everything that it has written.
    stop.stop();
    if story.join().is_err() {
        tracing::error!("the replay could not be ended");
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
    vitals: Arc<Vitals>,
    confinement: Arc<Confinement>,
    turns: Turns,
    threads: Vec<(Waker, JoinHandle<()>)>,
}

impl Sidecar {
    fn start(config: &Config, ground: Ground, confinement: Confinement) -> Result<Self, Error> {
        let Ground { conf, logs_dir, state_dir } = ground;
        let saved = state_dir.as_deref().and_then(|dir| load_state(dir, &config.store_path));
        let (pass_wake, pass_waker) = Wake::new();
        let mut passes = Passes::new(options::pass_options(config, conf.as_ref(), pass_waker.stopped()));
        if let Some(saved) = &saved {
            saved.restore(&mut passes.tree);
        }
        let has_marks = saved.is_some();
        let (position, memory) = saved.map(|saved| (saved.tail, saved.memory)).unzip();
        let observer = Arc::new(Mutex::new(Observer::new(memory)));

        if logs_dir.is_none() {
            tracing::warn!(
                "no store.log beside the store yet: it is looked for, and the store alone is watched until then; give --logs.path if it is elsewhere"
            );
        }
        let logs_dir: Arc<OnceLock<PathBuf>> = Arc::new(logs_dir.map(OnceLock::from).unwrap_or_default());
        let outlook_dir = state_dir.clone();
        let pass_options = PassLoopOptions {
            interval: config.follow.interval,
            start_interval: config.follow.start_interval,
            max_cpu_ratio: config.follow.max_cpu_ratio,
            state_dir,
            evidence_starts: config.evidence.starts,
            evidence_bytes: config.evidence.max_bytes,
            logs_dir: Arc::clone(&logs_dir),
            version: options::version(config),
        };
        let mut pass = PassLoop::new(passes, Arc::clone(&observer), pass_options, now, has_marks);
        let vitals = Arc::new(Vitals::default());
        let registry = register(config, conf.clone(), confinement.clone(), &observer, &vitals)?;
        let run = |task: Task, allowed, wake, step| run_task(&vitals, task, allowed, wake, step);
        let mut threads = Vec::new();
        let (has_caught_up, caught_up) = std::sync::mpsc::channel::<()>();
        // Logs that are not there yet hold up nothing.
        let mut has_caught_up = logs_dir.get().is_some().then_some(has_caught_up);
        let (mut tail, mut position) = (None, position);
        let (wake, waker) = Wake::new();
        let (tail_observer, store) = (Arc::clone(&observer), config.store_path.clone());
        let (pass_request, stopped) = (pass_waker.clone(), waker.stopped());
        let step: Step = Box::new(move |wake, beat| {
            let Some(dir) = await_logs(&logs_dir, &store, wake, beat) else { return };
            let tail = tail.get_or_insert_with(|| {
                wake.watch(dir);
                TailLoop {
                    tail: LogTail::new(dir, position.take()),
                    observer: Arc::clone(&tail_observer),
                    clock: now,
                }
            });
            if has_caught_up.is_some() {
                tail.catch_up(&stopped, beat);
                has_caught_up = None;
            }
            tail.run(wake, &pass_request, beat);
        });
        threads.push((waker, run(Task::Tail, SLACK, wake, step)?));
        let step: Step = Box::new(move |wake, beat| {
            // What the log tells of the past explains what the first look at the store finds.
            let _ = caught_up.recv_timeout(LOGS_FIRST);
            pass.run(wake, beat);
        });
        threads.push((pass_waker, run(Task::Pass, config.budget.time_per_pass + SLACK, pass_wake, step)?));
        let turns = Turns::default();
        let outlook = OutlookLoop {
            turns: turns.clone(),
            foreteller: options::foreteller(config),
            observer: Arc::clone(&observer),
            interval: config.preview.interval,
            max_cpu_ratio: config.follow.max_cpu_ratio,
            state_dir: outlook_dir,
            keep: config.evidence.starts,
            clock: now,
        };
        let (wake, waker) = Wake::new();
        let step: Step = Box::new(move |wake, beat| outlook.run(wake, beat));
        threads.push((waker, run(Task::Outlook, config.preview.max_time + SLACK, wake, step)?));
        let confinement = Arc::new(confinement);
        Ok(Self { observer, registry, broker: conf.map(Arc::new), vitals, confinement, turns, threads })
    }

    /// Stops the tail first, so that what is saved at the end is all that was read.
    fn stop(self) {
        let until = Instant::now() + PATIENCE;
        // No forecast begins any more while the tail is waited for.
        let others =
            self.threads.iter().filter(|(_, thread)| thread.thread().name() != Some(Task::Pass.as_str()));
        others.for_each(|(waker, _)| waker.stop());
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

/// Time between two looks for logs that are not there yet.
const LOGS_AGAIN: Duration = Duration::from_secs(1);

/// The directory of the logs, once there is one; `None` when told to stop. A sidecar is often there before the first log of its broker.
fn await_logs<'l>(
    known: &'l OnceLock<PathBuf>,
    store: &Path,
    wake: &mut Wake,
    beat: &dyn Fn(),
) -> Option<&'l Path> {
    while known.get().is_none() {
        if let Some(found) = options::find_logs(store) {
            tracing::info!(dir = %found.display(), "logs found");
            return Some(known.get_or_init(|| found));
        }
        beat();
        if wake.wait(LOGS_AGAIN) == Woken::ByStop {
            return None;
        }
    }
    known.get().map(PathBuf::as_path)
}

/// How long a task may take beyond what it is given.
const SLACK: Duration = Duration::from_secs(60);

/// What a task does until it is told to stop; with it, how it gives a sign of life.
type Step = Box<dyn FnMut(&mut Wake, &dyn Fn()) + Send>;

fn run_task(
    vitals: &Arc<Vitals>,
    task: Task,
    allowed: Duration,
    mut wake: Wake,
    mut step: Step,
) -> Result<JoinHandle<()>, Error> {
    let vitals = Arc::clone(vitals);
    let run = move || vitals.keep_running(task, allowed, &mut wake, |wake| step(wake, &|| vitals.beat(task)));
    spawn(task.as_str(), run)
}

fn register(
    config: &Config,
    conf: Option<BrokerConf>,
    confinement: Confinement,
    observer: &Arc<Mutex<Observer>>,
    vitals: &Arc<Vitals>,
) -> Result<prometheus::Registry, Error> {
    let options = MetricOptions {
        topics_limit: config.topics_limit,
        bad_queues_limit: config.bad_queues_limit,
        is_broker_told: conf.is_some(),
        broker: conf.unwrap_or_default(),
        confinement,
        vitals: Arc::clone(vitals),
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

/// Gives up what [`inspect`] does not need, for the rest of the process' life.
pub fn confine_inspection(config: &Config) {
    confine_reader(&config.store_path, options::read_broker_conf(config).as_ref(), None);
}

/// Looks at a store once.
#[must_use]
pub fn inspect(config: &Config) -> Picture {
    let conf = options::read_broker_conf(config);
    let mut options = options::pass_options(config, conf.as_ref(), Arc::default());
    // There is no next look that could go on.
    (options.time_budget, options.byte_budget) = (ONE_LOOK, u64::MAX);
    Passes::new(options).look(Thoroughness::Thorough, now()).picture
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
