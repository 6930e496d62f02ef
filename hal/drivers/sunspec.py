"""SunSpec meters: the register map is found on the meter itself, by walking its chain of models.

The chain begins with "SunS" at one of three addresses; each model is an id, a length and so many registers, and the id
0xFFFF ends it. Meters are models 201 to 204 (integers with scale factors) and 211 to 214 (floats): single phase, split
phase, wye, delta. Model 1, which every chain has, tells the maker, the model and the serial number.
"""

from collections.abc import Iterator

from hal.drivers.modbus_line import DeviceRefused
from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.register_map import Identity, Point, Points, RegisterMap, Type
from hal.types import DeviceGarbled

BASES = (40000, 50000, 0)
"""Where the chain may begin, in the order in which it is looked for."""

MARK = [0x5375, 0x6E53]  # "SunS"
END = 0xFFFF
LONGEST_CHAIN = 40
"""Models; a chain longer than this is none."""

COMMON = 1
INTEGER_METERS = {201: 1, 202: 2, 203: 3, 204: 3}
FLOAT_METERS = {211: 1, 212: 2, 213: 3, 214: 3}
"""Model -> phases with a voltage to neutral. A delta meter (204, 214) may not have them: it then says so."""

GAP_MS = 20
MAX_AMPS = 100.0
"""No model tells what the meter can measure; direct meters end here."""

INTEGER_POINTS: dict[str, tuple[int, Type, int]] = {
    "current_l1": (3, "i16", 6),
    "current_l2": (4, "i16", 6),
    "current_l3": (5, "i16", 6),
    "voltage_l1": (8, "i16", 15),
    "voltage_l2": (9, "i16", 15),
    "voltage_l3": (10, "i16", 15),
    "frequency": (16, "i16", 17),
    "power": (18, "i16", 22),
    "power_l1": (19, "i16", 22),
    "power_l2": (20, "i16", 22),
    "power_l3": (21, "i16", 22),
    "export": (38, "u32", 54),
    "import": (46, "u32", 54),
}
"""Point -> offset from the model's id, type, offset of its scale factor. acc32 is u32 here: SunSpec's 0 for "not
accumulated" is also what a new meter shows, and a register that falls to 0 later is found by the judge."""

FLOAT_POINTS: dict[str, int] = {
    "current_l1": 4,
    "current_l2": 6,
    "current_l3": 8,
    "voltage_l1": 12,
    "voltage_l2": 14,
    "voltage_l3": 16,
    "frequency": 26,
    "power": 28,
    "power_l1": 30,
    "power_l2": 32,
    "power_l3": 34,
    "export": 60,
    "import": 68,
}
"""Point -> offset from the model's id; all of them f32."""


def find_map(unit: ModbusUnit) -> RegisterMap:
    """The map of the first meter in the unit's chain. DeviceGarbled without one, HalError when it does not answer."""
    base = _find_base(unit)
    common = model = at = None
    for number, address in _models(unit, base + len(MARK)):
        if number == COMMON:
            common = address
        elif number in INTEGER_METERS or number in FLOAT_METERS:
            model, at = number, address
            break
    if model is None or at is None:
        raise DeviceGarbled(unit.device, f"the SunSpec chain at {base} has no meter (models 201 to 204, 211 to 214)")
    return map_of(model, at, common)


def map_of(model: int, at: int, common: int | None) -> RegisterMap:
    """The register map of meter model `model` whose id is at address `at`; `common`: where model 1 is."""
    is_float = model in FLOAT_METERS
    phases = (FLOAT_METERS if is_float else INTEGER_METERS)[model]
    points = (
        {name: Point(at + offset, "f32", 1.0) for name, offset in FLOAT_POINTS.items()}
        if is_float
        else {name: Point(at + offset, kind, 1.0, at + sf) for name, (offset, kind, sf) in INTEGER_POINTS.items()}
    )
    has = {name for name in points if not name.endswith(tuple(f"_l{n}" for n in range(phases + 1, 4)))}
    fields = {"import_" if name == "import" else name: points[name] for name in has}
    return RegisterMap(
        vendor="SunSpec",
        models=(f"model {model}",),
        phases=1 if phases == 1 else 3,
        function=3,
        serial="as set on the meter",
        max_regs=125,
        max_hole=125,
        gap_ms=GAP_MS,
        max_amps=MAX_AMPS,
        missing="sunspec",
        identity=None if common is None else Identity(common + 50, 16, "text", 3),
        points=Points(**fields),
    )


def _find_base(unit: ModbusUnit) -> int:
    for base in BASES:
        try:
            if unit.read(3, base, len(MARK)) == MARK:
                return base
        except DeviceRefused:
            continue  # no such registers: not there
    raise DeviceGarbled(unit.device, f"no SunSpec chain begins at {', '.join(map(str, BASES))}; name its register map")


def _models(unit: ModbusUnit, address: int) -> Iterator[tuple[int, int]]:
    """Each model's id, and the address where that is."""
    for _ in range(LONGEST_CHAIN):
        number, length = unit.read(3, address, 2)
        if number == END:
            return
        yield number, address
        address += 2 + length
        if address > 0xFFFF:
            break
    raise DeviceGarbled(unit.device, f"the SunSpec chain does not end: it leads to {address}")


LARGEST_MAP = map_of(203, 40070, 40002)
"""What is known of a SunSpec meter before it is asked: it has three phases, and one request reads it."""
