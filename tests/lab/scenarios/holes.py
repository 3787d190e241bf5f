"""Killed while the ledger's checkpoint lags: everything is unlinked, then the newest messages are indexed again.

The queues begin with units (0, 2147483647, 0) afterwards and their ends are right, so whoever counts bytes or compares
ends sees no loss.
"""

import time

from broker import reachable
from processes import wait_until
from stand import PAGING_SECONDS, TOPICS, Stand


def late_messages(verdicts, directory):
    with Stand(directory, "5.2.0", "dledger") as stand:
        broker, exporter = stand.broker, stand.exporter
        stand.start_broker().fill(1900)
        exporter.start()
        stand.start_monitoring()
        stand.settle()
        time.sleep(11)
        checkpoint = broker.store / "dledger-n0" / "checkpoint"
        # Just behind a checkpoint: the 100 messages are in the log and in the queues, but not in the checkpoint.
        before = checkpoint.stat().st_mtime_ns
        wait_until(lambda: _modified(checkpoint) not in (None, before), 15, "a DLedger checkpoint", every=0.01)
        broker.produce(TOPICS, 100, first=1900)
        wait_until(lambda: reachable(broker.offsets()) >= 2000, 2, "all messages to be dispatched", every=0.02)
        total = reachable(broker.offsets())
        broker.kill()
        time.sleep(3)
        broker.start().wait_ready()
        wait_until(lambda: reachable(broker.offsets()) > 0, 20, "the newest messages to be indexed again")
        left = reachable(broker.offsets())
        holes = sum(queue.holes for queue in stand.queues_on_disk().values())
        verdicts.check("the broker fills the queues with holes", holes > 0, f"{holes} holes, {left} of {total} reachable")
        wait_until(lambda: (exporter.scrape().value("consumequeue_units_removed_total", explained="recovery") or 0) > 0,
                   15, "removed units")
        time.sleep(6)
        removed = exporter.scrape().value("consumequeue_units_removed_total", explained="recovery")
        # All of them went for a moment; whether the exporter saw that or only what remained, holes count for nothing.
        verdicts.check("consumequeue_units_removed_total{explained=recovery} lies between what stays lost and what went",
                       total - left <= removed <= total, f"{removed:.0f}, {total - left} stay lost, {total} went")
        verdicts.equal("nothing unexplained", exporter.scrape().value("consumequeue_units_removed_total",
                                                                      explained="unexplained"), 0)
        at = stand.monitoring.wait_for_alert("RocketMQStoreDupInfoCheckFailed", PAGING_SECONDS)
        verdicts.check("RocketMQStoreDupInfoCheckFailed is paged", at is not None)


def _modified(path):
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
