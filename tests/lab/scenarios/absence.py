"""The exporter was not there when it happened: it came late, was down, or was restarted around it."""

import time

from processes import wait_until
from scenarios.incident import check_counters
from scrape import Increases
from stand import PAGING_SECONDS, Stand
from store_reader import compare


def _lose(stand):
    """SIGKILL and restart; what went."""
    stand.broker.kill()
    before = stand.queues_on_disk()
    time.sleep(1)
    stand.broker.start().wait_ready()
    return compare(before, stand.queues_on_disk())


def late(verdicts, directory):
    """First start of the exporter ever, after the broker's recovery: the log still tells."""
    with Stand(directory, "5.2.0", "dledger") as stand:
        stand.start_broker().fill()
        stand.settle()
        loss = _lose(stand)
        stand.exporter.start()
        begin = time.time()
        stand.start_monitoring()
        verdicts.equal("log_events_total{event=dup_info_failed}",
                       stand.exporter.wait_for("log_events_total", 1, 5, event="dup_info_failed"), 1)
        at = stand.monitoring.wait_for_alert("RocketMQStoreDupInfoCheckFailed", PAGING_SECONDS + 10)
        verdicts.within("RocketMQStoreDupInfoCheckFailed is paged after the exporter's start",
                        None if at is None else at - begin, PAGING_SECONDS)
        scrape = stand.exporter.scrape()
        verdicts.note(f"really lost {loss}; shown: "
                      f"vanished {scrape.by_label('consumequeue_vanished_queues_total', 'explained')}, "
                      f"units {scrape.by_label('consumequeue_units_removed_total', 'explained')}")


def down_after_sigterm(verdicts, directory):
    _down(verdicts, directory, lambda exporter: exporter.stop())


def down_after_sigkill(verdicts, directory):
    _down(verdicts, directory, lambda exporter: exporter.kill())


def _down(verdicts, directory, end):
    with Stand(directory, "5.2.0", "dledger") as stand:
        stand.start_broker().fill()
        stand.exporter.start()
        stand.start_monitoring()
        stand.settle()
        time.sleep(11)
        end(stand.exporter)
        loss = _lose(stand)
        verdicts.note(f"really lost while the exporter was down: {loss}")
        stand.exporter.start()
        begin = time.time()
        check_counters(verdicts, stand.exporter, loss, "after the exporter's start")
        for alert in ("RocketMQStoreDupInfoCheckFailed", "RocketMQStoreConsumeQueueVanished"):
            at = stand.monitoring.wait_for_alert(alert, PAGING_SECONDS + 10)
            verdicts.within(f"{alert} is paged after the exporter's start", None if at is None else at - begin,
                            PAGING_SECONDS)


def restarts(verdicts, directory):
    """Restarts of the exporter around and after the incident: nothing is lost, nothing is counted twice."""
    increases = Increases({
        "DupInfo lines": ("log_events_total", {"event": "dup_info_failed"}),
        "vanished queues": ("consumequeue_vanished_queues_total", {"explained": "recovery"}),
        "removed units": ("consumequeue_units_removed_total", {"explained": "recovery"}),
        "unexplained units": ("consumequeue_units_removed_total", {"explained": "unexplained"}),
        "unclean starts": ("starts_total", {"previous_shutdown": "unclean"}),
    })
    with Stand(directory, "5.2.0", "dledger") as stand:
        exporter = stand.exporter
        stand.start_broker().fill()
        exporter.start()
        stand.settle()

        def follow(seconds):
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                increases.take(exporter.scrape())
                time.sleep(0.05)

        follow(5)
        exporter.kill()
        exporter.start()
        follow(2)
        stand.broker.kill()
        before = stand.queues_on_disk()
        follow(1)
        stand.broker.start()
        follow(1.5)
        # In the middle of the broker's start, or just behind it: wherever this falls, the sums must be right.
        exporter.kill()
        exporter.start()
        follow(1)
        stand.broker.wait_ready()
        loss = compare(before, stand.queues_on_disk())
        follow(8)
        for end in (exporter.stop, exporter.kill, exporter.stop):
            end()
            exporter.start()
            follow(4)
        expected = {"DupInfo lines": 1, "vanished queues": loss.vanished_queues, "removed units": loss.units_removed,
                    "unexplained units": 0, "unclean starts": 1}
        for what, number in expected.items():
            verdicts.equal(f"{what}, counted over 5 restarts of the exporter", increases.total.get(what), number)
