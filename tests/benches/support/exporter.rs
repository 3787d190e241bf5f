//! The exporter as a process of its own, as benchmarks measure it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A running exporter; ended when dropped.
pub struct Exporter {
    child: Child,
    port: u16,
}

impl Exporter {
    /// Watches the store at `root`, whose logs lie in `logs`.
    pub fn start(root: &Path, logs: &Path, state: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
            .arg("serve")
            .arg("--store.path")
            .arg(root)
            .arg("--logs.path")
            .arg(logs)
            .arg("--log.level")
            .arg("error")
            .arg("--state.path")
            .arg(state)
            .arg("--web.listen-address")
            .arg(format!("127.0.0.1:{port}"))
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// One scrape, with its HTTP head.
    pub fn get(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Waits until the store has been looked at once.
    pub fn wait_ready(&self) {
        let until = Instant::now() + Duration::from_secs(120);
        while Instant::now() < until {
            if self.get().is_ok_and(|text| text.contains("\nrocketmq_store_up 1")) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the exporter did not come up");
    }

    /// How long one scrape takes.
    pub fn scrape(&self) -> Duration {
        let began = Instant::now();
        assert!(self.get().unwrap().contains("topic_class=\"user\""));
        began.elapsed()
    }

    /// A field of /proc/<pid>/status, in KiB.
    pub fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Processor time so far.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
