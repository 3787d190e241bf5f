"""Starts of a real broker that go wrong provoke alerts; Alertmanager holds back what follows from them."""

import signal
import time

from broker import SMALL, reachable
from processes import wait_until
from quick_monitoring import QuickMonitoring, Watched
from scenarios.alerts_stores import damage_body, fill_with_queues
from stand import Stand

NAME = "broker"
# So many that recovery lasts long enough to be caught at it.
QUEUES = 12_000
RECOVERING = ("recovering_consumequeue", "recovering_commitlog")
BEFORE_THE_LOG = ("loading", "recovering_consumequeue")
STARTS = 8
# Three starts of a JVM in half an hour.
MINUTE = 4
LOOP_SECONDS = 30 * MINUTE


def provoked(verdicts, directory):
    with Stand(directory, "5.2.0", "plain", SMALL) as stand:
        broker = stand.broker
        stand.start_broker().fill()
        watched = Watched(directory / NAME, broker.store, logs=broker.logs, conf=broker.conf)
        monitoring = QuickMonitoring(directory, {NAME: watched.port}, minute=MINUTE)
        wait_until(lambda: watched.phase() == "running", 30, "the exporter to see the broker run")
        broker.kill()
        _is_looked_at(watched, "stopped")
        _does_not_load(verdicts, stand, monitoring)
        failed_at = time.monotonic()
        fill_with_queues(broker.store, QUEUES)
        _damaged(verdicts, stand, watched, monitoring)
        left = reachable(broker.offsets())
        broker.kill()
        # With that start still among the last three RecoveryLoop would hold RecoverySlow back.
        time.sleep(max(0, failed_at + LOOP_SECONDS + MINUTE - time.monotonic()))
        _slow(verdicts, stand, watched, monitoring)
        verdicts.equal("messages that can be read after all that", reachable(broker.offsets()), left)
        verdicts.note(f"arrived: {sorted(alert for _, alert in monitoring.arrived())}")
        monitoring.close()


def _is_looked_at(watched, *phases):
    """The store of a broker that is down has been looked at as it was left."""
    wait_until(lambda: watched.phase() in phases and (watched.value("recovery_preview_timestamp_seconds") or 0)
               >= watched.value("phase_start_timestamp_seconds"), 60, "a preview of the store as it was left")


def _does_not_load(verdicts, stand, monitoring):
    """A foreign file among the segments: the broker ends by itself."""
    foreign = stand.broker.store / "commitlog" / "notes"
    foreign.write_bytes(b"x")
    stand.broker.start()
    wait_until(lambda: not stand.broker.child.is_alive(), 120, "the broker to end by itself")
    monitoring.check_arrival(verdicts, {(NAME, "LoadFailed")}, 60)
    monitoring.check_inhibition(verdicts, {(NAME, "StoppedUnexpectedly")}, 50)
    foreign.unlink()


def _damaged(verdicts, stand, watched, monitoring):
    """A record is damaged after the start has begun, which was foretold to lose nothing."""
    _is_looked_at(watched, "failed", "stopped")
    _start_and_hold(stand.broker, watched, BEFORE_THE_LOG)
    damage_body(next((stand.broker.store / "commitlog").glob("0*")), 2)
    stand.broker.child.process.send_signal(signal.SIGCONT)
    stand.broker.wait_ready(180)
    monitoring.check_arrival(verdicts, {(NAME, alert) for alert in ("ChecksumFailed", "CommitLogTruncated", "PredictionWrong")}, 60)


def _slow(verdicts, stand, watched, monitoring):
    """A start that gets no processor in the middle of recovery, then starts that are killed there, again and again."""
    _start_and_hold(stand.broker, watched, RECOVERING)
    monitoring.check_arrival(verdicts, {(NAME, "RecoverySlow")}, 90)
    for _ in range(STARTS):
        stand.broker.kill()
        _start_and_hold(stand.broker, watched, RECOVERING)
        if (NAME, "RecoveryLoop") in monitoring.arrived():
            break
    monitoring.check_arrival(verdicts, {(NAME, "RecoveryLoop")}, 10)
    monitoring.check_inhibition(verdicts, {(NAME, "RecoverySlow")}, 60)
    stand.broker.child.process.send_signal(signal.SIGCONT)
    stand.broker.wait_ready(180)
    wait_until(lambda: watched.phase() == "running", 30, "the exporter to see the broker run")
    verdicts.check("with a processor again, and left alone, it comes through", True)


def _start_and_hold(broker, watched, phases):
    """Starts the broker, and stops its process as soon as it is in one of these phases."""
    before = watched.value("phase_start_timestamp_seconds")
    broker.start()
    wait_until(lambda: watched.phase() in phases and watched.value("phase_start_timestamp_seconds") != before, 120,
               "the broker to recover", every=0.01)
    broker.child.process.send_signal(signal.SIGSTOP)
