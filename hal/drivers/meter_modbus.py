"""Energy meter on Modbus RTU or TCP, described by a register map: read in blocks, judged, given whole or not at all.

A sample that cannot be true (NaN, impossible volts, amps or frequency, a register that runs backwards or leaps) is
DeviceGarbled: the caller's reading goes stale and no energy flows on doubtful numbers.
"""

import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hal.drivers.modbus_line import ModbusLine, value_of
from hal.drivers.register_map import Point, RegisterMap, load_map, plan_blocks
from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceGarbled, DeviceMissing, EvseFacts, MeterSample

HIGHEST_VOLTS = 300.0
LOWEST_HZ, HIGHEST_HZ = 45.0, 65.0
BEYOND_RANGE = 1.2  # a meter still shows a little more than its rating
ENERGY_SLACK_WH = 20.0  # registers step by up to 10 Wh
FLOAT_STEP = 2.0**-22  # two steps of a 32-bit float register


class Settings(DriverSettings, frozen=True, kw_only=True):
    """[evse.meter] with driver = "meter_modbus": a serial `port` (Modbus RTU) or a `host` (Modbus TCP), never both.

    `map`: name of a register map, or the path of your own; `unit`: Modbus address; `invert`: wired backwards, so
    energy towards the vehicle counts on its export register. One reading takes at most (retries + 1) x (timeout_ms +
    gap of the map) for each block.
    """

    map: str
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)] = 1
    port: str | None = None
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    host: str | None = None
    tcp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 502
    invert: bool = False
    timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=2000)] = 500
    retries: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1

    def check(self, evse: EvseFacts) -> None:
        """The map exists, measures each phase of the EVSE, and counts energy in the direction it is wired."""
        if (self.port is None) == (self.host is None):
            raise BoardError(
                "port", "found both or neither of 'port' and 'host'", "give 'port' for RTU or 'host' for TCP"
            )
        registers = load_map(self.map)
        if not registers.per_phase("current"):
            raise BoardError(
                "map",
                f"{self.map} ({registers.vendor} {registers.models[0]}) has totals only, no current per phase",
                "it cannot supervise what a vehicle takes: fit a meter that measures each phase",
            )
        for quantity in ("voltage", "current"):
            if len(registers.per_phase(quantity)) < evse.phases:
                raise BoardError(
                    "map", f"{self.map} measures fewer than {evse.phases} phases", "fit a three-phase meter"
                )
        if self.invert and registers.points.export is None:
            raise BoardError("invert", f"{self.map} has no export register", "wire the meter the right way round")
        if evse.max_amps > registers.max_amps:
            raise BoardError("map", f"{self.map} ends at {registers.max_amps:g} A", f"the EVSE has {evse.max_amps:g} A")

    def claims(self) -> tuple[str, ...]:
        """A unit id on a line belongs to one device."""
        return (f"unit {self.unit} on {self.line}",)

    def bus(self) -> tuple[str, str]:
        """Meters may share a line."""
        rtu = f"{self.baud} baud, parity {self.parity}, {self.stop_bits} stop bits, {self.timeout_ms} ms"
        return self.line, rtu if self.port is not None else f"{self.timeout_ms} ms"

    @property
    def line(self) -> str:
        """The line's name in messages."""
        return self.port if self.port is not None else f"{self.host}:{self.tcp_port}"


class ModbusMeter:
    """The meter of one EVSE. Not for several threads at once; meters that share a line take turns."""

    def __init__(self, settings: Settings, slot: DeviceSlot) -> None:
        if settings.port is not None and not Path(settings.port).exists():
            raise DeviceMissing(
                slot.device, f"{settings.port} is not there; plug the adapter in, or mend 'port' in the board file"
            )
        self._settings = settings
        self._slot = slot
        self._map = load_map(settings.map)
        self._points = _points_to_read(self._map, slot.evse.phases, settings.invert)
        self._blocks = plan_blocks(list(self._points.values()), self._map.max_regs)
        self._judge = Judge(slot.device, slot.evse, self._map)
        self._line = slot.share(f"modbus {settings.line}", ModbusLine, lambda: _open_line(settings))
        self._line.join()

    def read(self) -> MeterSample:
        """One sample, stamped when the last of its answers was complete; HalError when it cannot be had or believed."""
        registers: dict[int, int] = {}
        for block in self._blocks:
            answer = self._line.read(
                self._slot.device,
                self._settings.unit,
                self._map.function,
                block.address,
                block.count,
                retries=self._settings.retries,
                gap_s=self._map.gap_ms / 1000,
            )
            registers.update(zip(range(block.address, block.address + block.count), answer, strict=True))
        at_mono = self._slot.monotonic()
        values = {name: self._decode(point, registers) for name, point in self._points.items()}
        sample = _sample(values, at_mono, self._slot.evse.phases, self._settings.invert)
        self._judge.check(sample)
        return sample

    def close(self) -> None:
        """Leave the line."""
        self._line.leave()

    def _decode(self, point: Point, registers: dict[int, int]) -> float:
        words = [registers[address] for address in range(point.address, point.end)]
        return value_of(words, point.type, self._map.word_order) * point.scale


class Judge:
    """Whether a sample can be true, alone and after the one before."""

    def __init__(self, device: str, evse: EvseFacts, registers: RegisterMap) -> None:
        self._device = device
        self._highest_amps = registers.max_amps * BEYOND_RANGE
        self._highest_w = self._highest_amps * HIGHEST_VOLTS * registers.phases
        self._nominal_volts = evse.nominal_volts
        self._before: MeterSample | None = None

    def check(self, sample: MeterSample) -> None:
        """DeviceGarbled, naming the value and its bounds, when it cannot; remembers it otherwise."""
        self._within("energy", sample.energy_wh, 0.0, math.inf, "Wh")
        self._within("power", sample.power_w, -self._highest_w, self._highest_w, "W")
        for phase, volts in enumerate(sample.volts, start=1):
            self._within(f"voltage of L{phase}", volts, 0.0, HIGHEST_VOLTS, "V")
        for phase, amps in enumerate(sample.amps, start=1):
            self._within(f"current of L{phase}", amps, -self._highest_amps, self._highest_amps, "A")
        if sample.frequency_hz is not None:
            self._within("frequency", sample.frequency_hz, LOWEST_HZ, HIGHEST_HZ, "Hz")
        if (
            max(sample.volts) < self._nominal_volts / 2
        ):  # the meter lives on the mains: without a phase it cannot answer
            raise DeviceGarbled(self._device, f"no phase has voltage: {sample.volts}")
        if self._before is not None:
            self._check_energy(sample, self._before)
        self._before = sample

    def _check_energy(self, sample: MeterSample, before: MeterSample) -> None:
        rise_wh = sample.energy_wh - before.energy_wh
        step_wh = sample.energy_wh * FLOAT_STEP
        hours = max(0.0, sample.at_mono - before.at_mono) / 3600
        if rise_wh < -step_wh:
            raise DeviceGarbled(
                self._device, f"energy ran back from {before.energy_wh:.1f} to {sample.energy_wh:.1f} Wh"
            )
        if rise_wh > self._highest_w * hours + ENERGY_SLACK_WH + step_wh:
            raise DeviceGarbled(self._device, f"energy leapt from {before.energy_wh:.1f} to {sample.energy_wh:.1f} Wh")

    def _within(self, what: str, value: float, low: float, high: float, unit: str) -> None:
        if not low <= value <= high or math.isinf(value):  # NaN fails every comparison
            raise DeviceGarbled(self._device, f"{what} reads {value:g} {unit}, possible are {low:g} to {high:g} {unit}")


def _open_line(settings: Settings) -> ModbusLine:
    timeout_s = settings.timeout_ms / 1000
    if settings.port is not None:
        return ModbusLine.serial(settings.port, settings.baud, settings.parity, settings.stop_bits, timeout_s)
    assert settings.host is not None, "can't happen because check() wants one of the two"
    return ModbusLine.tcp(settings.host, settings.tcp_port, timeout_s)


def _points_to_read(registers: RegisterMap, phases: int, invert: bool) -> dict[str, Point]:
    named = registers.points.named()
    wanted = ["export" if invert else "import", "power", "frequency"]
    wanted += [f"{quantity}_l{n + 1}" for quantity in ("voltage", "current", "power") for n in range(phases)]
    return {name: named[name] for name in wanted if name in named}


def _sample(values: dict[str, float], at_mono: float, phases: int, invert: bool) -> MeterSample:
    sign = -1.0 if invert else 1.0
    frequency_hz = values.get("frequency")
    if frequency_hz is not None and frequency_hz > 10 * LOWEST_HZ:
        frequency_hz /= 10  # some SDM630 report tenths of a hertz
    return MeterSample(
        at_mono=at_mono,
        energy_wh=values["export" if invert else "import"],
        power_w=sign * values["power"],
        amps=tuple(_signed_amps(values, n + 1, sign) for n in range(phases)),
        volts=tuple(values[f"voltage_l{n + 1}"] for n in range(phases)),
        frequency_hz=frequency_hz,
    )


def _signed_amps(values: dict[str, float], phase: int, sign: float) -> float:
    """Many meters give the current without a sign; the phase's power then has the direction."""
    amps = values[f"current_l{phase}"]
    watts = values.get(f"power_l{phase}")
    return amps * sign if watts is None or amps < 0 else math.copysign(amps, watts * sign)
