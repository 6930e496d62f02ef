"""EVSE modules in tests: one on a pseudo-terminal in real time, and what a driver needs to talk to it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hal.drivers.modbus_line import ModbusLine
from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.pilot_evse_modbus import LineSettings, ModulePilot, ModuleProximity, ModuleRelays, Settings
from hal.sim.evse_modbus import EvseWbPeer, ModulePeer, PhoenixSerPeer
from hal.sim.settings import PlantPeer
from hal.slot import DeviceSlot
from tests.hal.plants import World

PEERS: dict[str, type[ModulePeer]] = {"evse_wb": EvseWbPeer, "phoenix_ser": PhoenixSerPeer}


@contextlib.contextmanager
def module_at(world: World, path: Path, kind: str, unit: int = 1) -> Iterator[Any]:
    """The peer, for as long as it is needed."""
    peer_type: Any = PEERS[kind]
    peer = peer_type(world.evse, PlantPeer(evse=1, kind=kind, port=str(path), unit=unit), path)
    try:
        yield peer
    finally:
        peer.close()


@contextlib.contextmanager
def unit_on(path: Path, unit: int = 1, timeout_s: float = 0.2) -> Iterator[ModbusUnit]:
    """The driver's side of a line, without silences."""
    line = ModbusLine.serial(str(path), 9600, "N", 1, timeout_s)
    line.join()
    yield ModbusUnit(line, "evse[0].pilot", unit, 0)
    line.leave()


class Devices:
    """Pilot, relays and proximity of one module, sharing its link as on a board."""

    def __init__(self, world: World, path: Path, kind: Any, **settings: Any) -> None:
        self.world = world
        self.settings = Settings(module=kind, port=str(path), **{"gap_ms": 0, **settings})
        shared: dict[str, object] = {}

        def slot(role: str) -> DeviceSlot:
            return DeviceSlot(f"evse[0].{role}", self.settings.amend(world.evse.facts), world.monotonic, shared)

        others = LineSettings(port=str(path), unit=self.settings.unit)
        self.pilot = ModulePilot(self.settings, slot("pilot"))
        self.relays = ModuleRelays(others, slot("relays"))
        self.proximity = ModuleProximity(others, slot("proximity"))

    def close(self) -> None:
        for device in (self.proximity, self.relays, self.pilot):
            device.close()

    def keep(self, closed: bool, seconds: float, amps_duty: float | None = None) -> None:
        """Call as the control loop does, for a while."""
        from hal.types import PilotMode

        end_mono = self.world.monotonic() + seconds
        while self.world.monotonic() < end_mono:
            if amps_duty is None:
                self.pilot.set(PilotMode.STEADY_HIGH, 100.0)
            else:
                self.pilot.set(PilotMode.PWM, amps_duty)
            self.relays.hold(closed, 1.0 if closed else 0.0)
            self.world.wait(0.02)


@contextlib.contextmanager
def devices_on(world: World, path: Path, kind: str, **settings: Any) -> Iterator[Devices]:
    """All three, until the test is over."""
    devices = Devices(world, path, kind, **settings)
    try:
        yield devices
    finally:
        devices.close()
