"""The temporary directory of one run; gone afterwards unless LAB_KEEP=1."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from processes import end_all


def new_workspace(name):
    directory = Path(tempfile.mkdtemp(prefix=f"lab-{name}-"))

    def remove():
        end_all()
        shutil.rmtree(directory, ignore_errors=True)

    if os.environ.get("LAB_KEEP") == "1":
        print(f"kept: {directory}")
    else:
        atexit.register(remove)
    return directory
