"""Damage to the log: its bytes, its messages, its segments."""

import shutil
import struct

from store_damage.store import base_of, one, patch, peek, used

MAGIC = struct.pack(">I", 0xDAA320A7)


def flip_log(store, random, keys):
    path = one(random, store.segments())
    if path and used(path, 0):
        at = random.randrange(used(path, 0))
        patch(path, at, bytes([path.read_bytes()[at] ^ (1 << random.randrange(8))]))
        return f"byte {at} of {store.name(path)}"


def zero_log(store, random, keys):
    path = one(random, store.segments())
    if path and used(path, 0):
        at, count = random.randrange(used(path, 0)), random.choice([1, 8, 100, 1000])
        count = min(count, path.stat().st_size - at)
        patch(path, at, bytes(count))
        return f"{count} bytes at {at} of {store.name(path)}"


def tear_log(store, random, keys):
    written = [path for path in store.segments() if used(path, 0)]
    if written:
        path, end = written[-1], used(written[-1], 0)
        at = max(0, end - random.randrange(1, 900))
        patch(path, at, bytes(end - at))
        return f"{store.name(path)} from {at}"


def damage_head(store, random, keys):
    path = one(random, store.segments())
    found = path.read_bytes().find(MAGIC) if path else -1
    if found >= 4:
        at = found - 4 + random.choice([0, 4, 8, 12, 20, 28, 36, 40, 48, 56, 72])
        patch(path, at, struct.pack(">i", random.choice([0, -1, 1, 48, 91, 300, 2**31 - 1])))
        return f"{at} of {store.name(path)}"


def remove_segment(store, random, keys):
    paths = store.segments()
    if len(paths) > 1:
        path = random.choice([paths[0], paths[-1], random.choice(paths)])
        path.unlink()
        return store.name(path)


# Place of a field in a message, how it is written, and values that are no good there.
FIELDS = [(0, ">i", [0, -1, 1, 60000, 2**31 - 1]), (4, ">I", [0, 0xDEADBEEF, 0xDAA320AB, 0xCBD43194]), (8, ">i", [0, 1]),
          (12, ">i", [-1, 7, 100, 2**31 - 1]), (20, ">q", [-1, 0, 1, 5, 10**6, 2**40]), (28, ">q", [-1, 0, 48, 10**7, 2**60]),
          (36, ">i", [0, 0x4, 0x8, 0xC, 0x80, 0x10, 0x20]), (56, ">q", [0, -1, 2**62])]


def set_field(store, random, keys):
    message = one(random, store.messages())
    if message:
        path, at, _ = message
        place, format, values = random.choice(FIELDS)
        value = random.choice(values)
        patch(path, at + place, struct.pack(format, value))
        return f"field {place} := {value} at {at} of {store.name(path)}"


def variable_part(path, at):
    """Where the length of the body, that of the topic, and the topic itself stand."""
    flag = peek(path, at + 36, ">i")
    body = at + 48 + (20 if flag & 0x10 else 8) + 8 + (20 if flag & 0x20 else 8) + 12
    topic = body + 4 + peek(path, body, ">i")
    return body, topic, topic + (2 if peek(path, at + 4, ">I") == 0xDAA320AB else 1)


def set_length(store, random, keys):
    """Length of body, topic or properties."""
    message = one(random, store.messages())
    if message:
        path, at, _ = message
        body, topic, name = variable_part(path, at)
        what = random.choice(["body", "topic", "properties"])
        if what == "body":
            patch(path, body, struct.pack(">i", random.choice([0, -1, peek(path, body, ">i") + random.choice([-1, 1]), 2**31 - 1])))
        elif what == "topic":
            patch(path, topic, bytes([random.choice([0, 1, 127, 128, 255])]))
        else:
            width = name - topic
            place = name + int.from_bytes(path.read_bytes()[topic:name], "big")
            patch(path, place, struct.pack(">h", random.choice([0, -1, peek(path, place, ">h") + random.choice([-1, 1]), 2**15 - 1])))
            return f"of the properties behind a name of {width} bytes of length at {at} of {store.name(path)}"
        return f"of the {what} at {at} of {store.name(path)}"


def rename_topic(store, random, keys):
    """To a name of the same length, which may be none for a directory."""
    message = one(random, store.messages())
    if message:
        path, at, _ = message
        _, topic, name = variable_part(path, at)
        length = int.from_bytes(path.read_bytes()[topic:name], "big")
        if length:
            new = (random.choice([b"..", b"/x", b"x/", b"T\n", "é".encode(), b"\xff\xfe", b"  ", b"T9", b"T9", b"B0", b"-1"]) * length)[:length]
            patch(path, name, new)
            return f"{new} at {at} of {store.name(path)}"


def rename_property(store, random, keys):
    """Properties that decide about units, to others of the same length, or their values."""
    old, new = random.choice([(b"DELAY\x01", b"DELAX\x01"), (b"TAGS\x01", b"TAG5\x01"), (b"KEYS\x01", b"KEY5\x01"), (b"UNIQ_KEY\x01", b"UNIQ_KEX\x01"),
                              (b"INNER_NUM\x01", b"INNER_NUX\x01"), (b"INNER_NUM\x01", b"INNER_NUM\x02"), (b"%LMQ%g", b"%LMQ%/"), (b"%LMQ%g", b"xLMQxg"),
                              (b"INNER_MULTI_DISPATCH\x01", b"INNER_MULTI_DISPATCX\x01"), (b"__CRC32#\x01", b"__CRC32x\x01"), (b"\x01", b"\x02"), (b"\x02", b"\x01")])
    path = one(random, [path for path in store.segments() if old in path.read_bytes()])
    if path:
        data = path.read_bytes()
        places = [at for at in range(len(data)) if data.startswith(old, at)]
        at = random.choice(places)
        patch(path, at, new)
        return f"{old} to {new} at {at} of {store.name(path)}"


def copy_message(store, random, keys):
    """An older message stands behind the last one, as after a cut of the log, or over another."""
    messages = store.messages()
    if len(messages) > 3:
        head = 48 if store.mode == "dledger" else 0
        source, at, total = random.choice(messages)
        path, place, length = messages[-1]
        to = place - head + (length + head if random.random() < 0.7 else 0)
        data = source.read_bytes()[at - head:at + total]
        if to + len(data) <= path.stat().st_size:
            patch(path, to, data)
            return f"{at} of {store.name(source)} to {to} of {store.name(path)}"


def swap_segments(store, random, keys):
    paths = store.segments()
    if len(paths) > 1:
        first, second = random.sample(paths, 2)
        aside = first.with_name("aside")
        first.rename(aside)
        second.rename(first)
        aside.rename(second)
        return f"{store.name(first)}, {store.name(second)}"


def copy_segment(store, random, keys):
    """One more at the end, with what an older one holds."""
    paths = store.segments()
    if paths:
        path, last = random.choice(paths), paths[-1]
        made = last.with_name(f"{base_of(last) + last.stat().st_size:020d}")
        shutil.copyfile(path, made)
        return f"{store.name(path)} to {store.name(made)}"


def empty_segment(store, random, keys):
    """Without a byte: the last one, one more behind it, or another."""
    paths = store.segments()
    if paths:
        last = paths[-1]
        path = random.choice([last, last, last.with_name(f"{base_of(last) + last.stat().st_size:020d}"), random.choice(paths)])
        path.write_bytes(b"")
        return store.name(path)


def cut_log(store, random, keys):
    """Zeros from a message on, in its segment."""
    messages = store.messages()
    if messages:
        path, at, _ = random.choice(messages[-40:])
        patch(path, at, bytes(path.stat().st_size - at))
        return f"{store.name(path)} from {at}"


def remove_oldest(store, random, keys):
    paths = store.segments()
    if len(paths) > 2:
        gone = paths[:random.randint(1, len(paths) - 1)]
        for path in gone:
            path.unlink()
        return f"{len(gone)} of {store.name(paths[0].parent)}"


def move_segment(store, random, keys):
    """To the other path, where there are two."""
    dirs = sorted(store.root.glob("commitlog*"))
    path = one(random, store.segments())
    if path and len(dirs) > 1:
        path.rename(dirs[path.parent == dirs[0]] / path.name)
        return store.name(path)


def damage_entry(store, random, keys):
    """A field of the head of a DLedger entry: magic, length, index, term, position."""
    messages = store.messages()
    if store.mode == "dledger" and messages:
        path, at, _ = random.choice(messages)
        place, format, value = random.choice([(0, ">i", 2), (0, ">i", -1), (4, ">i", 48), (4, ">i", 0), (4, ">i", 2**31 - 1), (8, ">q", 99999), (8, ">q", 0),
                                              (16, ">q", 99999), (16, ">q", 0), (24, ">q", 5), (24, ">q", -1), (32, ">i", 7), (36, ">i", 7), (44, ">i", 1)])
        patch(path, at - 48 + place, struct.pack(format, value))
        return f"field {place} := {value} of the entry at {at - 48} of {store.name(path)}"


def raise_terms(store, random, keys):
    """Entries up to the end get a higher term from one on, or only that one does."""
    messages = store.messages()
    if store.mode == "dledger" and len(messages) > 3:
        first = random.randrange(len(messages))
        last = random.choice([len(messages), first + 1])
        for path, at, _ in messages[first:last]:
            patch(path, at - 48 + 16, struct.pack(">q", 9))
        return f"entries {first} to {last} of {store.name(messages[0][0].parent)}"


OPERATORS = [flip_log, zero_log, tear_log, damage_head, remove_segment, set_field, set_field, set_length, rename_topic, rename_property, copy_message,
             cut_log, cut_log, remove_oldest, damage_entry, raise_terms]
RARE = [swap_segments, copy_segment, empty_segment, move_segment]
