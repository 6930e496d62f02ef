"""The far ends of serial lines in tests: a pseudo-terminal whose other side a test plays."""

import os
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self


def descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Port:
    """A pseudo-terminal at `path`; `answer(bytes so far)` gives (bytes to send, bytes used up)."""

    def __init__(self, answer: Callable[[bytes], tuple[bytes, int]]) -> None:
        self._answer = answer
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._wake_write)
        self._thread.join()
        for side in (self._master, self._slave, self._wake_read):
            os.close(side)

    def say(self, unasked: bytes) -> None:
        """Send something that nobody asked for."""
        os.write(self._master, unasked)

    def _run(self) -> None:
        received = b""
        while True:
            ready, _, _ = select.select([self._master, self._wake_read], [], [])
            if self._wake_read in ready:
                return
            received += os.read(self._master, 1024)
            reply, used = self._answer(received)
            received = received[used:]
            if reply:
                os.write(self._master, reply)


def frames_of(answers: Callable[[bytes], bytes]) -> Callable[[bytes], tuple[bytes, int]]:
    """For a Modbus device: each request (8 bytes, more for function 16) gets what `answers` says."""

    def answer(received: bytes) -> tuple[bytes, int]:
        size = 9 + received[6] if len(received) > 6 and received[1] == 16 else 8
        return (answers(received[:size]), size) if len(received) >= size else (b"", 0)

    return answer


def lines_of(answers: Callable[[str], str]) -> Callable[[bytes], tuple[bytes, int]]:
    """For a board that talks in lines: each line gets what `answers` says (empty: nothing)."""

    def answer(received: bytes) -> tuple[bytes, int]:
        line, newline, _ = received.partition(b"\n")
        return (answers(line.decode()).encode(), len(line) + 1) if newline else (b"", 0)

    return answer
