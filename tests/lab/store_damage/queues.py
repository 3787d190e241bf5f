"""Damage to the queues: units, files, whole queues, and their extension."""

import shutil
import struct

from store_damage.store import one, patch, used


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


def set_batch_unit(store, random, keys):
    path = one(random, [path for path in store.queue_files() if path.parts[-4] == "batchconsumequeue"])
    if path and path.stat().st_size >= 46:
        slot = random.randrange(max(1, used(path) // 46))
        place, format, value = random.choice([(0, ">q", -1), (0, ">q", 0), (0, ">q", 10**7), (8, ">i", 0), (8, ">i", -3), (28, ">q", -1), (28, ">q", 0),
                                              (28, ">q", 10**6), (36, ">h", 0), (36, ">h", -2), (36, ">h", 99)])
        if (slot + 1) * 46 <= path.stat().st_size:
            patch(path, slot * 46 + place, struct.pack(format, value))
            return f"field {place} := {value} in slot {slot} of {store.name(path)}"


def fill_preblank(store, random, keys):
    """Leading units become those that stand before a queue's first message."""
    path = one(random, [path for path in store.queue_files(("consumequeue",)) if path.stat().st_size >= 20])
    if path:
        count = random.randint(1, path.stat().st_size // 20)
        patch(path, 0, struct.pack(">qiq", 0, 2**31 - 1, 0) * count)
        return f"{count} units of {store.name(path)}"


def zero_queue_file(store, random, keys):
    """The page of a whole file never reached the disk."""
    path = one(random, store.queue_files())
    if path:
        patch(path, 0, bytes(path.stat().st_size))
        return store.name(path)


def zero_all_tails(store, random, keys):
    count = random.randint(1, 3)
    for path in store.queue_files(("consumequeue",)):
        end = (used(path, 0) + 19) // 20 * 20
        patch(path, max(0, end - 20 * count), bytes(min(end, 20 * count)))
    return f"{count} units of each file"


def empty_queue_file(store, random, keys):
    """Without a byte: a new one at the end, the last one, or another."""
    path = one(random, store.queue_files())
    if path:
        files = sorted(file for file in path.parent.iterdir() if file.name.isdigit())
        if files:
            new = path.with_name(f"{int(files[-1].name) + max(20, files[-1].stat().st_size):020d}")
            path = random.choice([new, files[-1], random.choice(files)])
        path.write_bytes(b"")
        return store.name(path)


def swap_queue_files(store, random, keys):
    paths = store.queue_files()
    if len(paths) > 1:
        first, second = random.sample(paths, 2)
        data, other = first.read_bytes(), second.read_bytes()
        first.write_bytes(other)
        second.write_bytes(data)
        return f"{store.name(first)}, {store.name(second)}"


def move_queue(store, random, keys):
    """A queue under another number, or under another topic."""
    path = one(random, store.queue_files())
    if path:
        queue = path.parent
        target = random.choice([queue.with_name(str(random.choice([9, 100, 2**31 - 1]))), queue.parent.with_name("T9") / queue.name])
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            queue.rename(target)
            return f"{store.name(queue)} to {store.name(target)}"


def damage_ext(store, random, keys):
    """The extension: torn, emptied, cut, gone."""
    path = one(random, store.queue_files(("consumequeue_ext",)))
    if path:
        how = random.choice(["zero", "flip", "unlink", "truncate", "remove"])
        length = path.stat().st_size
        if how == "zero" and length:
            at = random.randrange(length)
            patch(path, at, bytes(length - at))
        elif how == "flip" and length:
            at = random.randrange(length)
            patch(path, at, bytes([path.read_bytes()[at] ^ 1]))
        elif how == "unlink":
            path.unlink()
        elif how == "truncate":
            with open(path, "r+b") as file:
                file.truncate(random.choice([0, max(0, length - 1)]))
        else:
            shutil.rmtree(path.parent)
        return f"{how} {store.name(path)}"


OPERATORS = [flip_queue, set_unit, zero_queue_tail, zero_behind, remove_queue_file, remove_queue_file, remove_queue, remove_queues, add_queue_file,
             set_batch_unit, fill_preblank, zero_queue_file, zero_all_tails, damage_ext]
RARE = [wrong_length, empty_queue_file, swap_queue_files, move_queue]
