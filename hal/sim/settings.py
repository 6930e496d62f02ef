"""The tables [plant] and [[plant.meter]] of a board file: what the simulated world begins with."""

from typing import Annotated

import msgspec

Volts = Annotated[float, msgspec.Meta(ge=0, le=400)]


PEERS: dict[str, str] = {
    "pn532": "hal.sim.pn532:Pn532Server",
    "rapi": "hal.sim.rapi:RapiPeer",
    "yeti": "hal.sim.yeti:YetiPeer",
    "sysfs": "hal.sim.sysfs:SysfsPeer",
    "evse_wb": "hal.sim.evse_modbus:EvseWbPeer",
    "phoenix_ser": "hal.sim.evse_modbus:PhoenixSerPeer",
}
"""Kind of peer -> "module:Class", made with (evse of the plant, its PlantPeer, path) and closed by `close()`."""


class MeterPort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plant's meter of one EVSE as a Modbus RTU device on a pseudo-terminal.

    `port`: path at which it appears (`{run}` is the run directory); `map`: register map it serves; `unit`: its unit id.
    """

    evse: Annotated[int, msgspec.Meta(ge=1)]
    port: str
    map: str
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)] = 1


class PlantPeer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device of the plant behind a port that a real driver opens: a controller, a module, a card reader.

    `kind`: which one (PEERS); `port`: path at which it appears, `{run}` is the run directory; `unit`: its Modbus
    address, where it has one.
    """

    evse: Annotated[int, msgspec.Meta(ge=1)]
    kind: str
    port: str
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)] = 1


class PlantSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table [plant] of a board file. `start_wh`: first register of each meter; `noise`: 0 none, 1 usual."""

    seed: int = 1
    grid_volts: tuple[Volts, Volts, Volts] = (230.0, 230.0, 230.0)
    frequency_hz: Annotated[float, msgspec.Meta(ge=45, le=65)] = 50.0
    ambient_celsius: Annotated[float, msgspec.Meta(ge=-40, le=80)] = 22.0
    start_wh: Annotated[float, msgspec.Meta(ge=0, le=9_000_000)] = 1_000_000.0
    noise: Annotated[float, msgspec.Meta(ge=0, le=5)] = 1.0
    meter: tuple[MeterPort, ...] = ()
    peer: tuple[PlantPeer, ...] = ()
