"""The simulated PN532 behind an I2C bus and behind an SPI bus, in place of the kernel's."""

import ctypes
import errno
import os
from pathlib import Path

from hal.drivers.kernel import Kernel
from hal.drivers.spi import SPI_IOC_MESSAGE_1, SPI_IOC_WR_MAX_SPEED_HZ, SPI_IOC_WR_MODE, TRANSFER
from hal.sim.pn532 import Pn532Chip

FILLER = 0x80


def turned(data: bytes) -> bytes:
    """Every byte with its lowest bit first."""
    return bytes(sum((byte >> bit & 1) << 7 - bit for bit in range(8)) for byte in data)


class I2cChip:
    """A device of tests.hal.drivers.i2c_bus. Asleep, its address wakes it and is not acknowledged."""

    def __init__(self, chip: Pn532Chip) -> None:
        self.chip = chip
        self.busy_reads = 0
        self._frames: list[bytes] = []

    def write(self, message: bytes) -> None:
        if not self.chip.is_awake:
            self.chip.wake()
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        self._frames = self.chip.take(message)
        self.busy_reads = 1

    def read(self, count: int) -> bytes:
        if self.busy_reads:
            self.busy_reads -= 1
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        if not self._frames:
            return bytes(count)
        frame = self._frames[0] if count == 1 else self._frames.pop(0)
        return (b"\x01" + frame).ljust(count, bytes((FILLER,)))[:count]


class SpiChip:
    """`path` exists, and stands for the device node. `is_there`: the bus is."""

    def __init__(self, chip: Pn532Chip, folder: Path) -> None:
        self.chip = chip
        self.path = str(folder / "spidev0.0")
        Path(self.path).touch()
        self.is_there = True
        self.files = 0
        self.modes: list[bytes] = []
        self.speeds_hz: set[int] = set()
        self._frames: list[bytes] = []
        self.kernel = Kernel(self._open, self._ioctl, self._never, self._never, self._close)  # type: ignore[arg-type]

    def _open(self, path: str, flags: int) -> int:
        assert (path, flags & os.O_RDWR) == (self.path, os.O_RDWR)
        if not self.is_there:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.files += 1
        return 1000

    def _ioctl(self, file: int, request: int, argument: bytes) -> int:
        if not self.is_there:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        if request == SPI_IOC_WR_MODE:
            self.modes.append(argument)
        elif request == SPI_IOC_MESSAGE_1:
            sent_at, received_at, length, speed_hz, _, bits, *_ = TRANSFER.unpack(argument)
            assert bits == 8
            self.speeds_hz.add(speed_hz)
            answer = turned(self._exchange(turned(ctypes.string_at(sent_at, length))))
            ctypes.memmove(received_at, answer, length)
        else:
            assert request == SPI_IOC_WR_MAX_SPEED_HZ
        return 0

    def _exchange(self, sent: bytes) -> bytes:
        self.chip.wake()  # chip select
        answer = b""
        if sent[0] == 0x01:
            self._frames = self.chip.take(sent[1:])
        elif sent[0] == 0x02:
            answer = bytes((bool(self._frames),))
        elif sent[0] == 0x03:
            answer = self._frames.pop(0)
        return (b"\xff" + answer).ljust(len(sent), bytes((FILLER,)))[: len(sent)]

    def _never(self, *_: object) -> bytes:  # a half exchange would lose the other half
        raise AssertionError("the driver reads or writes alone")

    def _close(self, file: int) -> None:
        self.files -= 1
