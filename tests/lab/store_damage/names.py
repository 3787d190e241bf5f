"""Files and directories in odd places, and with odd names."""

from store_damage.store import one


def add_file(store, random, keys):
    """Beside segments or queue files: of their length or not, its name a number or not."""
    path = one(random, store.segments() + store.queue_files())
    if path:
        made = path.with_name(random.choice(["1", ".hidden", "zz", "00", f"{path.name}.bak", "000000000000000000001"]))
        length = random.choice([0, 7, path.stat().st_size])
        made.write_bytes(bytes(length))
        return f"{store.name(made)}, {length} bytes"


def add_directory(store, random, keys):
    path = one(random, store.segments() + store.queue_files() + list((store.root / "index").glob("*")))
    if path:
        made = path.with_name(random.choice(["1", "zz", f"{10**18:020d}"]))
        if not made.exists():
            made.mkdir()
            return store.name(made)


def add_queue_directory(store, random, keys):
    """A topic or a queue without files, or with a name that no queue has."""
    made = store.root / "consumequeue" / random.choice(["T0/77", "T9/0", "T9/-1", "T9/007", "T9/x", "T9/99999999999", "T9", "é/0", "T0/1 "])
    if not made.exists():
        made.mkdir(parents=True)
        return store.name(made)


def rename_queue_file(store, random, keys):
    """To a position at which no file of its length begins, mostly not even a unit."""
    path = one(random, store.queue_files())
    if path:
        made = path.with_name(f"{int(path.name) + random.choice([1, 19, 20, 39, path.stat().st_size - 1]):020}")
        if not made.exists():
            path.rename(made)
            return f"{store.name(path)} to {made.name}"


def add_topic_file(store, random, keys):
    made = store.root / random.choice(["consumequeue", "batchconsumequeue", "consumequeue/T0", "index", "."]) / random.choice(["zz", "5"])
    if made.parent.is_dir() and not made.exists():
        made.write_bytes(random.choice([b"", b"x"]))
        return store.name(made)


OPERATORS = [add_queue_directory, rename_queue_file]
RARE = [add_file, add_directory, add_topic_file]
