"""The file server of a CSMS, without I/O: what arrived there, and what it says to it.

Whoever has the connection calls `holds` when a file begins to arrive and `take` when it is all there.
"""

import threading

import msgspec

FOLDER = "/logs/"
NOWHERE = "/nowhere/"
"""A place that there is, and one that there is not."""


class File(msgspec.Struct, frozen=True):
    """A file that arrived: its name and what is in it."""

    name: str
    content: bytes


class Files:
    """What was sent to one file server."""

    def __init__(self) -> None:
        self.arrived: list[File] = []
        self._lock = threading.Lock()  # over a real wire another thread has the connection
        self._to_hold = 0

    def hold_next(self) -> None:
        """The next file that comes gets no answer, until its sender gives up."""
        with self._lock:
            self._to_hold += 1

    def holds(self) -> bool:
        """A file begins to arrive: whether it is left without an answer."""
        with self._lock:
            held = self._to_hold > 0
            self._to_hold -= held
            return held

    def take(self, path: str, content: bytes) -> int:
        """A file has arrived by PUT at this path: the HTTP status of the answer."""
        if not path.startswith(FOLDER) or path == FOLDER:
            return 404
        with self._lock:
            self.arrived.append(File(path.removeprefix(FOLDER), content))
        return 201
