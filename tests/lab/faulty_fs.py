#!/usr/bin/env python3
"""A file system that shows another directory, and on command fails or hangs: `faulty_fs.py SOURCE MOUNT FAULTS`.

FAULTS is a file, read anew at every call, with one `CALL=EFFECT` a line. A call is `read`, `list`, `open`, `stat` or `write`; an
effect the name of an errno, or `hang`: the call then returns when the line is gone. Nothing is cached, so a fault shows at
once.
"""

import errno
import os
import subprocess
import sys
import time

from releases import CACHE

# A maintained binding of libfuse in one file of pure Python.
BINDING = "mfusepy==3.1.1"


def library():
    """Directory with the binding; fetched when it is not there yet."""
    target = CACHE / "python"
    if not (target / "mfusepy.py").exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, BINDING],
                       check=True, timeout=300)
    return target


class FaultyFs:
    """Passes everything through, but for what is told to fail."""

    use_ns = True

    def __init__(self, source, faults):
        self.source, self.faults = source, faults

    def _at(self, path, *calls):
        for call in calls:
            while (effect := self._effect(call)) == "hang":
                time.sleep(0.05)
            if effect:
                number = getattr(errno, effect)
                raise OSError(number, os.strerror(number))
        return self.source + path

    def _effect(self, call):
        with open(self.faults) as lines:
            return dict(line.strip().split("=") for line in lines if "=" in line).get(call)

    def getattr(self, path, fh=None):
        return self._attributes(self._at(path, "stat"))

    @staticmethod
    def _attributes(path):
        found = os.lstat(path)
        names = ("st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
        times = {f"st_{name}": getattr(found, f"st_{name}_ns") for name in ("atime", "mtime", "ctime")}
        return dict({name: getattr(found, name) for name in names}, **times)

    def readdir(self, path, fh):
        directory = self._at(path, "list")
        for name in [".", "..", *os.listdir(directory)]:
            try:
                # Without its number an entry is taken for a removed one.
                yield name, self._attributes(f"{directory}/{name}"), 0
            except FileNotFoundError:
                pass

    def readlink(self, path):
        return os.readlink(self._at(path))

    def statfs(self, path):
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}

    def open(self, path, flags):
        return os.open(self._at(path, "open"), flags & ~os.O_NOFOLLOW)

    def read(self, path, size, offset, fh):
        self._at(path, "read")
        return os.pread(fh, size, offset)

    def create(self, path, mode, fi=None):
        return os.open(self._at(path, "open", "write"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def write(self, path, data, offset, fh):
        self._at(path, "write")
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self._at(path, "write"), length)
        return 0

    def fsync(self, path, datasync, fh):
        self._at(path, "write")
        os.fsync(fh)
        return 0

    def flush(self, path, fh):
        return 0

    def release(self, path, fh):
        os.close(fh)
        return 0

    def mkdir(self, path, mode):
        os.mkdir(self._at(path, "write"), mode)
        return 0

    def unlink(self, path):
        os.unlink(self._at(path, "write"))
        return 0

    def rename(self, old, new, flags=0):
        os.rename(self._at(old, "write"), self._at(new))
        return 0


def main():
    source, mount, faults = sys.argv[1:]
    sys.path.insert(0, str(library()))
    import mfusepy

    uncached = {"attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0}
    mfusepy.FUSE(FaultyFs(source, faults), mount, foreground=True, use_ino=True, **uncached)


if __name__ == "__main__":
    main()
