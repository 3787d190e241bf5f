"""The forecast is written down before the start; then a real broker starts, as the store is and with every remedy."""

import json
import re
import shutil
import subprocess
import time

import exporter
from broker import SMALL, Broker, reachable
from processes import wait_until
from stand import TOPICS, Stand

TRUNCATION = re.compile(r"maxPhyOffsetOfConsumeQueue\((-?\d+)\) >= processOffset\((-?\d+)\), truncate dirty logic files")
LOAD_OVER = re.compile(r"load over, and the max phy offset = (-?\d+)")
# Remedies that another release carries out start brokers of their own.
RELEASE = re.compile(r"release_(\d+)_(\d+)_(\d+)")
# A checkpoint is thoroughly flushed once a minute.
IDLE_SECONDS = 72


def everything_lost(verdicts, directory):
    _foretold(verdicts, directory, "5.2.0", "dledger", "index_loss")


def plain(verdicts, directory):
    _foretold(verdicts, directory, "5.2.0", "plain", None)


def newest_lost(verdicts, directory):
    _foretold(verdicts, directory, "5.3.3", "dledger", "index_loss")


def newest_lost_in_540(verdicts, directory):
    _foretold(verdicts, directory, "5.4.0", "dledger", "index_loss")


def killed_at_once(verdicts, directory):
    _foretold(verdicts, directory, "5.5.0", "dledger", None)


def killed_after_a_minute(verdicts, directory):
    _foretold(verdicts, directory, "5.5.0", "dledger", "index_loss", IDLE_SECONDS)


def repaired(verdicts, directory):
    """A broker that has lost its index is stopped in an orderly way: what the preview then lists brings everything back."""
    with Stand(directory, "5.2.0", "dledger", SMALL) as stand:
        broker = stand.broker
        stand.start_broker().fill()
        stand.settle()
        before = {name: pair for name, pair in broker.offsets().items() if name.split("/")[0] in TOPICS}
        broker.kill()
        broker.start().wait_ready()
        verdicts.equal("the index is lost", reachable(broker.offsets()), 0)
        broker.stop()
        damaged = directory / "damaged"
        copy(broker.store, damaged)
        found = preview(broker, "5.2.0")
        verdicts.equal("the next start brings nothing back", (found["verdict"], found["totals"]["units_lost"]), ("index_loss", 2000))
        for name in ("recheck_reput_offset", "set_aside_dledger_checkpoint", "rebuild_queues"):
            remedy = next((remedy for remedy in found["remedies"] if remedy["id"] == name), None)
            verdicts.check(f"{name} is listed, and loses nothing", bool(remedy) and remedy["units_lost"] == 0)
            shutil.rmtree(broker.store)
            copy(damaged, broker.store)
            if remedy:
                _try(verdicts, stand, remedy, "5.2.0", before)


def restarted(verdicts, directory):
    """Units that were cut inside files that stay are read again by an orderly restart, if nothing was written since."""
    with Stand(directory, "5.3.3", "dledger", SMALL) as stand:
        broker = stand.broker
        stand.start_broker().fill()
        stand.settle()
        before = reachable(broker.offsets())
        broker.kill()
        broker.start().wait_ready()
        lost = before - reachable(broker.offsets())
        verdicts.check("the newest units are lost", lost > 0, lost)
        broker.stop()
        found = preview(broker, "5.3.3")
        verdicts.equal("units lost by the forecast of the next start", found["totals"]["units_lost"], 0)
        start_and_compare(verdicts, "orderly restart", broker, found)
        verdicts.equal("all messages can be reached again", reachable(broker.offsets()), before)


def tables(verdicts, directory):
    """A table of config/ of which both copies are damaged: the broker ends with the exit code that was foretold."""
    with Stand(directory, "5.3.3", "plain", SMALL) as stand:
        own = stand.broker
        stand.start_broker()
        stand.fill(60)
        own.stop()
        config, intact = own.store / "config", directory / "intact"
        copy(config, intact)
        newer = _sibling(stand, "5.5.0", "newer")
        for broker, table, damage in ((own, "topics", b"\0" * 200), (newer, "consumerOffset", b'{"offsetTable":{'), (own, "delayOffset", b"?")):
            name = f"{broker.release} {table}"
            (config / f"{table}.json").write_bytes(damage)
            verdicts.equal(f"{name}: one copy", preview(broker, broker.release)["start"]["outcome"], "starts")
            (config / f"{table}.json.bak").write_bytes(damage)
            found = preview(broker, broker.release)["start"]
            verdicts.equal(f"{name}: both copies", (found["outcome"], found["reason"]), ("refuses", "TABLE_UNREADABLE"))
            _ends_by_itself(verdicts, broker, name, found)
            shutil.rmtree(config)
            copy(intact, config)
        topics = json.loads((config / "topics.json").read_text())
        topics["topicConfigTable"]["TopicA"]["attributes"] = {"queue.type": "no kind"}
        (config / "topics.json").write_text(json.dumps(topics))
        for broker in (own, newer):
            name = f"{broker.release}, a kind of queues that is none"
            found = preview(broker, broker.release)["start"]
            verdicts.equal(name, (found["outcome"], found["reason"]), ("refuses", "QUEUE_KIND_UNKNOWN"))
            _ends_by_itself(verdicts, broker, name, found)


def _ends_by_itself(verdicts, broker, name, found):
    """Starts a broker that was foretold to end with an exit code."""
    broker.start()
    wait_until(lambda: not broker.child.is_alive(), 60, "the broker to end by itself")
    verdicts.equal(f"{name}: exit code", broker.child.process.returncode, found["exit_code"])


def _foretold(verdicts, directory, release, mode, verdict, idle=4):
    with Stand(directory, release, mode, SMALL) as stand:
        broker = stand.broker
        stand.start_broker().fill()
        time.sleep(idle)
        offsets = broker.offsets()
        live = preview(broker, release, "--shutdown", "unclean")
        broker.kill()
        dead = directory / "dead"
        copy(broker.store, dead)
        found = preview(broker, release)
        verdicts.equal("what was foretold of the running broker holds for the killed one",
                       (live["verdict"], live["totals"]), (found["verdict"], found["totals"]))
        lost = found["totals"]["units_lost"]
        verdicts.note(f"{found['verdict']}: {lost} of {sum(high - low for low, high in offsets.values())} units lost")
        if verdict:
            verdicts.equal("the verdict", found["verdict"], verdict)
        else:
            verdicts.equal("units lost by the forecast", lost, 0)
        start_and_compare(verdicts, "as it stands", broker, found)
        for remedy in found["remedies"]:
            shut(broker)
            shutil.rmtree(broker.store)
            copy(dead, broker.store)
            _try(verdicts, stand, remedy, release)


def _try(verdicts, stand, remedy, release, ends=None):
    """Does what a remedy says, asks for a forecast of that, and lets the broker start; `ends`: where its queues must then end."""
    name, broker = remedy["id"], stand.broker
    other = RELEASE.fullmatch(name)
    if name == "remove_abort":
        (broker.store / "abort").unlink()
    elif name == "recheck_reput_offset":
        broker = _sibling(stand, release, name, recheckReputOffsetFromCq="true")
    elif name == "set_aside_dledger_checkpoint":
        for path in broker.store.glob("dledger-*/checkpoint"):
            path.rename(path.with_name("checkpoint.aside"))
    elif name == "set_aside_checkpoint":
        (broker.store / "checkpoint").unlink()
    elif name == "rebuild_queues":
        (broker.store / "abort").unlink(missing_ok=True)
        shutil.rmtree(broker.store / "consumequeue")
        broker = _sibling(stand, release, name, recheckReputOffsetFromCq="true")
    elif other:
        release = ".".join(other.groups())
        broker = _sibling(stand, release, name)
    else:
        verdicts.check(f"{name}: a remedy that this scenario can carry out", False)
        return
    found = preview(broker, release)
    verdicts.equal(f"{name}: the forecast once it is done is the remedy's own",
                   (found["verdict"], found["totals"]["units_lost"]), (remedy["verdict"], remedy["units_lost"]))
    start_and_compare(verdicts, name, broker, found)
    if ends:
        now = {queue: pair for queue, pair in broker.offsets().items() if queue in ends}
        verdicts.equal(f"{name}: every queue is as it was before the loss", now, ends)
    shut(broker)


def _sibling(stand, release, name, **keys):
    """Another broker on the same store: of another release, or told otherwise."""
    own = stand.broker
    made = Broker(stand.directory / name, release, own.mode, stand.name_server, stand.client, SMALL, keys)
    made.store = own.store
    made.tell({"storePathRootDir": own.store})
    return made


def start_and_compare(verdicts, name, broker, found):
    log = broker.logs / "store.log"
    begin = log.stat().st_size if log.exists() else 0
    broker.start().wait_ready()
    ends = {f"{queue['topic']}/{queue['queue']}": queue["after_start"] for queue in found["queues"] if queue["after_start"]}
    expected = {name: (end["min_offset"], end["max_offset"]) for name, end in ends.items() if name.split("/")[0] in TOPICS}
    # Queues of which nothing is left are not listed by the broker, or with nothing between their ends.
    expected = {name: pair for name, pair in expected.items() if pair[0] != pair[1]}

    def real():
        offsets = broker.offsets()
        return {name: pair for name, pair in offsets.items() if name.split("/")[0] in TOPICS and pair[0] != pair[1]}
    try:
        # Dispatch may still be at work when the port opens.
        wait_until(lambda: real() == expected, 20, "the ends that were foretold", every=0.3)
    except TimeoutError:
        pass
    verdicts.equal(f"{name}: every queue's ends are those foretold", real(), expected)
    with open(log, "rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace")
    numbers = [tuple(map(int, pair)) for pair in TRUNCATION.findall(lines)]
    cut = found["truncation"]
    if cut and cut["fires"]:
        pair = (cut["consumequeue_max_physical_offset"], cut["process_offset"])
        verdicts.check(f"{name}: both numbers of the truncation", pair in numbers, f"{pair} in {numbers}")
    else:
        verdicts.equal(f"{name}: no truncation", numbers, [])
    over = LOAD_OVER.findall(lines)
    if over:
        verdicts.equal(f"{name}: the end of the log", int(over[0]), found["commitlog"]["max_offset"])
    gone = [path for path in found["files"]["unlinked"] if path.startswith("consumequeue/")]
    kept = {f"consumequeue/{queue['topic']}/{queue['queue']}" for queue in found["queues"]
            if queue["after_start"] and queue["after_start"]["files"]}
    left = [path for path in gone if (broker.store / path).exists() and path.rsplit("/", 1)[0] not in kept]
    verdicts.check(f"{name}: files that go", not left, f"{len(gone)} foretold, {len(left)} still there")


def preview(broker, release, *more):
    command = [exporter.BINARY, "preview", "--store.path", broker.store, "--broker.conf", broker.conf, "--broker.version", release,
               "--queues", "all", "--format", "json", *more]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"preview ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return json.loads(done.stdout)


def copy(source, target):
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)


def shut(broker):
    if broker.child and broker.child.is_alive():
        broker.kill()
