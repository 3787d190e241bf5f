#!/usr/bin/env python3
"""Makes the capture of a real incident that `demo` replays, or checks the one that is there.

    capture.py              runs a broker 5.2.0 in DLedger mode through SIGKILL and restart, writes the capture, checks it
    capture.py --verify     checks the capture that is there
    capture.py --show       prints its manifest without the file lists, and its timeline

Members of the archive:

    manifest.json           what ran, the files of every stage, the broker's own offsets, what was lost
    running/…               the store while the broker was idle
    killed/…                files that differ after SIGKILL
    restarted/…             files that differ once the restarted broker serves again
    first_run.jsonl         log lines, lock and phases of the first run, from its JVM's start
    timeline.jsonl          log lines, file events, lock and phases of the restart, from the restarted JVM's start

A file of a stage is found under the member `from` of its manifest entry. Its content is cut behind the last byte
that is not zero; `len` is its true length.
"""

import argparse
import datetime
import gzip
import io
import json
import tarfile
import time
from pathlib import Path

from broker import SMALL, Broker, Client, NameServer
from capture_check import check
from processes import end_all_on_signals, wait_until
from releases import REPOSITORY
from requirements import require
from store_copy import copy_store
from store_reader import compare, read_queues
from timeline import Timeline
from workspace import new_workspace

CAPTURE = REPOSITORY / "src" / "demo" / "capture.tar.gz"
RELEASE = "5.2.0"
TOPICS = ["TopicA", "TopicB", "TopicC"]
QUEUES = 4
MESSAGES = 2000
CONSUMED_PER_QUEUE = 84
GROUP = "G1"
NEUTRAL_HOME = "/home/rocketmq"


def run_incident(directory):
    """The three stages of the store and the two records of events."""
    name_server = NameServer(directory)
    client = Client(directory, name_server)
    broker = Broker(directory, RELEASE, "dledger", name_server, client, SMALL)

    first = Timeline(broker).record()
    broker.start().wait_ready()
    first_start = broker.child.started_at
    first.phase("serving")
    broker.create_topics(TOPICS, QUEUES)
    broker.produce(TOPICS, MESSAGES, queues=QUEUES)
    first.phase("produced")
    broker.consume(GROUP, TOPICS, CONSUMED_PER_QUEUE, QUEUES)
    first.phase("consumed")
    wait_until(lambda: _has_committed(broker), 30, "consumerOffset.json")
    _wait_for_ledger_checkpoint(broker)
    _wait_for_ledger_checkpoint(broker)
    stages = {"running": copy_store(broker.store)}
    offsets = {"running": broker.offsets()}
    queues = read_queues(broker.store)
    first_events = [event for event in first.finish(first_start) if event["kind"] in ("log", "phase", "lock")]

    restart = Timeline(broker).record()
    broker.kill()
    restart.phase("killed")
    stages["killed"] = copy_store(broker.store)
    time.sleep(2)
    broker.start()
    restart_start = broker.child.started_at
    broker.wait_ready()
    restart.phase("serving")
    _wait_for_ledger_checkpoint(broker)
    restart.phase("end")
    restart_events = restart.finish(restart_start)
    restart_events.append({"ms": 0, "kind": "phase", "phase": "started"})
    restart_events.sort(key=lambda event: event["ms"])
    stages["restarted"] = copy_store(broker.store)
    offsets["restarted"] = broker.offsets()
    loss = compare(queues, read_queues(broker.store))
    broker.kill()

    manifest = {
        "schema": 1,
        "release": RELEASE,
        "mode": "dledger",
        "captured_at": datetime.datetime.fromtimestamp(first_start, datetime.timezone.utc).isoformat("T", "seconds"),
        "root": f"{NEUTRAL_HOME}/store",
        "logs": f"{NEUTRAL_HOME}/logs/rocketmqlogs",
        "started_at_ms": {"first_run": round(first_start * 1000), "timeline": round(restart_start * 1000)},
        "config": {key: str(value) for key, value in broker.settings.items()},
        "workload": {"topics": TOPICS, "queues_per_topic": QUEUES, "messages": MESSAGES, "group": GROUP,
                     "consumed_per_queue": CONSUMED_PER_QUEUE},
        "segments": {"dledger_data": 1, "consumequeue_files": sum(len(queue.files) for queue in queues.values())},
        "lost": {"queues": loss.vanished_queues, "files": loss.files_gone, "units": loss.units_removed},
        "offsets": {stage: {queue: pair for queue, pair in pairs.items() if pair[1] or queue in queues}
                    for stage, pairs in offsets.items()},
    }
    manifest["config"]["storePathRootDir"] = manifest["root"]
    return manifest, stages, {"first_run.jsonl": first_events, "timeline.jsonl": restart_events}, broker.home


def _has_committed(broker):
    path = broker.store / "config" / "consumerOffset.json"
    return path.exists() and GROUP in path.read_text(errors="replace")


def _wait_for_ledger_checkpoint(broker):
    """DLedger rewrites its checkpoint every 3 s: just after one, nothing moves for a while."""
    path = broker.store / "dledger-n0" / "checkpoint"
    before = _modified(path)
    wait_until(lambda: _modified(path) not in (before, 0), 15, "the DLedger checkpoint", every=0.01)
    time.sleep(0.2)


def _modified(path):
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def pack(manifest, stages, records, home):
    """The archive's bytes; the same input gives the same bytes."""
    members, listed, previous = {}, {}, {}
    for stage, (files, empty) in stages.items():
        rows, current = [], {}
        for path, file in files.items():
            unchanged = path in previous and previous[path][:2] == (file.length, file.content)
            source = previous[path][2] if unchanged else f"{stage}/{path}"
            members[source] = file.content
            current[path] = (file.length, file.content, source)
            rows.append({"path": path, "len": file.length, "mode": f"{file.mode:04o}", "mtime_ms": file.mtime_ms,
                         "from": source, "sha256": file.sha256})
        listed[stage] = {"files": rows, "empty_directories": empty,
                         "deleted": sorted(previous.keys() - current.keys())}
        previous = current
    texts = {"manifest.json": json.dumps({**manifest, "files": listed}, indent=1) + "\n"}
    for name, events in records.items():
        texts[name] = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    neutral = {name: text.replace(str(home), NEUTRAL_HOME).encode() for name, text in texts.items()}

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in [*neutral.items(), *members.items()]:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), 9, mtime=0)


def show(packed):
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        del manifest["files"]
        print(json.dumps(manifest, indent=1))
        print(archive.extractfile("timeline.jsonl").read().decode(), end="")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--verify", action="store_true")
    arguments.add_argument("--show", action="store_true")
    arguments.add_argument("--output", type=Path, default=CAPTURE)
    chosen = arguments.parse_args()
    if chosen.show:
        return show(chosen.output.read_bytes())
    if not chosen.verify:
        require("java", "javac", "mvn")
        end_all_on_signals()
        packed = pack(*run_incident(new_workspace("capture")))
        check(packed)
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_bytes(packed)
    for line in check(chosen.output.read_bytes()):
        print(line)
    return None


if __name__ == "__main__":
    main()
