"""More than a broker brings: queues, lines, clients; and days in minutes. `LAB_LONG=1` takes the longest times."""

import gzip
import json
import os
import random
import resource
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import exporter
from plain_store import CONF, PlainStore
from processes import wait_until
from scrape import fetch

IS_LONG = os.environ.get("LAB_LONG") == "1"
# What deploy/ gives the container, and what it says a store of 50,000 queues wants whose next start is asked about over HTTP.
MEMORY_MIB, MEMORY_ASKED_MIB = 128, 192
# Scrapes go on: within half of what Prometheus waits for one. How fast they are is printed, as other things run beside.
SCRAPE_SECONDS = 5.0
MIB = 1 << 20


def _place(directory):
    """What the exporter asks of a broker: where things are."""
    place = SimpleNamespace(store=directory / "store", logs=directory / "logs", conf=directory / "broker.conf")
    place.logs.mkdir(parents=True)
    place.conf.write_text(CONF + "brokerClusterName=lab\nbrokerName=lab-broker\n")
    return place


class _Scrapes:
    """How long /metrics takes, asked ten times a second."""

    def __init__(self, url):
        self.url, self.seconds, self.failed, self.is_over = url, [], 0, threading.Event()
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        while not self.is_over.wait(0.1):
            began = time.monotonic()
            if fetch(f"{self.url}/metrics", 10) is None:
                self.failed += 1
            self.seconds.append(time.monotonic() - began)

    def end(self, verdicts, when):
        self.is_over.set()
        self.thread.join(20)
        took = sorted(self.seconds)
        middle, last = took[len(took) // 2], took[-1]
        verdicts.note(f"{when}: {len(took)} scrapes, median {middle * 1e3:.1f} ms, 99 of 100 within {took[len(took) * 99 // 100] * 1e3:.1f} ms, longest {last * 1e3:.1f} ms")
        verdicts.equal(f"{when}: scrapes without an answer", self.failed, 0)
        verdicts.within(f"{when}: 99 of 100 scrapes are answered within", took[len(took) * 99 // 100], SCRAPE_SECONDS)


def _resident(pid):
    """MiB now and at most, and open descriptors."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    mib = lambda name: int(status[name].split()[0]) / 1024
    return mib("VmRSS"), mib("VmHWM"), len(os.listdir(f"/proc/{pid}/fd"))


def _memory(verdicts, when, child, limit=MEMORY_MIB):
    now, most, descriptors = _resident(child.pid)
    verdicts.check(f"{when}: memory stays below {limit} MiB", most < limit, f"{now:.0f} MiB, at most {most:.0f} MiB, {descriptors} descriptors")


def _settled(verdicts, watcher, what, name, expected, **labels):
    verdicts.equal(what, watcher.wait_for(name, expected, 60, **labels), expected)


def queues(verdicts, directory):
    """50,000 queues, 2,000 new ones a minute, topics deleted and made again."""
    place = _place(directory)
    store = PlainStore(place.store, 8)
    for number in range(6_250):
        store.put(f"topic-{number:05}")
    store.write_table()
    # Each pass is wanted here, whatever share of a core it takes.
    watcher = exporter.Exporter(directory, place, configuration={"follow": {"interval": "1s", "max_cpu_ratio": 1}}).start()
    total = lambda: 8 * len(store.units)
    _settled(verdicts, watcher, "queues at first", "consumequeue_queues", total())
    scrapes = _Scrapes(watcher.url)
    dice, deleted, made = random.Random(5), 0, 6_250
    end = time.monotonic() + (600 if IS_LONG else 45)
    while time.monotonic() < end:
        began = time.monotonic()
        for _ in range(5):
            store.put(f"topic-{made:05}")
            made += 1
        for topic in dice.sample(sorted(store.units), 20):
            store.put(topic)
        store.write_table()
        if dice.random() < 0.2:
            gone = dice.sample(sorted(store.units), 2)
            # They have to be seen, and to be seen as they were, before they go.
            _wait_for_a_pass(watcher)
            store.delete(gone)
            deleted += 2
            _wait_for_a_pass(watcher)
            for topic in gone:
                store.put(topic)
            store.write_table()
        time.sleep(max(0, began + 1.2 - time.monotonic()))
    verdicts.note(f"{made} topics made, {deleted} deleted and made again")
    _settled(verdicts, watcher, "queues at the end", "consumequeue_queues", total())
    _settled(verdicts, watcher, "units at the end", "consumequeue_units", sum(store.units.values()) * 8)
    last = watcher.scrape()
    verdicts.equal("queues that went with their topics", last.value("consumequeue_vanished_queues_total", explained="topic_delete"), deleted * 8)
    for explained in ("recovery", "unexplained", "retention"):
        verdicts.equal(f"queues that went otherwise: {explained}", last.value("consumequeue_vanished_queues_total", explained=explained), 0)
    verdicts.equal("series kept back are counted", (last.value("exporter_series_suppressed") or 0) > 0, True)
    scrapes.end(verdicts, "50,000 queues")
    _memory(verdicts, "50,000 queues", watcher.child)
    clients(verdicts, watcher)
    watcher.stop()


def _wait_for_a_pass(watcher):
    stamp = lambda: watcher.scrape().value("collector_last_success_timestamp_seconds", collector="consumequeue")
    before = stamp()
    # Two: the first may have begun before.
    for _ in range(2):
        wait_until(lambda: stamp() != before, 30, "a pass", every=0.05)
        before = stamp()


def _store(watcher):
    """What is known of the store; nothing before the first look."""
    return json.load(urllib.request.urlopen(f"{watcher.url}/api/v1/store", timeout=30))["store"]


def clients(verdicts, watcher):
    """Many who ask at once, and those who only hold on."""
    url, port = watcher.url, watcher.port

    def status(path):
        began = time.monotonic()
        try:
            with urllib.request.urlopen(url + path, timeout=90) as answer:
                answer.read()
                return answer.status, time.monotonic() - began
        except urllib.error.HTTPError as error:
            return error.code, time.monotonic() - began

    with ThreadPoolExecutor(120) as pool:
        asked = [pool.submit(status, "/metrics") for _ in range(100)] + [pool.submit(status, f"/api/v1/preview?version=5.{at % 4}.0&shutdown=unclean") for at in range(20)]
        scrapes, previews = [each.result() for each in asked[:100]], [each.result() for each in asked[100:]]
    slowest = max(took for _, took in scrapes)
    verdicts.equal("100 scrapes at once, all answered", {code for code, _ in scrapes}, {200})
    verdicts.within("the slowest of them, 20 previews beside them,", slowest, 5)
    codes = sorted({code for code, _ in previews})
    verdicts.check("20 previews at once are answered, or told to come again", set(codes) <= {200, 429} and 200 in codes,
                   {code: sum(1 for each, _ in previews if each == code) for code in codes})

    _memory(verdicts, "20 previews at once", watcher.child, MEMORY_ASKED_MIB)

    before, _, _ = _resident(watcher.child.pid)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    many = min(10_000, min(hard, 20_000) - 200)
    held = []
    beside = _Scrapes(url)
    for number in range(many):
        one = socket.create_connection(("127.0.0.1", port), 10)
        if number % 2:
            one.sendall(b"GET /metrics HTTP/1.1\r\nx-slow: ")
        held.append(one)
    end = time.monotonic() + (60 if IS_LONG else 10)
    while time.monotonic() < end:
        for one in random.sample(held, 200):
            try:
                one.send(b"y")
            except OSError:
                pass
        time.sleep(1)
    beside.end(verdicts, f"{many} connections that hold on")
    now, _, descriptors = _resident(watcher.child.pid)
    verdicts.check(f"{many} connections that hold on take less than 32 MiB", now - before < 32, f"{now - before:+.0f} MiB, {descriptors} descriptors")
    for one in held:
        one.close()


# What is written, and how the exporter counts it.
LINES = [
    ("DupInfo in properties check failed. dupInfo=null", "WARN", "dup_info_failed"),
    ("CRC check failed. bodyCRC=1, currentCRC=2", "WARN", "crc_failed"),
    ("dispatch behind nothing of note, a line like many", "INFO", None),
    ("findPutMessageEntireTimePX 0.99=0.00ms cost 2ms", "INFO", None),
]


def log(verdicts, directory):
    """50 MB of log a second, rotated every few seconds as the broker does it."""
    place = _place(directory)
    PlainStore(place.store, 4).put("topic")
    (place.logs / "otherdays").mkdir()
    watcher = exporter.Exporter(directory, place).start()
    scrapes = _Scrapes(watcher.url)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600))
    dice, lines, counts, levels = random.Random(7), [], {}, {}
    while sum(map(len, lines)) < MIB:
        text, level, event = dice.choices(LINES, (1, 1, 200, 200))[0]
        lines.append(f"{stamp} {level} main - {text}\n".encode())
        counts[event] = counts.get(event, 0) + 1
        levels[level.lower()] = levels.get(level.lower(), 0) + 1
    block = b"".join(lines)
    seconds, blocks, rotations = 600 if IS_LONG else 30, 0, 0
    path = place.logs / "store.log"
    # Files are told apart by how they begin.
    first = lambda: f"{stamp} INFO main - file {rotations}\n".encode()
    file, began, size = open(path, "ab", 0), time.monotonic(), 0
    file.write(first())
    while time.monotonic() < began + seconds:
        file.write(block)
        blocks, size = blocks + 1, size + 1
        if size == 128:
            # All older ones get the next number; it is packed while it is there, then deleted and made again.
            old = lambda number: place.logs / "otherdays" / f"store.{number}.log.gz"
            for number in range(min(rotations, 9), 0, -1):
                old(number).rename(old(number + 1))
            old(1).write_bytes(gzip.compress(path.read_bytes(), 1))
            file.close()
            path.unlink()
            file, size, rotations = open(path, "ab", 0), 0, rotations + 1
            file.write(first())
        # 50 MB a second.
        time.sleep(max(0, began + blocks * len(block) / 50e6 - time.monotonic()))
    took = time.monotonic() - began
    levels = {level: count * blocks for level, count in levels.items()}
    levels["info"] += rotations + 1
    verdicts.note(f"{blocks * len(block) / 1e6:.0f} MB in {took:.0f} s, {rotations} rotations")
    for event, count in counts.items():
        if event:
            _settled(verdicts, watcher, f"events counted: {event}", "log_events_total", count * blocks, event=event)
    for level, count in levels.items():
        _settled(verdicts, watcher, f"lines counted: {level}", "log_lines_total", count, log="store", level=level)
    _settled(verdicts, watcher, "rotations counted", "log_rotations_total", rotations, log="store")
    scrapes.end(verdicts, "50 MB of log a second")
    _memory(verdicts, "50 MB of log a second", watcher.child)
    watcher.stop()


def soak(verdicts, directory):
    """Days in minutes: passes and forecasts without a rest over a store that lives; memory and descriptors stay as they were."""
    place = _place(directory)
    store = PlainStore(place.store, 8)
    for number in range(50):
        store.put(f"topic-{number}")
    store.write_table()
    often = {"follow": {"interval": "100ms", "start_interval": "100ms", "max_cpu_ratio": 1}, "preview": {"interval": "1s"}}
    watcher = exporter.Exporter(directory, place, configuration=often).start()
    wait_until(lambda: _store(watcher), 30, "the first look at the store")
    dice, made, samples, passes = random.Random(3), 50, [], set()
    seconds = 1200 if IS_LONG else 60
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        for topic in dice.sample(sorted(store.units), 10):
            store.put(topic)
        if dice.random() < 0.2:
            store.delete(dice.sample(sorted(store.units), 1))
            store.put(f"topic-{made}")
            made += 1
            store.write_table()
        with open(place.logs / "store.log", "a") as file:
            file.write(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600)) + " WARN main - CRC check failed. bodyCRC=1, currentCRC=2\n" * 20)
        for path in ("/metrics", "/api/v1/store", "/api/v1/queues?limit=100", "/api/v1/events", "/api/v1/preview", "/"):
            try:
                urllib.request.urlopen(watcher.url + path, timeout=30).read()
            except urllib.error.HTTPError:
                pass
        passes.add(_store(watcher)["seen_at"])
        samples.append((time.monotonic() - began, *_resident(watcher.child.pid)))
        time.sleep(0.05)
    verdicts.note(f"{len(samples)} rounds, {len(passes)} different looks at the store seen")
    part = max(1, len(samples) // 4)
    resident = [sorted(each[1] for each in samples[at:at + part])[part // 2] for at in range(0, part * 4, part)]
    descriptors = [max(each[3] for each in samples[at:at + part]) for at in range(0, part * 4, part)]
    verdicts.note(f"resident by quarters of the time: {', '.join(f'{each:.1f}' for each in resident)} MiB; descriptors: {', '.join(map(str, descriptors))}")
    verdicts.check("memory is flat", resident[3] - resident[1] < 4, f"{resident[3] - resident[1]:+.1f} MiB from the second quarter to the last")
    verdicts.check("descriptors are flat", descriptors[3] <= descriptors[1] + 2, descriptors)
    watcher.stop()
