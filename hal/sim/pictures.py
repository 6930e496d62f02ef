"""What people and tests see of the plant: values only."""

import msgspec

from hal.types import Indication, PilotMode


class MeterValues(msgspec.Struct, frozen=True):
    """What the meter of one EVSE shows; per phase of the EVSE: `amps`, `volts`, `phase_watts`."""

    energy_wh: float
    power_w: float
    amps: tuple[float, ...]
    volts: tuple[float, ...]
    phase_watts: tuple[float, ...]
    frequency_hz: float


class EvsePlantState(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE of the plant, for people and tests. `vehicle_amps`: per used phase; `faults`: name -> value.

    `blink_code`: the flashes with which the light names a fault. `asleep`, `upset`: see vehicle.Vehicle.
    `vehicle_watts`: what it takes. `cable_ohms`: the proximity resistor as read, `plug_ohms`: the one in the plug.
    `s2_since_mono`, `coil_since_mono`, `pilot_since_mono`: when S2 was thrown, the coil switched and the pilot given
    another mode or duty, to the microsecond: reactions are measured by them.
    """

    evse: int
    plugged: bool
    ready: bool
    s2_closed: bool
    quirks: tuple[str, ...]
    appetite_amps: float
    vehicle_phases: int
    vehicle_amps: float
    vehicle_watts: float
    pilot_mode: PilotMode
    duty_percent: float
    offered_amps: float
    contacts_closed: bool
    locked: bool
    cable_ohms: float
    plug_ohms: float
    energy_wh: float
    indication: Indication
    blink_code: int = 0
    asleep: bool = False
    upset: bool = False
    phases: int = 3
    display: tuple[str, ...] = ()
    s2_since_mono: float = 0.0
    coil_since_mono: float = 0.0
    pilot_since_mono: float = 0.0
    faults: dict[str, float]


class PlantState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole plant at one instant."""

    at_mono: float
    evses: tuple[EvsePlantState, ...]
