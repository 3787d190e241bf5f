"""A DLedger broker of 5.2.0 that a probe kills in the middle of recovery, again and again, and the ways out of the loop."""

import shutil
import socket
import time

from broker import SMALL, reachable
from processes import wait_until
from quick_monitoring import Watched
from scenarios.alerts_stores import fill_with_queues
from stand import MESSAGES, TOPICS, Stand

# So many that recovery lasts long enough to be killed in.
EMPTY_QUEUES = 4_000
KILLS = 2
RECOVERING = ("recovering_consumequeue", "recovering_commitlog")


def tried(verdicts, directory):
    with Stand(directory, "5.2.0", "dledger", SMALL) as stand:
        broker = stand.broker
        stand.start_broker().fill()
        watched = Watched(directory / "broker", broker.store, logs=broker.logs, conf=broker.conf)
        stand.settle()
        broker.kill()
        fill_with_queues(broker.store, EMPTY_QUEUES)
        killed = directory / "killed"
        shutil.copytree(broker.store, killed)

        (broker.store / "abort").unlink()
        _kill_while_it_recovers(broker, watched)
        verdicts.check("a kill in the middle of recovery leaves no abort file where there was none", not (broker.store / "abort").exists())
        verdicts.equal("abort removed: messages that can be read when it is left alone", _left_alone(broker)[0], MESSAGES)
        broker.kill()

        shutil.rmtree(broker.store)
        shutil.copytree(killed, broker.store)
        with open(broker.conf, "a") as conf:
            conf.write("recheckReputOffsetFromCq=true\n")
        _kill_while_it_recovers(broker, watched)
        verdicts.check("the abort file stays", (broker.store / "abort").exists())
        messages, seconds = _left_alone(broker)
        verdicts.equal("recheckReputOffsetFromCq=true: messages that can be read when it is left alone", messages, MESSAGES)
        wait_until(lambda: watched.phase() == "running", 60, "the exporter to see the broker run")
        took = watched.value("last_recovery_duration_seconds")
        verdicts.check("the recovery's duration is measured, and the port opens after it", 0 < took < seconds, f"{took:.1f} s of {seconds:.1f} s")


def _kill_while_it_recovers(broker, watched):
    """What a probe with too small a budget does."""
    for _ in range(KILLS):
        before = watched.value("phase_start_timestamp_seconds")
        broker.start()
        wait_until(lambda: watched.phase() in RECOVERING and watched.value("phase_start_timestamp_seconds") != before, 120,
                   "the broker to recover", every=0.01)
        assert not _is_open(broker.port)
        broker.kill()


def _left_alone(broker):
    """A startup probe that has patience: what consumers can reach afterwards, and the seconds until the port was open."""
    broker.start()
    wait_until(lambda: _is_open(broker.port), 240, "the broker's port")
    seconds = time.time() - broker.child.started_at
    broker.wait_ready(120)
    ours = lambda: reachable({name: pair for name, pair in broker.offsets().items() if name.split("/")[0] in TOPICS})
    try:
        wait_until(lambda: ours() == MESSAGES, 60, "all messages")
    except TimeoutError:
        pass
    return ours(), seconds


def _is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
