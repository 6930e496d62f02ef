"""What the plant's meters hold in their registers: the values of a register map, packed as the map says.

A book answers reads with words and takes writes; a Refusal is what a device says in a Modbus exception.
"""

import itertools
import math
import struct
from typing import Protocol

from hal.drivers.register_map import FORMATS, WORDS, Point, RegisterMap, Type, missing_mark
from hal.sim.pictures import MeterValues

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3

FIRST_SERIAL_NUMBER = 40_000_000
"""A meter of the plant has this serial number plus the number of its EVSE; the one it is swapped for, 500 more."""

SWAPPED = 500
SMALLEST_EXPONENT, LARGEST_EXPONENT = -4, 10


class Refusal(Exception):
    """The device answers with this Modbus exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Book(Protocol):
    """The registers of one device. `values` is what the meter measures now, `serial` its serial number."""

    def read(self, function: int, address: int, count: int, values: MeterValues, serial: int) -> list[int]:
        """Registers from `address` on. Refusal."""
        ...

    def write(self, address: int, words: list[int]) -> None:
        """Holding registers from `address` on. Refusal."""
        ...


class MapBook:
    """A meter with exactly the registers of a map, which refuses whatever the map does not allow to be read."""

    def __init__(self, registers: RegisterMap) -> None:
        self._map = registers

    def read(self, function: int, address: int, count: int, values: MeterValues, serial: int) -> list[int]:
        """The map's values, 0 in its holes; the serial number where the map has it."""
        if not 1 <= count <= self._map.max_regs:
            raise Refusal(ILLEGAL_VALUE)
        identity = self._map.identity
        wanted = range(address, address + count)
        if identity is not None and function == identity.function and address == identity.address:
            raw = f"{serial}".encode() if identity.kind == "text" else serial.to_bytes(2 * identity.registers, "big")
            words = dict(enumerate(words_of(raw.ljust(2 * identity.registers, b"\0")), start=identity.address))
        elif function == self._map.function:
            words = encode_registers(self._map, values)
            _fill_holes(words, self._map.max_hole)
        else:
            raise Refusal(ILLEGAL_FUNCTION)
        if not words.keys() >= set(wanted):
            raise Refusal(ILLEGAL_ADDRESS)
        return [words[each] for each in wanted]

    def write(self, address: int, words: list[int]) -> None:
        """Nothing can be written."""
        raise Refusal(ILLEGAL_FUNCTION)


def encode_registers(registers: RegisterMap, values: MeterValues) -> dict[int, int]:
    """Every register of the map, address -> word; what the map has and the EVSE has not reads 0."""
    numbers = numbers_of(values)
    points = registers.points.named()
    exponents = _exponents(points, numbers)
    words = {address: exponent & 0xFFFF for address, exponent in exponents.items()}
    for name, point in points.items():
        scale = point.scale * 10.0 ** exponents[point.exponent] if point.exponent is not None else point.scale
        raw = pack(point.type, numbers.get(name, 0.0) / scale, registers.missing)
        each = words_of(raw)
        words |= dict(enumerate(each if registers.word_order == "big" else each[::-1], start=point.address))
    return words


def numbers_of(values: MeterValues) -> dict[str, float]:
    """The measured values by the names of points."""
    numbers = {
        "import": values.energy_wh,
        "export": 0.0,
        "power": values.power_w,
        "import_power": max(values.power_w, 0.0),
        "export_power": max(-values.power_w, 0.0),
        "frequency": values.frequency_hz,
    }
    for quantity, phases in (("voltage", values.volts), ("current", values.amps), ("power", values.phase_watts)):
        numbers |= {f"{quantity}_l{phase}": value for phase, value in enumerate(phases, start=1)}
    return numbers


def pack(kind: Type, number: float, missing: str) -> bytes:
    """A number as that type; NaN as the type's way of saying that there is none. Unsigned registers roll over."""
    if kind[0] == "f":
        return struct.pack(f">{FORMATS[kind]}", number)
    bits = 16 * WORDS[kind]
    if math.isnan(number):
        return missing_mark(kind, missing) if kind in FORMATS else b"\x7f" + b"\xff" * 3
    if kind in {"t5", "t6"}:
        return _pack_with_exponent(number, is_signed=kind == "t6")
    whole = math.floor(number)
    whole = whole % 2**bits if kind[0] == "u" else max(-(2 ** (bits - 1)), min(whole, 2 ** (bits - 1) - 1))
    return struct.pack(f">{FORMATS[kind]}", whole)


def words_of(raw: bytes) -> list[int]:
    """Bytes as registers."""
    return list(struct.unpack(f">{len(raw) // 2}H", raw))


def _pack_with_exponent(number: float, *, is_signed: bool) -> bytes:
    most = 2**23 if is_signed else 2**24
    for exponent in range(SMALLEST_EXPONENT, LARGEST_EXPONENT):
        whole = round(number / 10.0**exponent)
        if -most <= whole < most:
            return exponent.to_bytes(1, "big", signed=True) + whole.to_bytes(3, "big", signed=is_signed)
    raise ValueError(f"{number} does not fit into 24 bits and an exponent")


def _exponents(points: dict[str, Point], numbers: dict[str, float]) -> dict[int, int]:
    """Exponent registers: the finest that lets each of its points fit."""
    found: dict[int, int] = {}
    for name, point in points.items():
        if point.exponent is not None:
            most = 2 ** (16 * WORDS[point.type] - (point.type[0] == "i")) - 1
            found[point.exponent] = max(
                found.get(point.exponent, SMALLEST_EXPONENT), _finest(numbers.get(name, 0.0) / point.scale, most)
            )
    return found


def _finest(number: float, most: int) -> int:
    for exponent in range(SMALLEST_EXPONENT, LARGEST_EXPONENT):
        if abs(number) / 10.0**exponent <= most:
            return exponent
    return SMALLEST_EXPONENT  # not a number


def _fill_holes(words: dict[int, int], longest: int) -> None:
    """Registers between two of the map read 0 where the map says that they may be read along."""
    known = sorted(words)
    for before, after in itertools.pairwise(known):
        if after - before - 1 <= longest:
            words |= dict.fromkeys(range(before + 1, after), 0)
