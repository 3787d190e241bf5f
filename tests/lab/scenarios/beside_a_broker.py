"""What the exporter costs a broker that is busy: how long a put takes with and without it, by turns, and what it reads."""

import statistics
from pathlib import Path

from broker import DEFAULT_SIZES, NAME
from processes import wait_until
from stand import Stand

SLICES, SECONDS, WARM_SECONDS = 6, 10, 5
BODY, QUEUES = 1000, 8
# Several forecasts in a slice.
CONFIGURATION = {"preview": {"interval": "2s"}}
# Other things run on the machine too: what fails is harm that nobody could take for them.
GROSS_RATIO, GROSS_MICROS = 2, 2000
# Each byte is read once as the log grows; queues and small files are looked at again at each pass.
READ_RATIO, READ_BESIDES = 3, 64 << 20


def _read(pid):
    """Bytes that a process has asked for, and those of them that came from a disk."""
    told = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(told["rchar"]), int(told["read_bytes"])


def puts(verdicts, directory):
    """Synchronous puts, one after the other; slices without and with the exporter by turns."""
    with Stand(directory, "5.3.3", "plain", DEFAULT_SIZES, configuration=CONFIGURATION) as stand:
        stand.start_broker()
        broker, first = stand.broker, 0
        broker.create_topics(["TopicA"], QUEUES)
        broker.produce(["TopicA"], 100, queues=QUEUES)

        def measured(seconds):
            nonlocal first
            found = stand.client.ask("time", NAME, "TopicA", QUEUES, first, seconds * 1000, BODY)
            first += found["sent"]
            return found

        measured(WARM_SECONDS)
        without, beside, read, from_disk, written, dropped = [], [], 0, 0, 0, 0
        for at in range(SLICES):
            is_beside = at % 2 == 1
            if is_beside:
                stand.exporter.start()
                # The first forecast reads what a start would go through; what comes after it is read once.
                wait_until(lambda: stand.exporter.scrape().value("recovery_preview_timestamp_seconds"), 30, "the first forecast")
                before = _read(stand.exporter.child.pid)
            found = measured(SECONDS)
            (beside if is_beside else without).append(found)
            name = "with" if is_beside else "without"
            verdicts.note(f"{name} the exporter: {found['sent']} puts, median {found['median']} us, 99 of 100 within {found['p99']} us")
            if is_beside:
                after = _read(stand.exporter.child.pid)
                dropped += stand.exporter.scrape().value("recovery_preview_messages_dropped")
                read, from_disk, written = read + after[0] - before[0], from_disk + after[1] - before[1], written + found["sent"] * BODY
                stand.exporter.stop()
        medians = lambda slices: [each["median"] for each in slices]
        spread = max(max(medians(kind)) - min(medians(kind)) for kind in (without, beside))
        alone, together = statistics.median(medians(without)), statistics.median(medians(beside))
        verdicts.note(f"the medians differ by {together - alone:+.0f} us, those of one kind among themselves by up to {spread:.0f} us")
        verdicts.check("a put takes no grossly longer beside the exporter", together <= GROSS_RATIO * alone + GROSS_MICROS, f"{alone:.0f} us without, {together:.0f} us with")
        minutes = len(beside) * SECONDS / 60
        per_minute = lambda amount: f"{amount / minutes / 2**20:.1f} MiB"
        verdicts.check("the exporter reads little beside what the broker writes", read <= READ_RATIO * written + READ_BESIDES * minutes,
                       f"a minute: {per_minute(read)} read, {per_minute(from_disk)} of it from the disk; {per_minute(written)} of log written")
        verdicts.check("what is written while a forecast reads is not taken for lost (messages that a start would cut out of the log)", dropped == 0, dropped)
