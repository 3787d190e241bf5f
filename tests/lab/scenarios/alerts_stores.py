"""Damaged stores and a real broker provoke alerts; real Prometheus and Alertmanager deliver them, or hold them back."""

import json
import re
import shutil
import subprocess
import time
import urllib.request

import exporter
from broker import SMALL
from fixture import FIXTURES, unpack
from monitoring import ALERTMANAGER, Webhook, inhibition, rule_files
from processes import Child, free_port, wait_until
from scrape import answers
from stand import Stand

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: rocketmq-store-exporter
    static_configs:
{targets}
"""
TARGET = '      - {{targets: ["127.0.0.1:{port}"], labels: {{instance: {name}}}}}\n'
MAGIC = bytes.fromhex("daa320a7")
# What is to arrive of which store.
EXPECTED = {
    "nowhere": ["PathNotAStore"],
    "gone": ["ExporterDown"],
    "killed": ["RecoveryWouldLoseIndex", "BrokerReleaseDeletesQueues", "StoppedUnexpectedly"],
    "damaged": ["RecoveryWouldLoseMessages"],
    "foreign": ["WouldRefuseToStart", "InvalidFile"],
    "gap": ["CommitLogGap"],
    "tables": ["MetadataCorrupt"],
    "queues": ["QueuesInconsistent"],
    "offsets": ["ConsumerOffsetBeyondMax", "ConsumersWillLoseMessages"],
    "full": ["DiskRefusingWritesSoon"],
    "broker": ["LoadFailed", "ChecksumFailed", "CommitLogTruncated", "RecoveryLoop"],
}
# What Alertmanager knows and keeps back.
HELD_BACK = {("nowhere", "ForcedDeletion"), ("full", "DiskForcedDeletionSoon")}


def provoked(verdicts, directory):
    with Stand(directory, "5.2.0", "plain", SMALL) as stand:
        ports = {name: free_port() for name in EXPECTED}
        stand.exporter.port = ports["broker"]
        stand.exporter.url = f"http://127.0.0.1:{ports['broker']}"
        stand.start_broker().fill()
        stand.exporter.start()
        disk = directory / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
        try:
            for name in set(EXPECTED) - {"gone", "broker"}:
                _exporter(directory / name, ports[name], _store(name, directory, disk))
            webhook, url = _monitoring(directory, ports)
            _real_troubles(stand)
            missing = lambda: {(name, alert) for name, alerts in EXPECTED.items() for alert in alerts} - _arrived(webhook)
            try:
                wait_until(lambda: not missing(), 60, "all alerts")
            except TimeoutError:
                pass
            verdicts.equal("alerts that did not arrive", sorted(missing()), [])
            _clean_by_force(directory)
            suppressed = lambda: {(each["labels"]["instance"], each["labels"]["alertname"][len("RocketMQStore"):])
                                  for each in _get(f"{url}/api/v2/alerts?inhibited=true&active=false&silenced=false")}
            try:
                wait_until(lambda: HELD_BACK <= suppressed(), 20, "inhibition")
            except TimeoutError:
                pass
            verdicts.check("Alertmanager holds back", HELD_BACK <= suppressed(), sorted(suppressed()))
            verdicts.equal("nobody hears of those", sorted(HELD_BACK & _arrived(webhook)), [])
            verdicts.note(f"arrived: {sorted({alert for _, alert in _arrived(webhook)})}")
            webhook.close()
        finally:
            subprocess.run(["umount", "--lazy", disk], check=False)


def _store(name, directory, disk):
    """A store in trouble: its place, its properties, and its release."""
    root = (disk if name == "full" else directory) / f"{name}-store"
    if name == "nowhere":
        (directory / "logs").mkdir()
        (directory / "logs" / "store.log").touch()
        return root, {}, "5.2.0"
    case = unpack(FIXTURES / ("5.2.0-dledger-f0.tar.gz" if name == "killed" else "5.2.0-plain-f0.tar.gz"), root)
    told = dict(case["cfg"], **({"enableDLegerCommitLog": "true", "dLegerSelfId": "n0"} if name == "killed" else {}))
    segments = sorted((root / "commitlog").glob("0*")) if name != "killed" else []
    (root / "config").mkdir(exist_ok=True)
    if name == "damaged":
        _damage(next(path for path in reversed(segments) if MAGIC in path.read_bytes()), 4)
    elif name == "foreign":
        (root / "commitlog" / "notes").write_bytes(b"x" * segments[0].stat().st_size)
    elif name == "gap":
        segments[1].unlink()
    elif name == "tables":
        for copy in ("topics.json", "topics.json.bak"):
            (root / "config" / copy).write_text("{")
    elif name == "queues":
        _queue(root)[1].unlink()
    elif name == "offsets":
        first = _queue(root)
        first[0].unlink()
        topic, queue = first[0].parts[-3:-1]
        offsets = {"offsetTable": {f"{topic}@late": {queue: 0}, f"{topic}@ahead": {queue: 99999}}}
        (root / "config" / "consumerOffset.json").write_text(json.dumps(offsets))
    elif name == "full":
        free = shutil.disk_usage(disk).free
        (disk / "filler").write_bytes(b"x" * int(free * 0.97))
    return root, told, "5.2.0"


def _damage(segment, part):
    """Changes the body of the message that lies one part of the messages behind the first."""
    places = [match.start() for match in re.finditer(re.escape(MAGIC), segment.read_bytes())]
    with open(segment, "r+b") as file:
        file.seek(places[len(places) // part] + 100)
        file.write(b"\xff\xff\xff\xff")


def _clean_by_force(directory):
    """What a broker logs when it cleans by force."""
    line = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600))
    with open(directory / "logs" / "store.log", "a") as log:
        log.write(f"{line} INFO StoreScheduledThread1 - begin to delete before 48 hours file. timesUp: false isFull: true"
                  " manualDelete: false cleanAtOnce: true\n")


def _queue(root):
    """The files of a queue with three at least."""
    for directory in sorted(path for path in (root / "consumequeue").glob("*/*") if path.is_dir()):
        files = sorted(directory.iterdir())
        if len(files) >= 3:
            return files
    raise RuntimeError("no queue has three files")


def _exporter(home, port, store):
    root, told, release = store
    home.mkdir()
    conf = home / "broker.conf"
    conf.write_text("".join(f"{key}={value}\n" for key, value in told.items()))
    command = [exporter.BINARY, "--store.path", root, "--state.path", home / "state", "--broker.conf", conf, "--broker.version", release,
               "--web.listen-address", f"127.0.0.1:{port}"]
    logs = root.parent / "logs"
    if logs.exists() and home.name == "nowhere":
        command += ["--logs.path", logs]
    Child(command, home / "out")
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), 30, f"the exporter of {home.name}")


def _real_troubles(stand):
    """A real broker meets a foreign file, then a damaged record; each start but the first is an unclean one."""
    broker = stand.broker
    time.sleep(3)
    broker.kill()
    foreign = broker.store / "commitlog" / "notes"
    foreign.write_bytes(b"x")
    broker.start()
    wait_until(lambda: not broker.child.is_alive(), 60, "the broker to end by itself")
    foreign.unlink()
    _damage(next((broker.store / "commitlog").glob("0*")), 2)
    for _ in range(2):
        broker.start().wait_ready()
        time.sleep(2)
        broker.kill()


def _monitoring(directory, ports):
    """Prometheus with rules in which a minute lasts a second, and Alertmanager."""
    home = directory / "monitoring"
    home.mkdir()
    rules = []
    for path in rule_files():
        if path.name == "prometheusrule.yaml":
            continue
        text = re.sub(r"\b(\d+)m\b", r"\1s", path.read_text())
        (home / path.name).write_text(re.sub(r"\b(\d+)h\b", r"\1m", text))
        rules.append(f'"{home / path.name}"')
    webhook, alertmanager, prometheus = Webhook(), free_port(), free_port()
    (home / "alertmanager.yml").write_text(ALERTMANAGER.format(webhook=webhook.port) + inhibition())
    targets = "".join(TARGET.format(port=port, name=name) for name, port in ports.items())
    (home / "prometheus.yml").write_text(PROMETHEUS.format(rules=", ".join(rules), alertmanager=alertmanager, targets=targets))
    url = f"http://127.0.0.1:{alertmanager}"
    Child(["prometheus-alertmanager", f"--config.file={home}/alertmanager.yml", f"--storage.path={home}/am", f"--web.listen-address={url[7:]}",
           "--cluster.listen-address="], home / "alertmanager.out")
    Child(["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb", f"--web.listen-address=127.0.0.1:{prometheus}"],
          home / "prometheus.out")
    wait_until(lambda: answers(f"{url}/-/ready") and answers(f"http://127.0.0.1:{prometheus}/-/ready"), 30, "the monitoring")
    # A counter that is not zero when it is seen first has not increased.
    seen = f"http://127.0.0.1:{prometheus}/api/v1/query?query=rocketmq_store_starts_total"
    wait_until(lambda: len({each["metric"]["instance"] for each in _get(seen)["data"]["result"]}) == len(ports) - 1, 30, "the first scrapes")
    return webhook, url


def _arrived(webhook):
    return {(labels.get("instance"), labels["alertname"][len("RocketMQStore"):]) for _, labels in webhook.alerts}


def _get(url):
    with urllib.request.urlopen(url, timeout=5) as reply:
        return json.load(reply)
