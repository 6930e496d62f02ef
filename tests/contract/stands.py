"""What a contract suite gets: one device of one backend, its clock, and how to let time pass on it."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from hal.drivers import _blueprint, limit_modbus, meter_modbus, meter_pulse, meter_signing
from hal.interfaces import (
    Display,
    Indicator,
    Inputs,
    LimitSource,
    Lock,
    Meter,
    PhaseSwitch,
    Pilot,
    Proximity,
    Relays,
    ResidualCurrent,
    Thermometer,
    TokenReader,
)
from hal.sim import devices
from hal.sim.meter_server import MeterServer
from hal.types import EvseFacts
from tests.contract import user_stands
from tests.contract.controller_stands import controller_stands
from tests.contract.gpio_stands import gpio_stands
from tests.contract.module_stands import module_stands
from tests.contract.sysfs_stands import sysfs_stands
from tests.hal.drivers.plant_pulses import PlantPulses
from tests.hal.drivers.registers import UNIT, Registers
from tests.hal.drivers.relay_board import relay_board
from tests.hal.drivers.signing_books import BsmBook
from tests.hal.plants import World

D = TypeVar("D")


@dataclass(frozen=True)
class Stand(Generic[D]):
    """A device under contract. `wait`: lets seconds pass on its clock, by sleeping only where the device is real.

    `offer`: lets a vehicle ask and offers it current, where the contactor closes by itself and only then; None: nobody
    can. `contacts_closed`: how the contacts really are, where a plant knows it.
    """

    device: D
    facts: EvseFacts
    monotonic: Callable[[], float]
    wait: Callable[[float], None]
    offer: Callable[[], None] | None = None
    contacts_closed: Callable[[], bool] | None = None

    @property
    def age_s(self) -> float:
        """How old a reading may be that is just taken: a controller that is polled was seen some time ago, and what a
        device tells by itself it told at most `oldest_s` ago.
        """
        polled_s = self.facts.pilot_stale_s if self.facts.autonomous else 0.0
        return max(polled_s, float(getattr(self.device, "oldest_s", 0.0)))

    def took_s(self, call: Callable[[], object]) -> float:
        """The median of the real time that 11 calls take."""
        times = []
        for _ in range(11):
            begin = time.monotonic()
            call()
            times.append(time.monotonic() - begin)
        return sorted(times)[5]


Maker = Callable[[World], AbstractContextManager[object]]


def sim(window: Callable[..., object], role: str) -> Maker:
    @contextlib.contextmanager
    def make(world: World) -> Iterator[object]:
        yield window(world.evse, world.slot(role))

    return make


@contextlib.contextmanager
def blueprint_relays(world: World) -> Iterator[Relays]:
    with relay_board(world) as port:
        settings = _blueprint.Settings(port=port.path, timeout_ms=200)
        driver = _blueprint.SerialRelays(settings, world.slot("relays"))
        yield driver
        driver.close()


@contextlib.contextmanager
def modbus_meter(world: World) -> Iterator[Meter]:
    with tempfile.TemporaryDirectory() as run:
        server = MeterServer(world.evse, "eastron_sdm630", 1, Path(run) / "meter")
        settings = meter_modbus.Settings(map="eastron_sdm630", port=f"{run}/meter")
        driver = meter_modbus.ModbusMeter(settings, world.slot("meter"))
        yield driver
        driver.close()
        server.close()


@contextlib.contextmanager
def signing_meter(world: World) -> Iterator[Meter]:
    with tempfile.TemporaryDirectory() as run:
        server = MeterServer(world.evse, "bauer_bsm_ws36a", 42, Path(run) / "meter", BsmBook())
        settings = meter_signing.Settings(map="bauer_bsm_ws36a", unit=42, port=f"{run}/meter", baud=19200)
        driver = meter_signing.SigningModbusMeter(settings, world.slot("meter"))
        yield driver
        driver.close()
        server.close()


@contextlib.contextmanager
def pulse_meter(world: World) -> Iterator[Meter]:
    with tempfile.NamedTemporaryFile() as chip:
        settings = meter_pulse.Settings(chip=chip.name, line=0, pulses_per_kwh=10_000)
        driver = meter_pulse.PulseMeter(settings, world.slot("meter"), lambda _: PlantPulses(world, 10_000))
        yield driver
        driver.close()


@contextlib.contextmanager
def modbus_limit(world: World) -> Iterator[LimitSource]:
    with Registers() as source:
        source.words = {40: 16}
        settings = limit_modbus.Settings(
            host="127.0.0.1", tcp_port=source.port, unit=UNIT, register=40, fallback_amps=6.0
        )
        driver = limit_modbus.ModbusLimit(settings, world.slot("external_limit"))
        yield driver
        driver.close()


BACKENDS: dict[str, dict[str, Maker]] = {
    "pilot": {"sim": sim(devices.SimPilot, "pilot")},
    "relays": {"sim": sim(devices.SimRelays, "relays"), "_blueprint": blueprint_relays, **gpio_stands("relays")},
    "meter": {
        "sim": sim(devices.SimMeter, "meter"),
        "meter_modbus": modbus_meter,
        "meter_signing": signing_meter,
        "meter_pulse": pulse_meter,
    },
    "proximity": {"sim": sim(devices.SimProximity, "proximity")},
    "lock": {"sim": sim(devices.SimLock, "lock"), **gpio_stands("lock")},
    "residual": {"sim": sim(devices.SimResidual, "residual"), **gpio_stands("residual")},
    "thermometer": {"sim": sim(devices.SimThermometer, "thermometer")},
    "plug_thermometer": {"sim": sim(devices.SimPlugThermometer, "plug_thermometer")},
    "phase_switch": {"sim": sim(devices.SimPhaseSwitch, "phase_switch"), **gpio_stands("phase_switch")},
    "inputs": {"sim": sim(devices.SimInputs, "inputs"), **gpio_stands("inputs")},
    "external_limit": {
        "sim": sim(devices.SimLimitSource, "external_limit"),
        "limit_modbus": modbus_limit,
        **gpio_stands("external_limit"),
    },
    "indicator": {"sim": sim(devices.SimIndicator, "indicator"), **gpio_stands("indicator")},
    "display": {
        "sim": sim(devices.SimDisplay, "display"),
        "display_hd44780": user_stands.hd44780,
        "display_ssd1306": user_stands.ssd1306,
    },
    "reader": {
        "sim": sim(devices.SimReader, "reader"),
        "reader_pn532": user_stands.pn532,
        "reader_hid": user_stands.hid,
        "reader_wiegand": user_stands.wiegand,
    },
}
"""Role -> backend -> how to get one without hardware. A driver that has a peer on the plant adds a line. Its name
is the backend's first word; the rest tells several ways to reach it apart."""

FACTS = {"meter_pulse": EvseFacts(max_amps=32, phases=1)}
"""Backend -> facts of its EVSE, for those that cannot serve the three phases that the others get."""

for served_role, served_makers in BACKENDS.items():
    served_makers.update(controller_stands(served_role))  # one controller serves many roles
    served_makers.update(module_stands(served_role))
    served_makers.update(sysfs_stands(served_role))

INTERFACES = {
    "pilot": Pilot,
    "relays": Relays,
    "meter": Meter,
    "proximity": Proximity,
    "lock": Lock,
    "residual": ResidualCurrent,
    "thermometer": Thermometer,
    "plug_thermometer": Thermometer,
    "phase_switch": PhaseSwitch,
    "inputs": Inputs,
    "external_limit": LimitSource,
    "indicator": Indicator,
    "display": Display,
    "reader": TokenReader,
}
