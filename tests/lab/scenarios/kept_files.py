"""A cut inside files that stay: the bytes remain, the broker forgets the units, a plain scan sees nothing missing."""

import time

from broker import SMALL, reachable
from log_line import LineWatch
from stand import PAGING_SECONDS, Stand
from store_reader import compare

TRUNCATION = "truncate dirty logic files"


def one_segment(verdicts, directory):
    _kept(verdicts, directory, "5.3.3", SMALL, 2000)


def several_segments(verdicts, directory):
    """Some files are unlinked, most are kept and cut: both kinds in one start."""
    _kept(verdicts, directory, "5.2.0", {**SMALL, "mappedFileSizeCommitLog": 1024 * 1024}, 6000)


def _kept(verdicts, directory, release, sizes, messages):
    with Stand(directory, release, "dledger", sizes) as stand:
        broker, exporter = stand.broker, stand.exporter
        stand.start_broker().fill(messages)
        exporter.start()
        stand.start_monitoring()
        stand.settle()
        time.sleep(11)
        offsets = broker.offsets()
        broker.kill()
        before = stand.queues_on_disk()
        time.sleep(3)
        watch = LineWatch(broker.logs / "store.log", TRUNCATION)
        broker.start().wait_ready()
        watch.close()
        scan = compare(before, stand.queues_on_disk())
        forgotten = reachable(offsets) - reachable(broker.offsets())
        verdicts.check("the broker forgets more than a scan of the files finds missing",
                       forgotten > scan.units_removed, f"{forgotten} units, scan {scan.units_removed}")
        found = exporter.wait_for("consumequeue_units_removed_total", forgotten, 15, explained="recovery")
        verdicts.equal("consumequeue_units_removed_total{explained=recovery}", found, forgotten)
        at = stand.monitoring.wait_for_alert("RocketMQStoreConsumeQueueShrunk", PAGING_SECONDS + 10)
        verdicts.within("RocketMQStoreConsumeQueueShrunk is paged after the truncation line", None if at is None else at - watch.at, PAGING_SECONDS)
        time.sleep(6)
        verdicts.equal("still the same passes later", exporter.scrape().value(
            "consumequeue_units_removed_total", explained="recovery"), forgotten)
        verdicts.equal("nothing unexplained", exporter.scrape().value(
            "consumequeue_units_removed_total", explained="unexplained"), 0)
