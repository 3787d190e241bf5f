"""A full disk under a real broker's queues, and a checkpoint that it no longer writes: the alerts, and what their runbooks say to do."""

import shutil
import subprocess
import time
from pathlib import Path

from broker import NAME as BROKER, SMALL, reachable
from processes import wait_until
from quick_monitoring import QuickMonitoring, Watched
from stand import QUEUES, TOPICS, Stand

NAME = "broker"
# What the broker does once a minute it does every second.
HASTE = {"flushConsumeQueueThoroughInterval": 1000}
MESSAGES = 1200
# Many segments. A queue file has 150 units.
SIZES = {**SMALL, "mappedFileSizeCommitLog": 128 * 1024}
ROUND = len(TOPICS) * QUEUES
TO_NEW_FILES = 150 * ROUND
NEARLY, FORCED, REFUSING = 0.82, 0.87, 0.93


def provoked(verdicts, directory):
    with Stand(directory, "5.2.0", "plain", SIZES, HASTE) as stand:
        broker = stand.broker
        disk = broker.store / "consumequeue"
        disk.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], check=True)
        try:
            stand.start_broker().fill(MESSAGES)
            watched = Watched(directory / NAME, broker.store, logs=broker.logs, conf=broker.conf)
            monitoring = QuickMonitoring(directory, {NAME: watched.port}, minute=2)
            wait_until(lambda: watched.phase() == "running", 30, "the exporter to see the broker run")
            writer = Writer(broker)
            _dispatch_ends(verdicts, writer, disk, monitoring)
            _restarted(verdicts, writer, watched)
            _forced(verdicts, writer, disk, monitoring)
            verdicts.note(f"arrived: {sorted(alert for _, alert in monitoring.arrived())}")
            monitoring.close()
        finally:
            stand.close()
            subprocess.run(["umount", "--lazy", disk], check=False)


def _dispatch_ends(verdicts, writer, disk, monitoring):
    """The disk is full for a moment: the dispatch thread ends at the first write into a new queue file, and nobody starts it again."""
    broker = writer.broker
    has_ended = lambda: 'Exception in thread "ReputMessageService" java.lang.InternalError' in broker.child.output.read_text(errors="replace")
    for _ in range(5):
        # The round after the next needs a new file in every queue.
        while (MESSAGES + writer.sent) % TO_NEW_FILES != TO_NEW_FILES - ROUND:
            wait_until(writer.is_taken, 60, "the broker to take messages")
        _fill(disk, 1)
        writer.write_until(has_ended, 5)
        if has_ended():
            break
        # Too late: the broker has seen the full disk, and refuses.
        (disk / "filler").unlink()
    verdicts.check("the dispatch thread ends", has_ended())
    stack = subprocess.run(["jstack", str(broker.child.pid)], capture_output=True, text=True, timeout=60).stdout
    verdicts.check("jstack shows no dispatch thread", "FlushConsumeQueueService" in stack and "ReputMessageService" not in stack)
    _fill(disk, NEARLY)
    _checkpoint_replaced(broker)
    maps = Path(f"/proc/{broker.child.pid}/maps").read_text()
    verdicts.check("the broker's mappings show that its checkpoint was replaced", "/store/checkpoint (deleted)" in maps)
    late = {(NAME, "DispatchLagging"), (NAME, "DispatchStalled")}
    expected = late | {(NAME, "CheckpointStale")}
    writer.write_until(lambda: expected <= monitoring.arrived() and (NAME, "DispatchLagging") in monitoring.held_back(), 180)
    monitoring.check_arrival(verdicts, expected, 1)
    monitoring.check_inhibition(verdicts, {(NAME, "DispatchLagging")}, 1)


def _restarted(verdicts, writer, watched):
    """An orderly stop leaves the abort file while dispatch is behind; the start after it indexes what is missing."""
    broker, written = writer.broker, MESSAGES + writer.sent
    verdicts.check("with room again messages are taken, and not indexed", reachable(broker.offsets()) < written,
                   f"{reachable(broker.offsets())} of {written} can be read")
    broker.stop()
    verdicts.check("the orderly stop leaves the abort file", (broker.store / "abort").exists())
    broker.start().wait_ready()
    wait_until(lambda: watched.phase() == "running", 30, "the exporter to see the broker run")
    path = broker.store / "checkpoint"
    wait_until(lambda: path.stat().st_mtime > broker.child.started_at, 60, "the checkpoint to be written")
    verdicts.check("the checkpoint is written again", True)
    try:
        wait_until(lambda: reachable(broker.offsets()) >= written, 30, "all messages")
    except TimeoutError:
        pass
    # Of a round that was refused some may have been taken.
    verdicts.check("all messages can be read after the restart", reachable(broker.offsets()) >= written, f"{reachable(broker.offsets())}, {written} sent")


def _forced(verdicts, writer, disk, monitoring):
    """The broker makes room in its log, also where another file system is full."""
    broker = writer.broker
    monitoring.check_arrival(verdicts, {(NAME, "DiskForcedDeletionSoon")}, 120)
    segments = _segments(broker)
    _fill(disk, FORCED)
    # The broker looks at its disks for the first time a minute after its start.
    monitoring.check_arrival(verdicts, {(NAME, "ForcedDeletion")}, 120)
    wait_until(lambda: _segments(broker) < segments, 60, "segments to go")
    usage = shutil.disk_usage(disk)
    verdicts.check("segments that have not expired go, and free nothing on the full disk", usage.used / usage.total > FORCED - 0.01,
                   f"{_segments(broker)} of {segments} left, {usage.used / usage.total:.3f} in use")
    _fill(disk, REFUSING)
    monitoring.check_arrival(verdicts, {(NAME, "DiskRefusingWritesSoon")}, 60)
    monitoring.check_inhibition(verdicts, {(NAME, "DiskForcedDeletionSoon")}, 60)
    wait_until(lambda: not writer.is_taken(), 30, "the broker to refuse messages")
    verdicts.check("producers get an error", True, writer.refusal[:160])
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    wait_until(writer.is_taken, 30, "the broker to take messages")
    verdicts.check("on a larger volume it takes messages again, without a restart", True)
    _fill(disk, REFUSING)
    wait_until(lambda: not writer.is_taken(), 30, "the broker to refuse messages again")
    (disk / "filler").unlink()
    wait_until(writer.is_taken, 30, "the broker to take messages")
    verdicts.check("with room beside the store it takes messages again, without a restart", True)
    writer.write_until(lambda: _segments(broker) > 2, 60)
    segments = _segments(broker)
    broker.mqadmin("updateBrokerConfig", "-b", broker.address, "-k", "fileReservedTime", "-v", "0")
    broker.mqadmin("deleteExpiredCommitLog", "-b", broker.address)
    wait_until(lambda: _segments(broker) < segments, 60, "expired segments to go")
    verdicts.check("a shorter fileReservedTime and deleteExpiredCommitLog take expired segments, without a restart", True, f"{segments} before")


def _segments(broker):
    return len(list((broker.store / "commitlog").iterdir()))


def _checkpoint_replaced(broker):
    """Somebody puts a copy in the place of the file that the broker holds open: the broker goes on writing the old one."""
    copy = broker.store / "checkpoint.copy"
    shutil.copyfile(broker.store / "checkpoint", copy)
    copy.rename(broker.store / "checkpoint")


def _fill(disk, ratio):
    """A filler so long that this share of the disk is in use."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    usage = shutil.disk_usage(disk)
    filler.write_bytes(b"x" * (int(usage.total * ratio) - usage.used))


class Writer:
    """Messages all the time, one to each queue, for as long as the broker takes them."""

    def __init__(self, broker):
        self.broker, self.sent, self.refusal = broker, 0, ""

    def is_taken(self):
        try:
            self.broker.client.ask("produce", BROKER, ",".join(TOPICS), QUEUES, MESSAGES + self.sent, ROUND, 300)
            self.sent += ROUND
            return True
        except RuntimeError as problem:
            self.refusal = str(problem)
            return False

    def write_until(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            self.is_taken()
            time.sleep(0.3)
