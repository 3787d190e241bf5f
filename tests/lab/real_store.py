"""The store code of one release, kept ready to load stores."""

import json
import os
import select
import subprocess
import time
from pathlib import Path

import releases

# Stores stay in memory after a load; a process that has loaded so many is replaced.
LOADS = 120
TIMEOUT = 90.0
OPENS = ["java.base/java.nio", "java.base/sun.nio.ch", "java.base/jdk.internal.ref", "java.base/java.lang", "java.base/java.util"]


def classes():
    """Directory with the compiled loader; it is the same for all releases."""
    source = releases.HERE / "java" / "StoreLoad.java"
    target = releases.CACHE / "store-load"
    compiled = target / "StoreLoad.class"
    if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["javac", "-nowarn", "-d", target, source], check=True, timeout=180, stderr=subprocess.DEVNULL)
    return target


class RealStore:
    """One Java process that loads store after store."""

    def __init__(self, release, scratch):
        self.release, self.scratch = release, Path(scratch)
        self.process, self.loads, self.buffer = None, 0, b""

    def _start(self):
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        command = ["java", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Duser.home={home}",
                   "-Drocketmq.log.level=ERROR"]
        for name in OPENS:
            command += ["--add-opens", f"{name}=ALL-UNNAMED"]
        command += ["--add-exports", "java.base/jdk.internal.ref=ALL-UNNAMED", "-cp",
                    f"{classes()}:{releases.jars(self.release)}/*", "StoreLoad"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=dict(os.environ, HOME=str(home)))
        self.loads, self.buffer = 0, b""

    def load(self, store, mode, keys):
        """What the release makes of this store, which it may change: its answer, or {"load": "exit", "code": …}."""
        if self.process is None or self.loads >= LOADS:
            self.close()
            self._start()
        self.loads += 1
        words = [str(store), mode] + [f"{key}={value}" for key, value in keys.items()]
        self.process.stdin.write(("\t".join(words) + "\n").encode())
        self.process.stdin.flush()
        line = self._line()
        if line is None:
            self.process.kill()
            self.close()
            return {"load": "timeout"}
        if not line:
            code = self.process.wait(timeout=30)
            self.close()
            return {"load": "exit", "code": code}
        return json.loads(line[1:])

    def _line(self):
        end = time.monotonic() + TIMEOUT
        while True:
            while b"\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\n", 1)
                if line.startswith(b"@"):
                    return line
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            read = os.read(self.process.stdout.fileno(), 1 << 20)
            if not read:
                return b""
            self.buffer += read

    def close(self):
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process = None
