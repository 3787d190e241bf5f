"""A store directory that is damaged, and where its files and messages are."""

import struct

import log_census


class Store:
    def __init__(self, root, mode):
        self.root, self.mode = root, mode

    def segments(self):
        dirs = [self.root / "dledger-n0" / "data"] if self.mode == "dledger" else list(self.root.glob("commitlog*"))
        return sorted(path for one in dirs if one.is_dir() for path in one.iterdir() if path.is_file())

    def queue_files(self, kinds=("consumequeue", "batchconsumequeue")):
        found = (path for kind in kinds for path in self.root.glob(f"{kind}/*/*/*"))
        return sorted(path for path in found if path.is_file())

    def messages(self):
        """Segment, place in it and length of each message."""
        head = log_census.ENTRY_HEAD if self.mode == "dledger" else 0
        return [(path, at, total) for path in self.segments() for at, total, *_ in log_census.walk(path.read_bytes(), head)]

    def name(self, path):
        return str(path.relative_to(self.root))


def patch(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def peek(path, at, format):
    with open(path, "rb") as file:
        file.seek(at)
        return struct.unpack(format, file.read(struct.calcsize(format)))[0]


def base_of(path):
    """Offset of a segment's first byte; 0 where a file has another name."""
    return int(path.name) if path.name.isdigit() else 0


def stored_at(path, at):
    """Time at which a message was stored."""
    return peek(path, at + (68 if peek(path, at + 36, ">i") & 0x10 else 56), ">q")


def used(path, tail=64):
    """Bytes of a file before the zeros at its end, and some more."""
    data = path.read_bytes()
    return min(len(data), len(data.rstrip(b"\0")) + tail)


def one(random, paths):
    return random.choice(paths) if paths else None
