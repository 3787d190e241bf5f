"""A plain reader of a store directory, written apart from the exporter so that the two can be compared.

A unit is 20 bytes, big endian: physical offset (8), size (4), tags code (8). A file is filled with zeros behind its
last unit; a unit (0, 2147483647, 0) is a hole that the broker filled in front of the first real one.
"""

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

UNIT = struct.Struct(">qiq")
HOLE = (0, 0x7FFFFFFF, 0)
SEGMENT_NAME = re.compile(r"\d{20}")


@dataclass
class Queue:
    """One queue directory: `units` real ones on disk, `max_offset` the exclusive end over all its files."""
    files: list = field(default_factory=list)
    units: int = 0
    holes: int = 0
    max_offset: int = 0
    min_offset: int = 0


def read_queue(directory):
    queue = Queue()
    for path in sorted(directory.iterdir()):
        if not SEGMENT_NAME.fullmatch(path.name):
            continue
        queue.files.append(path.name)
        base = int(path.name) // UNIT.size
        queue.min_offset = base if len(queue.files) == 1 else queue.min_offset
        data = path.read_bytes()
        for position, unit in enumerate(UNIT.iter_unpack(data[: len(data) // UNIT.size * UNIT.size])):
            if unit == HOLE:
                queue.holes += 1
            elif unit[0] >= 0 and unit[1] > 0:
                queue.units += 1
            else:
                break
            queue.max_offset = base + position + 1
    return queue


def read_queues(store):
    """Every queue directory of the store by `topic/queue`, those without files too."""
    root = Path(store) / "consumequeue"
    if not root.is_dir():
        return {}
    return {f"{queue.parent.name}/{queue.name}": read_queue(queue)
            for queue in sorted(root.glob("*/*")) if queue.is_dir() and queue.name.isdigit()}


@dataclass
class Loss:
    """What went between two readings of the same store. Vanished: had files, has none (or no directory)."""
    vanished_queues: int = 0
    files_gone: int = 0
    shrunk_queues: int = 0
    units_removed: int = 0


def compare(before, after):
    loss = Loss()
    for name, old in before.items():
        new = after.get(name, Queue())
        gone = [file for file in old.files if file not in new.files]
        loss.files_gone += len(gone)
        if old.files and not new.files:
            loss.vanished_queues += 1
        if new.max_offset < old.max_offset:
            loss.shrunk_queues += 1
        loss.units_removed += max(0, old.units - new.units)
    return loss

