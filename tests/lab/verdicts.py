"""PASS and FAIL lines with what was measured."""

import time


class Verdicts:
    def __init__(self):
        self.failed = []
        self.scenario = ""
        self.begin = time.monotonic()

    def start(self, scenario):
        self.scenario, self.begin = scenario, time.monotonic()
        print(f"== {scenario}", flush=True)

    def note(self, text):
        print(f"   {time.monotonic() - self.begin:6.1f} s  {text}", flush=True)

    def check(self, what, good, measured=""):
        print(f"{'PASS' if good else 'FAIL'} {self.scenario}: {what}{f' ({measured})' if measured != '' else ''}",
              flush=True)
        if not good:
            self.failed.append(f"{self.scenario}: {what} ({measured})")

    def equal(self, what, found, expected):
        if found == expected and isinstance(expected, dict):
            self.check(what, True, f"{len(expected)} entries")
        else:
            self.check(what, found == expected, f"{_number(found)}, expected {_number(expected)}")

    def within(self, what, seconds, limit):
        """A duration that was measured, or None when the thing never happened."""
        self.check(what, seconds is not None and seconds <= limit,
                   f"never, limit {limit} s" if seconds is None else f"{seconds:.3f} s, limit {limit} s")


def _number(value):
    return int(value) if isinstance(value, float) and value.is_integer() else value
