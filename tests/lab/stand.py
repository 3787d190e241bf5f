"""One scenario's set-up: name server, client, broker, and beside them exporter and monitoring as far as wanted."""

import time

from broker import Broker, Client, NameServer, reachable
from exporter import Exporter
from monitoring import Monitoring
from processes import wait_until
from store_reader import read_queues

TOPICS = ["TopicA", "TopicB", "TopicC"]
QUEUES = 4
MESSAGES = 2000

# A scrape, an evaluation, a delivery, and one more round in case the first scrape just missed the event.
PAGING_SECONDS = 20


class Stand:
    def __init__(self, directory, release, mode, sizes=None, extra=None, wrapper=(), configuration=None):
        directory.mkdir(parents=True)
        self.directory = directory
        self.name_server = NameServer(directory)
        self.client = Client(directory, self.name_server)
        self.broker = Broker(directory, release, mode, self.name_server, self.client, sizes, extra)
        self.exporter = Exporter(directory, self.broker, wrapper, configuration)
        self.monitoring = None

    def start_broker(self):
        self.broker.start().wait_ready()
        return self

    def fill(self, messages=MESSAGES, topics=None):
        """The usual load: messages over the topics, half of them consumed, everything dispatched."""
        topics = topics or TOPICS
        self.broker.create_topics(topics, QUEUES)
        self.broker.produce(topics, messages, queues=QUEUES)
        wait_until(lambda: reachable(self.broker.offsets()) >= messages, 30, "all messages to be dispatched")
        self.broker.consume("G1", topics, messages // len(topics) // QUEUES // 2, QUEUES)

    def settle(self):
        """Longer than the 3 s between two DLedger checkpoints, so that the checkpoint knows the last message."""
        time.sleep(4)

    def start_monitoring(self):
        self.monitoring = Monitoring(self.directory, self.exporter.port)

    def queues_on_disk(self):
        return read_queues(self.broker.store)

    def close(self):
        if self.monitoring:
            self.monitoring.stop()
        for part in (self.exporter.child, self.broker.child, self.client.child, self.name_server.child):
            if part:
                part.kill_group()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
