#!/usr/bin/env python3
"""Writes overview.json, recovery.json and exporter.json beside itself; `make.py --check` tells whether they are as it would write them.

A panel is a line: kind, title, description, unit, queries, and what it needs beside that. `$S` in a query stands for the
selector of every query.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "$datasource"}
SELECTOR = 'job=~"$job", instance=~"$instance"'
TAG = "rocketmq-store-mixin"
LOSS = 'explained=~"recovery|unexplained"'
GREEN, ORANGE, RED, GREY, BLUE = "green", "orange", "red", "text", "blue"

VERDICTS = {0: ("loses nothing", GREEN), 3: ("cannot be told", ORANGE), 4: ("index loss", RED), 5: ("message loss", RED), 6: ("refuses to start", RED)}
PHASES = {1: ("stopped", ORANGE), 2: ("loading", BLUE), 3: ("recovering queues", BLUE), 4: ("recovering log", BLUE), 5: ("starting", BLUE),
          6: ("running", GREEN), 7: ("failed", RED)}
PHASE_WORDS = ["stopped", "loading", "recovering_consumequeue", "recovering_commitlog", "starting", "running", "failed"]
YES_NO = {0: ("no", GREY), 1: ("yes", GREEN)}


def ranked(metric, label, ranks):
    """One number for a set of 0/1 series: the rank of the word that holds."""
    return "sum by (job, instance) (" + " or ".join(f'{rank} * {metric}{{$S, {label}="{word}"}}' for word, rank in ranks.items()) + ")"


VERDICT = ranked("rocketmq_store_recovery_preview_verdict", "verdict",
                 {"unchanged": 0, "trimmed": 0, "reindexed": 0, "inconclusive": 3, "index_loss": 4, "message_loss": 5, "refuse_start": 6})
PHASE = ranked("rocketmq_store_phase", "phase", {word: at for at, word in enumerate(PHASE_WORDS, 1)})


def mappings(words):
    return [{"type": "value", "options": {str(value): {"index": at, "text": text, "color": color} for at, (value, (text, color)) in enumerate(words.items())}}]


def steps(*pairs):
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in pairs]}


class Board:
    def __init__(self, name, title, description):
        self.name, self.title, self.description = name, title, description
        self.panels, self.x, self.y, self.height, self.row_panels = [], 0, 0, 0, None

    def place(self, width, height):
        if self.x + width > 24:
            self.x, self.y, self.height = 0, self.y + self.height, 0
        place = {"x": self.x, "y": self.y, "w": width, "h": height}
        self.x, self.height = self.x + width, max(self.height, height)
        return place

    def row(self, title, collapsed=False):
        self.x, self.y, self.height = 0, self.y + self.height, 0
        row = {"type": "row", "title": title, "collapsed": collapsed, "gridPos": self.place(24, 1), "id": self.count() + 1, "panels": []}
        self.panels.append(row)
        self.row_panels = row["panels"] if collapsed else None
        self.x, self.y, self.height = 0, self.y + 1, 0

    def count(self):
        return sum(1 + len(panel.get("panels", [])) for panel in self.panels)

    def panel(self, kind, title, description, unit, queries, width=8, height=7, words=None, thresholds=None, **options):
        instant = kind in ("stat", "table")
        targets = []
        for at, (query, legend) in enumerate(queries):
            target = {"datasource": SOURCE, "refId": chr(ord("A") + at), "expr": query.replace("$S", SELECTOR), "legendFormat": legend}
            target.update({"instant": True, "range": False} if instant else {"instant": False, "range": True})
            target["format"] = "table" if kind == "table" else "time_series"
            targets.append(target)
        defaults = {"unit": unit, "thresholds": thresholds or steps((None, GREEN))}
        if words:
            defaults["mappings"] = mappings(words)
        if kind == "stat":
            defaults["color"] = {"mode": "thresholds"}
            shown = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "background_solid" if words else "value",
                     "graphMode": "none", "textMode": "auto", "justifyMode": "auto"}
        elif kind == "timeseries":
            defaults["custom"] = {"lineWidth": 2, "fillOpacity": 5, "showPoints": "never", "spanNulls": False}
            defaults["min"] = options.pop("least", 0)
            shown = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}
        elif kind == "state-timeline":
            defaults["custom"] = {"fillOpacity": 80, "lineWidth": 0}
            defaults["color"] = {"mode": "thresholds"}
            shown = {"mergeValues": True, "showValue": "auto", "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False}}
        else:
            shown = {"showHeader": True, "cellHeight": "sm", "sortBy": options.pop("sort", [])}
        panel = {"type": kind, "title": title, "description": description, "id": self.count() + 1, "datasource": SOURCE,
                 "gridPos": self.place(width, height), "targets": targets,
                 "fieldConfig": {"defaults": defaults, "overrides": options.pop("overrides", [])}, "options": shown, **options}
        (self.panels if self.row_panels is None else self.row_panels).append(panel)

    def json(self):
        variable = lambda name, label, query: {
            "type": "query", "name": name, "label": label, "datasource": SOURCE, "query": {"query": query, "refId": name}, "definition": query,
            "refresh": 2, "multi": True, "includeAll": True, "allValue": ".+", "sort": 1, "current": {"text": ["All"], "value": ["$__all"]}}
        templates = [
            {"type": "datasource", "name": "datasource", "label": "Data Source", "query": "prometheus", "refresh": 1, "multi": False, "includeAll": False},
            variable("job", "Job", "label_values(rocketmq_store_exporter_build_info, job)"),
            variable("instance", "Instance", 'label_values(rocketmq_store_exporter_build_info{job=~"$job"}, instance)'),
        ]
        mark = lambda name, color, query: {
            "name": name, "enable": True, "iconColor": color, "datasource": SOURCE, "expr": query.replace("$S", SELECTOR), "useValueForTime": True,
            "titleFormat": f"{name}: {{{{instance}}}}", "step": "15s"}
        marks = [
            mark("The broker starts", BLUE, "rocketmq_store_last_start_timestamp_seconds{$S} * 1000"),
            mark("DupInfo check failed", RED, 'rocketmq_store_log_last_event_timestamp_seconds{$S, event="dup_info_failed"} * 1000'),
            mark("Queues lost units", RED, f"rocketmq_store_consumequeue_last_shrink_timestamp_seconds{{$S, {LOSS}}} * 1000"),
        ]
        return {
            "uid": f"rocketmq-store-{self.name}", "title": f"RocketMQ Store / {self.title}", "description": self.description, "tags": [TAG],
            "schemaVersion": 39, "version": 1, "editable": False, "graphTooltip": 1, "timezone": "utc", "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"}, "templating": {"list": templates}, "annotations": {"list": marks}, "panels": self.panels,
            "links": [{"type": "dashboards", "title": "RocketMQ Store", "tags": [TAG], "asDropdown": False, "includeVars": True, "keepTime": True}],
        }


def fleet(board):
    """Many brokers at once, worst first."""
    columns = {
        "Next start": (VERDICT, "none", VERDICTS), "Phase": (PHASE, "none", PHASES),
        "Units lost so far": (f"sum by (job, instance) (rocketmq_store_consumequeue_units_removed_total{{$S, {LOSS}}})", "short", None),
        "Next start loses": ("sum by (job, instance) (rocketmq_store_recovery_preview_units_lost{$S})", "short", None),
        "Dispatch lag": ("sum by (job, instance) (rocketmq_store_dispatch_lag_bytes{$S})", "bytes", None),
        "Disk": ("max by (job, instance) (rocketmq_store_disk_used_ratio{$S})", "percentunit", None),
        "Broker": ("max by (job, instance, broker_name, broker_version) (rocketmq_store_broker_info{$S})", "none", None),
    }
    names, hidden = {}, {"Time": True, f"Value #{chr(ord('A') + len(columns) - 1)}": True}
    overrides = []
    for at, (name, (_, unit, words)) in enumerate(columns.items()):
        names[f"Value #{chr(ord('A') + at)}"] = name
        properties = [{"id": "unit", "value": unit}]
        if words:
            properties += [{"id": "mappings", "value": mappings(words)}, {"id": "custom.cellOptions", "value": {"type": "color-background"}}]
        overrides.append({"matcher": {"id": "byName", "options": name}, "properties": properties})
    link = {"title": "Only this broker", "url": "/d/rocketmq-store-overview?var-datasource=${datasource}&var-instance=${__data.fields.instance}"}
    overrides.append({"matcher": {"id": "byName", "options": "instance"}, "properties": [{"id": "links", "value": [link]}]})
    board.panel(
        "table", "Fleet, worst first", "What the next start of each broker would do if it were killed now, where it is, what it has lost, how far it is behind.", "none",
        [(query, "") for query, _, _ in columns.values()], 24, 8, sort=[{"displayName": "Next start", "desc": True}], overrides=overrides,
        transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": {"excludeByName": hidden, "renameByName": names}}])


def overview():
    board = Board("overview", "Overview", "Is it safe to restart? Is something lost, and since when?")
    board.row("Fleet")
    fleet(board)
    board.row("At a glance")
    board.panel("stat", "If it were killed now", "What the next start does: of a running broker if it were killed now, of a stopped one as its store stands.",
                "none", [(VERDICT, "{{instance}}")], 6, 5, words=VERDICTS)
    board.panel("stat", "Phase", "Where the broker is in its life, from its log, its lock and its abort file.", "none", [(PHASE, "{{instance}}")], 6, 5, words=PHASES)
    board.panel("stat", "Units the next start loses", "Messages that would stay in the log without a unit in their queue, with nothing that adds them.", "short",
                [("sum by (instance) (rocketmq_store_recovery_preview_units_lost{$S})", "{{instance}}")], 4, 5, thresholds=steps((None, GREEN), (1, RED)))
    board.panel("stat", "Units lost so far", "Units that went by recovery or for no known reason, since the exporter first looked.", "short",
                [(f"sum by (instance) (rocketmq_store_consumequeue_units_removed_total{{$S, {LOSS}}})", "{{instance}}")], 4, 5, thresholds=steps((None, GREEN), (1, RED)))
    board.panel("stat", "Last loss", "When units were last lost to recovery or for no known reason; empty if never.", "dateTimeFromNow",
                [(f"max by (instance) (rocketmq_store_consumequeue_last_shrink_timestamp_seconds{{$S, {LOSS}}}) * 1000", "{{instance}}")], 4, 5,
                thresholds=steps((None, RED)))
    board.panel("state-timeline", "Phases", "The broker's life: a start is blue, a stop orange.", "none", [(PHASE, "{{instance}}")], 12, 6, words=PHASES)
    board.panel("state-timeline", "The next start, as foretold", "How the verdict has changed.", "none", [(VERDICT, "{{instance}}")], 12, 6, words=VERDICTS)
    board.row("Dispatch")
    board.panel("timeseries", "Dispatch lag", "Age of the oldest message without a unit, against the alert's limit.", "s",
                [("rocketmq_store_dispatch_lag_seconds{$S}", "{{instance}}"), ("rocketmq_store:dispatch_lag_limit_seconds", "limit")])
    board.panel("timeseries", "Bytes behind", "Bytes of the log from the oldest message without a unit to its end; not the broker's own figure, which is 0 after a lost index.",
                "bytes", [("rocketmq_store_dispatch_lag_bytes{$S}", "{{instance}}")])
    board.panel("timeseries", "Ends of log and queues", "End of the log, and of the newest message that any queue points at.", "bytes",
                [("rocketmq_store_commitlog_max_offset_bytes{$S}", "log {{instance}}"), ("rocketmq_store_consumequeue_max_physical_offset_bytes{$S}", "queues {{instance}}")],
                least=None)
    board.row("Losses and damage")
    board.panel("timeseries", "Units removed", "Units that went, by what explains it. Retention and deleted topics are normal.", "short",
                [("sum by (instance, explained) (increase(rocketmq_store_consumequeue_units_removed_total{$S}[$__rate_interval]))", "{{instance}} {{explained}}")])
    board.panel("timeseries", "Queues and files vanished", "Queues of which all files went, and files, by what explains it.", "short",
                [("sum by (instance, explained) (increase(rocketmq_store_consumequeue_vanished_queues_total{$S}[$__rate_interval]))", "queues {{instance}} {{explained}}"),
                 ("sum by (instance, explained) (increase(rocketmq_store_consumequeue_vanished_files_total{$S}[$__rate_interval]))", "files {{instance}} {{explained}}")])
    board.panel("timeseries", "Inconsistent queues", "Queues with something wrong, by what.", "short",
                [("rocketmq_store_consumequeue_inconsistent_queues{$S}", "{{instance}} {{reason}}")])
    board.panel("table", "Firing alerts", "Alerts of this project that fire now, each with a runbook.", "none",
                [('ALERTS{$S, alertname=~"RocketMQStore.+", alertstate="firing"}', "")], 12, 7,
                transformations=[{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True, "__name__": True, "alertstate": True}}}])
    board.panel("table", "Queues in trouble", "The worst queues up to bad_queues.limit; /api/v1/queues has all.", "none", [("rocketmq_store_bad_queue{$S} == 1", "")], 12, 7,
                transformations=[{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True, "__name__": True}}}])
    board.panel("timeseries", "What the broker logs", "Events of the broker's logs that stand for something lost, damaged or slow.", "short",
                [('sum by (instance, event) (increase(rocketmq_store_log_events_total{$S}[$__rate_interval])) > 0', "{{event}} {{instance}}")], 24, 7)
    board.row("Disk and retention")
    board.panel("timeseries", "Disk in use", "Share in use as the broker computes it, and the three shares at which it acts.", "percentunit",
                [("rocketmq_store_disk_used_ratio{$S}", "{{area}} {{instance}}"), ("max by (threshold) (rocketmq_store_disk_threshold_ratio{$S})", "{{threshold}}")])
    board.panel("timeseries", "Age of the oldest message", "How far back the log goes.", "s",
                [("time() - rocketmq_store_commitlog_oldest_message_timestamp_seconds{$S}", "{{instance}}")])
    board.panel("timeseries", "Bytes on disk", "What the file system has allocated.", "bytes",
                [("rocketmq_store_commitlog_allocated_bytes{$S}", "log {{instance}}"),
                 ("sum by (instance) (rocketmq_store_consumequeue_allocated_bytes{$S})", "queues {{instance}}")])
    board.row("The broker's own metrics (optional: needs its native Prometheus exporter, 5.x)", collapsed=True)
    board.panel("timeseries", "Dispatch behind, as the broker says", "Its own gauge, under both of its names. It reads 0 after a lost index: compare with Bytes behind.", "bytes",
                [("rocketmq_storage_dispatch_behind_bytes or rocketmq_storage_dispatch_behind", "{{node_id}}")], 12)
    board.panel("timeseries", "Messages in", "Messages that the broker took a second.", "cps",
                [("sum by (node_id) (rate(rocketmq_messages_in_total[$__rate_interval]))", "{{node_id}}")], 12)
    return board


def recovery():
    board = Board("recovery", "Recovery", "What starts did, what the next one will do, and whether probes leave it the time.")
    board.row("Now")
    board.panel("state-timeline", "Phases", "The broker's life.", "none", [(PHASE, "{{instance}}")], 12, 6, words=PHASES)
    board.panel("timeseries", "Progress of a recovery under way", "A lower bound: the broker drops log lines under load.", "percentunit",
                [("rocketmq_store_recovery_progress_ratio{$S}", "{{part}} {{instance}}")], 12, 6)
    board.panel("stat", "Over at about", "When a recovery under way will be over at its pace so far; empty if there is none.", "dateTimeFromNow",
                [("rocketmq_store_recovery_estimated_end_timestamp_seconds{$S} * 1000", "{{instance}}")], 6, 5)
    board.panel("stat", "Last start", "When the broker's last start began.", "dateTimeFromNow",
                [("rocketmq_store_last_start_timestamp_seconds{$S} * 1000", "{{instance}}")], 6, 5)
    board.panel("stat", "Orderly stop before it", "Whether the broker had been stopped in an orderly way before its last start.", "none",
                [("rocketmq_store_last_shutdown_clean{$S}", "{{instance}}")], 6, 5, words=YES_NO)
    board.panel("stat", "Failed loads", "Starts of which load failed.", "short", [("sum by (instance) (increase(rocketmq_store_load_failures_total{$S}[$__range]))", "{{instance}}")], 6, 5,
                thresholds=steps((None, GREEN), (1, RED)))
    board.row("The next start, as foretold")
    board.panel("state-timeline", "Verdict", "Of a running broker if it were killed, of a stopped one as its store stands.", "none", [(VERDICT, "{{instance}}")], 12, 6, words=VERDICTS)
    board.panel("timeseries", "What it takes", "Units lost for good, units removed, and messages cut out of the log.", "short",
                [("rocketmq_store_recovery_preview_units_lost{$S}", "units lost {{instance}}"), ("rocketmq_store_recovery_preview_units_removed{$S}", "units removed {{instance}}"),
                 ("rocketmq_store_recovery_preview_messages_dropped{$S}", "messages cut {{instance}}")], 12, 6)
    board.panel("timeseries", "Queues emptied and files unlinked", "Queues with units before the start and none after it, and files that go.", "short",
                [("rocketmq_store_recovery_preview_queues_emptied{$S}", "queues {{instance}}"), ("rocketmq_store_recovery_preview_files_unlinked{$S}", "files {{instance}}")])
    board.panel("timeseries", "Findings", "Findings of the preview by severity; the page and /api/v1/preview name them.", "short",
                [("rocketmq_store_recovery_preview_findings{$S}", "{{severity}} {{instance}}")])
    board.panel("timeseries", "Bytes it would read", "What recovery walks over and dispatch reads.", "bytes",
                [("rocketmq_store_recovery_preview_redispatch_bytes{$S}", "{{instance}}")])
    board.row("Time")
    board.panel("timeseries", "Estimate, last recovery, probe budget", "How long the next start would load with a warm cache, how long the last one took, and what the probes leave it.", "s",
                [("rocketmq_store_recovery_preview_estimated_duration_seconds{$S}", "estimate {{instance}}"),
                 ('rocketmq_store_last_recovery_duration_seconds{$S, part="total"}', "last {{instance}}"), ("rocketmq_store:probe_budget_seconds", "probe budget")], 12)
    board.panel("timeseries", "Last recovery by part", "The scan of the queues and the walk over the log.", "s",
                [('rocketmq_store_last_recovery_duration_seconds{$S}', "{{part}} {{instance}}")], 12)
    board.row("What starts did")
    board.panel("timeseries", "Starts", "Starts by how the broker's life before had ended.", "short",
                [("sum by (instance, previous_shutdown) (increase(rocketmq_store_starts_total{$S}[$__rate_interval]))", "{{previous_shutdown}} {{instance}}")])
    board.panel("timeseries", "Truncations of the log", "Times that the end of the log went back, and by how many bytes.", "short",
                [("increase(rocketmq_store_commitlog_truncations_total{$S}[$__rate_interval])", "times {{instance}}"),
                 ("increase(rocketmq_store_commitlog_truncated_bytes_total{$S}[$__rate_interval])", "bytes {{instance}}")])
    board.panel("timeseries", "Forecasts that were wrong", "Details of starts that came otherwise than foretold.", "short",
                [("increase(rocketmq_store_recovery_preview_mismatches_total{$S}[$__rate_interval])", "{{instance}}")])
    board.row("What decides")
    board.panel("timeseries", "Age of the checkpoint", "The file was last changed so long ago; the alert's limit beside it.", "s",
                [("time() - rocketmq_store_checkpoint_modified_timestamp_seconds{$S}", "{{instance}}"), ("rocketmq_store:checkpoint_age_limit_seconds", "limit")])
    board.panel("state-timeline", "Abort file and lock", "The abort file is there while the broker runs and after a kill; the lock only while it runs.", "none",
                [("rocketmq_store_abort_file_present{$S}", "abort {{instance}}"), ("rocketmq_store_lock_held{$S}", "lock {{instance}}")], words=YES_NO)
    board.panel("timeseries", "Files that refuse a start", "Files beside the segments that are none, gaps between segments, and tables of config/ that cannot be read.", "short",
                [("sum by (instance, reason) (rocketmq_store_commitlog_invalid_files{$S})", "{{reason}} {{instance}}"), ("rocketmq_store_commitlog_gaps{$S}", "gaps {{instance}}"),
                 ("sum by (instance, copy) (1 - rocketmq_store_metadata_file_valid{$S})", "tables ({{copy}}) {{instance}}")])
    return board


def exporter():
    board = Board("exporter", "Exporter", "Whether the exporter does its job, and what it costs.")
    board.row("Does it see everything?")
    board.panel("stat", "Store seen", "Whether a store stands at the configured root and the last pass came through.", "none", [("rocketmq_store_up{$S}", "{{instance}}")], 6, 5,
                words={0: ("no", RED), 1: ("yes", GREEN)})
    board.panel("table", "Versions", "The exporter's release, and how that of the broker is known.", "none",
                [("rocketmq_store_exporter_build_info{$S}", ""), ("rocketmq_store_broker_info{$S}", "")], 18, 5,
                transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "Value #A": True, "Value #B": True}}}])
    board.panel("state-timeline", "Collectors", "Whether each part of a pass comes through.", "none", [("rocketmq_store_collector_success{$S}", "{{collector}} {{instance}}")], 12, 7,
                words={0: ("fails", RED), 1: ("ok", GREEN)})
    board.panel("timeseries", "Age of what is known", "Since a part of a pass last came through, and since the last preview.", "s",
                [("time() - rocketmq_store_collector_last_success_timestamp_seconds{$S}", "{{collector}} {{instance}}"),
                 ("time() - rocketmq_store_recovery_preview_timestamp_seconds{$S}", "preview {{instance}}")], 12, 7)
    board.panel("timeseries", "Log unread", "Bytes of the broker's logs that wait.", "bytes", [("rocketmq_store_log_unread_bytes{$S}", "{{log}} {{instance}}")])
    board.panel("timeseries", "Lines read", "Lines of the broker's logs a second, by level.", "cps",
                [("sum by (instance, level) (rate(rocketmq_store_log_lines_total{$S}[$__rate_interval]))", "{{level}} {{instance}}")])
    board.panel("timeseries", "Rotations and odd lines", "New log files, and lines of a form that is not known.", "short",
                [("sum by (instance) (increase(rocketmq_store_log_rotations_total{$S}[$__rate_interval]))", "rotations {{instance}}"),
                 ("sum by (instance) (increase(rocketmq_store_log_unparsed_lines_total{$S}[$__rate_interval]))", "odd lines {{instance}}")])
    board.panel("timeseries", "Failed reads", "By reason; gone is normal, as a broker removes files.", "short",
                [("sum by (instance, reason) (increase(rocketmq_store_exporter_read_errors_total{$S}[$__rate_interval]))", "{{reason}} {{instance}}")], 12)
    board.panel("timeseries", "Series left out", "Topics and queues without series of their own because of a limit.", "short",
                [("rocketmq_store_exporter_series_suppressed{$S}", "{{collector}} {{instance}}")], 12)
    board.row("Is it well itself?")
    board.panel("state-timeline", "Confined", "What the kernel holds the exporter to. An old kernel leaves parts out, and confine: off all of them.", "none",
                [("rocketmq_store_exporter_confined{$S}", "{{part}} {{instance}}")], words={0: ("no", ORANGE), 1: ("yes", GREEN)})
    board.panel("state-timeline", "Tasks stuck", "Tasks of the exporter that give no sign of life and wait for no disk; /-/healthy answers 503 then.", "none",
                [("rocketmq_store_exporter_task_stuck{$S}", "{{task}} {{instance}}")], words={0: ("no", GREEN), 1: ("stuck", RED)})
    board.panel("timeseries", "Panics", "Panics of the exporter's tasks; a task is started again each time. Any at all is a defect to report.", "short",
                [("sum by (instance, task) (increase(rocketmq_store_exporter_panics_total{$S}[$__rate_interval]))", "{{task}} {{instance}}")])
    board.row("What it costs")
    board.panel("timeseries", "Processor", "Share of a core.", "percentunit", [("rate(process_cpu_seconds_total{$S}[$__rate_interval])", "{{instance}}")])
    board.panel("timeseries", "Memory", "Resident memory.", "bytes", [("process_resident_memory_bytes{$S}", "{{instance}}")])
    board.panel("timeseries", "File descriptors", "Open ones.", "short", [("process_open_fds{$S}", "{{instance}}")])
    board.panel("timeseries", "Bytes read", "Bytes a second copied out of the store.", "Bps",
                [("rate(rocketmq_store_exporter_read_bytes_total{$S}[$__rate_interval])", "{{instance}}")])
    board.panel("timeseries", "Time of a pass", "By part.", "s", [("rocketmq_store_collector_duration_seconds{$S}", "{{collector}} {{instance}}")])
    board.panel("timeseries", "Time of a preview", "The first one after a start reads much, those after it little.", "s",
                [("rocketmq_store_recovery_preview_duration_seconds{$S}", "{{instance}}")])
    return board


def main():
    stale = []
    for board in (overview(), recovery(), exporter()):
        path, text = HERE / f"{board.name}.json", json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        print(f"not as dashboards/make.py writes them: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
