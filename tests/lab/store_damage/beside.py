"""Damage to what lies beside log and queues: checkpoint, abort file, DLedger's own files, index."""

import shutil
import struct

from store_damage.store import base_of, one, patch, stored_at, used


def set_checkpoint(store, random, keys):
    """Each of its fields, to times and offsets of messages, to what is beside them, and to what is far from them."""
    path = store.root / "checkpoint"
    if random.random() < 0.15:
        path.unlink(missing_ok=True)
        return "removed"
    if random.random() < 0.1:
        length = random.choice([0, 24, 32, 40, 47, 48, 4095])
        path.write_bytes((path.read_bytes() if path.exists() else b"").ljust(4096, b"\0")[:length])
        return f"{length} bytes"
    if not path.exists():
        path.write_bytes(bytes(4096))
    elif path.stat().st_size < 48:
        return None
    field = random.randrange(6)
    values = [0, -1, 1, 2**62]
    messages = store.messages()
    if messages:
        file, at, total = random.choice(messages)
        if field in (3, 4, 5):
            start = base_of(file) + at
            values += [start, start + total, start + 1, start + total] * 2
        else:
            values += [stored_at(file, at) + difference for difference in (0, 1, 2999, 3000, 3001, 60000)] * 2
    value = random.choice(values)
    if field < 2 and random.random() < 0.5:
        # The earlier of both counts.
        patch(path, 0, struct.pack(">qq", value, value))
        return f"fields 0 and 1 := {value}"
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
    if store.mode == "dledger" and path.parent.is_dir():
        how = random.choice(["remove", "torn", "set", "set", "set"])
        if how == "remove":
            path.unlink(missing_ok=True)
            return "removed"
        count = len(store.messages())
        index = random.choice([-1, 0, 5, count // 2, count - 2, count - 1, count, 10**6])
        text = f"#\ncommittedIndex={index}\nendIndex={random.choice([index, count - 1])}\n"
        if how == "torn":
            text = random.choice(["", "#\n", text[:12], text[:-9], "committedIndex=\n", "committedIndex=x\nendIndex=3\n", "committedIndex=3\nendIndex=x\n", "\0" * 40])
        path.write_text(text)
        return repr(text)


def set_term(store, random, keys):
    """Term and vote of a member of the group."""
    path = store.root / "dledger-n0" / "currterm"
    if store.mode == "dledger" and path.parent.is_dir():
        text = random.choice(["", "#\n", "#\ncurrTerm=0\nvoteLeader=n0\n", "#\ncurrTerm=7\nvoteLeader=n0\n", "#\ncurrTerm=-1\n", "currTerm=x\n"])
        path.write_text(text)
        return repr(text)


def set_delay_offsets(store, random, keys):
    """Up to where delayed messages were delivered, as the broker writes it."""
    path = store.root / "config" / "delayOffset.json"
    offsets = {level: random.choice([-1, 0, 1, 3, 20, 10**6]) for level in random.sample(range(1, 20), random.randrange(1, 6))}
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"offsetTable":{' + ",".join(f"{level}:{offset}" for level, offset in offsets.items()) + "}}")
    return repr(offsets)


def damage_ledger_index(store, random, keys):
    path = one(random, sorted((store.root / "dledger-n0" / "index").glob("*")))
    if store.mode == "dledger" and path and used(path, 0):
        at = random.randrange(used(path, 0)) // 32 * 32
        patch(path, at, bytes(32 * random.randrange(1, 4)))
        return f"from {at}"


def remove_index(store, random, keys):
    shutil.rmtree(store.root / "index", ignore_errors=True)
    return "all"


def damage_index(store, random, keys):
    """Head of an index file: times, offsets, numbers of slots and entries; or its name."""
    path = one(random, sorted((store.root / "index").glob("*")))
    if path and path.is_file():
        how = random.choice(["times", "offsets", "count", "count", "name", "zero"])
        if how == "times":
            messages = store.messages()
            time = stored_at(*random.choice(messages)[:2]) if messages and random.random() < 0.6 else random.choice([0, 1, 2**62])
            patch(path, 0, struct.pack(">qq", time, time))
        elif how == "offsets":
            patch(path, 16, struct.pack(">qq", 0, random.choice([0, 5000, 10**9])))
        elif how == "count":
            patch(path, 36, struct.pack(">i", random.choice([0, 1, 3, 399, 400, 401, 10**6])))
        elif how == "name":
            path.rename(path.with_name(random.choice(["20200101000000000", "99990101000000000", "7"])))
        else:
            patch(path, 0, bytes(40))
        return f"{how} of {store.name(path)}"


OPERATORS = [set_delay_offsets, set_checkpoint, set_checkpoint, set_checkpoint, toggle_abort, toggle_abort, toggle_abort, set_ledger_checkpoint, set_ledger_checkpoint,
             set_term, damage_ledger_index, remove_index, damage_index, damage_index]
RARE = []
