"""The incident while the exporter watches: the broker is killed, starts again and forgets its consumequeue."""

import time

from broker import DEFAULT_SIZES, SMALL, reachable
from log_line import LineWatch
from processes import wait_until
from stand import PAGING_SECONDS, Stand
from store_reader import compare

DUP_INFO = "DupInfo in properties check failed"
SEEN_SECONDS = 2


def small_files(verdicts, directory):
    _incident(verdicts, directory, SMALL)


def default_files(verdicts, directory):
    _incident(verdicts, directory, DEFAULT_SIZES)


def _incident(verdicts, directory, sizes):
    with Stand(directory, "5.2.0", "dledger", sizes) as stand:
        broker, exporter = stand.broker, stand.exporter
        stand.start_broker().fill()
        exporter.start()
        stand.start_monitoring()
        stand.settle()
        time.sleep(11)
        verdicts.equal("nobody is paged before the incident", stand.monitoring.webhook.names(
            stand.monitoring.webhook.pages()), [])

        committed = broker.store / "config" / "consumerOffset.json"
        wait_until(lambda: committed.exists() and b"G1" in committed.read_bytes(), 30, "the group's offsets on disk")
        offsets = broker.offsets()
        broker.kill()
        committed_before = committed.read_bytes()
        before = stand.queues_on_disk()
        verdicts.note("killed")
        time.sleep(3)
        watch = LineWatch(broker.logs / "store.log", DUP_INFO)
        broker.start()
        shown_at = _time_until_shown(exporter, watch)
        verdicts.within("the metric shows the DupInfo line", shown_at, SEEN_SECONDS)

        webhook = stand.monitoring.webhook
        for alert in ("RocketMQStoreDupInfoCheckFailed", "RocketMQStoreConsumeQueueVanished"):
            at = stand.monitoring.wait_for_alert(alert, PAGING_SECONDS + 20)
            verdicts.within(f"{alert} is paged after the line", None if at is None else at - watch.at, PAGING_SECONDS)

        broker.wait_ready()
        loss = compare(before, stand.queues_on_disk())
        verdicts.note(f"really lost: {loss}")
        verdicts.equal("by the broker's own offsets the same went", reachable(offsets) - reachable(broker.offsets()),
                       loss.units_removed)
        check_counters(verdicts, exporter, loss)
        time.sleep(8)
        check_counters(verdicts, exporter, loss, "still, passes later")
        _check_evidence(verdicts, exporter, committed_before, offsets)
        verdicts.note(f"notifications: {webhook.names(webhook.alerts)}")


def _time_until_shown(exporter, watch):
    """Seconds from the line in the log to the first scrape that shows it; scraped every 50 ms."""
    seen = []

    def is_shown():
        scrape = exporter.scrape()
        if scrape and (scrape.value("log_events_total", event="dup_info_failed") or 0) >= 1:
            seen.append(time.time())
        return seen
    try:
        wait_until(is_shown, 60, "dup_info_failed in /metrics", every=0.05)
    except TimeoutError:
        pass
    wait_until(lambda: watch.at, 60, "the DupInfo line", every=0.05)
    watch.close()
    return max(0.0, seen[0] - watch.at) if seen else None


def _check_evidence(verdicts, exporter, committed, offsets):
    """What a repair needs is kept in the state directory: the group's offsets and the ends of the queues."""
    kept = sorted((exporter.state / "evidence").glob("*/"))
    verdicts.check("evidence of the start is kept", bool(kept), f"{len(kept)} starts")
    if not kept:
        return
    copy = kept[-1] / "consumerOffset.json"
    verdicts.check("the kept consumer offsets are those from before the start",
                   copy.exists() and copy.read_bytes() == committed)
    rows = [line.split("\t") for line in (kept[-1] / "queues.tsv").read_text().splitlines()]
    column = rows[0].index("max_offset")
    ends = {f"{row[0]}/{row[1]}": int(row[column]) for row in rows[1:]}
    verdicts.equal("the kept ends of the queues are those from before the start",
                   {queue: end for queue, end in ends.items() if end > 0},
                   {queue: pair[1] for queue, pair in offsets.items() if pair[1] > 0})


def check_counters(verdicts, exporter, loss, when="after the restart"):
    """The shrinkage counters say what an independent reader found."""
    for name, expected in (("consumequeue_vanished_queues_total", loss.vanished_queues),
                           ("consumequeue_vanished_files_total", loss.files_gone),
                           ("consumequeue_units_removed_total", loss.units_removed)):
        found = exporter.wait_for(name, expected, 15, explained="recovery")
        verdicts.equal(f"{name}{{explained=recovery}}, {when}", found, expected)
    for explained in ("retention", "topic_delete", "unexplained"):
        found = exporter.scrape().value("consumequeue_units_removed_total", explained=explained)
        verdicts.equal(f"consumequeue_units_removed_total{{explained={explained}}}, {when}", found, 0)
