"""Random damage to a store directory, in place. Every operator tells what it did, or nothing if it does not apply."""

import shutil
import struct

MAGIC = struct.pack(">I", 0xDAA320A7)


def damage(store, mode, random):
    """Applies up to three operators; returns what they did, and keys of the store's configuration."""
    keys, told = {}, []
    for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
        operator = random.choice(OPERATORS)
        what = operator(Store(store, mode), random, keys)
        if what:
            told.append(f"{operator.__name__}: {what}")
    return told, keys


class Store:
    def __init__(self, root, mode):
        self.root, self.mode = root, mode

    def segments(self):
        dirs = [self.root / "dledger-n0" / "data"] if self.mode == "dledger" else list(self.root.glob("commitlog*"))
        return sorted(path for one in dirs if one.is_dir() for path in one.iterdir() if path.is_file())

    def queue_files(self):
        found = (path for kind in ("consumequeue", "batchconsumequeue") for path in self.root.glob(f"{kind}/*/*/*"))
        return sorted(path for path in found if path.is_file())

    def name(self, path):
        return str(path.relative_to(self.root))


def patch(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def used(path, tail=64):
    """Bytes of a file before the zeros at its end, and some more."""
    data = path.read_bytes()
    return min(len(data), len(data.rstrip(b"\0")) + tail)


def one(random, paths):
    return random.choice(paths) if paths else None


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


def flip_queue(store, random, keys):
    path = one(random, store.queue_files())
    if path and used(path, 0):
        at = random.randrange(used(path))
        patch(path, at, bytes([path.read_bytes()[at] ^ (1 << random.randrange(8))]))
        return f"byte {at} of {store.name(path)}"


def set_unit(store, random, keys):
    path = one(random, [path for path in store.queue_files() if path.parts[-4] == "consumequeue"])
    if path and path.stat().st_size >= 20:
        slot = random.randrange(max(1, used(path) // 20))
        unit = random.choice([(0, 0, 0), (0, 2**31 - 1, 0), (5, -3, 0), (10**7, 100, 0), (random.randrange(90000), 200, 7)])
        if (slot + 1) * 20 <= path.stat().st_size:
            patch(path, slot * 20, struct.pack(">qiq", *unit))
            return f"slot {slot} of {store.name(path)} := {unit}"


def zero_queue_tail(store, random, keys):
    path = one(random, store.queue_files())
    if path and used(path, 0):
        at = used(path, 0) // 20 * 20
        at = max(0, at - 20 * random.randrange(1, 8))
        patch(path, at, bytes(path.stat().st_size - at))
        return f"{store.name(path)} from {at}"


def zero_behind(store, random, keys):
    cut, count = random.randrange(100000), 0
    for path in store.queue_files():
        if path.parts[-4] != "consumequeue":
            continue
        data = path.read_bytes()
        for at in range(0, len(data) - 19, 20):
            if struct.unpack_from(">q", data, at)[0] >= cut:
                patch(path, at, bytes(20))
                count += 1
    return f"{count} units of messages from {cut}"


def remove_queue_file(store, random, keys):
    path = one(random, store.queue_files())
    if path:
        path.unlink()
        return store.name(path)


def remove_queue(store, random, keys):
    path = one(random, store.queue_files())
    if path:
        shutil.rmtree(path.parent)
        return store.name(path.parent)


def remove_queues(store, random, keys):
    shutil.rmtree(store.root / "consumequeue", ignore_errors=True)
    return "all"


def add_queue_file(store, random, keys):
    path = one(random, store.queue_files())
    if path:
        files, length = sorted(file for file in path.parent.iterdir() if file.name.isdigit()), path.stat().st_size
        made = path.parent / f"{int(files[-1].name) + length:020d}"
        made.write_bytes(bytes(length))
        return store.name(made)


def wrong_length(store, random, keys):
    path = one(random, store.segments() + store.queue_files())
    if path:
        with open(path, "r+b") as file:
            file.truncate(random.choice([0, 1, path.stat().st_size - 1, path.stat().st_size + 20]))
        return f"{store.name(path)}: {path.stat().st_size}"


def set_checkpoint(store, random, keys):
    path = store.root / "checkpoint"
    if path.exists():
        if random.random() < 0.3:
            path.unlink()
            return "removed"
        field = random.randrange(6)
        value = random.choice([0, -1, 1, 2**62, random.randrange(100000), 1795417700000 + random.randrange(60000)])
        patch(path, field * 8, struct.pack(">q", value))
        return f"field {field} := {value}"


def toggle_abort(store, random, keys):
    path = store.root / "abort"
    if path.exists():
        path.unlink()
        return "removed"
    path.write_bytes(b"")
    return "made"


def set_ledger_checkpoint(store, random, keys):
    path = store.root / "dledger-n0" / "checkpoint"
    if store.mode == "dledger" and path.exists():
        if random.random() < 0.4:
            path.unlink()
            return "removed"
        index = random.choice([-1, 0, 5, 100, 10**6])
        path.write_text(f"#\ncommittedIndex={index}\nendIndex={index}\n")
        return f"committed {index}"


def damage_ledger_index(store, random, keys):
    path = one(random, sorted((store.root / "dledger-n0" / "index").glob("*")))
    if store.mode == "dledger" and path and used(path, 0):
        at = random.randrange(used(path, 0)) // 32 * 32
        patch(path, at, bytes(32 * random.randrange(1, 4)))
        return f"from {at}"


def remove_index(store, random, keys):
    shutil.rmtree(store.root / "index", ignore_errors=True)
    return "all"


def set_key(store, random, keys):
    key = random.choice(["recheckReputOffsetFromCq", "duplicationEnable", "checkCRCOnRecover", "messageIndexEnable",
                         "messageIndexSafe", "forceVerifyPropCRC", "checkCommitLogOffsetOnRecover", "enableConsumeQueueExt"])
    keys[key] = random.choice(["true", "false"])
    return f"{key}={keys[key]}"


OPERATORS = [flip_log, zero_log, tear_log, damage_head, remove_segment, flip_queue, set_unit, zero_queue_tail, zero_behind,
             remove_queue_file, remove_queue, remove_queues, add_queue_file, wrong_length, set_checkpoint, set_checkpoint,
             toggle_abort, toggle_abort, set_ledger_checkpoint, damage_ledger_index, remove_index, set_key, set_key]
