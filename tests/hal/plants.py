"""Builders for tests of hardware: a plant on virtual or real time, and the windows onto it."""

import time
from collections.abc import Callable
from typing import Any

from hal.sim.devices import SimMeter, SimPilot, SimRelays
from hal.sim.plant import Plant
from hal.sim.settings import PlantSettings
from hal.slot import DeviceSlot
from hal.types import EvseFacts, PilotMode, PilotReading, RelayReading


class World:
    """A plant with one or more EVSEs whose time passes when told, or by itself; `evse` is the first one.

    `offer`: what makes a contactor close that a controller switches by itself; None: it closes when told.
    """

    def __init__(self, *facts: EvseFacts, **settings: Any) -> None:
        self.mono = 1000.0
        self._real_since_mono: float | None = None
        self.offer: Callable[[], None] | None = None
        evses = facts or (EvseFacts(max_amps=32, phases=3),)
        self.plant = Plant(PlantSettings(**{"noise": 0.0, **settings}), evses, self.monotonic)
        self.evse = self.plant.evses[0]
        self.pilot = SimPilot(self.evse, self.slot("pilot"))
        self.relays = SimRelays(self.evse, self.slot("relays"))
        self.meter = SimMeter(self.evse, self.slot("meter"))

    def go_real(self) -> None:
        """From now on time passes by itself, for what has a thread of its own behind it."""
        self._real_since_mono = time.monotonic()

    def monotonic(self) -> float:
        if self._real_since_mono is None:
            return self.mono
        return self.mono + time.monotonic() - self._real_since_mono

    def slot(self, role: str) -> DeviceSlot:
        return DeviceSlot(f"evse[0].{role}", self.evse.facts, self.monotonic)

    def wait(self, seconds: float) -> None:
        """Let time pass, at once and without anybody looking unless it is real."""
        if self._real_since_mono is None:
            self.mono += seconds
        else:
            time.sleep(seconds)

    def charge(self, seconds: float, duty_percent: float = 53.33) -> None:
        """Offer a current and keep the contactor closed while the vehicle is in C or D, as a control loop does."""
        self.pilot.set(PilotMode.PWM, duty_percent)
        for _ in range(round(seconds / 0.02)):
            self.wait(0.02)
            self.relays.hold(1 < self.pilot.read().high_volts < 7.5, 1.0)

    def until(self, condition: Callable[[], bool], bound_s: float = 5.0) -> None:
        """Let time pass until something is so."""
        give_up_mono = self.monotonic() + bound_s
        while not condition():
            assert self.monotonic() < give_up_mono, f"not within {bound_s} s"
            self.wait(0.005)

    def peaks(self) -> tuple[float, float]:
        reading: PilotReading = self.pilot.read()
        return reading.high_volts, reading.low_volts

    def closed(self) -> bool | None:
        reading: RelayReading = self.relays.read()
        return reading.closed

    def amps(self) -> tuple[float, ...]:
        return self.meter.read().amps


class RealWorld(World):
    """One whose time passes by itself from the start."""

    def __init__(self, *facts: EvseFacts, **settings: Any) -> None:
        super().__init__(*facts, **settings)
        self.go_real()


def charging(*facts: EvseFacts, quirks: tuple[str, ...] = (), appetite_amps: float = 32.0, **settings: Any) -> World:
    """A vehicle that has been charging for 20 s, at its appetite or at what 53.33 % (32 A) offers."""
    world = World(*facts, **settings)
    world.evse.plug_in(32, 3, quirks)
    world.evse.ev_draw(appetite_amps)
    world.evse.ev_ready()
    world.charge(20)
    return world
