"""What the runbooks say of damaged files, done on a real broker's store: what the broker makes of it, the step, the start after it."""

import json
import shutil
import subprocess
import time

import exporter
from broker import SMALL, reachable
from processes import wait_until
from scenarios.alerts_stores import damage_body
from stand import QUEUES, TOPICS, Stand

RELEASE = "5.2.0"
# Eight segments of the log.
SIZES = {**SMALL, "mappedFileSizeCommitLog": 128 * 1024}


def tried(verdicts, directory):
    with Stand(directory, RELEASE, "plain", SIZES) as stand:
        broker = stand.broker
        stand.start_broker().fill()
        config = broker.store / "config" / "consumerOffset.json"
        wait_until(lambda: config.exists() and b"G1" in config.read_bytes() and config.with_suffix(".json.bak").exists(), 60,
                   "the group's offsets on disk, and their backup")
        ends = _ends(broker)
        broker.kill()
        intact = directory / "intact"
        shutil.copytree(broker.store, intact)
        for trial in (_foreign_file, _short_queue_file, _other_sizes, _missing_segment, _damaged_record, _torn_table, _offset_beyond, _unused_group):
            shutil.rmtree(broker.store)
            shutil.copytree(intact, broker.store)
            verdicts.note(trial.__doc__)
            trial(verdicts, stand, intact, ends)
            if broker.child.is_alive():
                broker.kill()


def _foreign_file(verdicts, stand, intact, ends):
    """a foreign file among the segments: moved out"""
    segment = stand.broker.store / "commitlog" / f"{0:020d}"
    foreign = segment.with_suffix(".bak")
    shutil.copyfile(segment, foreign)
    _refuses(verdicts, stand, "FILE_FOREIGN_NAME")
    foreign.rename(stand.directory / foreign.name)
    _starts(verdicts, stand, "unchanged", ends)


def _short_queue_file(verdicts, stand, intact, ends):
    """a queue file that is too short: moved out, and the queues built anew"""
    short = stand.broker.store / "consumequeue" / TOPICS[0] / "0" / f"{0:020d}"
    with open(short, "r+b") as file:
        file.truncate(1000)
    _refuses(verdicts, stand, "FILE_WRONG_LENGTH")
    short.rename(stand.directory / "short")
    found = _preview(stand)
    verdicts.equal("moved out alone, messages stay without a unit", (found["verdict"], found["totals"]["units_lost"]), ("index_loss", 150))
    verdicts.check("rebuild_queues is listed, and loses nothing",
                   any(remedy["id"] == "rebuild_queues" and remedy["units_lost"] == 0 for remedy in found["remedies"]))
    shutil.rmtree(stand.broker.store / "consumequeue")
    (stand.broker.store / "abort").unlink()
    with _told(stand, "recheckReputOffsetFromCq=true"):
        _starts(verdicts, stand, "reindexed", ends)


def _other_sizes(verdicts, stand, intact, ends):
    """segments of another length than the broker is told: the old value put back"""
    with _told(stand, "mappedFileSizeCommitLog=262144"):
        _refuses(verdicts, stand, "FILE_WRONG_LENGTH")
    _starts(verdicts, stand, "unchanged", ends)


def _missing_segment(verdicts, stand, intact, ends):
    """a segment that is missing between others: put back"""
    segment = sorted((stand.broker.store / "commitlog").iterdir())[2]
    segment.rename(stand.directory / "segment")
    found = _preview(stand)
    verdicts.check("the preview names it", _names(found, "CL_SEGMENT_MISSING"), found["verdict"])
    stand.broker.start().wait_ready()
    read = stand.broker.consume("G2", TOPICS, 1_000, QUEUES)
    verdicts.check("a broker that starts without it does not deliver its messages", read < reachable(ends), f"{read} of {reachable(ends)}")
    stand.broker.stop()
    (stand.directory / "segment").rename(segment)
    _starts(verdicts, stand, None, ends)
    verdicts.equal("all can be consumed", stand.broker.consume("G3", TOPICS, 1_000, QUEUES), reachable(ends))


def _damaged_record(verdicts, stand, intact, ends):
    """a damaged record in an older segment: cut as it is; from the copy, without the abort file, nothing is cut"""
    segment = sorted((stand.broker.store / "commitlog").iterdir())[1]
    damage_body(segment, 2)
    # Recovery begins with the newest segment that the checkpoint is sure of.
    (stand.broker.store / "checkpoint").unlink()
    copy = stand.directory / "copy"
    shutil.copytree(stand.broker.store, copy)
    found = _preview(stand)
    dropped = found["totals"]["messages_dropped"]
    verdicts.check("the preview says how many messages go", found["verdict"] == "message_loss" and _names(found, "CL_DAMAGED_MIDDLE"), dropped)
    stand.broker.start().wait_ready()
    verdicts.check("store.log tells of the checksum", "CRC" in (stand.broker.logs / "store.log").read_text())
    verdicts.equal("messages left", reachable(_ends(stand.broker)), reachable(ends) - dropped - 1)
    stand.broker.kill()
    shutil.rmtree(stand.broker.store)
    shutil.move(copy, stand.broker.store)
    (stand.broker.store / "abort").unlink()
    _starts(verdicts, stand, "unchanged", ends)


def _torn_table(verdicts, stand, intact, ends):
    """a table of config that is torn in both copies: put back from a copy"""
    config = stand.broker.store / "config"
    torn = config / "topics.json"
    torn.write_bytes(torn.read_bytes()[:100])
    verdicts.equal("with a good backup it starts", _preview(stand)["start"]["outcome"], "starts")
    shutil.copyfile(torn, torn.with_suffix(".json.bak"))
    _refuses(verdicts, stand, None)
    for name in ("topics.json", "topics.json.bak"):
        shutil.copyfile(intact / "config" / name, config / name)
    _starts(verdicts, stand, "unchanged", ends)
    offsets = config / "consumerOffset.json"
    offsets.write_text("{")
    verdicts.check("a running broker writes a torn table of offsets again", _comes(lambda: "@G1" in offsets.read_text()))


def _offset_beyond(verdicts, stand, intact, ends):
    """an offset behind the end of its queue: the group is reset"""
    path = stand.broker.store / "config" / "consumerOffset.json"
    topic, end = TOPICS[0], ends[f"{TOPICS[0]}/0"][1]
    path.write_text(json.dumps({"offsetTable": {f"{topic}@G1": {str(queue): end + 100 for queue in range(QUEUES)}}}))
    verdicts.check("the preview lists the group", _names(_preview(stand), "CONSUMER_OFFSETS_BEYOND_MAX"))
    _starts(verdicts, stand, "unchanged", ends)
    said = stand.broker.mqadmin("consumerProgress", "-g", "G1")
    verdicts.check("consumerProgress shows a negative lag", "-100" in said, said[-600:])
    stand.broker.mqadmin("resetOffsetByTime", "-g", "G1", "-t", topic, "-s", "0")
    begin = ",".join(f"{queue}:0" for queue in range(QUEUES))
    verdicts.check("resetOffsetByTime -s 0 puts the group to the begin", _comes(lambda: f'"{topic}@G1":{{{begin}' in path.read_text()))


def _unused_group(verdicts, stand, intact, ends):
    """a group that nobody uses: its offsets go only if the tool is told so"""
    path = stand.broker.store / "config" / "consumerOffset.json"
    _starts(verdicts, stand, "unchanged", ends)
    stand.broker.mqadmin("deleteSubGroup", "-b", stand.broker.address, "-g", "G1")
    written = time.time()
    wait_until(lambda: path.stat().st_mtime > written, 60, "the offsets to be written again")
    verdicts.check("deleteSubGroup leaves its offsets", "@G1" in path.read_text())
    stand.broker.mqadmin("deleteSubGroup", "-b", stand.broker.address, "-g", "G1", "-r", "true")
    verdicts.check("deleteSubGroup -r true takes them away", _comes(lambda: "@G1" not in path.read_text()))


def _comes(condition):
    """Whether it is so within a minute; the broker writes offsets every five seconds."""
    try:
        return wait_until(condition, 60, "the offsets on disk")
    except TimeoutError:
        return False


def _ends(broker):
    return {name: pair for name, pair in broker.offsets().items() if name.split("/")[0] in TOPICS}


def _preview(stand):
    done = subprocess.run([exporter.BINARY, "preview", "--store.path", stand.broker.store, "--broker.conf", stand.broker.conf,
                           "--broker.version", RELEASE, "--format", "json"], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def _names(found, finding):
    return any(each["id"] == finding for each in found["findings"])


def _refuses(verdicts, stand, finding):
    """The preview says so, and the broker ends with the exit code that it says."""
    found = _preview(stand)
    verdicts.check("the preview refuses, and names it", found["verdict"] == "refuse_start" and (not finding or _names(found, finding)),
                   [each["id"] for each in found["findings"]])
    stand.broker.start()
    wait_until(lambda: not stand.broker.child.is_alive(), 120, "the broker to end by itself")
    verdicts.equal("its exit code", stand.broker.child.process.returncode, found["start"]["exit_code"])


def _starts(verdicts, stand, verdict, ends):
    """After the step: the verdict, and every queue with its ends of before."""
    found = _preview(stand)
    if verdict:
        verdicts.equal("the verdict after the step", found["verdict"], verdict)
    stand.broker.start().wait_ready()
    try:
        wait_until(lambda: _ends(stand.broker) == ends, 30, "the ends of before")
    except TimeoutError:
        pass
    verdicts.equal("every queue has its ends of before", _ends(stand.broker), ends)


class _told:
    """The broker's properties with one line more, for as long as it lasts."""

    def __init__(self, stand, line):
        self.conf, self.line = stand.broker.conf, line
        self.before = self.conf.read_text()

    def __enter__(self):
        self.conf.write_text(f"{self.before}{self.line}\n")

    def __exit__(self, *_):
        self.conf.write_text(self.before)
