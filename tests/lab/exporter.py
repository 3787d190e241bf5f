"""The program under test, started as an operator would start it beside a broker."""

import json
import os
import signal
import subprocess

from processes import Child, free_port, wait_until
from releases import REPOSITORY
from scrape import answers, fetch

BINARY = REPOSITORY / "target" / "release" / "rocketmq-store-exporter"
UNIT = REPOSITORY / "deploy" / "systemd" / "rocketmq-store-exporter.service"


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=REPOSITORY, check=True, timeout=1800)


def _unit_environment():
    """What the systemd unit sets for the C library; the image's has no such settings."""
    settings = (line.removeprefix("Environment=") for line in UNIT.read_text().splitlines() if line.startswith("Environment=MALLOC_"))
    return dict(setting.split("=", 1) for setting in settings)


class Exporter:
    """One instance; `start` again after `stop` or `kill` keeps the state directory and the port."""

    def __init__(self, directory, broker, wrapper=(), configuration=None):
        self.directory = directory / "exporter"
        self.state = self.directory / "state"
        self.state.mkdir(parents=True)
        self.broker, self.wrapper = broker, wrapper
        self.configuration = self.directory / "exporter.yaml"
        # JSON is YAML.
        self.configuration.write_text(json.dumps(configuration or {}))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.child = None

    def start(self):
        arguments = ["serve", "--config.file", self.configuration, "--store.path", self.broker.store, "--logs.path", self.broker.logs,
                     "--state.path", self.state, "--broker.conf", self.broker.conf,
                     "--web.listen-address", f"127.0.0.1:{self.port}"]
        self.child = Child([*self.wrapper, BINARY, *arguments], self.directory / "out", cwd=self.directory, env=os.environ | _unit_environment())
        wait_until(self._is_ready, 30, "the exporter to answer", every=0.02)
        return self

    def _is_ready(self):
        if not self.child.is_alive():
            raise RuntimeError(f"the exporter ended by itself: {self.child.tail()}")
        return answers(f"{self.url}/-/ready")

    def scrape(self):
        return fetch(f"{self.url}/metrics")

    def stop(self):
        """SIGTERM; returns the seconds it took to end."""
        return self.child.signal_and_wait(signal.SIGTERM, 15)

    def kill(self):
        self.child.signal_and_wait(signal.SIGKILL, 15)

    def wait_for(self, name, expected, seconds=20, **labels):
        """The value once it is as expected, else what it was when time was up."""
        last = [None]

        def is_there():
            scrape = self.scrape()
            last[0] = scrape.value(name, **labels) if scrape else None
            return last[0] == expected
        try:
            wait_until(is_there, seconds, name)
        except TimeoutError:
            pass
        return last[0]
