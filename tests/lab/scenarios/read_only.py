"""The exporter's system calls over a start, an hour's worth of passes, previews and a broker's recovery: nothing below the store but reading; and
the times of a stopped store, which stay."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace

import exporter
from stand import Stand
from system_calls import TRACED, Calls

# An hour of passes at the default interval of 5 s.
PASSES = 720
HURRIED = {"follow": {"interval": "100ms", "start_interval": "50ms", "max_cpu_ratio": 1}, "preview": {"interval": "1s"}}
LONG_AGO = 1_000_000


# Everything the exporter must not do: whoever looks for nothing has to show that it would have been found.
OFFENDER = """
import fcntl, os, sys
path = os.path.join(sys.argv[1], "file")
with open(path, "w") as file:
    file.write("x")
    file.flush()
    os.ftruncate(file.fileno(), 0)
    fcntl.lockf(file, fcntl.LOCK_EX)
    fcntl.flock(file, fcntl.LOCK_EX)
os.utime(path)
os.chmod(path, 0o600)
os.rename(path, path + "2")
os.unlink(path + "2")
os.mkdir(path)
"""


def _strace(trace):
    return ["strace", "-f", "-y", "-qq", "-o", trace, "-e", f"trace={TRACED}"]


def _check_the_check(verdicts, directory):
    target, trace = directory / "offended", directory / "offender.trace"
    target.mkdir(parents=True)
    subprocess.run([*_strace(trace), sys.executable, "-c", OFFENDER, target], check=True, timeout=60)
    calls = Calls(trace, target)
    verdicts.equal("an offender's writing calls that the trace shows", len(calls.writing), 8)
    verdicts.equal("an offender's locking calls that the trace shows", len(calls.locking), 2)


def traced(verdicts, directory):
    _check_the_check(verdicts, directory / "control")
    directory = directory / "run"
    traces = [directory / name for name in ("serve.trace", "preview.trace", "compare.trace", "inspect.trace")]
    with Stand(directory, "5.2.0", "dledger", wrapper=_strace(traces[0]), configuration=HURRIED) as stand:
        stand.start_broker().fill()
        stand.exporter.start()
        _check_confined(verdicts, stand.exporter.scrape())
        stand.settle()
        _hour_of_passes(verdicts, stand)
        _ask_all_ways(verdicts, stand, traces[1:])
        stand.broker.kill()
        time.sleep(2)
        stand.broker.start().wait_ready()
        stand.exporter.wait_for("log_events_total", 1, 15, event="dup_info_failed")
        verdicts.equal("the loss is seen by a confined exporter",
                       stand.exporter.wait_for("log_events_total", 1, event="dup_info_failed"), 1)
        time.sleep(6)
        stand.exporter.child.kill_group()
        for what, root in (("store", stand.broker.store), ("logs", stand.broker.logs)):
            for trace in traces[:1] if what == "logs" else traces:
                _check_trace(verdicts, trace, what, root)
        stand.broker.stop()
        _leave_alone(verdicts, stand, directory / "stopped")


def _check_confined(verdicts, scrape):
    verdicts.equal("what the kernel holds the exporter to", scrape.by_label("exporter_confined", "part"),
                   {part: 1 for part in ("files", "network", "privileges", "system_calls")})


def _hour_of_passes(verdicts, stand):
    """As many passes as there are in an hour at the interval of 5 s, told by when the last one was."""
    seen, began = set(), time.monotonic()
    while len(seen) < PASSES and time.monotonic() - began < 600:
        scrape = stand.exporter.scrape()
        seen.add(scrape and scrape.value("collector_last_success_timestamp_seconds", collector="files"))
        time.sleep(0.05)
    verdicts.check("passes like those of an hour", len(seen) >= PASSES,
                   f"{len(seen)} in {time.monotonic() - began:.0f} s")


def _ask_all_ways(verdicts, stand, traces):
    """Over HTTP, as operators do with an incident at hand, and with the program itself."""
    for path in ("preview", "preview?version=5.3.3&shutdown=clean&queues=all", "compare", "compare?remedies=true"):
        answer = urllib.request.urlopen(f"{stand.exporter.url}/api/v1/{path}", timeout=60)
        verdicts.equal(f"status of /api/v1/{path}", answer.status, 200)
    for trace in traces:
        verdicts.equal(f"exit code of {trace.stem}",
                       _command(stand.broker.store, stand.broker.conf, trace.stem, _strace(trace)), 0)


def _command(store, conf, command, wrapper=()):
    flags = ["--store.path", store, "--broker.conf", conf]
    return subprocess.run([*wrapper, exporter.BINARY, command, *flags], stdout=subprocess.DEVNULL, timeout=120).returncode


def _check_trace(verdicts, trace, what, root):
    calls, who = Calls(trace, root), trace.stem
    verdicts.check(f"{who}: the {what} directory was read", calls.opened > 0,
                   f"{calls.opened} opens, {calls.seen} traced calls on paths below it")
    verdicts.equal(f"{who}: calls that write, create, remove or change below the {what} directory",
                   calls.writing[:5], [])
    verdicts.equal(f"{who}: calls that take a lock below the {what} directory", calls.locking[:5], [])
    verdicts.note(f"{who}: lock queries below the {what} directory: {calls.lock_queries}")


def _leave_alone(verdicts, stand, directory):
    """Over a copy of the stopped broker's store, which nobody else changes: every time of every file stays, that of access too."""
    store, witness = directory / "store", directory / "witness"
    shutil.copytree(stand.broker.store, store)
    shutil.copy(store / "checkpoint", witness)
    # Before the time of change: the next read shows, even where the file system spares itself most of them.
    for path in [*_files(store), witness]:
        os.utime(path, (LONG_AGO, LONG_AGO + 1))
    witness.read_bytes()
    verdicts.check("reads show in the times of access here", witness.stat().st_atime != LONG_AGO)
    before = _prints(store)
    broker = SimpleNamespace(store=store, logs=stand.broker.logs, conf=stand.broker.conf)
    watcher = exporter.Exporter(directory, broker, configuration=HURRIED).start()
    try:
        watcher.wait_for("up", 1)
        for path in ("preview?version=5.2.0", "compare?version=5.2.0"):
            urllib.request.urlopen(f"{watcher.url}/api/v1/{path}", timeout=60).read()
        time.sleep(5)
        for command in ("preview", "compare", "inspect"):
            verdicts.equal(f"exit code of {command} on a stopped store", _command(store, broker.conf, command), 0)
    finally:
        watcher.stop()
    after = _prints(store)
    changed = {path: (before.get(path), after.get(path)) for path in before.keys() | after.keys()
               if before.get(path) != after.get(path)}
    verdicts.check("names, lengths, modes and times of every file of a stopped store are as before", not changed,
                   f"{len(before)} files, changed: {dict(list(changed.items())[:3])}")


def _files(root):
    return sorted(path for path in root.rglob("*") if path.is_file())


def _prints(root):
    """Directories too, but for their time of access: to list one is a read that cannot be hidden."""
    found = {}
    for path in [root, *root.rglob("*")]:
        stat = path.stat()
        times = (stat.st_mtime_ns, stat.st_ctime_ns) + ((stat.st_atime_ns,) if path.is_file() else ())
        found[str(path.relative_to(root))] = (stat.st_size, stat.st_blocks, stat.st_ino, stat.st_mode, times)
    return found
