"""One device on an I2C bus, by the kernel's /dev/i2c-N: whole messages out and in.

Why no library: docs/adr/0040-readers-and-displays-without-libraries.md.
The kernel lets one transfer after the other onto the bus, so devices that share it need not know of each other.
"""

import errno
import os
from typing import NoReturn

from hal.drivers.kernel import LINUX, Kernel
from hal.types import DeviceMissing, DeviceSilent

# linux/i2c-dev.h
I2C_RETRIES, I2C_TIMEOUT, I2C_SLAVE = 0x0701, 0x0702, 0x0703
TIMEOUT_10MS = 5
"""A bus that hangs is given up after 50 ms; kernels wait a second otherwise, and 128 bytes take 12 ms at 100 kHz."""

GONE = frozenset({errno.ENODEV, errno.EBADF, errno.ENOENT})


def i2c_claim(path: str, address: int) -> str:
    """What one device alone may use of a bus."""
    return f"address 0x{address:02X} on {path}"


class I2cPort:
    """A device at an address; the bus is opened when it is first used, and again after it was gone."""

    def __init__(self, device: str, path: str, address: int, kernel: Kernel = LINUX) -> None:
        self._device = device
        self._path = path
        self._address = address
        self._kernel = kernel
        self._file: int | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return i2c_claim(self._path, self._address)

    def write(self, message: bytes) -> None:
        """One message to the device. DeviceSilent when nobody acknowledges it, DeviceMissing when the bus is gone."""
        file = self._open()
        try:
            self._kernel.write(file, message)
        except OSError as error:
            self._fail(error)

    def read(self, count: int) -> bytes:
        """One message of `count` bytes from the device; errors as `write`."""
        file = self._open()
        try:
            return self._kernel.read(file, count)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Give the bus back."""
        if self._file is not None:
            self._kernel.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is not None:
            return self._file
        try:
            self._file = self._kernel.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            self._kernel.ioctl(self._file, I2C_SLAVE, self._address)
            self._kernel.ioctl(self._file, I2C_TIMEOUT, TIMEOUT_10MS)
            self._kernel.ioctl(self._file, I2C_RETRIES, 0)
        except OSError as error:
            self.close()
            raise DeviceMissing(
                self._device, f"{self._path} cannot be used ({error.strerror}); enable the bus, and mend 'i2c'"
            ) from error
        return self._file

    def _fail(self, error: OSError) -> NoReturn:
        if error.errno in GONE:
            self.close()
            raise DeviceMissing(self._device, f"{self._path} is gone ({error.strerror})") from error
        raise DeviceSilent(
            self._device, f"{self.name} does not answer ({error.strerror}); is it powered, wired, the address right?"
        ) from error
