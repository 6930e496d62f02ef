"""What the procedures of signing meters are made of: steps, each of a request or two, with a reading between them."""

from collections.abc import Callable, Generator
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from hal.drivers.modbus_line import DeviceRefused
from hal.drivers.modbus_unit import ModbusUnit
from hal.types import DeviceGarbled, DeviceSilent, HalError

TRIES = 3

PIECE = 120
"""Registers of one request: all these meters answer so many."""

T = TypeVar("T")
Steps = Generator[None, None, T]


class SessionFailed(HalError):
    """The meter will not open or close a session, and says so."""


class Procedure(Protocol):
    """How one kind of meter is made to sign. `longest_text`: characters of identification that it signs."""

    longest_text: int

    def begin(self, text: str, at: datetime) -> Steps[bytes | None]:
        """Open a session; the document of its begin, for meters that make one."""
        ...

    def end(self, at: datetime) -> Steps[bytes | None]:
        """Close the open session; its document."""
        ...

    def public_key(self) -> bytes:
        """The key in DER."""
        ...


def again(ask: Callable[[], T]) -> Steps[T]:
    """Ask, and ask again at the next step when there was no answer. Only for what may be done twice."""
    for _ in range(TRIES - 1):
        try:
            return ask()
        except DeviceRefused:
            raise
        except (DeviceSilent, DeviceGarbled):
            yield
    return ask()


def read_later(unit: ModbusUnit, function: Literal[3, 4], address: int, count: int) -> Steps[bytes]:
    """The bytes of many registers, a request at a step."""
    raw = b""
    for start in range(address, address + count, PIECE):
        raw += yield from again(_reader(unit, function, start, min(PIECE, address + count - start)))
        yield
    return raw


def utc_offset_min(at: datetime) -> int:
    """Minutes that local time is ahead of UTC, as a register of 16 bits."""
    offset = at.utcoffset()
    assert offset is not None, "can't happen because a time that goes to a meter has its zone"
    return round(offset.total_seconds() / 60) & 0xFFFF


def _reader(unit: ModbusUnit, function: Literal[3, 4], address: int, count: int) -> Callable[[], bytes]:
    return lambda: unit.read_text(function, address, count)
