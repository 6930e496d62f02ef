"""One device on a Modbus line: its address and the silence it wants, put into every request."""

from collections.abc import Sequence
from typing import Literal

from hal.drivers.modbus_line import ModbusLine
from hal.types import LineQuality

LONGEST_WRITE = 123
"""Registers in one request of function 16 (Modbus application protocol 6.12)."""


class ModbusUnit:
    """Unit `unit` on `line`, called `device` in messages. Nothing is repeated: the caller knows what may be."""

    def __init__(self, line: ModbusLine, device: str, unit: int, gap_ms: int) -> None:
        self.device = device
        self._line = line
        self._unit = unit
        self._gap_s = gap_ms / 1000

    def read(self, function: Literal[3, 4], address: int, count: int) -> list[int]:
        """Registers from `address` on. HalError."""
        return self._line.read(self.device, self._unit, function, address, count, retries=0, gap_s=self._gap_s)

    def read_text(self, function: Literal[3, 4], address: int, count: int) -> bytes:
        """The bytes of registers, most significant first, in as many requests as it takes (`count` of any size)."""
        words: list[int] = []
        while len(words) < count:
            words += self.read(function, address + len(words), min(LONGEST_WRITE, count - len(words)))
        return b"".join(word.to_bytes(2, "big") for word in words)

    def write(self, address: int, values: Sequence[int]) -> None:
        """Holding registers from `address` on (function 16), in as many requests as it takes. HalError."""
        for start in range(0, len(values), LONGEST_WRITE):
            part = values[start : start + LONGEST_WRITE]
            self._line.write_registers(self.device, self._unit, address + start, part, retries=0, gap_s=self._gap_s)

    def write_one(self, address: int, value: int) -> None:
        """One holding register (function 6). HalError."""
        self._line.write_register(self.device, self._unit, address, value, retries=0, gap_s=self._gap_s)

    def write_coil(self, address: int, on: bool) -> None:
        """One coil (function 5). HalError."""
        self._line.write_coil(self.device, self._unit, address, on, retries=0, gap_s=self._gap_s)

    def write_text(self, address: int, text: bytes, count: int) -> None:
        """Text into `count` registers, cut to what fits, the rest filled with zeros."""
        padded = text[: 2 * count].ljust(2 * count, b"\0")
        self.write(address, [int.from_bytes(padded[at : at + 2], "big") for at in range(0, 2 * count, 2)])

    def quality(self) -> LineQuality:
        """How the requests to this unit have fared since start."""
        return self._line.quality(self._unit)

    def leave(self) -> None:
        """The device is done with the line."""
        self._line.leave()
