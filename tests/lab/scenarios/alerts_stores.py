"""Damaged stores provoke alerts; real Prometheus and Alertmanager deliver them, or hold them back."""

import json
import re
import shutil
import subprocess
import time

from fixture import FIXTURES, unpack
from processes import free_port, wait_until
from quick_monitoring import QuickMonitoring, Watched
from scrape import fetch

MAGIC = bytes.fromhex("daa320a7")
# Root may read everything; without these capabilities its own files are closed to it too.
AS_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
# What loads for longer than the probe budget, and a log that nobody reads to its end in the time.
MANY_QUEUES = 28_000
HOLE = 1 << 40
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
    "taken": ["ConsumeQueueVanished", "ConsumeQueueShrunk"],
    "closed": ["CollectorFailing", "PreviewStale"],
    "flooded": ["LogTailStalled"],
    "many": ["ProbeBudgetTooSmall"],
}
# What Alertmanager knows and keeps back.
HELD_BACK = {("nowhere", "ForcedDeletion"), ("full", "DiskForcedDeletionSoon")}


def provoked(verdicts, directory):
    directory.mkdir(parents=True)
    disk = directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
    try:
        watched = {name: _watched(name, directory, disk) for name in EXPECTED if name != "gone"}
        targets = {**{name: each.port for name, each in watched.items()}, "gone": free_port()}
        monitoring = QuickMonitoring(directory, targets, silent=["gone"])
        _trouble_while_watched(directory, disk)
        monitoring.check_arrival(verdicts, {("flooded", "LogTailStalled")}, 120)
        _emptied(verdicts, watched["flooded"], disk / "flooded-logs" / "store.log")
        monitoring.check_arrival(verdicts, {(name, alert) for name, alerts in EXPECTED.items() for alert in alerts}, 180)
        _opened(verdicts, watched["closed"], directory)
        _clean_by_force(directory)
        monitoring.check_inhibition(verdicts, HELD_BACK, 30)
        verdicts.equal("nobody hears of those", sorted(HELD_BACK & monitoring.arrived()), [])
        verdicts.note(f"arrived: {sorted({alert for _, alert in monitoring.arrived()})}")
        monitoring.close()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=False)


def _watched(name, directory, disk):
    """A store in trouble and its exporter; what has to happen under the exporter's eyes happens later."""
    root = (disk if name == "full" else directory) / f"{name}-store"
    if name == "nowhere":
        return Watched(directory / name, root, logs=_log(directory / "nowhere-logs"))
    case = unpack(FIXTURES / ("5.2.0-dledger-f0.tar.gz" if name == "killed" else "5.2.0-plain-f0.tar.gz"), root)
    told = dict(case["cfg"], **({"enableDLegerCommitLog": "true", "dLegerSelfId": "n0"} if name == "killed" else {}))
    segments = sorted((root / "commitlog").glob("0*")) if name != "killed" else []
    (root / "config").mkdir(exist_ok=True)
    logs, wrapper = None, ()
    if name == "damaged":
        damage_body(next(path for path in reversed(segments) if MAGIC in path.read_bytes()), 4)
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
    elif name == "closed":
        # The log can be read neither, so that nothing can be foretold.
        for path in (root / "config", *segments):
            path.chmod(0)
        wrapper = AS_OTHERS
    elif name == "flooded":
        logs = _log(disk / "flooded-logs")
    elif name == "many":
        fill_with_queues(root, MANY_QUEUES)
    return Watched(directory / name, root, told, "5.2.0", logs, wrapper=wrapper)


def _trouble_while_watched(directory, disk):
    """Somebody else takes queue files away, and a log grows by more than can be read."""
    queues = sorted({path.parent for path in (directory / "taken-store" / "consumequeue").glob("*/*/0*")}, key=lambda queue: len(list(queue.iterdir())))
    shutil.rmtree(queues[0])
    sorted(queues[-1].iterdir())[-1].unlink()
    with open(disk / "flooded-logs" / "store.log", "ab") as log:
        log.truncate(HOLE)


def _emptied(verdicts, flooded, log):
    """The log is cut to nothing, as its runbook says: the exporter has come to its end."""
    with open(log, "wb"):
        pass
    wait_until(lambda: flooded.value("log_unread_bytes") == 0, 30, "the log to be read to its end")
    verdicts.check("a log that is cut to nothing is read to its end", True)


def _opened(verdicts, closed, directory):
    """What could not be read can be: the exporter goes on by itself."""
    for path in directory.glob("closed-store/c*"):
        for each in (path, *path.glob("0*")):
            each.chmod(0o755)
    fails = lambda: [name for name, is_well in fetch(f"{closed.url}/metrics").by_label("collector_success", "collector").items() if not is_well]
    wait_until(lambda: not fails() and closed.value("recovery_preview_timestamp_seconds"), 60, "the closed store to be read")
    verdicts.check("a store that was closed to the exporter is read once it is open", True)


def fill_with_queues(root, count):
    """Queues of one empty file in the store."""
    length = next((root / "consumequeue").glob("*/*/0*")).stat().st_size
    for number in range(count):
        queue = root / "consumequeue" / "Many" / str(number)
        queue.mkdir(parents=True)
        with open(queue / f"{0:020d}", "wb") as file:
            file.truncate(length)


def damage_body(segment, part):
    """Changes the body of the message that lies one part of the messages behind the first."""
    places = [match.start() for match in re.finditer(re.escape(MAGIC), segment.read_bytes())]
    with open(segment, "r+b") as file:
        file.seek(places[len(places) // part] + 100)
        file.write(b"\xff\xff\xff\xff")


def _log(directory):
    directory.mkdir()
    (directory / "store.log").write_text(_line("INFO main - Try to start service thread:FlushRealTimeService started:false lastThread:null"))
    return directory


def _clean_by_force(directory):
    """What a broker logs when it cleans by force."""
    with open(directory / "nowhere-logs" / "store.log", "a") as log:
        log.write(_line("INFO StoreScheduledThread1 - begin to delete before 48 hours file. timesUp: false isFull: true"
                        " manualDelete: false cleanAtOnce: true"))


def _line(text):
    """A line of store.log, whose times are GMT+8."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(time.time() + 8 * 3600))} {text}\n"


def _queue(root):
    """The files of a queue with three at least."""
    for directory in sorted(path for path in (root / "consumequeue").glob("*/*") if path.is_dir()):
        files = sorted(directory.iterdir())
        if len(files) >= 3:
            return files
    raise RuntimeError("no queue has three files")
