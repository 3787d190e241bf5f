"""An exporter beside a store of `tests/fixtures/recovery` and a log that nobody but the lab writes: no broker."""

import json
import time
import urllib.request
from types import SimpleNamespace

from exporter import Exporter
from fixture import FIXTURES, unpack
from processes import wait_until
from scrape import Scrape

FIXTURE = "5.2.0-plain-f0.tar.gz"
# What must not change while nobody writes.
FIGURES = ("commitlog_min_offset_bytes", "commitlog_max_offset_bytes", "commitlog_files", "commitlog_gaps", "consumequeue_units",
           "consumequeue_files", "consumequeue_queues", "consumequeue_inconsistent_queues", "index_files", "commitlog_truncations_total",
           "consumequeue_units_removed_total", "consumequeue_vanished_queues_total", "consumequeue_shrunk_queues_total", "starts_total")


class Look(Scrape):
    def failing(self):
        return {part for part, value in self.by_label("collector_success", "collector").items() if value == 0}

    def root_state(self):
        states = self.by_label("root_state", "state")
        return next((state for state, value in states.items() if value == 1), None)

    def state(self):
        return f"up {self.value('up'):.0f}, root_state {self.root_state()}, failing: {' '.join(sorted(self.failing())) or 'none'}"


class BareSite:
    """`source` is filled; `seen` is the same directory as the exporter sees it."""

    def __init__(self, source, seen, wrapper=(), interval="500ms"):
        self.source = source
        unpack(FIXTURES / FIXTURE, source / "store")
        for name in ("logs", "state"):
            (source / name).mkdir()
        (source / "broker.conf").write_text("")
        broker = SimpleNamespace(store=seen / "store", logs=seen / "logs", conf=source / "broker.conf")
        self.log("2026-11-23 14:59:00 INFO main - a line\n")
        # A file system that is mounted anew is another one for Landlock: a confined exporter has to be restarted then.
        told = {"follow": {"interval": interval, "max_cpu_ratio": 1}, "confine": "off"}
        self.exporter = Exporter(source.parent, broker, wrapper, told)
        self.exporter.state = seen / "state"

    def start(self):
        self.exporter.start()
        return self

    def log(self, text, name="store.log"):
        with open(self.source / "logs" / name, "a") as log:
            log.write(text)

    def get(self, path, seconds):
        try:
            with urllib.request.urlopen(self.exporter.url + path, timeout=seconds) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def api(self):
        return json.loads(self.get("/api/v1/store", 5))

    def scrape(self):
        return Look(self.get("/metrics", 5) or "")

    def figures(self):
        scrape = self.scrape()
        return {name: scrape.value(name) for name in FIGURES}

    def settled(self, expected=None):
        """The figures once every part comes through, and they are as expected."""
        def all_well():
            scrape = self.scrape()
            is_well = scrape.value("up") == 1 and not scrape.failing() and scrape.value("recovery_preview_complete") is not None
            found = self.figures()
            return found if is_well and expected in (None, found) else None
        return wait_until(all_well, 40, "all parts to come through")

    def wait_for(self, name, expected, seconds=20, **labels):
        return self.exporter.wait_for(name, expected, seconds, **labels)

    def standing_still(self, seconds):
        """Parts whose last success does not move for so long; told from the moment on when it stands."""
        last = lambda: self.scrape().by_label("collector_last_success_timestamp_seconds", "collector")
        time.sleep(2)
        before = last()
        time.sleep(seconds)
        after = last()
        return {part for part, at in before.items() if after.get(part) == at}
