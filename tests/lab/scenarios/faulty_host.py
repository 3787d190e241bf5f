"""The host is short of everything, and the exporter is stopped or killed at any moment."""

import os
import random
import signal
import subprocess
import time

from bare_exporter import BareSite
from scenarios.incident import check_counters
from stand import Stand
from store_reader import compare

EVENT = "mapped_file_create_failed"
LINE = "2026-11-23 15:00:00 ERROR main - Failed to create file /store/consumequeue/x\n"
NO_WATCHES = ["unshare", "--user", "--map-root-user", "sh", "-c",
              "echo 0 >/proc/sys/user/max_inotify_instances; echo 0 >/proc/sys/user/max_inotify_watches; exec \"$@\"", "sh"]
KILLS = int(os.environ.get("LAB_KILLS", 200))
UNITS = 5


def short_of_everything(verdicts, directory):
    _few_files(verdicts, directory / "few-files")
    _no_watches(verdicts, directory / "no-watches")
    _state(verdicts, directory / "state")


def _site(home, wrapper=()):
    home.mkdir(parents=True)
    (home / "source").mkdir()
    return BareSite(home / "source", home / "source", wrapper)


def _few_files(verdicts, home):
    plenty = _site(home / "plenty").start()
    expected = plenty.settled()
    plenty.exporter.stop()
    site = _site(home / "few", ["prlimit", "--nofile=64"]).start()
    verdicts.equal("ulimit -n 64: all figures", site.settled(expected), expected)
    # Connections take no more than their share.
    descriptors = f"/proc/{site.exporter.child.pid}/fd"
    connections = _connections(site.exporter.port, 80)
    verdicts.equal("ulimit -n 64, 80 connections: all figures", site.settled(expected), expected)
    verdicts.check("ulimit -n 64, 80 connections: some descriptors are left", len(os.listdir(descriptors)) < 60, len(os.listdir(descriptors)))
    # No new one: the look at the store gets none.
    limit = lambda most: subprocess.run(["prlimit", f"--pid={site.exporter.child.pid}", f"--nofile={most}:64"], check=True)
    limit(4)
    site.log(LINE)
    time.sleep(3)
    verdicts.check("ulimit -n 64, none left: the process lives on", site.exporter.child.is_alive())
    limit(64)
    for each in connections:
        each.close()
    verdicts.equal("ulimit -n 64, given back: recovers by itself, figures as before", site.settled(expected), expected)
    verdicts.equal("ulimit -n 64: the line of meanwhile is counted once", site.wait_for("log_events_total", 1, event=EVENT), 1)
    said = [line for line in site.exporter.child.output.read_text().splitlines() if "collector fails" in line]
    verdicts.check("ulimit -n 64, none left: it says so", said, said[0] if said else "")
    site.exporter.stop()


def _connections(port, number):
    import socket
    made = []
    for _ in range(number):
        each = socket.socket()
        each.settimeout(1)
        try:
            each.connect(("127.0.0.1", port))
        except OSError:
            break
        made.append(each)
    return made


def _no_watches(verdicts, home):
    site = _site(home, NO_WATCHES).start()
    site.settled()
    said = [line for line in site.exporter.child.tail().splitlines() if "no file events, polling alone" in line]
    verdicts.check("no inotify watches: it says so", said, said[0] if said else "")
    site.log(LINE)
    begin = time.monotonic()
    verdicts.equal("no inotify watches: a line is seen", site.wait_for("log_events_total", 1, 5, event=EVENT), 1)
    verdicts.within("no inotify watches: how late", time.monotonic() - begin, 2)
    site.exporter.stop()


def _state(verdicts, home):
    """The state directory is full, read-only, corrupt, half written."""
    site = _site(home)
    state = home / "small"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", state], check=True)
    try:
        site.exporter.state = state
        site.start().settled()
        filler = state / "filler"
        # Up to the last block.
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], check=False, capture_output=True)
        _fails(verdicts, site, "state directory full")
        filler.unlink()
        _works_again(verdicts, site, "state directory full")
        subprocess.run(["mount", "-o", "remount,ro", state], check=True)
        _fails(verdicts, site, "state directory read-only")
        site.exporter.kill()
        site.start()
        _fails(verdicts, site, "state directory read-only at the start")
        subprocess.run(["mount", "-o", "remount,rw", state], check=True)
        _works_again(verdicts, site, "state directory read-only")
        site.exporter.stop()
        whole = (state / "state.json").read_bytes()
        for what, bytes in (("empty", b""), ("half written", whole[:len(whole) // 2]), ("corrupt", b"\xff" * len(whole))):
            (state / "state.json").write_bytes(bytes)
            begin = site.exporter.child.output.stat().st_size
            site.start().settled()
            with open(site.exporter.child.output, "rb") as output:
                output.seek(begin)
                said = "set aside" in output.read().decode()
            verdicts.check(f"state {what}: it starts and says so", said)
            verdicts.equal(f"state {what}: the bad one is kept", (state / "state.json.unusable").read_bytes() == bytes, True)
            site.exporter.stop()
    finally:
        site.exporter.child.kill_group()
        subprocess.run(["umount", "--lazy", state], check=False)


def _fails(verdicts, site, what):
    site.log(LINE)
    verdicts.equal(f"{what}: collector_success{{collector=state}}", site.wait_for("collector_success", 0, collector="state"), 0)
    verdicts.equal(f"{what}: up", site.scrape().value("up"), 1)
    verdicts.note(f"{what}: {site.api()['parts']['state']['error']}")


def _works_again(verdicts, site, what):
    site.log(LINE)
    verdicts.equal(f"{what}, and no longer: collector_success{{collector=state}}",
                   site.wait_for("collector_success", 1, collector="state"), 1)


def stopped_over_a_restart(verdicts, directory):
    """SIGSTOP, the broker is killed and starts, SIGCONT."""
    with Stand(directory, "5.2.0", "dledger") as stand:
        stand.start_broker().fill()
        stand.exporter.start()
        stand.settle()
        time.sleep(6)
        os.kill(stand.exporter.child.pid, signal.SIGSTOP)
        stand.broker.kill()
        before = stand.queues_on_disk()
        time.sleep(1)
        stand.broker.start().wait_ready()
        loss = compare(before, stand.queues_on_disk())
        # Longer than any grace.
        time.sleep(10)
        os.kill(stand.exporter.child.pid, signal.SIGCONT)
        verdicts.note(f"really lost while the exporter stood still: {loss}")
        check_counters(verdicts, stand.exporter, loss, "after SIGCONT")
        scrape = stand.exporter.scrape()
        verdicts.equal("starts", scrape.value("starts_total", previous_shutdown="unclean"), 1)
        verdicts.equal("unexplained units", scrape.value("consumequeue_units_removed_total", explained="unexplained"), 0)


def killed_often(verdicts, directory):
    """SIGKILL at random points, while a log is written and queues go: at the end every count is that of a plain one."""
    numbers = random.Random(int(os.environ.get("LAB_SEED", 1)))
    site = _site(directory)
    topic = site.source / "store" / "consumequeue" / "lost"
    for number in range(KILLS):
        _queue(topic / str(number), range(UNITS))
    growing = topic / str(KILLS)
    _queue(growing, range(1))
    site.start()
    site.settled()
    lines, grown, begin = 0, 1, time.monotonic()
    for number in range(KILLS):
        for _ in range(numbers.randrange(1, 20)):
            site.log(_line(lines))
            lines += 1
            if numbers.random() < 0.05:
                _rotate(site.source / "logs")
        _queue(growing, range(grown, grown + 3))
        grown += 3
        queue = topic / str(number)
        if numbers.random() < 0.5:
            time.sleep(numbers.uniform(0, 0.3))
        (queue / f"{0:020}").unlink()
        # Sometimes long enough for a loss to be called unexplained, mostly not.
        time.sleep(numbers.uniform(2.2, 3.5) if numbers.random() < 0.15 else numbers.uniform(0, 0.6))
        site.exporter.kill()
        site.start()
    verdicts.note(f"{KILLS} times SIGKILL in {time.monotonic() - begin:.0f} s, {lines} lines, {KILLS} queues")
    _counts(verdicts, site, lines, KILLS, "at the end")
    growth = site.scrape().value("topic_units", topic="lost")
    verdicts.equal("units of the queue that grew", growth, grown)
    # The marks: what goes while nobody looks is measured by them.
    site.exporter.stop()
    (growing / f"{0:020}").unlink()
    site.start()
    verdicts.equal("its mark is intact: what goes while the exporter is down",
                   site.wait_for("consumequeue_units_removed_total", KILLS * UNITS + grown), KILLS * UNITS + grown)
    _counts(verdicts, site, lines, KILLS + 1, "after one more restart")


def _counts(verdicts, site, lines, queues, when):
    verdicts.equal(f"lines {when}", site.wait_for("log_events_total", lines, event=EVENT), lines)
    verdicts.equal(f"vanished queues {when}", site.wait_for("consumequeue_vanished_queues_total", queues), queues)
    verdicts.equal(f"unparsed or foreign starts {when}", site.scrape().value("starts_total"), 0)


def _queue(directory, offsets):
    """Units in the first file of a queue, each of a message of the fixture's first kilobyte."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{0:020}"
    if not path.exists():
        path.write_bytes(bytes(20 * 3000))
    with open(path, "r+b") as file:
        for offset in offsets:
            file.seek(offset * 20)
            file.write((offset + 1).to_bytes(8, "big") + (100).to_bytes(4, "big") + bytes(8))


def _line(number):
    """One line a second, as files are told apart by their first line."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1795444800 + number))
    return f"{at} ERROR main - Failed to create file /store/consumequeue/{number}\n"


def _rotate(logs):
    """As logback does it, up to ten files."""
    old = logs / "otherdays"
    old.mkdir(exist_ok=True)
    for number in range(9, 0, -1):
        path = old / f"store.{number}.log"
        if path.exists():
            path.rename(old / f"store.{number + 1}.log")
    (logs / "store.log").rename(old / "store.1.log")
    (logs / "store.log").touch()
