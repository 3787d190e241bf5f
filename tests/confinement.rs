//! What a confined process is refused, and that the exporter works in spite of it.
//!
//! A confinement holds for a thread and its later children, so a test confines a thread of its own and looks on from outside. What a
//! kernel without Landlock cannot refuse is not asked of it.

#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(clippy::print_stderr, reason = "the log of the exporter explains a failure")]

#[path = "support/stores.rs"]
mod stores;

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rocketmq_store_exporter::confine::{Confinement, Needs, Part, Writes, confine};
use rocketmq_store_exporter::store::lock::first_byte;
use rustix::fs::{Advice, IFlags, XattrFlags, fadvise, fsetxattr, ioctl_getflags, ioctl_setflags};
use rustix::process::{Resource, Rlimit, getpriority_process, prlimit, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use stores::unpack;

/// A store, a state directory, and something that is nobody's business.
struct Place {
    home: tempfile::TempDir,
    elsewhere: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { home: tempfile::tempdir().unwrap(), elsewhere: tempfile::tempdir().unwrap() };
        fs::create_dir_all(place.store("config")).unwrap();
        fs::create_dir(place.state("")).unwrap();
        fs::write(place.store("checkpoint"), b"0123").unwrap();
        fs::write(place.secret(), b"secret").unwrap();
        place
    }

    fn store(&self, name: &str) -> PathBuf {
        self.home.path().join("store").join(name)
    }

    fn state(&self, name: &str) -> PathBuf {
        self.home.path().join("state").join(name)
    }

    fn secret(&self) -> PathBuf {
        self.elsewhere.path().join("secret")
    }

    /// Does `what` in a thread that has given up everything but to read the store and to write as told.
    fn confined<T: Send>(&self, writes: Writes, what: impl FnOnce(Confinement) -> T + Send) -> T {
        let needs = Needs { reads: vec![self.store("")], writes };
        std::thread::scope(|scope| scope.spawn(move || what(confine(&needs))).join().unwrap())
    }
}

/// Another process, in the place of a broker.
struct Neighbour(Child);

impl Neighbour {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.0)
    }

    fn one_processor(&self) -> CpuSet {
        let may_use = sched_getaffinity(Some(self.pid())).unwrap();
        let mut one = CpuSet::new();
        one.set((0..CpuSet::MAX_CPU).find(|processor| may_use.is_set(*processor)).unwrap());
        one
    }

    /// What it may do, and how soon it is served.
    fn standing(&self) -> (String, i32, CpuSet) {
        (
            fs::read_to_string(format!("/proc/{}/limits", self.0.id())).unwrap(),
            getpriority_process(Some(self.pid())).unwrap(),
            sched_getaffinity(Some(self.pid())).unwrap(),
        )
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Attempts = Vec<(&'static str, Part, io::Result<()>)>;

/// Whatever could harm a broker. Files are opened before, as a confined thread could not.
fn attempts(place: &Place, store_file: &File, port: u16, neighbour: &Neighbour) -> Attempts {
    let file = place.store("checkpoint");
    let long_ago = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
    let own = place.state("own");
    let (other, nothing) = (Some(neighbour.pid()), Rlimit { current: Some(0), maximum: Some(0) });
    vec![
        ("write a file of the store", Part::Files, File::options().write(true).open(&file).map(drop)),
        ("append to a file of the store", Part::Files, File::options().append(true).open(&file).map(drop)),
        ("empty a file of the store", Part::Files, File::create(&file).map(drop)),
        ("create a file in the store", Part::Files, File::create(place.store("new")).map(drop)),
        ("create a directory in the store", Part::Files, fs::create_dir(place.store("new"))),
        ("remove a file of the store", Part::Files, fs::remove_file(&file)),
        ("remove a directory of the store", Part::Files, fs::remove_dir(place.store("config"))),
        ("rename in the store", Part::Files, fs::rename(&file, place.store("new"))),
        ("move out of the store", Part::Files, fs::rename(&file, place.state("stolen"))),
        ("move into the store", Part::Files, fs::rename(&own, place.store("own"))),
        ("read a file elsewhere", Part::Files, fs::read(place.secret()).map(drop)),
        ("read the passwords of the system", Part::Files, fs::read("/etc/shadow").map(drop)),
        ("create a file elsewhere", Part::Files, File::create(place.elsewhere.path().join("new")).map(drop)),
        ("link a file of the store", Part::SystemCalls, fs::hard_link(&file, place.state("link"))),
        ("link to the store", Part::SystemCalls, symlink(&file, place.state("link"))),
        ("change a mode", Part::SystemCalls, fs::set_permissions(&file, Permissions::from_mode(0o600))),
        (
            "change the mode of an open file",
            Part::SystemCalls,
            store_file.set_permissions(Permissions::from_mode(0o600)),
        ),
        ("change times", Part::SystemCalls, store_file.set_times(long_ago)),
        (
            "change the flags of an open file",
            Part::SystemCalls,
            ioctl_setflags(store_file, IFlags::NODUMP).map_err(Into::into),
        ),
        (
            "set an attribute of an open file",
            Part::SystemCalls,
            fsetxattr(store_file, c"user.mine", b"1", XattrFlags::empty()).map_err(Into::into),
        ),
        (
            "drop an open file from memory",
            Part::SystemCalls,
            fadvise(store_file, 0, None, Advice::DontNeed).map_err(Into::into),
        ),
        ("change an owner", Part::SystemCalls, std::os::unix::fs::chown(&file, Some(1), None)),
        (
            "shorten a file by its path",
            Part::SystemCalls,
            nix::unistd::truncate(&file, 0).map_err(Into::into),
        ),
        (
            "take a record lock",
            Part::SystemCalls,
            fcntl(store_file, FcntlArg::F_OFD_SETLK(&shared_first_byte())).map(drop).map_err(Into::into),
        ),
        (
            "take a lock of a file",
            Part::SystemCalls,
            Flock::lock(store_file.try_clone().unwrap(), FlockArg::LockSharedNonblock)
                .map(drop)
                .map_err(|(_, error)| error.into()),
        ),
        ("start a program", Part::SystemCalls, Command::new("/bin/true").status().map(drop)),
        (
            "limit another process",
            Part::SystemCalls,
            prlimit(other, Resource::Fsize, nothing).map(drop).map_err(Into::into),
        ),
        ("slow another process", Part::SystemCalls, setpriority_process(other, 19).map_err(Into::into)),
        (
            "crowd another process",
            Part::SystemCalls,
            sched_setaffinity(other, &neighbour.one_processor()).map_err(Into::into),
        ),
        (
            "signal another process",
            Part::SystemCalls,
            kill(Pid::from_raw(neighbour.pid().as_raw_pid()), Signal::SIGCONT).map_err(Into::into),
        ),
        ("connect", Part::Network, TcpStream::connect(("127.0.0.1", port)).map(drop)),
        ("bind a further port", Part::Network, TcpListener::bind("127.0.0.1:0").map(drop)),
        ("send datagrams", Part::SystemCalls, UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("make a way to local sockets", Part::SystemCalls, UnixDatagram::pair().map(drop)),
        (
            "connect to a local socket",
            Part::SystemCalls,
            UnixStream::connect(place.state("socket")).map(drop),
        ),
    ]
}

/// A lock that a descriptor for reading may take.
fn shared_first_byte() -> nix::libc::flock {
    let mut lock = first_byte();
    lock.l_type = i16::try_from(nix::libc::F_RDLCK).unwrap();
    lock
}

fn assert_refused(confinement: &Confinement, attempts: Attempts) {
    let mut asked = 0;
    for (what, part, outcome) in attempts {
        if confinement.holds(part) {
            let error = outcome.expect_err(what);
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
            asked += 1;
        }
    }
    assert!(asked >= 14, "without any part of it nothing is shown: {:?}", confinement.gaps);
}

#[test]
fn what_could_harm_a_broker_is_refused_and_what_is_needed_is_not() {
    let place = Place::new();
    fs::write(place.state("own"), b"1").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let opened = File::open(place.store("checkpoint")).unwrap();
    let before = fs::metadata(place.store("checkpoint")).unwrap().modified().unwrap();
    let flags = ioctl_getflags(&opened);
    let neighbour = Neighbour::new();
    let standing = neighbour.standing();
    let (confinement, attempts) = place.confined(Writes::State(place.state("")), |confinement| {
        let attempts = attempts(&place, &opened, port, &neighbour);
        UnixStream::pair().unwrap();
        assert_eq!(fs::read(place.store("checkpoint")).unwrap(), b"0123");
        assert!(Path::new("/proc/self/status").exists() && fs::read("/proc/self/stat").is_ok());
        fs::create_dir(place.state("evidence")).unwrap();
        fs::write(place.state("evidence/pending"), b"x").unwrap();
        fs::rename(place.state("evidence/pending"), place.state("state.json")).unwrap();
        fs::remove_dir(place.state("evidence")).unwrap();
        fs::write(place.state("state.json"), b"y").unwrap();
        fs::remove_file(place.state("state.json")).unwrap();
        (confinement, attempts)
    });
    assert_refused(&confinement, attempts);
    assert_eq!(fs::metadata(place.store("checkpoint")).unwrap().modified().unwrap(), before);
    assert_eq!(ioctl_getflags(&opened), flags);
    assert_eq!(neighbour.standing(), standing);
    fs::create_dir(place.store("unconfined")).unwrap();
}

/// Whoever sees refusals has to show that it is the confinement that refuses.
#[test]
fn without_a_confinement_nothing_of_it_is_refused() {
    const BY_ROOT_ALONE: [&str; 2] = ["read the passwords of the system", "change an owner"];
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let opened = File::open(place.store("checkpoint")).unwrap();
    let neighbour = Neighbour::new();
    let (port, standing) = (listener.local_addr().unwrap().port(), neighbour.standing());
    for (what, _, outcome) in attempts(&place, &opened, port, &neighbour) {
        let is_refused = outcome.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        assert!(!is_refused || BY_ROOT_ALONE.contains(&what), "{what}");
    }
    assert_ne!(neighbour.standing(), standing);
}

#[test]
fn who_only_reads_writes_nowhere_even_without_rules_on_files() {
    let place = Place::new();
    let (confinement, outcomes) = place.confined(Writes::Nowhere, |confinement| {
        let path = place.state("new");
        let outcomes: Vec<io::Result<()>> = vec![
            File::create(&path).map(drop),
            File::options().write(true).open(place.store("checkpoint")).map(drop),
            File::options().read(true).write(true).open(place.store("checkpoint")).map(drop),
            fs::create_dir(&path),
            fs::rename(place.store("checkpoint"), &path),
            fs::remove_file(place.store("checkpoint")),
            fs::remove_dir(place.store("config")),
            File::open(place.store("checkpoint")).unwrap().sync_all(),
        ];
        assert_eq!(fs::read(place.store("checkpoint")).unwrap(), b"0123");
        (confinement, outcomes)
    });
    assert!(confinement.holds(Part::SystemCalls), "{:?}", confinement.gaps);
    for outcome in outcomes {
        // By the list of system calls: rules on files would say EACCES.
        assert_eq!(outcome.unwrap_err().raw_os_error(), Some(nix::libc::EPERM));
    }
}

#[test]
fn a_store_that_comes_later_or_is_put_anew_can_be_read() {
    let place = Place::new();
    let late = place.home.path().join("late/store");
    let needs = Needs { reads: vec![place.store(""), late.clone()], writes: Writes::Nowhere };
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (say, hear) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (place, late, needs) = (&place, &late, &needs);
        let reader = scope.spawn(move || {
            let confinement = confine(needs);
            say.send(()).unwrap();
            wait.recv().unwrap();
            let read = |path: PathBuf| fs::read(path).unwrap();
            assert_eq!(read(place.store("checkpoint")), b"anew");
            assert_eq!(read(late.join("checkpoint")), b"late");
            confinement
        });
        hear.recv().unwrap();
        fs::rename(place.store(""), place.home.path().join("aside")).unwrap();
        for (dir, text) in [(place.store(""), "anew"), (late.clone(), "late")] {
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("checkpoint"), text).unwrap();
        }
        go.send(()).unwrap();
        reader.join().unwrap();
    });
}

/// The exporter as a process of its own.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(place: &Place, logs: Option<&Path>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
            .args(["serve", "--web.listen-address", "127.0.0.1:0", "--store.path"])
            .arg(place.store(""))
            .args(logs.into_iter().flat_map(|logs| [Path::new("--logs.path"), logs]))
            .arg("--state.path")
            .arg(place.state(""))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            eprintln!("{line}");
            let (_, rest) = line.split_once("address=")?;
            Some(rest.split_whitespace().next().unwrap().to_owned())
        });
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{}", line.unwrap())));
        Self { child, address: address.unwrap() }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn metric(&self, name: &str) -> Option<String> {
        let answer = self.get("/metrics");
        let line = answer.lines().find(|line| line.starts_with(name))?;
        Some(line.rsplit(' ').next().unwrap().to_owned())
    }

    fn wait_for(&self, name: &str, value: &str) {
        let until = Instant::now() + Duration::from_secs(30);
        while self.metric(name).as_deref() != Some(value) {
            assert!(Instant::now() < until, "{name} is {:?}", self.metric(name));
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// What the kernel says of each of its threads.
    fn threads(&self) -> Vec<BTreeMap<String, String>> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let status = |task: PathBuf| fs::read_to_string(task.join("status")).unwrap_or_default();
        tasks
            .map(|task| {
                let text = status(task.unwrap().path());
                let pairs = text.lines().filter_map(|line| line.split_once(':'));
                pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
            })
            .collect()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_thread_of_the_exporter_is_confined_and_the_exporter_works() {
    let place = Place::new();
    fs::remove_dir_all(place.store("")).unwrap();
    unpack("5.3.3-dledger-killed.tar.gz", "restarted", &place.store(""));
    let logs = place.home.path().join("logs");
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("store.log"), "").unwrap();
    let possible = place.confined(Writes::Nowhere, |confinement| confinement);
    let mut serving = Serving::start(&place, Some(&logs));
    serving.wait_for("rocketmq_store_up", "1");
    for part in Part::ALL {
        let name = format!("rocketmq_store_exporter_confined{{part=\"{}\"}}", part.as_str());
        serving.wait_for(&name, if possible.holds(part) { "1" } else { "0" });
    }
    let threads = serving.threads();
    assert!(threads.len() >= 6, "{threads:?}");
    for thread in threads.iter().filter(|thread| !thread.is_empty()) {
        assert_eq!((thread["NoNewPrivs"].as_str(), thread["Seccomp"].as_str()), ("1", "2"), "{thread:?}");
        let kept = u64::from_str_radix(&thread["CapEff"], 16).unwrap();
        // CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
        assert_eq!(kept & !0b1110, 0, "{thread:?}");
    }
    let line = "2026-11-23 06:53:43 WARN main - DupInfo in properties check failed. dupInfo=null\n";
    File::options().append(true).open(logs.join("store.log")).unwrap().write_all(line.as_bytes()).unwrap();
    serving.wait_for("rocketmq_store_log_lines_total{log=\"store\",level=\"warn\"}", "1");
    assert!(serving.get("/api/v1/preview?version=5.3.3").starts_with("HTTP/1.1 200"));

    // Put anew, as somebody does who plays a backup back.
    fs::rename(place.store(""), place.home.path().join("aside")).unwrap();
    serving.wait_for("rocketmq_store_root_state{state=\"missing\"}", "1");
    unpack("5.3.3-dledger-killed.tar.gz", "restarted", &place.store(""));
    serving.wait_for("rocketmq_store_up", "1");

    kill(Pid::from_raw(i32::try_from(serving.child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
    assert!(place.state("state.json").exists(), "the state was saved at the end");
}

#[test]
fn logs_that_come_later_are_followed() {
    let place = Place::new();
    let serving = Serving::start(&place, None);
    let name = "rocketmq_store_log_lines_total{log=\"store\",level=\"warn\"}";
    assert_eq!(serving.metric(name), None);
    let logs = place.home.path().join("logs/rocketmqlogs");
    fs::create_dir_all(&logs).unwrap();
    let line = "2026-11-23 06:53:43 WARN main - DupInfo in properties check failed. dupInfo=null\n";
    fs::write(logs.join("store.log"), line).unwrap();
    serving.wait_for(name, "1");
    File::options().append(true).open(logs.join("store.log")).unwrap().write_all(line.as_bytes()).unwrap();
    serving.wait_for(name, "2");
}
