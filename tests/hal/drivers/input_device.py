"""A USB keyboard in place of the kernel's: a pseudo-terminal carries its events, its ioctl calls are answered here."""

import errno
import os
import struct
import tty
from pathlib import Path
from typing import Any

from hal.drivers.kernel import Kernel
from hal.drivers.keyboard import EVENT, EVIOCGBIT_KEY, EVIOCGID, EVIOCGRAB

CODES = dict(zip("1234567890", range(2, 12), strict=True)) | {
    **dict(zip("QWERTYUIOP", range(16, 26), strict=True)),
    **dict(zip("ASDFGHJKL", range(30, 39), strict=True)),
    **dict(zip("ZXCVBNM", range(44, 51), strict=True)),
    "\n": 28, "-": 12, "\b": 14, "^": 42,
}  # fmt: skip


def events_of(text: str) -> bytes:
    """Each character pressed, repeated while held, and released, each with its report."""
    keys = [(CODES[character], value) for character in text for value in (1, 2, 0)]
    return b"".join(EVENT.pack(0, 0, 1, code, value) + EVENT.pack(0, 0, 0, 0, 0) for code, value in keys)


class InputDevice:
    """A keyboard that is plugged in at `path`. `keys`: the codes it has."""

    def __init__(self, path: Path, vendor: int = 0xFFFF, product: int = 0x0035, keys: tuple[int, ...] = (28,)) -> None:
        self.path = path
        self.identity = (vendor, product)
        self.keys = keys
        self.held_by_another = False
        self.grabs = 0
        self._master = self._slave = -1
        self._rest = b""
        self.kernel = Kernel(ioctl=self._ioctl, read=self._read)
        self.plug_in()

    def plug_in(self) -> None:
        self._rest = b""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path.symlink_to(os.ttyname(self._slave))

    def pull_out(self) -> None:
        os.close(self._master)
        os.close(self._slave)
        self.path.unlink()

    def type(self, text: str) -> None:
        self.send(events_of(text))

    def send(self, events: bytes) -> None:
        os.write(self._master, events)

    def _read(self, file: int, count: int) -> bytes:
        """Whole events only, as the kernel gives them; a pseudo-terminal may cut one."""
        arrived = os.read(file, count - len(self._rest))
        if not arrived:
            return b""  # hung up
        raw = self._rest + arrived
        whole = len(raw) // EVENT.size * EVENT.size
        self._rest = raw[whole:]
        if not whole:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return raw[:whole]

    def _ioctl(self, file: int, request: int, argument: Any) -> int:
        if request == EVIOCGID:
            argument[:] = struct.pack("=4H", 3, *self.identity, 1)
        elif request == EVIOCGBIT_KEY:
            for key in self.keys:
                argument[key // 8] |= 1 << key % 8
        elif self.held_by_another:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        else:
            assert (request, argument) == (EVIOCGRAB, 1)
            self.grabs += 1
        return 0
