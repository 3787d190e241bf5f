"""The exporter's system calls over a start, passes and a broker's recovery: nothing below the store but reading."""

import subprocess
import sys
import time

from stand import Stand
from system_calls import TRACED, Calls


# Everything the exporter must not do: whoever looks for nothing has to show that it would have been found.
OFFENDER = """
import fcntl, os, sys
path = os.path.join(sys.argv[1], "file")
with open(path, "w") as file:
    file.write("x")
    file.flush()
    os.ftruncate(file.fileno(), 0)
    fcntl.lockf(file, fcntl.LOCK_EX)
    fcntl.flock(file, fcntl.LOCK_EX)
os.utime(path)
os.chmod(path, 0o600)
os.rename(path, path + "2")
os.unlink(path + "2")
os.mkdir(path)
"""


def _strace(trace):
    return ["strace", "-f", "-y", "-qq", "-o", trace, "-e", f"trace={TRACED}"]


def _check_the_check(verdicts, directory):
    target, trace = directory / "offended", directory / "offender.trace"
    target.mkdir(parents=True)
    subprocess.run([*_strace(trace), sys.executable, "-c", OFFENDER, target], check=True, timeout=60)
    calls = Calls(trace, target)
    verdicts.equal("an offender's writing calls that the trace shows", len(calls.writing), 8)
    verdicts.equal("an offender's locking calls that the trace shows", len(calls.locking), 2)


def traced(verdicts, directory):
    _check_the_check(verdicts, directory / "control")
    directory = directory / "run"
    trace = directory / "trace"
    with Stand(directory, "5.2.0", "dledger", wrapper=_strace(trace)) as stand:
        stand.start_broker().fill()
        stand.exporter.start()
        stand.settle()
        time.sleep(6)
        stand.broker.kill()
        time.sleep(2)
        stand.broker.start().wait_ready()
        stand.exporter.wait_for("log_events_total", 1, 15, event="dup_info_failed")
        time.sleep(6)
        stand.exporter.child.kill_group()
        for what, root in (("store", stand.broker.store), ("logs", stand.broker.logs)):
            calls = Calls(trace, root)
            verdicts.check(f"the {what} directory was read", calls.opened > 0,
                           f"{calls.opened} opens, {calls.seen} traced calls on paths below it")
            verdicts.equal(f"calls that write, create, remove or change below the {what} directory",
                           calls.writing[:5], [])
            verdicts.equal(f"calls that take a lock below the {what} directory", calls.locking[:5], [])
            verdicts.note(f"lock queries below the {what} directory: {calls.lock_queries}")
