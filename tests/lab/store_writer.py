"""Stores that the real code of a release writes anew, and stores of tests/fixtures/recovery: what the cases of `forecast` begin with."""

import json
import select
import shutil
import subprocess
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from fixture import FIXTURES, unpack
from real_store import start_java

TIMEOUT = 180.0
# Kinds of store with how often they are written, and whether 4.9 can write them.
KINDS = {"plain": (4, True), "dledger": (4, True), "controller": (1, False), "batch": (2, False), "light": (1, True), "ext": (1, True),
         "paths": (1, True), "migrated": (1, True)}
TWO_PATHS = "<store>/commitlog,<store>/commitlog2"


@dataclass
class Base:
    """A store as it was written, with how it kept its log and its broker's properties."""
    name: str
    mode: str
    cfg: dict
    broker: dict = field(default_factory=dict)
    kind: str = "base"
    path: Path = None

    def place(self, root):
        if self.path.is_dir():
            copy_tree(self.path, root)
        else:
            unpack(self.path, root)


def copy_tree(source, target):
    """DLedger's index files are long and nearly empty: holes are kept."""
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)


def copy_running(source, target):
    """A copy of what a process still holds; DLedger renames its checkpoint now and then."""
    for _ in range(10):
        if subprocess.run(["cp", "-a", "--sparse=always", source, target], stderr=subprocess.DEVNULL).returncode == 0:
            return
        shutil.rmtree(target)
    raise SystemExit(f"no copy of {source} was whole")


def fixtures():
    """Those whose outcome is that of load; a start has been tried on the others."""
    found = []
    for path in sorted(FIXTURES.glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            case = json.load(archive.extractfile("case.json"))
        if case["phase"] == "load":
            found.append(Base(path.name, case["mode"], case["cfg"], case["broker"], case["kind"], path))
    return found


def recipe(release, random):
    """What a store is to be: its kind, its broker's properties, and the plan of what is written."""
    kinds = {kind: weight for kind, (weight, is_old) in KINDS.items() if is_old or not release.startswith("4.")}
    kind = random.choices(list(kinds), list(kinds.values()))[0]
    mode = kind if kind in ("dledger", "controller") else "plain"
    if kind in ("batch", "light", "ext") and random.random() < 0.35:
        mode = "dledger"
    segment = random.choice([4096, 8192, 16384, 16384, 32768, 65536, 131072])
    cfg = {
        "mappedFileSizeCommitLog": segment,
        # The last is rounded up to whole units.
        "mappedFileSizeConsumeQueue": random.choice([200, 200, 400, 600, 2000, 310]),
        "maxHashSlotNum": random.choice([11, 101, 500]),
        "maxIndexNum": random.choice([400, 400, 1000, 5000]),
    }
    plan = {
        "seed": random.getrandbits(40), "count": random.choice([12, 60, 150, 250, 400]), "topics": random.randint(1, 5),
        "queues": random.randint(1, 4), "maxBody": min(segment // 5, random.choice([100, 500, 1000, 3000])),
        "special": random.choice(["true", "true", "false"]), "batch": 0, "light": 0, "hostV6": random.choice(["false", "false", "false", "true"]),
        # Only a release that has a second kind of message can write such a name.
        "longTopic": "true" if random.random() < 0.15 and not release.startswith(("4.", "5.0.")) else "false",
        "expireAt": -1, "expireFiles": 0, "pauseMs": random.choice([0, 0, 0, 2, 5]), "dispatched": random.choice(["true", "true", "false"]),
        "settleMs": random.choice([0, 100, 100, 1300]), "flush": random.choice(["true", "false"]), "end": random.choice(["kill", "kill", "clean"]),
        "ledgerCheckpointMs": random.choice([50, 200, 3000]),
    }
    if random.random() < 0.3:
        plan["expireAt"], plan["expireFiles"] = random.randrange(plan["count"]), random.randint(1, 4)
    if kind == "batch":
        plan["batch"] = 2
        cfg["mapperFileSizeBatchConsumeQueue"] = random.choice([460, 920, 1380])
    if kind == "light":
        plan["light"] = 3
        cfg.update(enableLmq="true", enableMultiDispatch="true")
    if kind == "ext":
        cfg.update(enableConsumeQueueExt="true", mappedFileSizeConsumeQueueExt=random.choice([300, 600, 2000]))
    if kind == "paths":
        cfg["storePathCommitLog"] = TWO_PATHS
    if random.random() < 0.15:
        cfg["enabledAppendPropCRC"] = "true"
    if random.random() < 0.1:
        cfg["flushDiskType"] = "SYNC_FLUSH"
    if random.random() < 0.4:
        # What 5.5.0 notes in its checkpoint only once a minute.
        cfg["flushConsumeQueueThoroughInterval"] = 200
    return kind, mode, {key: str(value) for key, value in cfg.items()}, plan


def topics(plan, random):
    """config/topics.json as brokers write it; a broker is told there which topics have batch queues."""
    table = {f"T{number}": {} for number in range(plan["topics"])} | {f"B{number}": {"queue.type": "BatchCQ"} for number in range(plan["batch"])}
    if random.random() < 0.3:
        table["T0"] = {"queue.type": "SimpleCQ"}
    told = {name: {"attributes": attributes, "order": False, "perm": 6, "readQueueNums": 16, "topicFilterType": "SINGLE_TAG",
                   "topicName": name, "topicSysFlag": 0, "writeQueueNums": 16} for name, attributes in table.items()}
    return json.dumps({"dataVersion": {"counter": 0, "stateVersion": 0, "timestamp": 1795421005202}, "topicConfigTable": told}, indent="\t")


class WriterHangs(Exception):
    """No store comes from it any more."""


class StoreWriter:
    """One Java process that writes stores, several at a time."""

    def __init__(self, release, scratch):
        self.said = scratch / f"said-{release}"
        self.process = start_java(release, "StoreWrite", scratch / "home", self.said)

    def begin(self, dir, mode, cfg, plan):
        keys = [f"{key}={value.replace('<store>', str(dir))}" for key, value in cfg.items()] + [f"write.{key}={value}" for key, value in plan.items()]
        self._tell("\t".join([str(dir), mode] + keys))

    def written(self):
        """The next store that is written: its directory, and why it could not be."""
        end = time.monotonic() + TIMEOUT
        while select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
            line = self.process.stdout.readline()
            if line.startswith(b"@"):
                answer = json.loads(line[1:])
                return Path(answer["dir"]), answer["why"]
            if not line:
                break
        raise WriterHangs(f"the writer ended or hangs:\n{self.said.read_text(errors='replace')[-2000:]}")

    def end(self, dir):
        self._tell(f"end\t{dir}")

    def _tell(self, words):
        self.process.stdin.write((words + "\n").encode())
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()


def write_stores(release, count, random, scratch):
    """Bases below `scratch`; a store that was killed is copied while its process still holds it, which is what a kill leaves."""
    state = random.getstate()
    try:
        return _write_stores(release, count, random, scratch)
    except WriterHangs as hang:
        # A store of 5.5.0 hangs in its own shutdown once in hundreds of times: the same stores once more.
        print(f"{release}: {hang}", flush=True)
    random.setstate(state)
    try:
        return _write_stores(release, count, random, scratch / "again")
    except WriterHangs as hang:
        raise SystemExit(str(hang)) from None


def _write_stores(release, count, random, scratch):
    scratch.mkdir()
    writer = StoreWriter(release, scratch)
    try:
        # The order in which they are done is a matter of time.
        return sorted(written_by(writer, release, count, random, scratch), key=lambda base: base.path.name)
    finally:
        writer.close()


def written_by(writer, release, count, random, scratch):
    recipes = {}
    for number in range(count):
        kind, mode, cfg, plan = recipe(release, random)
        dir = scratch / f"w{number}"
        (dir / "config").mkdir(parents=True)
        if not release.startswith("4.") and (plan["batch"] or random.random() < 0.3):
            (dir / "config" / "topics.json").write_text(topics(plan, random))
        # The plain store goes on in DLedger mode, mostly; else its first start in that mode is the case.
        goes_on = kind == "migrated" and random.random() < 0.7
        again = dict(plan, seed=plan["seed"] + 1, count=random.randint(1, 60), end=random.choice(["kill", "clean"]), expireAt=-1) if goes_on else None
        recipes[dir] = (kind, mode, cfg, plan, again)
        writer.begin(dir, mode, cfg, plan)
    while recipes:
        dir, why = writer.written()
        kind, mode, cfg, plan, again = recipes.pop(dir)
        if why:
            raise SystemExit(f"{release} could not write {kind} {mode} {cfg} {plan}: {why}\n{writer.said.read_text(errors='replace')[-2000:]}")
        path = scratch / f"{kind}-{dir.name}"
        copy_running(dir, path)
        if plan["end"] == "kill":
            writer.end(dir)
        else:
            shutil.rmtree(dir)
        if again:
            recipes[path] = (kind, "dledger", cfg, again, None)
            writer.begin(path, "dledger", cfg, again)
            continue
        mode = "dledger" if kind == "migrated" else mode
        name = f"{release}-{kind}-{mode}-{plan['end']}"
        yield Base(name, mode, cfg, {"enableControllerMode": "true"} if mode == "controller" else {}, kind, path)
