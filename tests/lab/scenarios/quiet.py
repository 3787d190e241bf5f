"""What happens to healthy brokers every day pages nobody."""

import os
import time

from broker import SMALL
from processes import wait_until
from stand import PAGING_SECONDS, Stand
from store_reader import compare

PAGING_REASONS = ("recovery", "unexplained")


def plain_kill(verdicts, directory):
    with Stand(directory, "5.2.0", "plain") as stand:
        _watch(stand)
        stand.broker.kill()
        time.sleep(3)
        stand.broker.start().wait_ready()
        _expect_quiet(verdicts, stand)
        verdicts.equal("starts_total{previous_shutdown=unclean}",
                       stand.exporter.wait_for("starts_total", 1, 5, previous_shutdown="unclean"), 1)


def clean_restart(verdicts, directory):
    with Stand(directory, "5.2.0", "dledger") as stand:
        _watch(stand)
        verdicts.note(f"orderly stop took {stand.broker.stop():.1f} s")
        stand.broker.start().wait_ready()
        _expect_quiet(verdicts, stand)


def topic_deletion(verdicts, directory):
    with Stand(directory, "5.2.0", "dledger") as stand:
        _watch(stand)
        before = stand.queues_on_disk()
        stand.broker.delete_topic("TopicB")
        wait_until(lambda: not (stand.broker.store / "consumequeue" / "TopicB").exists(), 30, "TopicB to go")
        loss = compare(before, stand.queues_on_disk())
        _expect_quiet(verdicts, stand)
        _expect_explained(verdicts, stand.exporter, "topic_delete", loss)


def expiry(verdicts, directory):
    """Retention of zero hours, at any hour: the broker's first round comes a minute after its start."""
    sizes = {**SMALL, "mappedFileSizeCommitLog": 256 * 1024, "mappedFileSizeConsumeQueue": 1000}
    hours = ";".join(f"{hour:02}" for hour in range(24))
    extra = {"fileReservedTime": 0, "deleteWhen": hours, "cleanResourceInterval": 2000}
    with Stand(directory, "5.2.0", "plain", sizes, extra) as stand:
        _watch(stand)
        before = stand.queues_on_disk()
        log = stand.broker.store / "commitlog"
        segments = len(os.listdir(log))
        wait_until(lambda: compare(before, stand.queues_on_disk()).files_gone >= 12, 120, "the broker's expiry")
        time.sleep(5)
        loss = compare(before, stand.queues_on_disk())
        verdicts.note(f"commitlog files {segments} -> {len(os.listdir(log))}, {loss}")
        _expect_quiet(verdicts, stand)
        found = stand.exporter.wait_for("consumequeue_units_removed_total", loss.units_removed, 10,
                                        explained="retention")
        verdicts.equal("consumequeue_units_removed_total{explained=retention}", found, loss.units_removed)


def exporter_restart(verdicts, directory):
    """The exporter itself is stopped and killed, before and after a harmless kill of the broker."""
    with Stand(directory, "5.2.0", "plain") as stand:
        _watch(stand)
        verdicts.within("SIGTERM ends the exporter", stand.exporter.stop(), 1)
        stand.exporter.start()
        stand.broker.kill()
        time.sleep(3)
        stand.broker.start().wait_ready()
        time.sleep(5)
        stand.exporter.kill()
        stand.exporter.start()
        _expect_quiet(verdicts, stand)


def _watch(stand):
    stand.start_broker().fill()
    stand.exporter.start()
    stand.start_monitoring()
    stand.settle()
    time.sleep(11)


def _expect_quiet(verdicts, stand):
    """Long enough for a page to come, then none may be there and no paging counter may have moved."""
    time.sleep(PAGING_SECONDS + 5)
    webhook = stand.monitoring.webhook
    verdicts.equal("nobody is paged", webhook.names(webhook.pages()), [])
    others = [alert for alert in webhook.names(webhook.alerts)]
    verdicts.note(f"other notifications: {others}")
    scrape = stand.exporter.scrape()
    for name in ("consumequeue_vanished_queues_total", "consumequeue_shrunk_queues_total",
                 "consumequeue_units_removed_total"):
        for explained in PAGING_REASONS:
            verdicts.equal(f"{name}{{explained={explained}}}", scrape.value(name, explained=explained), 0)


def _expect_explained(verdicts, exporter, explained, loss):
    for name, expected in (("consumequeue_vanished_queues_total", loss.vanished_queues),
                           ("consumequeue_units_removed_total", loss.units_removed)):
        verdicts.equal(f"{name}{{explained={explained}}}", exporter.wait_for(name, expected, 10, explained=explained),
                       expected)
