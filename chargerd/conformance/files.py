"""The file server of a CSMS, without I/O: what arrived there and what it says to it, and what can be fetched there.

Whoever has the connection calls `holds` when a file begins to arrive or to be sent, `take` when one is all there, and
`offered` for what is asked for.
"""

import threading
from pathlib import Path

import msgspec

FOLDER = "/logs/"
NOWHERE = "/nowhere/"
"""A place that there is, and one that there is not."""


class File(msgspec.Struct, frozen=True):
    """A file that arrived: its name and what is in it."""

    name: str
    content: bytes


class Files:
    """What was sent to one file server, and in `offers` what it has to send, by path."""

    def __init__(self) -> None:
        self.arrived: list[File] = []
        self.offers: dict[str, Path] = {}
        self._lock = threading.Lock()  # over a real wire another thread has the connection
        self._to_hold = 0

    def hold_next(self) -> None:
        """The next file that comes, or goes, gets no answer, until the other side gives up."""
        with self._lock:
            self._to_hold += 1

    def holds(self) -> bool:
        """A file begins to arrive or to be sent: whether it is left without an answer."""
        with self._lock:
            held = self._to_hold > 0
            self._to_hold -= held
            return held

    def offered(self, path: str) -> Path | None:
        """What is to be sent for this path; None: there is nothing there."""
        with self._lock:
            return self.offers.get(path)

    def take(self, path: str, content: bytes) -> int:
        """A file has arrived by PUT at this path: the HTTP status of the answer."""
        if not path.startswith(FOLDER) or path == FOLDER:
            return 404
        with self._lock:
            self.arrived.append(File(path.removeprefix(FOLDER), content))
        return 201
