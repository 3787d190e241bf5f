"""Every query of every dashboard, asked of a real Prometheus that scraped the demo through its incident and another store."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import exporter
from monitoring import rule_files
from processes import Child, free_port, wait_until
from releases import REPOSITORY
from scrape import answers

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: rocketmq-store-exporter
    static_configs: [{{targets: [{targets}]}}]
"""
# What may be empty here, and why.
EMPTY = {
    "Over at about": "no recovery is under way at the end",
    "Queues in trouble": "no queue of these stores is in trouble",
    "Dispatch behind, as the broker says": "a replayed broker serves no metrics",
    "Messages in": "a replayed broker serves no metrics",
    "Progress of a recovery under way": "a replayed recovery can be over between two scrapes",
}


def queries(verdicts, directory):
    directory.mkdir(parents=True)
    subprocess.run([REPOSITORY / "dashboards" / "make.py", "--check"], check=True)
    demo, other = free_port(), free_port()
    Child([exporter.BINARY, "demo", "--web.listen-address", f"127.0.0.1:{demo}"], directory / "demo.out")
    empty = directory / "elsewhere"
    empty.mkdir()
    Child([exporter.BINARY, "--store.path", empty, "--state.path", directory / "state", "--web.listen-address", f"127.0.0.1:{other}"], directory / "other.out")
    for port in (demo, other):
        wait_until(lambda port=port: answers(f"http://127.0.0.1:{port}/-/ready"), 30, "the exporters")
    began = time.time()
    targets = ", ".join(f'"127.0.0.1:{port}"' for port in (demo, other))
    (directory / "prometheus.yml").write_text(PROMETHEUS.format(rules=", ".join(f'"{path}"' for path in rule_files()), targets=targets))
    url = f"http://127.0.0.1:{free_port()}"
    Child(["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb", f"--web.listen-address={url[7:]}"],
          directory / "prometheus.out")
    wait_until(lambda: answers(f"{url}/-/ready"), 30, "Prometheus")
    api = f"http://127.0.0.1:{demo}/api/v1"
    wait_until(lambda: any(event["kind"] == "forecast" for event in _get(f"{api}/events")["events"]), 90, "the incident and its forecast")
    time.sleep(3)
    boards = {path.stem: json.loads(path.read_text()) for path in sorted((REPOSITORY / "dashboards").glob("*.json"))}
    verdicts.equal("dashboards", sorted(boards), ["exporter", "overview", "recovery"])
    asked = 0
    for name, board in boards.items():
        silent, wrong = [], []
        for title, query in _queries(board):
            asked += 1
            try:
                found = _range(url, query, began)
            except urllib.error.HTTPError as error:
                wrong.append(f"{title}: {json.load(error)['error']}")
                continue
            if not found and title not in EMPTY:
                silent.append(f"{title}: {query}")
        verdicts.equal(f"{name}: queries that Prometheus does not take", wrong, [])
        verdicts.equal(f"{name}: queries without an answer", silent, [])
        for variable in board["templating"]["list"][1:]:
            metric = re.match(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            values = {each["metric"].get(metric[2]) for each in _instant(url, _filled(metric[1]))}
            verdicts.check(f"{name}: variable {variable['name']}", len(values) == (2 if variable["name"] == "instance" else 1), sorted(values))
    verdicts.note(f"{asked} queries")
    _agree(verdicts, url, api, f"127.0.0.1:{demo}", boards)


def _agree(verdicts, url, api, instance, boards):
    """What the panels show is what the API says."""
    store = _get(f"{api}/store")
    rank = {"unchanged": 0, "trimmed": 0, "reindexed": 0, "inconclusive": 3, "index_loss": 4, "message_loss": 5, "refuse_start": 6}
    shown = {title: query for _, board in boards.items() for title, query in _queries(board)}

    def value(title, **labels):
        found = _instant(url, shown[title], instance)
        return sum(float(each["value"][1]) for each in found if labels.items() <= each["metric"].items())
    lost = store["losses"]["recovery"]["units_removed"] + store["losses"]["unexplained"]["units_removed"]
    verdicts.equal("units lost so far", value("Units lost so far"), lost)
    verdicts.equal("units that the next start loses", value("Units the next start loses"), store["next_start"]["totals"]["units_lost"])
    verdicts.equal("the verdict", value("If it were killed now"), rank[store["next_start"]["verdict"]])
    verdicts.equal("the phase", value("Phase"), 6 if store["broker"]["phase"] == "running" else None)
    verdicts.equal("bytes behind", value("Bytes behind"), store["store"]["consumequeue"]["dispatch_lag_bytes"])
    fleet = [query for title, query in _queries(boards["overview"]) if title == "Fleet, worst first"]
    ranks = {each["metric"]["instance"]: float(each["value"][1]) for each in _instant(url, fleet[0])}
    verdicts.check("the fleet's worst is the demo", max(ranks, key=ranks.get) == instance, ranks)


def _queries(board):
    panels = [inner for panel in board["panels"] for inner in [panel, *panel.get("panels", [])] if inner["type"] != "row"]
    found = [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]
    return found + [(mark["name"], mark["expr"]) for mark in board["annotations"]["list"]]


def _filled(query, instance=".+"):
    for name, text in (("$__rate_interval", "30s"), ("$__range", "5m"), ("$job", ".+"), ("$instance", instance)):
        query = query.replace(name, text)
    return query


def _range(url, query, began):
    words = urllib.parse.urlencode({"query": _filled(query), "start": began, "end": time.time(), "step": 2})
    return _get(f"{url}/api/v1/query_range?{words}")["data"]["result"]


def _instant(url, query, instance=".+"):
    return _get(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': _filled(query, instance)})}")["data"]["result"]


def _get(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)
