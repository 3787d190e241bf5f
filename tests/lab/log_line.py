"""Waits in the background for a line of a log and notes when it came."""

import threading
import time


class LineWatch:
    """`at` is the wall clock at which a line with the words was first seen, None until then."""

    def __init__(self, path, words):
        self.path, self.words = path, words.encode()
        self.at = None
        self.begin = path.stat().st_size if path.exists() else 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        while not self.path.exists():
            if self._ended.wait(0.01):
                return
        seen = b""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.begin)
            while not self._ended.wait(0.002):
                seen = (seen + file.read())[-65536:]
                if self.words in seen:
                    self.at = time.time()
                    return

    def close(self):
        self._ended.set()
        self._thread.join()
