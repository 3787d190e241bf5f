"""A case of `forecast` in the form of tests/fixtures/recovery, whose README says what stands in it."""

import io
import json
import tarfile

import log_census
from forecast_differences import index_files, next_index_entry, reput_start, truncation
from store_copy import read_trimmed

KINDS = ("commitlog", "consumequeue", "batchconsumequeue", "index", "dledger-")
COUNTED = {"repeated": "Maybe try to build", "below": "Build consume queue repeatedly", "order": "[BUG]logic queue order",
           "no_room": "[BUG]put commit log position info", "crc": "CRC check failed",
           "dup": "DupInfo", "half": "found a half message", "ext": "Save consume queue extend error",
           "minimum_missing": "[Bug] Failed to scan consume queue entries", "minimum_failed": "Exception thrown when correctMinOffset"}


def is_followed(name):
    return name.startswith(KINDS) and (not name.startswith("dledger-") or "/data/" in name or "/index/" in name)


class Case:
    def __init__(self, release, mode, base, keys, done, fact, before):
        self.fact, self.before = fact, before
        broker = {key.removeprefix("broker."): value for key, value in keys.items() if key.startswith("broker.")}
        cfg = {key: value for key, value in keys.items() if not key.startswith("broker.")}
        self.meta = {
            "version": release, "mode": mode, "kind": base.kind, "phase": "load", "cfg": {**base.cfg, **cfg}, "broker": {**base.broker, **broker},
            "damage": done,
        }

    def loaded(self, copy, release, told):
        """What load left; must be asked before the store is started."""
        fact = self.fact
        load = f"exit:{fact['code'] - 256}" if fact["load"] == "exit" else fact["load"] is True
        new = {f"index/{name}" for name in index_files(copy) - self.before.index}
        names = (str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
        expected = {"load": load, "files": sorted(name for name in names if is_followed(name) and name not in new)}
        self.meta["expected"] = expected
        if load is not True:
            return
        warned = [text for level, text in fact["log"]]
        expected.update({
            "maxPhy": fact["max"], "minPhy": fact["min"], "reputStart": reput_start(release, told, fact),
            "maxPhyCq": max([queue["physical"] for queue in fact["queues"].values()] + [-1]),
            "truncation": truncation(fact["log"]),
            "new_index_files": len(new), "next_index_entry": next_index_entry(copy, self.before),
            "lines": {name: sum(text.startswith(start) for text in warned) for name, start in COUNTED.items()},
            "dropped": self.before.dropped(fact["end"], copy), "queues": queues(fact["queues"]),
        })
        expected["lines"]["magic"] = [text.split(" ")[-1] for text in warned if text.startswith("found a illegal magic")]
        if "ledger" in fact:
            ledger = fact["ledger"]
            expected["ledger"] = {"beginIndex": ledger["begin_index"], "endIndex": ledger["end_index"], "committedIndex": ledger["committed_index"],
                                  "committedPos": ledger["committed_offset"], "endPos": ledger["end_offset"]}

    def started(self, copy, started):
        """What start and dispatch made of it then."""
        messages, missing = log_census.lost(copy, self.meta["mode"], self.fact["end"], started["queues"])
        self.meta["phase"] = "start"
        names = {name: "-".join(name.rsplit("/", 1)) for name in missing}
        self.meta["expected"].update({"queues": queues(started["queues"]), "lost": {
            "messages": messages, "missing": sum(missing.values()), "perQueue": {names[name]: count for name, count in missing.items()}}})

    def export(self, root, path):
        """Packs the store as it was before, without the zeros at the ends of its files."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lengths = self.meta["lengths"] = {}
        with tarfile.open(path, "w:gz") as archive:
            for one in sorted(root.rglob("*")):
                name = str(one.relative_to(root))
                if one.is_dir():
                    if not any(one.iterdir()):
                        lengths[f"{name}/"] = 0
                    continue
                lengths[name], content = read_trimmed(one)
                if content:
                    add(archive, f"store/{name}", content)
            self.meta["name"] = path.name.removesuffix(".tar.gz")
            add(archive, "case.json", json.dumps(self.meta, sort_keys=True, separators=(",", ":")).encode())


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def queues(found):
    """Topic, id, first offset, end, end in the log, next offset, units, SHA-1, files with their write positions."""
    rows = []
    for name, queue in found.items():
        topic, number = name.rsplit("/", 1)
        wrote = [[path.rsplit("/", 1)[1], length] for path, length in queue["wrote"].items()]
        rows.append([topic, int(number), queue["min"], queue["max"], queue["physical"], queue["next"], queue["units"], queue["sha1"], wrote])
    return rows
