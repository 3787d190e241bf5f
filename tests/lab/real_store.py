"""The store code of one release, kept ready to load and start stores."""

import json
import os
import re
import select
import subprocess
import time
from pathlib import Path

import releases

# Stores stay in memory after a load; a process that has loaded so many is replaced.
LOADS = 120
TIMEOUT = 90.0
# As java/logback.xml writes it: level, thread, logger, text.
LINE = re.compile(r"@@\|(\w+) *\|([^|]*)\|([^|]*)\|(.*)", re.DOTALL)
# The second has its own file in a broker.
LOGGERS = ("RocketmqStore", "RocketmqStoreError", "io.openmessaging.storage.dledger.store.file.MmapFile",
           "io.openmessaging.storage.dledger.store.file.DefaultMmapFile", "io.openmessaging.storage.dledger.store.file.DLedgerMmapFileStore")
CLASSES = releases.CACHE / "store-load"
SOURCES = releases.HERE / "java"
LOGBACK = SOURCES / "logback.xml"
OPENS = ["java.base/java.nio", "java.base/sun.nio.ch", "java.base/jdk.internal.ref", "java.base/java.lang", "java.base/java.util"]


def compile_java():
    """Once before the first store; the classes are the same for all releases."""
    names = ("StoreLoad", "StoreWrite", "RealStore", "RandomMessages", "Reflection", "TableLoad", "PropertyNames")
    sources, compiled = ([folder / f"{name}{end}" for name in names] for folder, end in ((SOURCES, ".java"), (CLASSES, ".class")))
    if not all(map(Path.exists, compiled)) or min(path.stat().st_mtime for path in compiled) < max(path.stat().st_mtime for path in sources):
        CLASSES.mkdir(parents=True, exist_ok=True)
        subprocess.run(["javac", "-nowarn", "-d", CLASSES, *sources], check=True, timeout=180, stderr=subprocess.DEVNULL)


def start_java(release, main, home, said, *arguments):
    """A process with the class path of a release, which talks by lines; what its libraries print goes to the file `said`."""
    home.mkdir(exist_ok=True)
    command = ["java", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Duser.home={home}",
               f"-Dlogback.configurationFile={LOGBACK}", f"-Drmq.logback.configurationFile={LOGBACK}"]
    for name in OPENS:
        command += ["--add-opens", f"{name}=ALL-UNNAMED"]
    command += ["--add-exports", "java.base/jdk.internal.ref=ALL-UNNAMED", "-cp", f"{CLASSES}:{releases.jars(release)}/*", main, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(said, "wb"),
                            env=dict(os.environ, HOME=str(home)))


class RealStore:
    """One Java process that loads store after store."""

    def __init__(self, release, scratch):
        self.release, self.scratch = release, Path(scratch)
        self.process, self.loads, self.buffer = None, 0, b""
        self.said = self.scratch / "said"

    def _start(self):
        self.process = start_java(self.release, "StoreLoad", self.scratch / "home", self.said)
        self.loads, self.buffer = 0, b""

    def load(self, store, mode, keys):
        """What the release makes of this store, which it may change: its answer, or {"load": "exit", "code": …}."""
        if self.process is None or self.loads >= LOADS:
            self.close()
            self._start()
        self.loads += 1
        before = self.said.stat().st_size
        fact = self._ask("\t".join([str(store), mode] + [f"{key}={value}" for key, value in keys.items()]))
        fact["log"] = self._said(before)
        return fact

    def start(self):
        """Starts the store that was loaded last."""
        return self._ask("start")

    def _ask(self, words):
        self.process.stdin.write((words + "\n").encode())
        self.process.stdin.flush()
        line = self._line()
        if line is None:
            self.close()
            return {"load": "timeout"}
        if not line:
            code = self.process.wait(timeout=30)
            self.close()
            return {"load": "exit", "code": code}
        return json.loads(line[1:])

    def _said(self, before):
        """What the store's own loggers wrote since then in the thread that loads: level and text, exceptions behind it."""
        with open(self.said, "rb") as file:
            file.seek(before)
            text = file.read().decode(errors="replace")
        lines = []
        for piece in re.split(r"^(?=@@\|)", text, flags=re.MULTILINE):
            match = LINE.match(piece)
            if match and match[2] == "main" and match[3] in LOGGERS:
                kept = [line for line in match[4].splitlines() if not line.startswith(("\tat ", "\t... "))]
                lines.append((match[1], "\n".join(kept).rstrip()))
        return lines

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
