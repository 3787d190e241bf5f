"""Checks a packed capture: complete, as the manifest says, small, and free of the machine it was made on."""

import getpass
import io
import json
import re
import socket
import tarfile
import tempfile
from pathlib import Path

from releases import REPOSITORY
from store_copy import File, write_store
from store_reader import compare, read_queues

LIMIT = 1024 * 1024
ADDRESS = re.compile(rb"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
ALLOWED_ADDRESSES = {b"127.0.0.1", b"0.0.0.0"}


class CaptureError(Exception):
    """The capture is not what its manifest says."""


def require_that(condition, message):
    if not condition:
        raise CaptureError(message)


def check(packed):
    """Facts about the capture as lines for people; raises CaptureError at the first thing that is wrong."""
    require_that(len(packed) < LIMIT, f"{len(packed)} bytes packed, {LIMIT} allowed")
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        members = {entry.name: archive.extractfile(entry).read() for entry in archive}
    for name, content in members.items():
        _check_neutral(name, content)
    manifest = json.loads(members["manifest.json"])

    stores, used = {}, {"manifest.json", "first_run.jsonl", "timeline.jsonl"}
    for stage, listed in manifest["files"].items():
        files = {}
        for row in listed["files"]:
            used.add(row["from"])
            file = File(row["len"], int(row["mode"], 8), row["mtime_ms"], members[row["from"]])
            require_that(file.sha256 == row["sha256"], f"{stage}/{row['path']}: content differs from the manifest")
            require_that(len(file.content) <= file.length, f"{stage}/{row['path']}: longer than its length")
            files[row["path"]] = file
        stores[stage] = (files, listed["empty_directories"])
    require_that(used == set(members), f"members that no stage uses: {sorted(set(members) - used)}")

    queues = {}
    with tempfile.TemporaryDirectory(prefix="lab-check-") as scratch:
        for stage, (files, empty) in stores.items():
            root = Path(scratch) / stage
            root.mkdir()
            write_store(root, files, empty)
            queues[stage] = read_queues(root)
    _check_offsets(manifest, queues)
    loss = compare(queues["killed"], queues["restarted"])
    expected = manifest["lost"]
    require_that((loss.vanished_queues, loss.files_gone, loss.units_removed)
                 == (expected["queues"], expected["files"], expected["units"]), f"lost {loss}, manifest {expected}")
    events = _check_records(manifest, members, stores)
    return [f"{len(packed)} bytes packed, {len(members)} members",
            f"lost: {expected['queues']} queues, {expected['files']} files, {expected['units']} units",
            f"timeline: {len(events)} events over {events[-1]['ms'] - events[0]['ms']} ms"]


def _check_offsets(manifest, queues):
    """What the broker said of its queues is what the stages hold."""
    for stage, offsets in manifest["offsets"].items():
        for name, (_, maximum) in offsets.items():
            found = queues[stage][name].max_offset if name in queues[stage] else 0
            require_that(found == maximum, f"{stage}: {name} ends at {found}, the broker said {maximum}")


def _check_records(manifest, members, stores):
    for name in ("first_run.jsonl", "timeline.jsonl"):
        events = [json.loads(line) for line in members[name].splitlines()]
        times = [event["ms"] for event in events]
        require_that(times == sorted(times), f"{name}: not in the order of time")
    lines = [event["line"] for event in events if event["kind"] == "log"]
    for words in ("last shutdown abnormally", "DupInfo in properties check failed", "load over, and the max phy offset"):
        require_that(any(words in line for line in lines), f"timeline: no line with '{words}'")
    deleted = {event["path"] for event in events if event["kind"] == "delete"}
    gone = {path for path in stores["killed"][0].keys() - stores["restarted"][0].keys()
            if path.startswith("consumequeue/")}
    require_that(gone and gone <= deleted, "timeline: consumequeue files went without an event")
    require_that(len(gone) == manifest["lost"]["files"], f"{len(gone)} consumequeue files went")
    phases = [event["phase"] for event in events if event["kind"] == "phase"]
    require_that(phases == ["killed", "started", "serving", "end"], f"timeline: phases {phases}")
    return events


def _check_neutral(name, content):
    """No address, user, host or path of the machine; the neutral root is the only home."""
    for path in (tempfile.gettempdir() + "/", str(Path.home()) + "/", str(REPOSITORY)):
        require_that(path.encode() not in content, f"{name} holds a path below {path}")
    # Short names (a host called vm) are looked for as words: they are parts of others. `root` is a word of RocketMQ.
    for word in {socket.gethostname(), getpass.getuser()} - {"rocketmq", "localhost", "root"}:
        found = re.search(rb"(?<![\w-])" + re.escape(word.encode()) + rb"(?![\w-])", content)
        require_that(not found, f"{name} holds '{word}'")
    foreign = set(ADDRESS.findall(content)) - ALLOWED_ADDRESSES
    require_that(not foreign, f"{name} holds addresses {foreign}")
