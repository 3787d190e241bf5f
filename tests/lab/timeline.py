"""What a broker's start looks like from outside: log lines, files and the lock, each with its time in ms."""

import fcntl
import os
import struct
import threading
import time

LOGS = ("store.log", "storeerror.log", "broker_default.log")
FLOCK = "hhqqi4x"


def lock_is_held(path):
    """Asks who holds the first byte of the lock file without taking it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
        return struct.unpack(FLOCK, answer)[0] != fcntl.F_UNLCK
    finally:
        os.close(handle)


class Timeline:
    """Records from `record()` to `finish()`. Times are relative to `zero`, the wall clock of the JVM's start."""

    def __init__(self, broker):
        self.broker = broker
        self.events = []
        self.begins = {}
        for name in LOGS:
            path = broker.logs / name
            self.begins[name] = path.stat().st_size if path.exists() else 0
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._follow_logs, daemon=True),
                         threading.Thread(target=self._follow_files, daemon=True)]

    def record(self):
        for thread in self._threads:
            thread.start()
        return self

    def phase(self, name):
        self._add(kind="phase", phase=name)

    def finish(self, zero):
        """Ends recording and returns the events in the order of time."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        ordered = sorted(self.events, key=lambda event: event[0])
        return [{"ms": round((at - zero) * 1000), **facts} for at, facts in ordered]

    def _add(self, **facts):
        self.events.append((time.time(), facts))

    def _follow_logs(self):
        handles, rests = {}, dict.fromkeys(LOGS, b"")
        while True:
            last = self._ended.is_set()
            for name in LOGS:
                if name not in handles:
                    try:
                        handles[name] = open(self.broker.logs / name, "rb", buffering=0)
                    except FileNotFoundError:
                        continue
                    handles[name].seek(self.begins[name])
                data = handles[name].read()
                if data:
                    *lines, rests[name] = (rests[name] + data).split(b"\n")
                    for line in lines:
                        self._add(kind="log", file=name, line=line.decode("utf-8", "replace").rstrip("\r"))
            if last:
                break
            time.sleep(0.001)
        for handle in handles.values():
            handle.close()

    def _follow_files(self):
        root = str(self.broker.store)
        known, held = _listing(root), lock_is_held(f"{root}/lock")
        while not self._ended.is_set():
            now = _listing(root)
            for path in sorted(known.keys() - now.keys()):
                self._add(kind="delete", path=path)
            for path in sorted(now.keys() - known.keys()):
                self._add(kind="create", path=path)
            for path in sorted(known.keys() & now.keys()):
                if known[path] != now[path]:
                    self._add(kind="write", path=path)
            known = now
            if lock_is_held(f"{root}/lock") != held:
                held = not held
                self._add(kind="lock", held=held)
            time.sleep(0.004)


def _listing(root):
    """(inode, length, mtime) by path; files that come and go within a write (.tmp) are left out."""
    found, pending = {}, [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(f"{root}/{prefix}") as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{prefix}{entry.name}/")
                    elif not entry.name.endswith(".tmp"):
                        status = entry.stat(follow_symlinks=False)
                        found[f"{prefix}{entry.name}"] = (status.st_ino, status.st_size, status.st_mtime_ns)
        except FileNotFoundError:
            continue
    return found
