"""A store directory held in memory: every file with its true length, its content without the zeros at its end."""

import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class File:
    length: int
    mode: int
    mtime_ms: int
    content: bytes

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()


def read_trimmed(path):
    """Content up to the last byte that is not zero; holes of a sparse file are not read."""
    with open(path, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        end, position = 0, 0
        while position < length:
            try:
                begin = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError as problem:
                if problem.errno == errno.ENXIO:
                    break
                raise
            end = position = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
        file.seek(0)
        return length, file.read(end).rstrip(b"\0")


def copy_store(root):
    """(files by path, empty directories), both relative to the root."""
    files, empty = {}, []
    for directory, names, file_names in os.walk(root):
        names.sort()
        relative = Path(directory).relative_to(root)
        if not names and not file_names:
            empty.append(str(relative))
        for name in sorted(file_names):
            path = Path(directory) / name
            status = path.stat()
            length, content = read_trimmed(path)
            files[str(relative / name)] = File(length, status.st_mode & 0o777, int(status.st_mtime * 1000), content)
    return files, sorted(empty)


def write_store(root, files, empty_directories):
    """The opposite: files of true length, sparse behind their content."""
    for directory in empty_directories:
        (root / directory).mkdir(parents=True, exist_ok=True)
    for path, file in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb") as out:
            out.write(file.content)
            out.truncate(file.length)
        target.chmod(file.mode)
