"""The three ways to a PN532 - UART, I2C, SPI - as one: send bytes, take what comes, wake the chip. UM0701-02 6.2.

I2C and SPI are asked whether something is ready. Not ready, nothing and noise all look the same here: no bytes.
"""

import termios
import time
from typing import Protocol

import serial

from hal.drivers.i2c import I2cPort
from hal.drivers.pn532 import ACK, LONGEST_BODY
from hal.drivers.spi import SpiPort
from hal.types import DeviceMissing, DeviceSilent

BAUD = 115200
I2C_ADDRESS = 0x24
WAIT_S = 0.02
ASK_EVERY_S = 0.002
START_UP_S = 0.002  # the oscillator's start: T_osc_start, 2 ms
READY = 0x01
FRAME_BYTES = LONGEST_BODY + 8

REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""The chip wants the lowest bit first on SPI, which most hosts cannot; so each byte is turned round."""

STATUS_READ, DATA_WRITE, DATA_READ = 0x02, 0x01, 0x03


class Wire(Protocol):
    """A way to the chip; each call raises DeviceMissing when it is gone. `name`: for messages."""

    name: str

    def wake(self) -> None:
        """Whatever the chip was doing: stop, and listen."""
        ...

    def send(self, frame: bytes) -> None:
        """Send a frame; what came before it is of no interest any more."""
        ...

    def receive(self) -> bytes:
        """What came, waiting for some milliseconds; empty: nothing."""
        ...

    def close(self) -> None:
        """Give the port back."""
        ...


class UartWire:
    """High speed UART: eight data bits, one stop bit."""

    def __init__(self, device: str, port: str) -> None:
        self._device = device
        self._serial: serial.Serial | None = None
        self.name = port

    def wake(self) -> None:
        """Two bytes of 55 and some of nothing, while the oscillator starts (AN10609 chapter 3)."""
        self._write(b"\x55\x55" + bytes(14) + ACK)

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        self._write(frame)

    def receive(self) -> bytes:
        """What came."""
        try:
            port = self._open()
            first: bytes = port.read(1)
            return first + port.read(port.in_waiting) if first else b""
        except (OSError, termios.error) as error:
            raise self._gone(error) from error

    def close(self) -> None:
        """Give the port back."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def _write(self, frame: bytes) -> None:
        try:
            port = self._open()
            port.reset_input_buffer()
            port.write(frame)
        except (OSError, termios.error) as error:
            raise self._gone(error) from error

    def _open(self) -> serial.Serial:
        if self._serial is None:
            self._serial = serial.Serial(self.name, BAUD, timeout=WAIT_S, write_timeout=WAIT_S, exclusive=True)
        return self._serial

    def _gone(self, error: Exception) -> DeviceMissing:
        self.close()
        return DeviceMissing(self._device, f"{self.name} cannot be used ({error})")


class I2cWire:
    """I2C: the first byte of each reading tells whether a frame follows."""

    def __init__(self, port: I2cPort) -> None:
        self._port = port
        self.name = port.name

    def wake(self) -> None:
        """Its own address wakes it, and is not acknowledged then."""
        try:
            self._port.write(ACK)
        except DeviceSilent:
            time.sleep(START_UP_S)
            self._port.write(ACK)

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        self._port.write(frame)

    def receive(self) -> bytes:
        """The next frame."""
        try:
            if self._port.read(1)[:1] == bytes((READY,)):
                return self._port.read(1 + FRAME_BYTES)[1:]
        except DeviceSilent:
            pass  # busy chips leave their address without acknowledgement
        time.sleep(ASK_EVERY_S)
        return b""

    def close(self) -> None:
        """Give the bus back."""
        self._port.close()


class SpiWire:
    """SPI: the first byte of each exchange says what it is for."""

    def __init__(self, port: SpiPort) -> None:
        self._port = port
        self.name = port.name

    def wake(self) -> None:
        """Chip select wakes it."""
        self._exchange(STATUS_READ, bytes(1))
        time.sleep(START_UP_S)
        self._exchange(DATA_WRITE, ACK)

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        self._exchange(DATA_WRITE, frame)

    def receive(self) -> bytes:
        """The next frame."""
        if self._exchange(STATUS_READ, bytes(1)) == bytes((READY,)):
            return self._exchange(DATA_READ, bytes(FRAME_BYTES))
        time.sleep(ASK_EVERY_S)
        return b""

    def close(self) -> None:
        """Give the bus back."""
        self._port.close()

    def _exchange(self, purpose: int, sent: bytes) -> bytes:
        return self._port.exchange((bytes((purpose,)) + sent).translate(REVERSED)).translate(REVERSED)[1:]
