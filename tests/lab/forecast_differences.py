"""A forecast against what a real store then held in memory and left on disk: what is compared, field by field."""

import os
import re
import struct

import log_census
from store_lines import line_differences

FOLLOWED = ("commitlog", "consumequeue", "batchconsumequeue", "dledger-")
QUEUE_FIELDS = (("min_offset", "min"), ("max_offset", "max"), ("max_physical_offset", "physical"), ("files", "files"), ("units", "units"),
                ("units_sha1", "sha1"))
TRUNCATION = re.compile(r"maxPhyOffsetOfConsumeQueue\((-?\d+)\) >= processOffset\((-?\d+)\)")
LEDGER_FIELDS = ("begin_index", "end_index", "committed_index", "committed_offset", "end_offset")


def files(root):
    names = (str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    # The ledger's checkpoint and term are written by timers.
    return {name for name in names if name.startswith(FOLLOWED) and not name.split("/")[1].startswith(("checkpoint", "currterm"))}


class Before:
    """What stands on disk before a real store is let at it."""

    def __init__(self, root, mode):
        self.files = files(root)
        self.index = index_files(root)
        self.messages = log_census.positions(root, mode)
        # What a broker that goes over to DLedger has kept in its commitlog.
        self.older = log_census.positions(root, "plain") if mode == "dledger" else []

    def dropped(self, end, after):
        """Whole messages that a cut takes: fewest and most, as what stands at the end itself may be none to a release."""
        behind = sum(at > end for at in self.messages)
        if self.older:
            # The commitlog is closed behind its end by a blank record.
            behind += len(set(self.older) - set(log_census.positions(after, "plain")))
        return [behind, behind + (end in self.messages)]


def index_files(root):
    return {path.name for path in (root / "index").glob("*") if path.is_file()}


def next_index_entry(root, before):
    """Number of the next entry in the last index file, as its head says; a file that has just been begun says 0, and counts from 1."""
    # Files that were begun are the last ones, whatever the others are called.
    names = sorted((name for name in index_files(root) if name.isdigit()), key=lambda name: (name not in before.index, name))
    # Older releases stop loading at a directory, and go on without the files behind it.
    directory = min((path.name for path in (root / "index").glob("*") if path.is_dir()), default=None)
    if directory is not None:
        names = [name for name in names if name < directory or name not in before.index]
    if not names:
        return None
    with open(root / "index" / names[-1], "rb") as file:
        head = file.read(40)
    return max(1, struct.unpack_from(">i", head, 36)[0]) if len(head) == 40 else None


def truncation(said):
    """Both numbers of the first line that tells of one."""
    numbers = next((match for match in (TRUNCATION.search(text) for _, text in said) if match), None)
    return numbers and [int(numbers[1]), int(numbers[2])]


def reput_start(release, told, fact):
    physical = max([queue["physical"] for queue in fact["queues"].values()] + [-1])
    from_queues = max(0, fact["min"], physical)
    if release.startswith("4.") or told.get("recheckReputOffsetFromCq") == "true":
        return from_queues
    if release.startswith("5.0.") and told.get("duplicationEnable") != "true":
        return fact["max"]
    return fact["confirm"]


def queue_differences(found, moment, queues):
    wrong, foretold = {}, {f"{queue['topic']}/{queue['queue']}": queue for queue in found["queues"]}
    for name, queue in queues.items():
        whole = foretold.pop(name, None)
        mine = whole and whole[moment]
        if mine is None or "units_sha1" not in mine:
            # 4.9 makes queues without files for every delay level.
            if queue["files"]:
                wrong[f"{name} {moment}"] = (None, queue)
            continue
        for field, real in QUEUE_FIELDS:
            if mine[field] != queue[real]:
                wrong[f"{name} {moment} {field}"] = (mine[field], queue[real])
        if moment == "after_load" and whole["next_offset"] != queue["next"]:
            wrong[f"{name} next_offset"] = (whole["next_offset"], queue["next"])
    for name, whole in foretold.items():
        if whole[moment] and whole[moment]["files"]:
            wrong[f"{name} {moment}"] = (whole[moment], None)
    return wrong


def throws_at_start(found):
    return found["start"]["reason"] == "START_EXCEPTION" or any("search for the queues' minima fails" in note for note in found["not_modelled"])


def start_differences(found, fact, started, copy, mode):
    """After start and dispatch: the queues, and the messages that stay without a unit."""
    if throws_at_start(found) or "queues" not in started:
        return {} if throws_at_start(found) and "threw" in started.values() else {"start": (found["start"], started)}
    wrong = queue_differences(found, "after_start", started["queues"])
    messages, missing = log_census.lost(copy, mode, fact["end"], started["queues"])
    if found["messages_with_unit"] != messages:
        wrong["messages_with_unit"] = (found["messages_with_unit"], messages)
    lost = {f"{queue['topic']}/{queue['queue']}": queue["units_lost"] for queue in found["queues"]}
    for name in sorted(lost.keys() | missing.keys()):
        if lost.get(name, 0) != missing.get(name, 0):
            wrong[f"{name} units_lost"] = (lost.get(name), missing.get(name, 0))
    if found["totals"]["units_lost"] != sum(missing.values()):
        wrong["units_lost"] = (found["totals"]["units_lost"], sum(missing.values()))
    return wrong


def load_differences(found, fact, before, root, copy, release, told, mode):
    wrong = {}

    def equal(what, forecast, real):
        if forecast != real:
            wrong[what] = (forecast, real)

    is_loaded = fact["load"] is True
    equal("starts", found["start"]["outcome"] == "starts" or throws_at_start(found), is_loaded)
    if fact["load"] == "exit":
        equal("exit code", found["start"]["exit_code"], fact["code"] & 0xFF)
    wrong.update(line_differences(found, fact["log"], copy, root, before.index))
    if "starts" in wrong:
        return wrong
    # A message's topic may be "..", and its queue then lie beside the others.
    created = {os.path.normpath(name) for name in found["files"]["created"]}
    left = (before.files - set(found["files"]["unlinked"])) | {name for name in created if name.startswith(FOLLOWED)}
    equal("files", sorted(left - files(copy)), sorted(files(copy) - left))
    index = index_files(copy)
    equal("index unlinked", sorted(found["index"]["unlinked"]), sorted(f"index/{name}" for name in before.index - index))
    if not is_loaded:
        return wrong
    begun = len(index - before.index)
    # Files are named by the millisecond: one that is begun in that of the one before is the same file (4 of 53 loads of one store).
    if not 1 <= begun < found["index"]["begun"]:
        equal("index begun", found["index"]["begun"], begun)
        equal("index next entry", found["index"]["next_entry"], next_index_entry(copy, before))
    equal("max_offset", found["commitlog"]["max_offset"], fact["max"])
    equal("min_offset", found["commitlog"]["min_offset"], fact["min"])
    cut = found["truncation"]
    equal("truncation", [cut["consumequeue_max_physical_offset"], cut["process_offset"]] if cut and cut["fires"] else None, truncation(fact["log"]))
    dropped = before.dropped(fact["end"], copy)
    if found["commitlog"]["messages_dropped"] not in dropped:
        wrong["messages_dropped"] = (found["commitlog"]["messages_dropped"], dropped)
    if fact.get("ledger"):
        for name in LEDGER_FIELDS:
            equal(f"ledger {name}", found["ledger"] and found["ledger"][name], fact["ledger"][name])
    equal("reput_from", found["reput_from"], reput_start(release, told, fact))
    wrong.update(queue_differences(found, "after_load", fact["queues"]))
    return wrong
