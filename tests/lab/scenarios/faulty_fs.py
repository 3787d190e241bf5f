"""The file systems of store, logs and state fail, hang and vanish under a running exporter."""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from bare_exporter import BareSite
from processes import Child, wait_until
from releases import HERE

# While a read hangs an answer is made of what is known: this is a loaded machine's time for that.
AT_ONCE = 2.0
LINE = "2026-11-23 15:00:00 ERROR main - Failed to create file /store/consumequeue/x\n"
# What fails -> the parts that must say so.
FAULTS = {
    "read=EIO": {"commitlog", "consumequeue", "files"},
    "list=EIO": {"root"},
    "open=EIO": {"commitlog", "consumequeue", "files"},
    "stat=EIO": {"root"},
    "read=ESTALE": {"commitlog", "consumequeue", "files"},
    "write=ENOSPC": {"state"},
    "write=EROFS": {"state"},
}


class Mount:
    """The faulty file system, and what it is told."""

    def __init__(self, directory):
        self.source, self.at, self.faults = (directory / name for name in ("source", "mount", "faults"))
        for each in (self.source, self.at):
            each.mkdir(parents=True)
        self.faults.write_text("")
        self.output = directory / "file-system.out"
        self.child = None

    def up(self):
        self.child = Child([sys.executable, HERE / "faulty_fs.py", self.source, self.at, self.faults], self.output)
        wait_until(lambda: any(self.at.iterdir()), 60, "the faulty file system")

    def down(self):
        """The process behind the mount goes: whoever asks gets ENOTCONN."""
        self.child.kill_group()

    def off(self):
        """Nothing is mounted any more: an empty directory."""
        subprocess.run(["umount", "--lazy", self.at], check=True)
        self.child.kill_group()


def failing(verdicts, directory):
    mount = Mount(directory)
    site = BareSite(mount.source, mount.at)
    mount.up()
    try:
        _all(verdicts, mount, site)
    finally:
        mount.off()


def _all(verdicts, mount, site):
    site.start()
    before = site.settled()
    for fault, parts in FAULTS.items():
        mount.faults.write_text(f"{fault}\n")
        if fault.startswith("write"):
            # Something to be saved.
            site.log(LINE)
        _shown(verdicts, site, fault, lambda scrape: parts <= scrape.failing(), f"fails: {' '.join(sorted(parts))}")
        if fault.startswith("read"):
            site.log(LINE)
        mount.faults.write_text("")
        _recovered(verdicts, site, fault, before)
    # A read that does not come back.
    mount.faults.write_text("read=hang\n")
    site.log(LINE)
    still = site.standing_still(4)
    verdicts.check("read=hang: collector_last_success_timestamp_seconds stands still", {"root", "logs"} <= still, " ".join(sorted(still)))
    _answers(verdicts, site, "read=hang")
    preview = threading.Thread(target=lambda: site.get("/api/v1/preview", 60))
    preview.start()
    _answers(verdicts, site, "read=hang, with a preview that waits for it")
    mount.faults.write_text("")
    preview.join(60)
    _recovered(verdicts, site, "read=hang", before)
    # The mount itself.
    mount.down()
    _shown(verdicts, site, "ENOTCONN", lambda scrape: scrape.root_state() == "unreadable", "root_state unreadable")
    mount.off()
    _shown(verdicts, site, "unmounted", lambda scrape: scrape.root_state() == "missing", "root_state missing")
    mount.up()
    _recovered(verdicts, site, "unmounted", before)
    mount.off()
    site.log(LINE)
    _shown(verdicts, site, "unmounted while in use", lambda scrape: scrape.root_state() == "missing", "root_state missing")
    mount.up()
    _recovered(verdicts, site, "unmounted while in use", before)
    lines = mount.source.joinpath("logs/store.log").read_text().count(LINE)
    verdicts.equal("lines that came while it failed are counted once",
                   site.wait_for("log_events_total", lines, event="mapped_file_create_failed"), lines)
    # The end, and a start, while a read hangs; the state lies where it can be read, as nothing is told before it is known.
    for _ in range(5):
        mount.faults.write_text("read=hang\n")
        site.log(LINE)
        lines += 1
        time.sleep(1)
        if not _is_held(site.exporter.child.pid):
            break
        verdicts.note("the kernel holds a thread where no signal reaches it, that of SIGKILL neither: once more")
        mount.faults.write_text("")
        site.wait_for("log_events_total", lines, event="mapped_file_create_failed")
    else:
        raise RuntimeError("in five tries the kernel held a thread each time")
    verdicts.within("read=hang: ends after SIGTERM", site.exporter.stop(), 5)
    shutil.copytree(mount.source / "state", mount.source.parent / "state")
    site.exporter.state = mount.source.parent / "state"
    site.start()
    _answers(verdicts, site, "started while reads hang")
    mount.faults.write_text("")
    _recovered(verdicts, site, "started while reads hang", before)
    verdicts.equal("the line of meanwhile is counted", site.wait_for("log_events_total", lines, event="mapped_file_create_failed"), lines)


def _is_held(pid):
    """Whether a thread waits in FUSE's opening of a file that another one reads just then: not even SIGKILL ends that."""
    def waits_in(task):
        try:
            return (task / "wchan").read_text()
        except OSError:
            # The thread has ended since.
            return ""
    return any(waits_in(task) == "__folio_lock" for task in Path(f"/proc/{pid}/task").iterdir())


def _shown(verdicts, site, fault, is_shown, what):
    begin = time.monotonic()
    try:
        wait_until(lambda: is_shown(site.scrape()), 30, fault)
        verdicts.check(f"{fault}: {what}", True, f"{time.monotonic() - begin:.1f} s; {site.scrape().state()}")
    except TimeoutError:
        verdicts.check(f"{fault}: {what}", False, site.scrape().state())
    _answers(verdicts, site, fault)


def _answers(verdicts, site, fault):
    for path in ("/metrics", "/-/healthy"):
        begin = time.monotonic()
        answer = site.get(path, 10)
        verdicts.within(f"{fault}: {path} answers", time.monotonic() - begin if answer else None, AT_ONCE)


def _recovered(verdicts, site, fault, before):
    """All parts come through again, and what is told is what was told before: nothing lost, started or cut."""
    verdicts.check(f"{fault}: the process lives on", site.exporter.child.is_alive())
    try:
        after = site.settled(before)
    except TimeoutError:
        after = site.figures()
    verdicts.equal(f"{fault}: recovers by itself, figures as before", after, before)
