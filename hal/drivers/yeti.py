"""The protocol of Yeti power boards: bytes to messages and back. No I/O.

A frame is COBS(message, CRC) and a zero byte. The CRC is CRC-32/JAMCRC over the message, low byte first. The message is
protobuf: a container with exactly one of the fields below, 100 and up so that older firmware ignores them. The few
kinds of fields that occur are decoded here (docs/adr/0050-yeti-without-a-protobuf-library.md).
"""

import math
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum

import msgspec

BAUD = 115200
LONGEST_FRAME_BYTES = 512
"""The longest message, a power meter's, has some 140 bytes."""

LONGEST_BLOCK_BYTES = 254
"""COBS cuts what has no zero byte for longer."""

STEADY_HIGH = 10001
"""Duty in hundredths of a percent: from 10 000 on the pilot is a steady +12 V."""

STATE_F = 0

KEEP_ALIVE, CONNECTOR_LOCK, DUTY, ALLOW_POWER_ON, RESET, THREE_PHASES = 100, 102, 103, 104, 105, 106
"""Field numbers of what the host says."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of protobuf."""

Value = int | float | bytes


class YetiGarbled(ValueError):
    """Bytes that are no message; the text says why."""


class CpState(IntEnum):
    """State of the vehicle, as the board measures it."""

    A = 0
    B = 1
    C = 2
    D = 3
    E = 4
    F = 5


class PpState(IntEnum):
    """Cable class by the proximity contact."""

    NO_CABLE = 0
    A13 = 1
    A20 = 2
    A32 = 3
    A70 = 4
    FAULT = 5


class LockState(IntEnum):
    """Where the lock's motor is."""

    UNDEFINED = 0
    UNLOCKED = 1
    LOCKED = 2


class KeepAlive(msgspec.Struct, frozen=True, kw_only=True):
    """The board lives; what it is. Phases and amps are what its hardware can do."""

    hw_revision: int
    software: str
    max_amps: float
    max_phases: int
    min_phases: int


class Restarted(msgspec.Struct, frozen=True):
    """The board has started. `by_watchdog`: because its program hung."""

    by_watchdog: bool


class RelaysClosed(msgspec.Struct, frozen=True):
    """The contactor moved."""

    closed: bool


class ErrorFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What the board found wrong; complete each time."""

    diode_fault: bool = False
    rcd_selftest_failed: bool = False
    rcd_triggered: bool = False
    ventilation_not_available: bool = False
    connector_lock_failed: bool = False
    cp_signal_fault: bool = False
    over_current: bool = False


class PowerMeter(msgspec.Struct, frozen=True, kw_only=True):
    """The board's own meter. Three values per quantity, L1 to L3; `celsius`: L1, L2, L3, N."""

    volts: tuple[float, ...]
    amps: tuple[float, ...]
    watts: tuple[float, ...]
    celsius: tuple[float, ...]
    energy_wh: float
    frequency_hz: float


class Unused(msgspec.Struct, frozen=True):
    """A message of no use here, such as telemetry. `number`: its field."""

    number: int


Message = KeepAlive | Restarted | CpState | RelaysClosed | ErrorFlags | PpState | LockState | PowerMeter | Unused


# ---- what the host says ----


def keep_alive() -> bytes:
    """The host lives."""
    software = b"chargerd"
    return _container(KEEP_ALIVE, BYTES, _key(6, BYTES) + _varint(len(software)) + software)


def allow_power_on(allowed: bool) -> bytes:
    """The contactor may be closed for a vehicle that asks; False: open it at once."""
    return _container(ALLOW_POWER_ON, VARINT, allowed)


def duty(hundredths: int) -> bytes:
    """Duty cycle in 0.01 %; STATE_F and STEADY_HIGH are the two steady levels."""
    return _container(DUTY, VARINT, hundredths)


def connector_lock(locked: bool) -> bytes:
    """Drive the lock."""
    return _container(CONNECTOR_LOCK, VARINT, locked)


def three_phases(three: bool) -> bytes:
    """Three phases from the next closing on; False: one."""
    return _container(THREE_PHASES, VARINT, three)


def reset() -> bytes:
    """Start anew."""
    return _container(RESET, VARINT, True)


# ---- what the board says ----


def decode(message: bytes) -> Message:
    """The message in a container; YetiGarbled when it is none."""
    found = list(_fields(message))
    if len(found) != 1:
        raise YetiGarbled(f"a message with {len(found)} fields, expected one")
    number, value = found[0]
    match number:
        case 3:
            return _keep_alive(_inner(value))
        case 101:
            return Restarted(_whole(value) == 1)
        case 102:
            return _enum(CpState, value)
        case 103:
            return RelaysClosed(bool(_whole(value)))
        case 104:
            inner = _inner(value)
            flags = (bool(_whole(inner.get(field, 0))) for field in range(1, 8))
            return ErrorFlags(**dict(zip(ErrorFlags.__struct_fields__, flags, strict=True)))
        case 106:
            return _enum(PpState, value)
        case 107:
            return _enum(LockState, value)
        case 108:
            return _power_meter(_inner(value))
        case _:
            return Unused(number)


def _keep_alive(inner: dict[int, Value]) -> KeepAlive:
    software = inner.get(6, b"")
    return KeepAlive(
        hw_revision=_whole(inner.get(3, 0)),
        software=software.decode("utf-8", "replace") if isinstance(software, bytes) else "",
        max_amps=_number(inner.get(7, 0.0)),
        max_phases=_whole(inner.get(9, 0)),
        min_phases=_whole(inner.get(10, 0)),
    )


def _power_meter(inner: dict[int, Value]) -> PowerMeter:
    def numbers(first: int, count: int) -> tuple[float, ...]:
        return tuple(_number(inner.get(field, 0.0)) for field in range(first, first + count))

    return PowerMeter(
        volts=numbers(2, 3),
        amps=numbers(5, 3),
        energy_wh=_number(inner.get(12, 0.0)),
        celsius=numbers(13, 4),
        watts=numbers(17, 3),
        frequency_hz=_number(inner.get(20, 0.0)),
    )


def _enum(kind: type[CpState] | type[PpState] | type[LockState], value: Value) -> CpState | PpState | LockState:
    number = _whole(value)
    try:
        return kind(number)
    except ValueError as error:
        raise YetiGarbled(f"{kind.__name__} {number} is not known") from error


def _whole(value: Value) -> int:
    if isinstance(value, int):
        return value
    raise YetiGarbled(f"found {value!r}, expected a whole number")


def _number(value: Value) -> float:
    """A float that is one: NaN and the infinities are no measurement."""
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise YetiGarbled(f"found {value!r}, expected a number")


def _inner(value: Value) -> dict[int, Value]:
    if isinstance(value, bytes):
        return dict(_fields(value))
    raise YetiGarbled(f"found {value!r}, expected a message within")


# ---- protobuf ----


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Field numbers and values; groups, which nobody uses, are garbled."""
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value: Value
            value, position = _read_varint(data, position)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
            chunk, position = _read_bytes(data, position, size)
            value = struct.unpack("<f" if size == 4 else "<d", chunk)[0]
        elif kind == BYTES:
            size, position = _read_varint(data, position)
            value, position = _read_bytes(data, position, size)
        else:
            raise YetiGarbled(f"field {number} has the unknown wire type {kind}")
        yield number, value


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
    raise YetiGarbled("a number without end")


def _read_bytes(data: bytes, position: int, size: int) -> tuple[bytes, int]:
    if position + size > len(data):
        raise YetiGarbled(f"{size} bytes were announced, {len(data) - position} came")
    return data[position : position + size], position + size


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _container(number: int, kind: int, value: int | bytes) -> bytes:
    body = _varint(len(value)) + value if isinstance(value, bytes) else _varint(int(value))
    return _key(number, kind) + body


# ---- frames ----


def frame(message: bytes) -> bytes:
    """A message as it goes over the wire."""
    return cobs_encode(message + _crc(message)) + b"\0"


def unframe(packet: bytes) -> bytes:
    """The message in what came before a zero byte; YetiGarbled when it is damaged."""
    plain = cobs_decode(packet)
    message, crc = plain[:-4], plain[-4:]
    if len(plain) < 5 or _crc(message) != crc:
        raise YetiGarbled(f"{len(plain)} bytes with a wrong checksum")
    return message


def cobs_encode(data: bytes) -> bytes:
    """`data` without zero bytes: each is replaced by the distance to the next one."""
    assert len(data) < LONGEST_BLOCK_BYTES, "can't happen: what the host says has some 20 bytes"
    return b"".join(bytes((len(block) + 1,)) + block for block in data.split(b"\0"))


def cobs_decode(packet: bytes) -> bytes:
    """The inverse; YetiGarbled when a distance leads beyond the end."""
    decoded = bytearray()
    position = 0
    while position < len(packet):
        code = packet[position]
        block = packet[position + 1 : position + code]
        if code == 0 or len(block) != code - 1:
            raise YetiGarbled("a frame with an impossible distance")
        decoded += block
        position += code
        if code <= LONGEST_BLOCK_BYTES and position < len(packet):
            decoded.append(0)
    return bytes(decoded)


def _crc(message: bytes) -> bytes:
    """CRC-32/JAMCRC: the usual CRC-32 without its last inversion."""
    return (zlib.crc32(message) ^ 0xFFFFFFFF).to_bytes(4, "little")


class Packets:
    """Cuts what arrives into what lies between zero bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that are whole now; one without end is cut, and will not check out."""
        *whole, rest = (self._rest + data).split(b"\0")
        self._rest = rest[-LONGEST_FRAME_BYTES:]
        return [packet for packet in whole if packet]

    def clear(self) -> None:
        """Forget what has begun."""
        self._rest = b""
