"""Child processes: each in its own process group, all of them ended when the lab ends, however it ends."""

import atexit
import ctypes
import os
import random
import signal
import socket
import subprocess
import time

_running = []
_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A started program. `started_at` is the wall clock just before it was started."""

    def __init__(self, command, output, cwd=None, env=None, stdin=None, stdout=None):
        self.output = output
        sink = open(output, "ab")
        self.started_at = time.time()
        self.process = subprocess.Popen(
            [str(word) for word in command], cwd=cwd, env=env, stdin=stdin, stdout=stdout or sink, stderr=sink,
            start_new_session=True, preexec_fn=_die_with_parent)
        sink.close()
        _running.append(self)

    @property
    def pid(self):
        return self.process.pid

    def is_alive(self):
        return self.process.poll() is None

    def signal_and_wait(self, number, seconds):
        """Sends the signal to the program itself and returns how long it lived on."""
        begin = time.monotonic()
        if self.is_alive():
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill_group()
                raise TimeoutError(f"{self.process.args[0]} outlived signal {number} by {seconds} s") from None
        self.kill_group()
        return time.monotonic() - begin

    def kill_group(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(30)
        if self in _running:
            _running.remove(self)

    def tail(self, length=4000):
        with open(self.output, "rb") as file:
            return file.read()[-length:].decode(errors="replace")


@atexit.register
def end_all():
    for child in list(_running):
        child.kill_group()


def end_all_on_signals():
    """SIGTERM, SIGHUP and SIGINT leave through the normal exit, which ends the children; a second one changes nothing."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

    def leave(number, _frame):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)
    for number in numbers:
        signal.signal(number, leave)


def wait_until(condition, seconds, what, every=0.1):
    """Polls until the condition gives something true and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain for {what}")
        time.sleep(every)


# Ports are given out in blocks. A block is ours while we hold the socket of its name, so that scenarios that run beside
# each other never share one, also while the broker that will listen there is down.
_blocks = []
BLOCK = 8


def free_port(offsets=(0,)):
    """A port that is free together with its neighbours at the given distances (-2 to 2), and stays with this process.

    Below the range from which the kernel takes ports for outgoing connections: one of those would otherwise sit on
    a broker's port while the broker is down.
    """
    for block in random.sample(range(15000, 30000, BLOCK), 200):
        held = socket.socket(socket.AF_UNIX)
        port = block + 2
        try:
            held.bind(f"\0rocketmq-store-exporter-lab-{block}")
        except OSError:
            continue
        if all(_is_free(port + offset) for offset in offsets):
            _blocks.append(held)
            return port
        held.close()
    raise RuntimeError("no free port")


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
            return True
        except OSError:
            return False
