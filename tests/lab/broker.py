"""A real name server and a real broker of a release, with store and logs where production has them."""

import json
import os
import shutil
import signal
import subprocess
import zipfile

from processes import Child, free_port, wait_until
from releases import CLIENT_RELEASE, client_classes, jars

NAME = "lab-broker"
CLUSTER = "lab"
JVM = ["java", "-Xms256m", "-Xmx384m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseSerialGC", "-XX:-UsePerfData",
       "--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
       "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED", "-Djava.net.preferIPv4Stack=true"]

# Files so small that 2000 messages of 300 bytes fill one data segment to a third and two files of every queue.
SMALL = {
    "mappedFileSizeCommitLog": 4 * 1024 * 1024,
    "mappedFileSizeConsumeQueue": 3000,
    "maxHashSlotNum": 1009,
    "maxIndexNum": 8000,
}
DEFAULT_SIZES = {}


def _java(home, release, main, arguments, output, properties=()):
    environment = dict(os.environ, ROCKETMQ_HOME=str(home), HOME=str(home))
    environment.pop("NAMESRV_ADDR", None)
    command = [*JVM, f"-Duser.home={home}", *properties, "-cp", f"{client_classes()}:{jars(release)}/*", main]
    return [*command, *arguments], dict(cwd=home, env=environment, output=output)


class NameServer:
    def __init__(self, directory, bind="127.0.0.1"):
        self.home = directory / "nameserver"
        (self.home / "conf").mkdir(parents=True)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        conf = self.home / "conf" / "namesrv.conf"
        conf.write_text(f"listenPort={self.port}\nbindAddress={bind}\n")
        command, place = _java(self.home, CLIENT_RELEASE, "org.apache.rocketmq.namesrv.NamesrvStartup",
                               ["-c", conf], self.home / "out")
        self.child = Child(command, **place)

    def stop(self):
        self.child.kill_group()


class Client:
    """The lab's Java client, one process for many commands."""

    def __init__(self, directory, name_server):
        home = directory / "client"
        home.mkdir(parents=True)
        command, place = _java(home, CLIENT_RELEASE, "LabClient", [name_server.address], home / "err",
                               [f"-Drocketmq.client.logRoot={home}/logs"])
        self.child = Child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **place)

    def ask(self, *words):
        pipe = self.child.process
        pipe.stdin.write(("\t".join(str(word) for word in words) + "\n").encode())
        pipe.stdin.flush()
        line = pipe.stdout.readline()
        if not line:
            raise RuntimeError(f"the lab's client ended: {self.child.tail()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{words[0]}: {answer['error']}")
        return answer

    def stop(self):
        self.child.kill_group()


class Broker:
    """One broker: `mode` is plain or dledger (a group of one node, n0)."""

    def __init__(self, directory, release, mode, name_server, client, sizes=None, extra=None):
        self.release, self.mode, self.client = release, mode, client
        self.name_server = name_server
        self.home = directory / "home" / "rocketmq"
        self.store = self.home / "store"
        self.logs = self.home / "logs" / "rocketmqlogs"
        self.conf = self.home / "conf" / "broker.conf"
        self.conf.parent.mkdir(parents=True)
        self.port = free_port((0, -2, 1, 2))
        self.address = f"127.0.0.1:{self.port}"
        self.settings = {}
        self.tell(self._settings(SMALL if sizes is None else sizes, extra or {}))
        self.logback = self.home / "conf" / "rmq.broker.logback.xml"
        with zipfile.ZipFile(jars(release) / f"rocketmq-broker-{release}.jar") as jar:
            self.logback.write_bytes(jar.read("rmq.broker.logback.xml"))
        self.child = None

    def _settings(self, sizes, extra):
        settings = {
            "brokerClusterName": CLUSTER, "brokerName": NAME, "brokerId": 0, "brokerIP1": "127.0.0.1",
            "namesrvAddr": self.name_server.address, "listenPort": self.port, "bindAddress": "127.0.0.1",
            "haListenPort": self.port + 1, "storePathRootDir": self.store, "autoCreateTopicEnable": "false",
        }
        if self.mode == "dledger":
            settings.update(enableDLegerCommitLog="true", dLegerGroup=NAME, dLegerSelfId="n0",
                            dLegerPeers=f"n0-127.0.0.1:{self.port + 2}")
        return {**settings, **sizes, **extra}

    def tell(self, settings):
        """Changes properties; the next start reads them."""
        self.settings.update(settings)
        self.conf.write_text("".join(f"{key}={value}\n" for key, value in self.settings.items()))

    def start(self):
        """Starts the JVM and returns at once; `wait_ready` waits for the service."""
        command, place = _java(
            self.home, self.release, "org.apache.rocketmq.broker.BrokerStartup", ["-c", self.conf], self.home / "out",
            [f"-Drmq.logback.configurationFile={self.logback}", f"-Djava.io.tmpdir={self.home}"])
        self.child = Child(command, **place)
        return self

    def wait_ready(self, seconds=90):
        """Registered at the name server and answering on its own port."""
        def answers():
            if not self.child.is_alive():
                raise RuntimeError(f"the broker ended by itself: {self.child.tail()}")
            try:
                return self.has_place(self.client.ask("id", NAME, self.address)["id"])
            except RuntimeError:
                return False
        wait_until(answers, seconds, f"broker {self.release} {self.mode} to serve", every=0.2)
        return self

    def has_place(self, broker_id):
        """Whether the id under which it is registered is one to wait for: the master's."""
        return broker_id == 0

    def kill(self):
        self.child.signal_and_wait(signal.SIGKILL, 30)

    def stop(self):
        """Orderly stop as Kubernetes would ask for it; returns the seconds it took."""
        return self.child.signal_and_wait(signal.SIGTERM, 90)

    def create_topics(self, topics, queues=4):
        for topic in topics:
            wait_until(lambda name=topic: self._try_create(name, queues), 30, f"topic {topic}", every=0.3)

    def _try_create(self, topic, queues):
        try:
            self.client.ask("create", self.address, topic, queues)
            return True
        except RuntimeError:
            return False

    def produce(self, topics, count, first=0, queues=4, body=300):
        """Messages round robin over topics and their queues, with keys k-<first>, …"""
        # The name server learns of a new topic a moment after the broker: only the very first message may wait.
        wait_until(lambda: self._try_produce(topics, first, queues, body), 90, "the first message", every=0.3)
        self.client.ask("produce", NAME, ",".join(topics), queues, first + 1, count - 1, body)

    def _try_produce(self, topics, first, queues, body):
        try:
            self.client.ask("produce", NAME, ",".join(topics), queues, first, 1, body)
            return True
        except RuntimeError:
            return False

    def consume(self, group, topics, count, queues=4):
        return self.client.ask("consume", group, NAME, ",".join(topics), queues, count)["consumed"]

    def offsets(self):
        """The broker's own (min, max) per `topic/queue`: the truth about what consumers can reach."""
        return {queue: tuple(pair) for queue, pair in self.client.ask("offsets", self.address)["queues"].items()}

    def delete_topic(self, topic):
        self.client.ask("delete", self.name_server.address, self.address, topic)

    def mqadmin(self, *words):
        """What the release's own tool says."""
        home = self.home / "mqadmin"
        home.mkdir(exist_ok=True)
        command, place = _java(home, self.release, "org.apache.rocketmq.tools.command.MQAdminStartup",
                               [words[0], "-n", self.name_server.address, *words[1:]], None, [f"-Drocketmq.client.logRoot={home}/logs"])
        place.pop("output")
        return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **place).stdout

    def remove(self):
        shutil.rmtree(self.home, ignore_errors=True)


def reachable(offsets):
    """Messages that consumers can reach, by the broker's own offsets."""
    return sum(high - low for low, high in offsets.values())
