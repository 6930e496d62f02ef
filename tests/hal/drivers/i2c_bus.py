"""An I2C bus in place of the kernel's: devices at addresses, and the ways a bus fails."""

import errno
import os
from pathlib import Path
from typing import Protocol

from hal.drivers.i2c import I2C_RETRIES, I2C_SLAVE, I2C_TIMEOUT
from hal.drivers.kernel import Kernel

FILE = 1000


class Device(Protocol):
    def write(self, message: bytes) -> None: ...
    def read(self, count: int) -> bytes: ...


class Bus:
    """`path` exists, and stands for the bus. `error`: what every transfer fails with; `is_there`: the adapter is."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "i2c-1")
        Path(self.path).touch()
        self.devices: dict[int, Device] = {}
        self.error: int | None = None
        self.is_there = True
        self.written: list[bytes] = []
        self.controls: list[tuple[int, int]] = []
        self.files = 0
        self.kernel = Kernel(self._open, self._ioctl, self._read, self._write, self._close)
        self._addresses: dict[int, int] = {}

    @property
    def traffic_bytes(self) -> int:
        return sum(map(len, self.written))

    def _open(self, path: str, flags: int) -> int:
        assert (path, flags & os.O_RDWR) == (self.path, os.O_RDWR)
        if not self.is_there:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.files += 1
        return FILE + self.files

    def _ioctl(self, file: int, request: int, argument: int) -> int:
        assert request in {I2C_SLAVE, I2C_TIMEOUT, I2C_RETRIES}
        self.controls.append((request, argument))
        if request == I2C_SLAVE:
            self._addresses[file] = argument
        return 0

    def _device(self, file: int) -> Device:
        if not self.is_there:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        if self._addresses[file] not in self.devices:
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        return self.devices[self._addresses[file]]

    def _write(self, file: int, message: bytes) -> int:
        self._device(file).write(message)
        self.written.append(message)
        return len(message)

    def _read(self, file: int, count: int) -> bytes:
        return self._device(file).read(count)

    def _close(self, file: int) -> None:
        del self._addresses[file]
        self.files -= 1
