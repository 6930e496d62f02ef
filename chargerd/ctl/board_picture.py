"""What is wired to what on a board, as values to be drawn: EVSEs with their devices, and the lines devices share.

It knows no driver: what a device is connected to comes from its settings' `claims` and `bus`, the rest of its table is
listed as it stands in the file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hal.board_file import BoardConfig, DeviceConfig, EvseConfig
from hal.slot import DriverSettings
from hal.types import DeratePoint, EvseFacts, RelayDeadman

ROLE_NAMES = {
    "pilot": "control pilot",
    "relays": "contactor",
    "meter": "energy meter",
    "proximity": "proximity contact",
    "lock": "socket lock",
    "residual": "residual current monitor",
    "thermometer": "enclosure temperature",
    "plug_thermometer": "plug temperature",
    "phase_switch": "phase contactor",
    "inputs": "input lines",
    "external_limit": "external limit",
    "indicator": "lights and sounds",
    "display": "display",
    "reader": "card reader",
}
"""Role -> what people call the device."""

DEADMAN_TEXTS = {
    RelayDeadman.MCU: "a microcontroller opens the contactor when it is not told again",
    RelayDeadman.HARDWARE: "a watchdog circuit opens the contactor when it is not fed",
    RelayDeadman.SIMULATED: "nothing real to open",
    RelayDeadman.NONE: "none: nothing but this software opens the contactor",
}


class DevicePicture(msgspec.Struct, frozen=True, kw_only=True):
    """One device. `wires`: what it is connected to, a text for each; `details`: its other settings, `key value`.

    `line`: the line it shares with others, None: none. `simulated`: no real hardware behind it.
    """

    role: str
    name: str
    driver: str
    wires: tuple[str, ...]
    line: str | None
    details: tuple[str, ...]
    simulated: bool


class EvsePicture(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE: its number, what it is in a line, its limits, its devices in the order of the roles."""

    evse_id: int
    title: str
    limits: tuple[str, ...]
    devices: tuple[DevicePicture, ...]


class LinePicture(msgspec.Struct, frozen=True, kw_only=True):
    """A line that devices share: its settings, and who is where on it (`EVSE 1 energy meter: unit 1`)."""

    name: str
    parameters: str
    users: tuple[str, ...]


class BoardPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A whole board. `served`: ports that the simulated plant serves, and what is behind each."""

    title: str
    deadman: str
    simulated: bool
    evses: tuple[EvsePicture, ...]
    lines: tuple[LinePicture, ...]
    served: tuple[str, ...]


def picture_of(config: BoardConfig) -> BoardPicture:
    """The picture of a board that is right."""
    evses = tuple(_evse(evse, index + 1) for index, evse in enumerate(config.evses))
    serial = config.serial if config.serial is not None else f"serial number in {config.serial_file}"
    return BoardPicture(
        title=f"{config.vendor} {config.model}, {serial}",
        deadman=f"{config.relay_deadman}: {DEADMAN_TEXTS[config.relay_deadman]}",
        simulated=config.simulated,
        evses=evses,
        lines=tuple(_lines(config)),
        served=tuple(_served(config)),
    )


def _evse(evse: EvseConfig, evse_id: int) -> EvsePicture:
    return EvsePicture(
        evse_id=evse_id,
        title=_title(evse.facts),
        limits=tuple(_limits(evse.facts)),
        devices=tuple(_device(device) for device in evse.devices),
    )


def _title(facts: EvseFacts) -> str:
    kind = "fixed cable" if facts.tethered else "socket"
    kilowatts = facts.phases * facts.nominal_volts * facts.max_amps / 1000
    phases = "three phases" if facts.phases == 3 else "one phase"
    rating = f"{facts.max_amps:g} A at {facts.nominal_volts:g} V ({kilowatts:.1f} kW)"
    return f"{facts.connector_type} {kind}, {phases}, {rating}"


def _limits(facts: EvseFacts) -> Iterator[str]:
    yield f"board {facts.max_amps:g} A"
    if facts.contactor_amps is not None:
        yield f"contactor {facts.contactor_amps:g} A"
    if facts.has_proximity:
        yield "cable: by its resistor"
    if facts.has_thermometer:
        yield f"enclosure: {_curve(facts.derating)}"
    if facts.has_plug_thermometer:
        yield f"plug: {_curve(facts.plug_derating)}"
    if facts.unbalance_amps is not None:
        yield f"one phase above another: {facts.unbalance_amps:g} A"
    if facts.has_external_limit:
        yield f"external: as told; {facts.external_fallback_amps:g} A when it is silent"


def _curve(corners: tuple[DeratePoint, ...]) -> str:
    return ", ".join(f"{point.amps:g} A at {point.celsius:g} °C" for point in corners)


def _device(device: DeviceConfig) -> DevicePicture:
    bus = device.settings.bus()
    claims = device.settings.claims()
    wired = {claim: _wired_keys(device.settings, claim) for claim in claims}
    wires = tuple(f"{claim}: {', '.join(keys)}" if keys else claim for claim, keys in wired.items())
    said = {word for text in (*claims, *(bus[:1] if bus else ())) for word in text.split()}
    told = {key.partition(" ")[0] for keys in wired.values() for key in keys}
    return DevicePicture(
        role=device.role,
        name=ROLE_NAMES.get(device.role, device.role),
        driver=device.driver,
        wires=wires or (bus[:1] if bus else ()),
        line=bus[0] if bus else None,
        details=tuple(f"{key} {_value(value)}" for key, value in _unusual(device.settings, said) if key not in told),
        simulated=device.simulated,
    )


def _wired_keys(settings: DriverSettings, claim: str) -> tuple[str, ...]:
    """The settings that are tables of what is claimed, `coil` or `coil active low`: a claim is made of their values."""
    found = []
    for key, table in _tables(settings):
        rest = claim.split(" ")
        others = []
        for name, value in _unusual(table, set()):
            if str(value) in rest:
                rest.remove(str(value))
            else:
                others.append(f"{name} {_value(value)}")
        if len(rest) < len(claim.split(" ")) and all(word.isalpha() for word in rest):
            found.append(" ".join([key, *others]))
    return tuple(found)


def _tables(settings: DriverSettings) -> Iterator[tuple[str, msgspec.Struct]]:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, msgspec.Struct):
                yield name, part


def _unusual(table: msgspec.Struct, said: set[str]) -> Iterator[tuple[str, Any]]:
    """The fields that a file gives a value of its own, without those whose text was said already."""
    for field in msgspec.structs.fields(type(table)):
        value = getattr(table, field.name)
        usual = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if value != usual and value is not None and str(value) not in said:
            yield field.name, value


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, msgspec.Struct):
        return "(" + ", ".join(f"{name} {_value(part)}" for name, part in _unusual(value, set())) + ")"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name}: {_value(part)}" for name, part in value.items()) + ")"
    if isinstance(value, tuple | list):
        return ", ".join(_value(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _lines(config: BoardConfig) -> Iterator[LinePicture]:
    parameters: dict[str, str] = {}
    users: dict[str, list[str]] = {}
    for evse_id, evse in enumerate(config.evses, 1):
        for device in evse.devices:
            bus = device.settings.bus()
            if bus is None:
                continue
            parameters[bus[0]] = bus[1]
            places = [claim.removesuffix(f" on {bus[0]}") for claim in device.settings.claims() if claim != bus[0]]
            name = f"EVSE {evse_id} {ROLE_NAMES.get(device.role, device.role)}"
            users.setdefault(bus[0], []).append(": ".join([name, ", ".join(places)] if places else [name]))
    for name, users_of_line in users.items():
        yield LinePicture(name=name, parameters=parameters[name], users=tuple(users_of_line))


def _served(config: BoardConfig) -> Iterator[str]:
    plant = config.plant
    if plant is None:
        return
    for meter in plant.meter:
        yield f"{meter.port}: the meter of EVSE {meter.evse}, {meter.map}, unit {meter.unit}"
    for peer in plant.peer:
        yield f"{peer.port}: {peer.kind} of EVSE {peer.evse}"


def device_nodes(config: BoardConfig) -> tuple[Path, ...]:
    """The device nodes that the file names, each once, in its order."""
    nodes: list[str] = []
    for evse in config.evses:
        for device in evse.devices:
            nodes += [*device.paths().values(), *device.settings.nodes()]
    return tuple(Path(node) for node in dict.fromkeys(nodes) if node.startswith("/dev/"))
