//! Inputs to begin with: what brokers have written and what people type.

use std::path::{Path, PathBuf};

use rocketmq_store_exporter::config;

use super::damage::files_below;
use super::recovery_case::Case;
use super::watcher::Watcher;
use super::{log, package};

fn fixtures(kind: &str) -> Vec<PathBuf> {
    files_below(&package().join("tests/fixtures").join(kind))
}

fn has_end(path: &Path, ends: &[&str]) -> bool {
    path.extension().is_some_and(|end| ends.iter().any(|wanted| end == *wanted))
}

fn read(kind: &str, ends: &[&str]) -> Vec<Vec<u8>> {
    let wanted = fixtures(kind).into_iter().filter(|path| has_end(path, ends));
    wanted.map(|path| std::fs::read(path).unwrap()).collect()
}

/// A store of `tests/fixtures/recovery`, unpacked.
pub fn case(name: &str) -> Case {
    Case::unpack(&package().join(format!("tests/fixtures/recovery/{name}.tar.gz")))
}

/// Records: the bytes of each `.hex` file of `tests/fixtures/format`, the other files whole.
pub fn records() -> Vec<Vec<u8>> {
    let bytes_of = |text: String| -> Vec<u8> {
        let data = text.lines().filter_map(|line| line.split('#').next());
        data.flat_map(|line| line.split_whitespace().skip(1))
            .map(|word| u8::from_str_radix(word, 16).unwrap())
            .collect()
    };
    let files = fixtures("format").into_iter().map(|path| {
        if has_end(&path, &["hex"]) {
            bytes_of(std::fs::read_to_string(path).unwrap())
        } else {
            std::fs::read(path).unwrap()
        }
    });
    files.collect()
}

pub fn properties() -> Vec<Vec<u8>> {
    let mut seeds = read("format", &["properties"]);
    seeds.push(case("5.5.0-controller-controller-f0").conf_text().into_bytes());
    seeds.push(case("4.9.7-ext-dledger-f0").conf_text().into_bytes());
    seeds.push(b"! \\u00e4 = \\\n  b\\t: c\nstorePathCommitLog=/a,/b\nfileReservedTime=72\n".to_vec());
    seeds
}

pub fn tables() -> Vec<Vec<u8>> {
    read("format", &["json", "bak"])
}

pub fn log_lines() -> Vec<Vec<u8>> {
    let files = read("log", &["log", "txt"]);
    files.iter().flat_map(|file| file.chunks(4096).take(16).map(<[u8]>::to_vec)).collect()
}

pub fn log_files() -> Vec<Vec<u8>> {
    let files = read("log", &["log"]);
    let packed = files.windows(2).map(|pair| log::packed(&pair[0][..pair[0].len().min(8192)], &pair[1]));
    packed.chain(files.iter().map(|file| file[..file.len().min(16384)].to_vec())).collect()
}

pub fn logs() -> Vec<Vec<u8>> {
    let mut seeds = records();
    for name in ["5.2.0-plain-f0", "5.2.0-dledger-f0", "5.3.3-batch-plain-r0"] {
        let case = case(name);
        for path in files_below(case.root()) {
            if std::fs::metadata(&path).unwrap().len() <= 16384 {
                seeds.push(std::fs::read(path).unwrap());
            }
        }
    }
    seeds
}

pub fn config() -> Vec<Vec<u8>> {
    let all = config::load(None, &[]).effective.into_bytes();
    let some = b"store:\n  path: /tmp/store\nlog: {level: debug, format: json}\nweb:\n  listen_addresses: [':1', '[::1]:2']\n";
    vec![all, some.to_vec(), b"broker: &a {mode: plain}\nx: *a\nfollow: {interval: 5s}\n".to_vec()]
}

pub fn web_config() -> Vec<Vec<u8>> {
    let some = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_auth_type: RequireAndVerifyClientCert\n  \
                min_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\nhttp_server_config:\n  http2: true\n  \
                headers:\n    X-Frame-Options: deny\nbasic_auth_users:\n  \
                prometheus: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG\n";
    vec![
        some.as_bytes().to_vec(),
        b"tls_server_config:\n  cert: |\n    -----BEGIN CERTIFICATE-----\n  key: x\n".to_vec(),
    ]
}

pub fn flags() -> Vec<Vec<u8>> {
    let some: [&[u8]; 4] = [
        b"preview\n--store.path=/s\n--shutdown=clean\n--set=a=b\n--without=abort\n--fail-on=index_loss\n--budget.bytes=10GiB",
        b"compare\n--store.path\n/s\n--versions=5.2.0,5.3.3\n--remedies",
        b"--store.path=/s\n--web.listen-address=:1,[::1]:2\n--log.level=debug\n--mode=plain\n--broker.version=5.2.0",
        b"/s\n/l\n/st\n/b.conf\n5.2.0\ndledger\n/metrics\ninfo\njson\n:5558\nlocalhost:1",
    ];
    some.map(<[u8]>::to_vec).to_vec()
}

pub fn requests() -> Vec<Vec<u8>> {
    let some = [
        "GET\n/\n",
        "GET\n/metrics\nAccept: application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5\nAccept-Encoding: gzip",
        "HEAD\n/assets/main.js\nIf-None-Match: \"x\"",
        "GET\n/api/v1/queues?topic=T0&cursor=0b:T0&limit=5",
        "GET\n/api/v1/events?since=1\nAuthorization: Basic eDp5",
        "GET\n/api/v1/history?since=-1",
        "GET\n/api/v1/store",
        "GET\n/api/v1/preview?version=5.2.0&shutdown=clean&set=mappedFileSizeCommitLog%3D16384&without=abort&queues=all",
        "GET\n/api/v1/compare?versions=5.2.0,5.3.3&remedies=true",
    ];
    some.map(|request| request.as_bytes().to_vec()).to_vec()
}

pub fn states() -> Vec<Vec<u8>> {
    let of = |name: &str| {
        let (case, dir) = (case(name), tempfile::tempdir().unwrap());
        let mut watcher = Watcher::start(case.root(), &dir.path().join("logs"), &dir.path().join("state"));
        watcher.look();
        watcher.stop();
        std::fs::read(dir.path().join("state/state.json")).unwrap()
    };
    vec![of("5.3.3-plain-r0"), of("5.3.3-batch-plain-r0")]
}

pub fn damages() -> Vec<Vec<u8>> {
    // Each store whole, and with one damage of each kind.
    let whole = (0..12).map(|which| vec![which, 9, 3]);
    let damaged = (0..12).flat_map(|which| {
        (0..12).map(move |kind| {
            vec![which, which + kind, 0x43, kind, 0, kind * 3, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]
        })
    });
    whole.chain(damaged).collect()
}
