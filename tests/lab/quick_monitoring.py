"""Prometheus and Alertmanager over several exporters, in which a minute lasts a second, or a few.

Every duration of the rules is shortened, the thresholds too; so are the exporter's own intervals, and those of the brokers that
a scenario starts. Seconds of a real load or a real forecast stay what they are.
"""

import json
import re
import urllib.request

import exporter
from monitoring import ALERTMANAGER, Webhook, inhibition, rule_files
from processes import Child, free_port, wait_until
from scrape import answers, fetch

PROMETHEUS = """
global: {{scrape_interval: {minute}s, scrape_timeout: {minute}s, evaluation_interval: {minute}s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: rocketmq-store-exporter
    static_configs:
{targets}
"""
TARGET = '      - {{targets: ["127.0.0.1:{port}"], labels: {{instance: {name}}}}}\n'
EXPORTER = "{follow: {interval: 1s}, preview: {interval: 1s}}\n"
# Seconds stand in the rules as numbers in comparisons, in products, and as values of the thresholds.
SECONDS = re.compile(r"(?<=[<>] )\d{3,}\b|(?<=\* )3600\b|(?<=vector\()\d+(?=\))")
PREFIX = "RocketMQStore"


def hastened(rules, minute):
    """Rules in which a minute lasts so many seconds."""
    rules = SECONDS.sub(lambda found: f"{int(found[0]) / 60 * minute:g}", rules)
    rules = re.sub(r"\b(\d+)h\b", lambda found: f"{int(found[1]) * 60}m", rules)
    return re.sub(r"\b(\d+)m\b", lambda found: f"{int(found[1]) * minute}s", rules)


class Watched:
    """An exporter beside one store."""

    def __init__(self, home, store, told=None, release=None, logs=None, conf=None, wrapper=()):
        home.mkdir()
        self.name, self.port = home.name, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (home / "exporter.yaml").write_text(EXPORTER)
        command = [*wrapper, exporter.BINARY, "--store.path", store, "--state.path", home / "state", "--config.file", home / "exporter.yaml",
                   "--web.listen-address", f"127.0.0.1:{self.port}"]
        if conf is None and told is not None:
            conf = home / "broker.conf"
            conf.write_text("".join(f"{key}={value}\n" for key, value in told.items()))
        for flag, value in (("--broker.conf", conf), ("--broker.version", release), ("--logs.path", logs)):
            command += [flag, value] if value else []
        self.child = Child(command, home / "out")
        wait_until(lambda: answers(f"{self.url}/-/ready"), 60, f"the exporter of {self.name}")

    def value(self, metric, **labels):
        scrape = fetch(f"{self.url}/metrics")
        return scrape.value(metric, **labels) if scrape else None

    def phase(self):
        scrape = fetch(f"{self.url}/metrics")
        phases = scrape.by_label("phase", "phase") if scrape else {}
        return next((phase for phase, is_it in phases.items() if is_it), None)


class QuickMonitoring:
    """`targets`: port of each instance by its name; `minute`: its seconds. Alerts are pairs of an instance and a name without its prefix."""

    def __init__(self, directory, targets, silent=(), minute=1):
        home = directory / "monitoring"
        home.mkdir()
        rules = [path for path in rule_files() if path.name != "prometheusrule.yaml"]
        for path in rules:
            (home / path.name).write_text(hastened(path.read_text(), minute))
        self.webhook, alertmanager, prometheus = Webhook(), free_port(), free_port()
        (home / "alertmanager.yml").write_text(ALERTMANAGER.format(webhook=self.webhook.port) + inhibition())
        (home / "prometheus.yml").write_text(PROMETHEUS.format(
            minute=minute, rules=", ".join(f'"{home / path.name}"' for path in rules), alertmanager=alertmanager,
            targets="".join(TARGET.format(port=port, name=name) for name, port in targets.items())))
        self.url = f"http://127.0.0.1:{alertmanager}"
        Child(["prometheus-alertmanager", f"--config.file={home}/alertmanager.yml", f"--storage.path={home}/am",
               f"--web.listen-address={self.url[7:]}", "--cluster.listen-address="], home / "alertmanager.out")
        Child(["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb",
               f"--web.listen-address=127.0.0.1:{prometheus}"], home / "prometheus.out")
        wait_until(lambda: answers(f"{self.url}/-/ready") and answers(f"http://127.0.0.1:{prometheus}/-/ready"), 60, "the monitoring")
        # A counter that is not zero when it is seen first has not increased.
        seen = f"http://127.0.0.1:{prometheus}/api/v1/query?query=rocketmq_store_starts_total"
        wait_until(lambda: {each["metric"]["instance"] for each in _get(seen)["data"]["result"]} >= set(targets) - set(silent), 60,
                   "the first scrapes")

    def arrived(self):
        return {(labels.get("instance"), labels["alertname"].removeprefix(PREFIX)) for _, labels in list(self.webhook.alerts)}

    def held_back(self):
        """What Alertmanager knows and tells nobody now."""
        alerts = _get(f"{self.url}/api/v2/alerts?inhibited=true&active=false&silenced=false")
        return {(each["labels"]["instance"], each["labels"]["alertname"].removeprefix(PREFIX)) for each in alerts}

    def check_arrival(self, verdicts, expected, seconds):
        """All of these come to the webhook."""
        missing = self._wait(lambda: expected - self.arrived(), seconds)
        told = ", ".join(sorted(alert for _, alert in expected)) if len(expected) < 5 else f"{len(expected)} alerts"
        verdicts.check(f"at the webhook: {told}", not missing, f"missing {sorted(missing)}" if missing else "all")

    def check_inhibition(self, verdicts, expected, seconds):
        """Alertmanager holds all of these back, at one moment."""
        missing = self._wait(lambda: expected - self.held_back(), seconds)
        verdicts.check(f"held back: {', '.join(f'{alert} of {name}' for name, alert in sorted(expected))}", not missing,
                       sorted(self.held_back()))

    @staticmethod
    def _wait(missing, seconds):
        try:
            wait_until(lambda: not missing(), seconds, "alerts")
        except TimeoutError:
            pass
        return missing()

    def close(self):
        self.webhook.close()


def _get(url):
    with urllib.request.urlopen(url, timeout=5) as reply:
        return json.load(reply)
