"""Messages of a log that have no unit, or that a cut takes: an own reading of log and queue files, with nothing of the exporter in it."""

import struct
import zlib

MAGIC_V1, MAGIC_V2, MAGIC_BLANK, LEDGER_BLANK = 0xDAA320A7, 0xDAA320AB, 0xCBD43194, 0xFFFFFFFF
ENTRY_HEAD = 48
FILLER = 2**31 - 1
# Bits of a message's system flag; the last is set in prepared and in rolled back transactions, which get no unit.
BORN_V6, STORED_V6, WITHOUT_UNIT = 0x10, 0x20, 0x04


def message(data, at):
    """Length, topic, queue and whether it should have a unit; None where no whole message stands."""
    if at + 91 > len(data):
        return None
    total, magic = struct.unpack_from(">iI", data, at)
    if magic not in (MAGIC_V1, MAGIC_V2) or total < 0 or at + total > len(data):
        return None
    queue, = struct.unpack_from(">i", data, at + 12)
    flag, = struct.unpack_from(">i", data, at + 36)
    place = at + 48 + (20 if flag & BORN_V6 else 8) + 8 + (20 if flag & STORED_V6 else 8) + 12
    end = at + total
    if place + 4 > len(data):
        return None
    body, = struct.unpack_from(">i", data, place)
    # A broker takes a body of less than nothing for none.
    place += 4 + max(0, body)
    wide = 2 if magic == MAGIC_V2 else 1
    if place + wide > end:
        return None
    name_len = int.from_bytes(data[place:place + wide], "big")
    place += wide
    name = data[place:place + name_len]
    place += name_len
    if place + 2 > end:
        return None
    place += 2 + max(0, struct.unpack_from(">h", data, place)[0])
    if place != end:
        return None
    return total, name.decode(errors="replace"), queue, not flag & WITHOUT_UNIT


def is_filler(data, at, head):
    """Whether what reads as the filler of a segment's end reaches there; else it is a damaged message."""
    first, second = struct.unpack_from(">II", data, at)
    if second == MAGIC_BLANK:
        return first == len(data) - at
    return bool(head) and first == LEDGER_BLANK and second == len(data) - at


def walk(data, head):
    """Place, length, topic, queue and whether it should have a unit, of each message of a segment; `head` bytes stand before each."""
    at = 0
    while at is not None and at + head + 8 <= len(data):
        if is_filler(data, at, head):
            return
        found = message(data, at + head)
        if found is None:
            # What cannot be read may still have messages behind it.
            known = [data.find(struct.pack(">I", magic), at + 1 + head + 4) for magic in (MAGIC_V1, MAGIC_V2)]
            at = min((place - head - 4 for place in known if place >= 0), default=None)
            continue
        yield at + head, *found
        at += head + found[0]


def segments(store, mode):
    if mode == "dledger":
        return sorted(path for path in (store / "dledger-n0" / "data").glob("*") if path.is_file())
    return sorted(path for one in store.glob("commitlog*") if one.is_dir() for path in one.iterdir() if path.is_file())


def is_whole(data, at, place_in_log):
    """Whether a message stands where its own offset says, with the body that it was written with."""
    checksum, = struct.unpack_from(">I", data, at + 8)
    own, flag = struct.unpack_from(">qi", data, at + 28)
    place = at + 48 + (20 if flag & BORN_V6 else 8) + 8 + (20 if flag & STORED_V6 else 8) + 12
    length, = struct.unpack_from(">i", data, place)
    body = data[place + 4:place + 4 + max(0, length)]
    return own == place_in_log and (not body or zlib.crc32(body) & 0x7fffffff == checksum)


def positions(store, mode):
    """Where the whole messages of a log begin."""
    head = ENTRY_HEAD if mode == "dledger" else 0
    found = []
    for path in segments(store, mode):
        if path.name.isdigit():
            data, base = path.read_bytes(), int(path.name)
            found += [base + at for at, *_ in walk(data, head) if is_whole(data, at, base + at)]
    return found


def pointed(queue):
    """Starts of the messages that a queue's units point at."""
    starts = set()
    for name, wrote in queue["wrote"].items():
        step = 46 if "/batchconsumequeue/" in name else 20
        with open(name, "rb") as file:
            data = file.read(wrote)
        units = (struct.unpack_from(">qi", data, at) for at in range(0, len(data) - step + 1, step))
        starts.update(start for start, size in units if size != FILLER)
    return starts


def lost(store, mode, end, queues):
    """How many messages should have a unit, and how many of each queue have none."""
    segments = [(path, 0) for one in store.glob("commitlog*") for path in one.iterdir()]
    if mode == "dledger":
        segments += [(path, ENTRY_HEAD) for path in (store / "dledger-n0" / "data").iterdir()]
    starts = {name: pointed(queue) for name, queue in queues.items()}
    count, missing = 0, {}
    # What has another name is no segment.
    for path, head in (each for each in segments if each[0].name.isdigit() and each[0].is_file()):
        base = int(path.name)
        for place, _, topic, queue, has_unit in walk(path.read_bytes(), head):
            if has_unit and base + place < end:
                count += 1
                name = f"{topic}/{queue}"
                if base + place not in starts.get(name, ()):
                    missing[name] = missing.get(name, 0) + 1
    return count, missing
