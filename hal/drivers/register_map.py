"""What a Modbus meter answers at which address: one TOML file per meter in hal/drivers/registers, data only.

Addresses are zero-based, as they travel on the wire; most manuals count from 1 or from 30001. `value = raw x scale` (x
10 to the power of the exponent register, where a point has one) is in V, A, W, Wh or Hz. Points that a meter may have:
voltage_l1..3, current_l1..3, power_l1..3, power, frequency, import, export, import_power, export_power.
"""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hal.tables import decode_table, did_you_mean, read_toml
from hal.types import BoardError

REGISTERS = Path(__file__).parent / "registers"

SUNSPEC = "sunspec"
"""The map that is found on the meter itself (hal/drivers/sunspec.py) and has no file."""

WORDS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4, "t5": 2, "t6": 2}
"""Registers a value of each type takes; most significant byte first within a register. t5 and t6: the highest byte is a
decimal exponent, the other 24 bits are the number, without (t5) and with a sign (t6)."""

FORMATS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}

SMALLEST_FLOAT = 1e-30
"""A float below this was never measured: floats of some size look like this when their words are swapped."""

LARGEST_EXPONENT = 10
"""An exponent register beyond this is none (SunSpec says -10 to 10; 0x8000 there: not implemented)."""

Type = Literal["u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64", "t5", "t6"]
Address = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]


class Point(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One value: zero-based address, type, and the factor that makes it V, A, W, Wh or Hz.

    `exponent`: address of a register (i16) that holds a decimal exponent for it; None: it has none.
    """

    address: Address
    type: Type
    scale: float
    exponent: Address | None = None

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + WORDS[self.type]


class Identity(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where the meter's serial number is: address, registers, whether they are a number or text, function to read."""

    address: Address
    registers: Annotated[int, msgspec.Meta(ge=1, le=32)]
    kind: Literal["number", "text"]
    function: Literal[3, 4]


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a meter. `import`, the energy towards the vehicle, is the one that every meter has.

    A meter without `power` has `import_power` and `export_power`, each without a sign.
    """

    import_: Point = msgspec.field(name="import")
    power: Point | None = None
    export: Point | None = None
    import_power: Point | None = None
    export_power: Point | None = None
    frequency: Point | None = None
    voltage_l1: Point | None = None
    voltage_l2: Point | None = None
    voltage_l3: Point | None = None
    current_l1: Point | None = None
    current_l2: Point | None = None
    current_l3: Point | None = None
    power_l1: Point | None = None
    power_l2: Point | None = None
    power_l3: Point | None = None

    def named(self) -> dict[str, Point]:
        """The points this meter has, by the names used in its file."""
        fields = msgspec.structs.fields(type(self))
        found = {field.encode_name: getattr(self, field.name) for field in fields}
        return {name: point for name, point in found.items() if point is not None}


class RegisterMap(msgspec.Struct, frozen=True, kw_only=True):
    """One meter. `function`: 3 or 4; `max_regs`: largest single read; `gap_ms`: silence between requests.

    `max_amps`: what it can measure per phase. `word_order`: which register of a long value comes first, its most
    significant (`big`) or least significant (`little`) one. `serial`: factory setting of the port, for people.
    `max_hole`: so many registers that the map does not name are read along rather than asked around.
    `missing`: how an integer says that there is no value: "highest" of its type, or as in "sunspec" (the lowest signed,
    the highest unsigned); a float says it with NaN always. `unfit`: why no EVSE may use the meter.
    """

    vendor: str
    models: tuple[str, ...]
    phases: Literal[1, 3]
    function: Literal[3, 4]
    serial: str
    word_order: Literal["big", "little"] = "big"
    max_regs: Annotated[int, msgspec.Meta(ge=4, le=125)]
    max_hole: Annotated[int, msgspec.Meta(ge=0, le=125)] = 0
    gap_ms: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    max_amps: Annotated[float, msgspec.Meta(ge=1, le=10_000)]
    missing: Literal["none", "highest", "sunspec"] = "none"
    identity: Identity | None = None
    unfit: str | None = None
    points: Points

    def per_phase(self, quantity: str) -> tuple[Point, ...]:
        """The points of `voltage`, `current` or `power` from L1 on; shorter than `phases` when the meter lacks some."""
        named = self.points.named()
        found = (named.get(f"{quantity}_l{phase + 1}") for phase in range(self.phases))
        return tuple(point for point in found if point is not None)

    def value(self, point: Point, registers: Mapping[int, int]) -> float:
        """The point's value in its unit; NaN when the registers say that there is none."""
        words = [registers[address] for address in range(point.address, point.end)]
        number = raw_number(words, point.type, self.word_order, self.missing)
        if point.exponent is None:
            return number * point.scale
        exponent = int.from_bytes(registers[point.exponent].to_bytes(2, "big"), "big", signed=True)
        return number * point.scale * 10.0**exponent if abs(exponent) <= LARGEST_EXPONENT else math.nan


class Block(msgspec.Struct, frozen=True):
    """Registers that are read in one request."""

    address: int
    count: int


def raw_number(words: list[int], kind: Type, word_order: str, missing: str) -> float:
    """Registers as the number of that type; NaN for what the meter marks as missing, and for no possible float."""
    raw = struct.pack(f">{len(words)}H", *(words if word_order == "big" else reversed(words)))
    if kind in {"t5", "t6"}:
        exponent = int.from_bytes(raw[:1], "big", signed=True)
        return float(int.from_bytes(raw[1:], "big", signed=kind == "t6")) * 10.0**exponent
    number = struct.unpack(f">{FORMATS[kind]}", raw)[0]
    if kind[0] == "f":
        return math.nan if number and abs(number) < SMALLEST_FLOAT else float(number)
    if missing != "none" and raw == missing_mark(kind, missing):
        return math.nan
    return float(number)


def missing_mark(kind: Type, missing: str) -> bytes:
    """The bytes by which an integer of that type says that it has no value, in the map's sense of `missing`."""
    length = 2 * WORDS[kind]
    if kind[0] == "u":
        return b"\xff" * length
    return b"\x7f" + b"\xff" * (length - 1) if missing == "highest" else b"\x80" + b"\x00" * (length - 1)


def map_names() -> list[str]:
    """The register maps there are."""
    return sorted(path.stem for path in REGISTERS.glob("*.toml"))


def load_map(name: str) -> RegisterMap:
    """The map of that name, or at that absolute path (a maker's own); BoardError when there is none, or it is wrong."""
    if Path(name).is_absolute():
        return _decode(Path(name))
    names = map_names()
    if name not in names:
        raise BoardError(
            "map",
            f"there is no register map '{name}'",
            f"{did_you_mean(name, names)}maps: {', '.join(names)}, {SUNSPEC}, or the path of your own",
        )
    return _decode(REGISTERS / f"{name}.toml")


def plan_blocks(points: list[Point], max_regs: int, max_hole: int) -> tuple[Block, ...]:
    """The fewest reads of at most `max_regs` registers that cover all points, never splitting one."""
    spans = {(point.address, point.end) for point in points}
    spans |= {(point.exponent, point.exponent + 1) for point in points if point.exponent is not None}
    blocks: list[Block] = []
    for start, end in sorted(spans):
        last = blocks[-1] if blocks else None
        if last and start - (last.address + last.count) <= max_hole and end - last.address <= max_regs:
            blocks[-1] = Block(last.address, max(last.count, end - last.address))
        else:
            blocks.append(Block(start, end - start))
    return tuple(blocks)


def _decode(path: Path) -> RegisterMap:
    registers = decode_table(RegisterMap, read_toml(path, "register map"), str(path))
    if registers.points.power is None and registers.points.import_power is None:
        raise BoardError(f"{path}: points", "there is neither power nor import_power", "give 'power', or the two parts")
    return registers
