"""What a Modbus meter answers at which address: one TOML file per meter in hal/drivers/registers, data only.

Addresses are zero-based, as they travel on the wire; most manuals count from 1 or from 30001. `value = raw x scale`
is in V, A, W, Wh or Hz. Points that a meter may have: voltage_l1..3, current_l1..3, power_l1..3, power, frequency,
import, export.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hal.tables import decode_table, did_you_mean, read_toml
from hal.types import BoardError

REGISTERS = Path(__file__).parent / "registers"

WORDS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4}
"""Registers a value of each type takes; most significant byte first within a register."""


class Point(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One value: zero-based address, type, and the factor that makes it V, A, W, Wh or Hz."""

    address: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    type: Literal["u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64"]
    scale: float

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + WORDS[self.type]


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a meter. `import`, the energy towards the vehicle, is the one that every meter has."""

    import_: Point = msgspec.field(name="import")
    power: Point
    export: Point | None = None
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
    """

    vendor: str
    models: tuple[str, ...]
    phases: Literal[1, 3]
    function: Literal[3, 4]
    serial: str
    word_order: Literal["big", "little"] = "big"
    max_regs: Annotated[int, msgspec.Meta(ge=4, le=125)]
    gap_ms: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    max_amps: Annotated[float, msgspec.Meta(ge=1, le=10_000)]
    points: Points

    def per_phase(self, quantity: str) -> tuple[Point, ...]:
        """The points of `voltage`, `current` or `power` from L1 on; shorter than `phases` when the meter lacks some."""
        named = self.points.named()
        found = (named.get(f"{quantity}_l{phase + 1}") for phase in range(self.phases))
        return tuple(point for point in found if point is not None)


class Block(msgspec.Struct, frozen=True):
    """Registers that are read in one request."""

    address: int
    count: int


def map_names() -> list[str]:
    """The register maps there are."""
    return sorted(path.stem for path in REGISTERS.glob("*.toml"))


def load_map(name: str) -> RegisterMap:
    """The map of that name, or at that absolute path (a maker's own); BoardError when there is none, or it is wrong."""
    if Path(name).is_absolute():
        return decode_table(RegisterMap, read_toml(Path(name), "register map"), name)
    names = map_names()
    if name not in names:
        raise BoardError(
            "map",
            f"there is no register map '{name}'",
            f"{did_you_mean(name, names)}maps: {', '.join(names)}, or the path of your own",
        )
    path = REGISTERS / f"{name}.toml"
    return decode_table(RegisterMap, read_toml(path, "register map"), str(path))


def plan_blocks(points: list[Point], max_regs: int) -> tuple[Block, ...]:
    """The fewest reads of at most `max_regs` registers that cover all points, never splitting one."""
    blocks: list[Block] = []
    for point in sorted(points, key=lambda each: each.address):
        last = blocks[-1] if blocks else None
        if last is not None and point.end - last.address <= max_regs:
            blocks[-1] = Block(last.address, max(last.count, point.end - last.address))
        else:
            blocks.append(Block(point.address, point.end - point.address))
    return tuple(blocks)
