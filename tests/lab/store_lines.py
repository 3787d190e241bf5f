"""Lines that a store logs while it loads, against those of a forecast."""

import collections
import re

# Each such line has other numbers, and a forecast counts them; the last has the whole message behind it since 5.5.0.
COUNTED = ("Maybe try to build consume queue repeatedly", "Build consume queue repeatedly", "Build  consume queue repeatedly",
           "[BUG]logic queue order maybe wrong", "[BUG]put commit log position info to",
           "Exception thrown when correctMinOffset", "Save consume queue extend error", "Save consume queue extend fail, So just save tagsCode!",
           "CommitLog#checkAndDispatchMessage: failed to check message CRC, not found CRC in properties",
           "checkMessageAndReturnSize failed, may can not dispatch")
EXCEPTION = "load exception"
# Of the INFO lines those that mark a phase.
PHASE = re.compile("last shutdown |load commit log |load .* all over, |message store recover end|load over")
# The exception behind these is told in the same line.
UNOPENED = ("load file ", "Failed to create file ", "create file channel ")
# How long it took stands behind.
STATE = "MessageStoreState transition from "
# Of these a forecast tells no exception.
BARE = ("Pre check data and index failed ", "Compare data to index failed ", "Load checkpoint failed")
# A file of the index that was begun is named by the time.
INDEX_FULL = re.compile(r"Index file \[(.*/)(\d+)\] is full, ")
# What a forecast does not tell, and why.
LEFT_OUT = re.compile("|".join((
    # The constructor's.
    r"Load (default|AutoSwitch) HA Service: ",
    # Printed only when the clock shows a full second.
    r"Build batch consume queue repeatedly, ",
)))


# Of a queue whose topic is no name for a directory, which the forecast notes; its thirty tries are compared.
UNCREATABLE = re.compile(r"Failed to create file |create mappedFile exception|\[BUG\]consume queue can not write, ")


def line_differences(found, said, copy, root, index):
    """Level and text of each line that comes more often in one of both, with both numbers."""
    foretold, notes = found["log"], found["not_modelled"]
    if found["start"]["outcome"] != "starts":
        # The number is that of whatever was loaded until then.
        said = [(level, text) for level, text in said if not text.startswith("load over")]
        foretold = [line for line in foretold if not line["text"].startswith("load over")]
    ours, theirs = collections.Counter(), collections.Counter()
    for line in foretold:
        ours[line["level"], line["text"]] += line["count"]
    for level, text in said:
        text = text.replace(str(copy), str(root))
        if level == "INFO" and not PHASE.match(text):
            continue
        if LEFT_OUT.match(text) or (UNCREATABLE.match(text) and any("cannot be created" in note for note in notes)):
            continue
        full = INDEX_FULL.match(text)
        if full and full[2] not in index:
            text = text.replace(f"{full[1]}{full[2]}", f"{full[1]}<time>")
        if text.startswith(STATE):
            text = text.split(";")[0]
        if text.startswith(BARE):
            text = text.splitlines()[0]
        text = next((known for known in COUNTED if text.startswith(known)), text)
        if text.startswith(UNOPENED):
            # The forecast gives the exception in the same line, without the name of its package.
            text = text.replace("\njava.lang.", " ").replace("\njava.io.", " ")
        if text.startswith(EXCEPTION) and found["start"]["reason"] == "FILE_WRONG_LENGTH":
            # Two things that refuse the start: which is met first is the order in which the directory is listed.
            continue
        if text.startswith(EXCEPTION):
            # The forecast gives the exception in short, in the same line.
            short = (line["text"] for line in foretold if line["text"].startswith(EXCEPTION))
            text = next((one for one in short if one[len(EXCEPTION) + 1:] in text), text)
        theirs[level, text] += 1
    keys = sorted(ours.keys() | theirs.keys())
    return {f"line {key[0]} {key[1]}": (ours[key], theirs[key]) for key in keys if ours[key] != theirs[key]}
