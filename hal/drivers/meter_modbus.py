"""Energy meter on Modbus RTU or TCP, described by a register map: read in blocks, judged, given whole or not at all.

A sample that cannot be true (hal/drivers/meter_judge.py) is DeviceGarbled: the caller's reading goes stale and no
energy flows on doubtful numbers. The serial number is read at each new beginning: a meter that was swapped is refused.
"""

import math
from typing import Annotated

import msgspec

from hal.drivers import sunspec
from hal.drivers.meter_judge import Judge
from hal.drivers.modbus_line import DeviceRefused
from hal.drivers.modbus_port import ModbusPort
from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.register_map import SUNSPEC, Block, Point, RegisterMap, load_map, plan_blocks
from hal.slot import DeviceSlot
from hal.types import BoardError, DeviceGarbled, DeviceSilent, DeviceSwapped, EvseFacts, LineQuality, MeterSample

LONGEST_READING_S = 2.0
"""A meter is read each second, and one that is silent has to be known within 3 s."""

BITS_PER_CHARACTER = 11
"""On the wire at most: start, 8 data, parity, stop (or two stops)."""

REQUEST_CHARACTERS = 8

TENTHS_OF_HERTZ = 450.0
"""A frequency above this is in tenths: some SDM630 report it so."""

PROBE_LENGTHS = 3
"""So many lengths take turns, so that a late answer to a probe does not fit the next one either."""

BUSY_CODES = frozenset({5, 6, 10, 11})
"""Exceptions that may be another at the next try."""


class Settings(ModbusPort, frozen=True, kw_only=True):
    """[evse.meter] with driver = "meter_modbus": a serial `port` (Modbus RTU) or a `host` (Modbus TCP), never both.

    `map`: name of a register map, "sunspec", or the path of your own; `unit`: Modbus address; `echo`: the serial
    adapter hears itself; `invert`: wired backwards, so energy towards the vehicle counts on its export register;
    `retries`: how often in one reading a question is repeated. One reading takes at most
    (requests + 2 x retries) x (timeout_ms + gap of the map).
    """

    map: str
    invert: bool = False
    retries: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1

    def check(self, evse: EvseFacts) -> None:
        """The map exists, measures each phase of the EVSE in the direction it is wired, and is read in time."""
        super().check(evse)
        registers = sunspec.LARGEST_MAP if self.map == SUNSPEC else load_map(self.map)
        check_fit(registers, self.map, evse, self.invert)
        self._check_time(registers, evse)

    def maker(self) -> tuple[str, str]:
        """As the register map says; "sunspec" meters name themselves only when asked."""
        if self.map == SUNSPEC:
            return "", ""
        registers = load_map(self.map)
        return registers.vendor, registers.models[0]

    def _check_time(self, registers: RegisterMap, evse: EvseFacts) -> None:
        points = points_to_read(registers, evse.phases, self.invert)
        blocks = _blocks(registers, points)
        tries = len(blocks) + 2 * self.retries
        worst_s = tries * (self.timeout_ms + registers.gap_ms) / 1000
        if worst_s > LONGEST_READING_S:
            fits_ms = int(LONGEST_READING_S * 1000 / tries) - registers.gap_ms
            raise BoardError(
                "timeout_ms",
                f"a reading may take {worst_s:g} s ({len(blocks)} requests and {self.retries} repeated after a pause, "
                f"each {self.timeout_ms} ms and {registers.gap_ms} ms of silence), {LONGEST_READING_S:g} s are allowed",
                f"set timeout_ms to {fits_ms} or less, or retries to 0",
            )
        longest = max(block.count for block in blocks)
        characters = REQUEST_CHARACTERS + 5 + 2 * longest
        wire_ms = characters * BITS_PER_CHARACTER * 1000 / self.baud
        if self.port is not None and wire_ms > self.timeout_ms:
            raise BoardError(
                "timeout_ms",
                f"{longest} registers take {wire_ms:.0f} ms at {self.baud} baud, the meter has {self.timeout_ms} ms",
                "set the meter and 'baud' to a higher speed, or give more time",
            )


class ModbusMeter:
    """The meter of one EVSE. Not for several threads at once; meters that share a line take turns."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        self._settings = settings
        self._slot = slot
        self._map: RegisterMap | None = None if settings.map == SUNSPEC else load_map(settings.map)
        template = self._map or sunspec.LARGEST_MAP
        self._judge = Judge(slot.device, slot.evse, template.max_amps, template.phases)
        self._unit = settings.open_unit(slot, template.gap_ms)
        self._serial_number: str | None = None
        self._works = False
        self._is_in_step = False
        self._probes = 0

    def read(self) -> MeterSample:
        """One sample, stamped when the last of its answers was complete; HalError when it cannot be had or believed.

        A meter that did not answer last time is asked without repeating, so that a dead one takes little of the line.
        """
        retries = self._settings.retries if self._works else 0
        worked, self._works = self._works, False
        registers = self._map if worked and self._map is not None else self._begin()
        if not self._is_in_step:
            self._get_in_step(registers)
        self._is_in_step = False
        sample = self._judge.check(self._measure(registers, retries))
        self._works = True
        return sample

    def quality(self) -> LineQuality:
        """How the questions to this meter have fared since start."""
        return self._unit.quality()

    def close(self) -> None:
        """Leave the line."""
        self._unit.leave()

    def _begin(self) -> RegisterMap:
        """What is asked of a meter that has not answered before, or whose last reading failed: who it is."""
        if self._map is None:
            found = sunspec.find_map(self._unit)
            try:
                check_fit(found, SUNSPEC, self._slot.evse, self._settings.invert)
            except BoardError as error:
                raise DeviceGarbled(self._slot.device, f"{error.problem}; {error.remedy}") from error
            self._map = found
        serial_number = read_serial_number(self._unit, self._map)
        if serial_number is not None and self._serial_number not in {None, serial_number}:
            raise DeviceSwapped(
                self._slot.device,
                f"serial number {serial_number!r} answers where {self._serial_number!r} was: the meter was swapped; "
                "restart the control process to accept it",
            )
        self._serial_number = serial_number or self._serial_number
        return self._map

    def _get_in_step(self, registers: RegisterMap) -> None:
        """Make sure that the meter answers this reading's questions, not those of a reading that got no answer.

        A serial line may deliver seconds late (a converter on a network), and frames carry no number. So a question of
        a length of its own comes first: once that is answered, so is everything that was asked before.
        """
        longest = max(_blocks(registers, self._points(registers)), key=lambda block: block.count)
        lengths = range(2, longest.count, 2)[-PROBE_LENGTHS:]  # even: many meters give whole 32-bit values only
        if self._settings.port is None or not lengths:
            return  # TCP numbers its questions
        self._probes += 1
        try:
            self._unit.read(registers.function, longest.address, lengths[self._probes % len(lengths)])
        except DeviceRefused:
            return  # an answer all the same

    def _points(self, registers: RegisterMap) -> dict[str, Point]:
        return points_to_read(registers, self._slot.evse.phases, self._settings.invert)

    def _measure(self, registers: RegisterMap, retries: int) -> MeterSample:
        points = self._points(registers)
        words = self._read_words(registers, points, retries)
        at_mono = self._slot.monotonic()
        values = {name: registers.value(point, words) for name, point in points.items()}
        return sample_of(values, at_mono, self._slot.evse.phases, self._settings.invert)

    def _read_words(self, registers: RegisterMap, points: dict[str, Point], retries: int) -> dict[int, int]:
        """The registers of all points by address. Questions are repeated, `retries` times in all."""
        left = retries
        words: dict[int, int] = {}
        waiting = list(_blocks(registers, points))
        while waiting:
            block = waiting[0]
            try:
                answer = self._unit.read(registers.function, block.address, block.count)
            except (DeviceSilent, DeviceGarbled) as error:
                if left == 0 or (isinstance(error, DeviceRefused) and error.code not in BUSY_CODES):
                    raise
                left -= 1
                continue
            words.update(zip(range(block.address, block.address + block.count), answer, strict=True))
            waiting.pop(0)
        self._is_in_step = left == retries
        return words


def check_fit(registers: RegisterMap, name: str, evse: EvseFacts, invert: bool) -> None:
    """BoardError when a meter of this map cannot supervise the EVSE."""
    meter = f"{name} ({registers.vendor} {registers.models[0]})"
    if registers.unfit is not None:
        raise BoardError("map", f"{meter} cannot measure the outlet: {registers.unfit}", "fit another meter")
    if not registers.per_phase("current"):
        raise BoardError(
            "map",
            f"{meter} has totals only, no current per phase",
            "it cannot supervise what a vehicle takes: fit a meter that measures each phase",
        )
    for quantity in ("voltage", "current"):
        if len(registers.per_phase(quantity)) < evse.phases:
            raise BoardError("map", f"{name} measures fewer than {evse.phases} phases", "fit a three-phase meter")
    if invert and registers.points.export is None:
        raise BoardError("invert", f"{name} has no export register", "wire the meter the right way round")
    if evse.max_amps > registers.max_amps:
        raise BoardError("map", f"{name} ends at {registers.max_amps:g} A", f"the EVSE has {evse.max_amps:g} A")


def read_serial_number(unit: ModbusUnit, registers: RegisterMap) -> str | None:
    """The meter's serial number; None when it has none, or refuses to tell it. HalError when it is silent."""
    identity = registers.identity
    if identity is None:
        return None
    try:
        raw = unit.read_text(identity.function, identity.address, identity.registers)
    except DeviceRefused as error:
        if error.code in BUSY_CODES:
            raise
        return None
    if identity.kind == "number":
        return str(int.from_bytes(raw, "big"))
    return raw.split(b"\0")[0].decode("latin-1").strip() or None


def points_to_read(registers: RegisterMap, phases: int, invert: bool) -> dict[str, Point]:
    """The points that a sample is made of, by name."""
    named = registers.points.named()
    wanted = ["export" if invert else "import", "power", "import_power", "export_power", "frequency"]
    wanted += [f"{quantity}_l{n + 1}" for quantity in ("voltage", "current", "power") for n in range(phases)]
    return {name: named[name] for name in wanted if name in named}


def _blocks(registers: RegisterMap, points: dict[str, Point]) -> tuple[Block, ...]:
    return plan_blocks(list(points.values()), registers.max_regs, registers.max_hole)


def sample_of(values: dict[str, float], at_mono: float, phases: int, invert: bool) -> MeterSample:
    """Decoded points as a sample; NaN where the meter says that it has no value for something it has to have."""
    sign = -1.0 if invert else 1.0
    power_w = values["power"] if "power" in values else values["import_power"] - values.get("export_power", 0.0)
    frequency_hz = values.get("frequency", math.nan)
    if frequency_hz > TENTHS_OF_HERTZ:
        frequency_hz /= 10
    per_phase = tuple(sign * values.get(f"power_l{n + 1}", math.nan) for n in range(phases))
    return MeterSample(
        at_mono=at_mono,
        energy_wh=values["export" if invert else "import"],
        power_w=sign * power_w,
        amps=tuple(_signed_amps(values, n + 1, sign) for n in range(phases)),
        volts=tuple(values[f"voltage_l{n + 1}"] for n in range(phases)),
        frequency_hz=None if math.isnan(frequency_hz) else frequency_hz,
        watts=() if any(math.isnan(watts) for watts in per_phase) else per_phase,
    )


def _signed_amps(values: dict[str, float], phase: int, sign: float) -> float:
    """Many meters give the current without a sign; the phase's power then has the direction."""
    amps = values[f"current_l{phase}"]
    watts = values.get(f"power_l{phase}", math.nan)
    return amps * sign if math.isnan(watts) or amps < 0 else math.copysign(amps, watts * sign)
