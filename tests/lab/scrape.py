"""One reading of /metrics, text format 0.0.4."""

import re
import urllib.request

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
PREFIX = "rocketmq_store_"


class Scrape:
    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            found = SAMPLE.match(line)
            if found:
                name, labels, value = found.groups()
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def value(self, name, **labels):
        """Sum of the samples with these labels; None when there is none. The common prefix may be left out."""
        values = [value for sample, found, value in self.samples
                  if sample in (name, PREFIX + name) and labels.items() <= found.items()]
        return sum(values) if values else None

    def by_label(self, name, label):
        return {found.get(label): value for sample, found, value in self.samples if sample == PREFIX + name}


def answers(url, seconds=2):
    """Whether the page is there with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return True
    except OSError:
        return False


def fetch(url, seconds=5):
    """The scrape, or None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return Scrape(answer.read().decode())
    except OSError:
        return None


class Increases:
    """Increase of counters over restarts of the process, as Prometheus counts it: a drop is a new beginning."""

    def __init__(self, counters):
        self.counters = counters
        self.last = {}
        self.total = {}

    def take(self, scrape):
        if scrape is None:
            return
        for key, (name, labels) in self.counters.items():
            now = scrape.value(name, **labels)
            if now is None:
                continue
            before = self.last.get(key, 0.0)
            self.total[key] = self.total.get(key, 0.0) + (now if now < before else now - before)
            self.last[key] = now
