"""One device on an SPI bus, by the kernel's /dev/spidevN.M: one exchange at a time.

Why no library: docs/adr/0040-readers-and-displays-without-libraries.md.
"""

import os
import struct
from array import array

from hal.drivers.kernel import LINUX, Kernel
from hal.types import DeviceMissing

# linux/spi/spidev.h
SPI_IOC_WR_MODE, SPI_IOC_WR_MAX_SPEED_HZ, SPI_IOC_MESSAGE_1 = 0x40016B01, 0x40046B04, 0x40206B00
TRANSFER = struct.Struct("=QQIIH6B")  # spi_ioc_transfer: both buffers, length, speed, then delays and widths


class SpiPort:
    """A device behind one chip select, mode 0; opened when it is first used, and again after a failure."""

    def __init__(self, device: str, path: str, speed_hz: int, kernel: Kernel = LINUX) -> None:
        self._device = device
        self._speed_hz = speed_hz
        self._kernel = kernel
        self._file: int | None = None
        self.name = path

    def exchange(self, sent: bytes) -> bytes:
        """What the device sent while it was sent this, of the same length. DeviceMissing when the bus is not there."""
        out, back = array("B", sent), array("B", bytes(len(sent)))
        transfer = TRANSFER.pack(
            out.buffer_info()[0], back.buffer_info()[0], len(sent), self._speed_hz, 0, 8, 0, 0, 0, 0, 0
        )
        try:
            self._kernel.ioctl(self._open(), SPI_IOC_MESSAGE_1, transfer)
        except OSError as error:
            self.close()
            raise DeviceMissing(
                self._device, f"{self.name} cannot be used ({error.strerror}); enable the bus, and mend 'spi'"
            ) from error
        return back.tobytes()

    def close(self) -> None:
        """Give the bus back."""
        if self._file is not None:
            self._kernel.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is None:
            self._file = self._kernel.open(self.name, os.O_RDWR | os.O_CLOEXEC)
            self._kernel.ioctl(self._file, SPI_IOC_WR_MODE, b"\0")
            self._kernel.ioctl(self._file, SPI_IOC_WR_MAX_SPEED_HZ, struct.pack("=I", self._speed_hz))
        return self._file
