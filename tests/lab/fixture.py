"""Stores of `tests/fixtures/recovery`, unpacked."""

import json
import tarfile

from releases import REPOSITORY

FIXTURES = REPOSITORY / "tests" / "fixtures" / "recovery"


def unpack(path, to):
    """The store of an archive, its files at their full lengths; returns its case.json."""
    with tarfile.open(path) as archive:
        case = json.load(archive.extractfile("case.json"))
        for member in archive.getmembers():
            if member.name.startswith("store/") and member.isfile():
                target = to / member.name[len("store/"):]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())
    for name, length in case["lengths"].items():
        target = to / name
        if name.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "ab") as file:
            file.truncate(length)
    return case
