"""A USB reader that types: the input device, grabbed so that cards do not type into a console, and its keys as lines.

What is typed is collected up to ENTER. Why no library: docs/adr/0040-readers-and-displays-without-libraries.md.
"""

import errno
import os
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hal.drivers.kernel import LINUX, Kernel
from hal.types import DeviceMissing

# linux/input.h and linux/input-event-codes.h
EVENT = struct.Struct("llHHi")  # two words of time in the machine's own size, type, code, value
EV_SYN, EV_KEY = 0, 1
SYN_DROPPED = 3
PRESSED = 1  # 0 is released, 2 repeated while held
EVIOCGID, EVIOCGRAB = 0x80084502, 0x40044590
KEY_BITS_BYTES = 96
EVIOCGBIT_KEY = 0x80000000 | KEY_BITS_BYTES << 16 | 0x4521

ENTER_KEYS = frozenset({28, 96})  # ENTER, keypad ENTER
CLEARING_KEYS = frozenset({1, 14, 55, 111})  # ESC, BACKSPACE, keypad *, DELETE: begin again
SILENT_KEYS = frozenset({29, 42, 54, 56, 58, 69, 97, 100, 125})  # Shift, Ctrl, locks: they change no digit
CHARACTERS = {
    **dict(zip(range(2, 12), "1234567890", strict=True)),
    **dict(zip(range(16, 26), "QWERTYUIOP", strict=True)),
    **dict(zip(range(30, 39), "ASDFGHJKL", strict=True)),
    **dict(zip(range(44, 51), "ZXCVBNM", strict=True)),
    **dict(zip((79, 80, 81, 75, 76, 77, 71, 72, 73, 82), "1234567890", strict=True)),
}
FOREIGN = "?"
"""Stands for a key that is neither digit nor letter; a line with one is no identifier."""

LONGEST_LINE = 40
LINES_KEPT = 4
EVENTS_AT_ONCE = 64
READS_AT_ONCE = 16
DEVICES_LOOKED_AT = 64


@dataclass(frozen=True, slots=True)
class Identity:
    """USB vendor and product, where a device is not named by its path."""

    vendor: int
    product: int


class Keyboard:
    """One input device: opened and grabbed when first read, and again after it was gone.

    `which`: its path (`/dev/input/by-id/...`) or its identity.
    """

    def __init__(
        self, device: str, which: Path | Identity, *, inputs: Path = Path("/dev/input"), kernel: Kernel = LINUX
    ) -> None:
        self._device = device
        self._which = which
        self._inputs = inputs
        self._kernel = kernel
        self._file: int | None = None
        self._lines = Lines()

    def path(self) -> Path:
        """Where it is now. DeviceMissing when it is not there, or when several fit."""
        if isinstance(self._which, Path):
            if not self._which.exists():
                raise DeviceMissing(self._device, f"{self._which} is not there; plug the reader in, or mend 'path'")
            return self._which
        found = [path for path in sorted(self._inputs.glob("event*"))[:DEVICES_LOOKED_AT] if self._fits(path)]
        name = f"{self._which.vendor:04x}:{self._which.product:04x}"
        if not found:
            raise DeviceMissing(
                self._device,
                f"no keyboard {name} in {self._inputs}; plug the reader in, or mend 'vendor' and 'product'",
            )
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise DeviceMissing(self._device, f"several keyboards are {name} ({names}); give 'path' instead")
        return found[0]

    def next_line(self, now_mono: float, apart_s: float) -> str | None:
        """The oldest line not taken yet, or None; returns at once. Keys more than `apart_s` apart are of two lines."""
        try:
            self._read_keys(now_mono, apart_s)
        except OSError as error:
            self.close()
            why = "another program holds it" if error.errno == errno.EBUSY else error.strerror or str(error)
            raise DeviceMissing(self._device, f"the reader cannot be read ({why})") from error
        return self._lines.take()

    def close(self) -> None:
        """Let go of it."""
        self._lines = Lines()
        if self._file is not None:
            self._kernel.close(self._file)
            self._file = None

    def _read_keys(self, now_mono: float, apart_s: float) -> None:
        if self._file is None:
            self._file = self._open(self.path())
            self._kernel.ioctl(self._file, EVIOCGRAB, 1)
        for _ in range(READS_AT_ONCE):
            try:
                raw = self._kernel.read(self._file, EVENT.size * EVENTS_AT_ONCE)
            except BlockingIOError:
                return
            if not raw:
                raise OSError(errno.ENODEV, "the device is gone")
            whole = raw[: len(raw) // EVENT.size * EVENT.size]
            self._lines.feed(
                ((kind, code, value) for _, _, kind, code, value in EVENT.iter_unpack(whole)), now_mono, apart_s
            )

    def _fits(self, path: Path) -> bool:
        """Whether it is that device, and the one of its event nodes that has an ENTER key."""
        try:
            file = self._open(path)
        except OSError:
            return False  # not ours to read, or gone while we looked
        try:
            identity, keys = bytearray(8), bytearray(KEY_BITS_BYTES)
            self._kernel.ioctl(file, EVIOCGID, identity)
            self._kernel.ioctl(file, EVIOCGBIT_KEY, keys)
        except OSError:
            return False
        finally:
            self._kernel.close(file)
        _, vendor, product, _ = struct.unpack("=4H", identity)
        return Identity(vendor, product) == self._which and any(keys[key // 8] >> key % 8 & 1 for key in ENTER_KEYS)

    def _open(self, path: Path) -> int:
        return self._kernel.open(str(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


class Lines:
    """Key events into lines, upper case. Pure."""

    def __init__(self) -> None:
        self._typed = ""
        self._typed_mono = 0.0
        self._lost = False
        self._ready: deque[str] = deque(maxlen=LINES_KEPT)

    def feed(self, events: Iterable[tuple[int, int, int]], now_mono: float, apart_s: float) -> None:
        """Events as (type, code, value), come at `now_mono`."""
        for kind, code, value in events:
            if (kind, code) == (EV_SYN, SYN_DROPPED):
                self._typed, self._lost = "", True  # the kernel's buffer ran over: the rest of this line is no line
            elif kind == EV_KEY and value == PRESSED:
                self._press(code, now_mono, apart_s)

    def take(self) -> str | None:
        """The oldest whole line."""
        return self._ready.popleft() if self._ready else None

    def _press(self, code: int, now_mono: float, apart_s: float) -> None:
        if now_mono - self._typed_mono > apart_s:
            self._typed, self._lost = "", False
        self._typed_mono = now_mono
        if code in ENTER_KEYS:
            if self._typed and not self._lost:
                self._ready.append(self._typed)
            self._typed, self._lost = "", False
        elif code in CLEARING_KEYS:
            self._typed = ""
        elif code not in SILENT_KEYS:
            self._typed = (self._typed + CHARACTERS.get(code, FOREIGN))[:LONGEST_LINE]
