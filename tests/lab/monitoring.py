"""A real Prometheus with the project's alert rules and a real Alertmanager that pages a webhook."""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from processes import Child, free_port, wait_until
from releases import REPOSITORY
from scrape import answers

PROMETHEUS = """
global: {{scrape_interval: 5s, scrape_timeout: 4s, evaluation_interval: 5s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: rocketmq-store-exporter
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
"""

# Every alert its own notification, at once: the lab measures the way to the page, not a team's grouping.
ALERTMANAGER = """
route: {{receiver: webhook, group_by: ["..."], group_wait: 0s, group_interval: 5s, repeat_interval: 4h}}
receivers:
  - name: webhook
    webhook_configs: [{{url: "http://127.0.0.1:{webhook}/", send_resolved: false}}]
"""


class Webhook:
    """Receives what Alertmanager sends: `alerts` holds (wall clock, labels) in the order of arrival."""

    def __init__(self):
        self.alerts = []
        alerts = self.alerts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for alert in json.loads(body)["alerts"]:
                    alerts.append((time.time(), alert["labels"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pages(self):
        """Alerts that wake somebody: severity critical."""
        return [(at, labels) for at, labels in self.alerts if labels.get("severity") == "critical"]

    def names(self, alerts):
        return sorted({labels["alertname"] for _, labels in alerts})

    def first(self, alert):
        """Wall clock of the first notification of an alert, or None."""
        return next((at for at, labels in self.alerts if labels["alertname"] == alert), None)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def rule_files():
    """The rule files of the project; promtool's tests beside them are none."""
    return [path for path in sorted((REPOSITORY / "alerts").rglob("*.y*ml"))
            if re.search(r"^groups:", path.read_text(), re.M)]


def inhibition():
    """The project's list of what is held back."""
    text = (REPOSITORY / "alerts" / "alertmanager.yaml").read_text()
    return text[text.index("inhibit_rules:"):]


class Monitoring:
    def __init__(self, directory, exporter_port):
        home = directory / "monitoring"
        home.mkdir()
        self.webhook = Webhook()
        alertmanager, prometheus = free_port(), free_port()
        rules = ", ".join(f'"{path}"' for path in rule_files())
        (home / "alertmanager.yml").write_text(ALERTMANAGER.format(webhook=self.webhook.port) + inhibition())
        (home / "prometheus.yml").write_text(
            PROMETHEUS.format(rules=rules, alertmanager=alertmanager, exporter=exporter_port))
        self.children = [
            Child(["prometheus-alertmanager", f"--config.file={home}/alertmanager.yml", f"--storage.path={home}/am",
                   f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address="],
                  home / "alertmanager.out"),
            Child(["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb",
                   f"--web.listen-address=127.0.0.1:{prometheus}"], home / "prometheus.out"),
        ]
        self.url = f"http://127.0.0.1:{prometheus}"
        for url in (f"http://127.0.0.1:{alertmanager}/-/ready", f"{self.url}/-/ready"):
            wait_until(lambda ready=url: self._is_ready(ready), 30, url)

    def _is_ready(self, url):
        for child in self.children:
            if not child.is_alive():
                raise RuntimeError(f"{child.process.args[0]} ended by itself: {child.tail()}")
        return answers(url)

    def wait_for_alert(self, alert, seconds):
        """Wall clock of the alert's first notification, or None when it did not come in time."""
        try:
            return wait_until(lambda: self.webhook.first(alert), seconds, alert)
        except TimeoutError:
            return None

    def stop(self):
        for child in self.children:
            child.kill_group()
        self.webhook.close()
