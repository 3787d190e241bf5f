"""The page about the incident, command by command, on a real broker that has lost its index."""

import re
import subprocess
import threading
import time

import exporter
from broker import SMALL, reachable
from processes import wait_until
from releases import REPOSITORY
from stand import TOPICS, Stand

PAGE = REPOSITORY / "alerts" / "incident-5.2.0.md"
START = re.compile(r"^nohup sh .*mqbroker .*$", re.M)
ASSIGNMENT = re.compile(r"^[A-Z]+=.*$", re.M)
WRITTEN = 123


def nothing_written(verdicts, directory):
    _follow(verdicts, directory, "B. ", 0)


def written_since(verdicts, directory):
    _follow(verdicts, directory, "A. ", WRITTEN)


def _follow(verdicts, directory, left_out, written):
    with Stand(directory, "5.2.0", "dledger", SMALL) as stand:
        broker = stand.broker
        stand.start_broker().fill()
        stand.exporter.start()
        stand.settle()
        committed = broker.store / "config" / "consumerOffset.json"
        wait_until(lambda: committed.exists() and b"G1" in committed.read_bytes(), 30, "the group's offsets on disk")
        before = _of_topics(broker)
        time.sleep(6)
        offsets = committed.read_bytes()
        broker.kill()
        time.sleep(3)
        broker.start().wait_ready()
        verdicts.equal("messages that consumers reach after the kill", reachable(_of_topics(broker)), 0)
        if written:
            broker.produce(TOPICS, written, first=5000)
            wait_until(lambda: reachable(_of_topics(broker)) >= written, 30, "the new messages")
        time.sleep(6)
        shell = Shell(directory, stand)
        kept = None
        for title, block in _blocks():
            if title.startswith(left_out):
                continue
            for part in filter(str.strip, START.split(block)):
                said = shell.run(part)
                verdicts.check(f"{title}: {part.strip().splitlines()[0][:70]}", said.returncode == 0, said.stderr[-300:])
                if "preview" in part:
                    verdicts.note(said.stdout.splitlines()[0] if said.stdout else said.stderr)
            if "consumerOffset.json" in block:
                kept = committed.read_bytes()
        broker.wait_ready()
        after = _of_topics(broker)
        verdicts.equal("the offsets of before the loss were put back", kept, offsets)
        verdicts.note(f"{reachable(after)} of {2000 + written} messages can be read")
        if written:
            verdicts.check("all old messages are back", reachable(after) >= 2000, reachable(after))
        else:
            verdicts.equal("every queue has its ends of before", after, before)
        shell.close()


def _of_topics(broker):
    return {name: pair for name, pair in broker.offsets().items() if name.split("/")[0] in TOPICS}


def _blocks():
    """(title of the section, commands) in the order of the page."""
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.M):
        for block in re.findall(r"^```sh\n(.*?)^```$", section, flags=re.M | re.S):
            yield section.splitlines()[0], block


class Shell:
    """Runs commands one after the other as on the broker's machine; places and the start of the broker are the lab's."""

    def __init__(self, directory, stand):
        self.broker, self.setting = stand.broker, ""
        places = {"/home/rocketmq/store": stand.broker.store, "/home/rocketmq/conf/broker.conf": stand.broker.conf,
                  "http://localhost:5558": stand.exporter.url, "/var/lib/rocketmq-store-exporter": stand.exporter.state,
                  "/var/tmp/incident": directory / "keep",
                  "$(pgrep -f 'java .*org.apache.rocketmq.broker.BrokerStartup')": stand.broker.child.pid}
        self.places = {name: str(place) for name, place in places.items()}
        self.path = exporter.BINARY.parent
        self.is_over = threading.Event()
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self):
        """A stopped broker is a child of ours, and stays a zombie until somebody asks."""
        while not self.is_over.wait(0.2):
            self.broker.child.process.poll()

    def close(self):
        self.is_over.set()

    def run(self, block):
        for name, place in self.places.items():
            block = block.replace(name, place)
        if block.startswith("\nuntil"):
            self.broker.start()
        command = f"set -e; PATH={self.path}:$PATH\n{self.setting}\n{block}"
        # What was set stays set, as in the shell of whoever follows the page.
        self.setting = "\n".join([self.setting, *ASSIGNMENT.findall(block)])
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
