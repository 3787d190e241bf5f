"""A plain store that grows as one of release 5.2.0 does: a log, queues with their units, the table of topics.

For loads that no broker of the lab brings about in a minute. What is compared on it are counts, never forecasts.
"""

import json
import os
import shutil
import struct
import time
import zlib

SEGMENT, QUEUE_FILE = 256 << 20, 6000
CONF = f"mappedFileSizeCommitLog={SEGMENT}\nmappedFileSizeConsumeQueue={QUEUE_FILE}\n"
MAGIC = 0xDAA320A7
HOST = bytes([127, 0, 0, 1, 0, 0, 42, 159])
BODY = b"b" * 100


class PlainStore:
    def __init__(self, root, queues):
        """Topics of this many queues each."""
        self.root, self.queues = root, queues
        self.units, self.end = {}, 0
        for part in ("commitlog", "consumequeue", "config", "index"):
            (root / part).mkdir(parents=True)
        self.log = os.open(root / "commitlog" / f"{0:020}", os.O_RDWR | os.O_CREAT)
        os.ftruncate(self.log, SEGMENT)
        (root / "abort").touch()
        self.write_table()

    def write_table(self):
        """As a broker does: a new file takes the place of the old one."""
        table = {topic: {"topicName": topic, "readQueueNums": self.queues, "writeQueueNums": self.queues, "perm": 6} for topic in self.units}
        path = self.root / "config" / "topics.json"
        path.with_suffix(".tmp").write_text(json.dumps({"topicConfigTable": table}))
        path.with_suffix(".tmp").rename(path)

    def put(self, topic):
        """One message into each queue of a topic, which is made if it is not there; the table is not written."""
        for queue in range(self.queues):
            place = self.root / "consumequeue" / topic / str(queue)
            if topic not in self.units:
                place.mkdir(parents=True, exist_ok=True)
            ordinal = self.units.get(topic, 0)
            size = self._append(topic, queue, ordinal)
            file = os.open(place / f"{ordinal * 20 // QUEUE_FILE * QUEUE_FILE:020}", os.O_RDWR | os.O_CREAT)
            os.ftruncate(file, QUEUE_FILE)
            os.pwrite(file, struct.pack(">qiq", self.end - size, size, 0), ordinal * 20 % QUEUE_FILE)
            os.close(file)
        self.units[topic] = self.units.get(topic, 0) + 1

    def delete(self, topics):
        """As `deleteTopic` does: the table first, the directories behind it."""
        for topic in topics:
            del self.units[topic]
        self.write_table()
        for topic in topics:
            shutil.rmtree(self.root / "consumequeue" / topic)

    def _append(self, topic, queue, ordinal):
        name, now = topic.encode(), int(time.time() * 1000)
        behind = struct.pack(">i", len(BODY)) + BODY + bytes([len(name)]) + name + struct.pack(">h", 0)
        size = 88 - 4 + len(behind)
        head = struct.pack(">iIIiiqqiq8sq8siq", size, MAGIC, zlib.crc32(BODY) & 0x7FFFFFFF, queue, 0, ordinal, self.end, 0, now, HOST, now, HOST, 0, 0)
        assert len(head) + len(behind) == size, (len(head), len(behind), size)
        os.pwrite(self.log, head + behind, self.end)
        self.end += size
        return size
