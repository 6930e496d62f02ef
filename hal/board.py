"""A board as one object: its facts, the open devices of each EVSE, and the way to a safe state.

`load_board` reads the file, `open_board` opens the devices in the order pilot, relays, others, and gives them all
back when one of them is not there. Only the control process opens a board.
"""

import contextlib
import dataclasses
import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hal.board_file import BACKENDS, RUN_DIR, BoardConfig, DeviceConfig, EvseConfig, load_board
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
from hal.sim.plant import Plant, PlantEvse
from hal.sim.settings import PEERS
from hal.slot import DeviceSlot
from hal.types import BoardError, BoardFacts, EvseFacts, HalError, PilotMode, RelayDeadman

__all__ = [
    "BACKENDS",
    "Board",
    "BoardConfig",
    "DeviceConfig",
    "EvseConfig",
    "EvseDevices",
    "RelayDeadman",
    "load_board",
    "open_board",
]

SERIAL_LENGTH = 25  # OCPP ChargingStationType.serialNumber


@dataclass(frozen=True, slots=True)
class EvseDevices:
    """The open devices of one EVSE; None: not fitted."""

    pilot: Pilot
    relays: Relays
    meter: Meter | None = None
    proximity: Proximity | None = None
    lock: Lock | None = None
    residual: ResidualCurrent | None = None
    thermometer: Thermometer | None = None
    plug_thermometer: Thermometer | None = None
    phase_switch: PhaseSwitch | None = None
    inputs: Inputs | None = None
    external_limit: LimitSource | None = None
    indicator: Indicator | None = None
    display: Display | None = None
    reader: TokenReader | None = None


class Board:
    """The open board. `evses[i]` is EVSE i + 1. `plant`: the simulated world behind it, None on real hardware."""

    def __init__(
        self, facts: BoardFacts, evses: tuple[EvseDevices, ...], plant: Plant | None, resources: contextlib.ExitStack
    ) -> None:
        self.facts = facts
        self.evses = evses
        self.plant = plant
        self._resources = resources

    def safe_state(self) -> list[HalError]:
        """Open every contactor and put every pilot to steady +12 V; tries each device whatever the others do.

        Returns what went wrong; an empty list means every device accepted it.
        """
        errors = []
        for evse in self.evses:
            try:
                evse.relays.hold(False, 0.0)
            except HalError as error:
                errors.append(error)
            try:
                evse.pilot.set(PilotMode.STEADY_HIGH, 100.0)
            except HalError as error:
                errors.append(error)
        return errors

    def close(self) -> None:
        """Give every device back, in the reverse order of opening; put the board into its safe state first."""
        self._resources.close()


def open_board(
    config: BoardConfig,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    desk: Path | None = None,
    run_dir: Path | None = None,
) -> Board:
    """Open every device of the board.

    `monotonic`: the clock of all devices. Simulated boards only: `desk`, the path of the socket that takes the
    plant's verbs; `run_dir`, the directory of its pseudo-terminals (None: a temporary one of its own). HalError
    (DeviceMissing with path and remedy) when a device is not there, BoardError when the file asks for what this
    machine does not have.
    """
    facts = BoardFacts(
        vendor=config.vendor,
        model=config.model,
        serial=_serial(config),
        evses=tuple(_with_parts(evse) for evse in config.evses),
        simulated=config.simulated,
    )
    resources = contextlib.ExitStack()
    try:
        plant = Plant(config.plant, facts.evses, monotonic) if config.plant is not None else None
        run = _run_dir(config, run_dir, resources)
        if plant is not None:
            _open_meter_servers(config, plant, run, resources)
            _open_peers(config, plant, run, resources)
        shared: dict[str, object] = {}
        evses = tuple(
            _open_evse(evse, DeviceSlot(f"evse[{index}]", evse.facts, monotonic, shared), world, run, resources)
            for index, evse, world in _with_worlds(config, plant)
        )
        if desk is not None:
            _open_desk(config, plant, desk, resources)
    except BaseException:
        resources.close()
        raise
    return Board(facts, evses, plant, resources)


def _with_parts(evse: EvseConfig) -> EvseFacts:
    parts = tuple(device.settings.part(device.role) for device in evse.devices)
    return msgspec.structs.replace(evse.facts, parts=parts)


def _open_evse(
    evse: EvseConfig, slot: DeviceSlot, world: PlantEvse | None, run: Path, resources: contextlib.ExitStack
) -> EvseDevices:
    devices: dict[str, Any] = {}
    for device in evse.devices:
        place = dataclasses.replace(slot, device=f"{slot.device}.{device.role}")
        if device.driver == "sim":
            assert world is not None, "can't happen because a board with a simulated device has a plant"
            opened = device.backend(world, place)
        else:
            opened = device.backend(_with_run_dir(device, run).settings, place)
        resources.callback(opened.close)
        devices[device.role] = opened
    return EvseDevices(**devices)


def _with_worlds(config: BoardConfig, plant: Plant | None) -> Iterator[tuple[int, EvseConfig, PlantEvse | None]]:
    for index, evse in enumerate(config.evses):
        yield index, evse, plant.evses[index] if plant is not None else None


def _with_run_dir(device: DeviceConfig, run: Path) -> DeviceConfig:
    """The same device with the run directory put into its paths."""
    paths = {name: value.replace(RUN_DIR, str(run)) for name, value in device.paths().items()}
    return msgspec.structs.replace(device, settings=msgspec.structs.replace(device.settings, **paths))


def _run_dir(config: BoardConfig, run_dir: Path | None, resources: contextlib.ExitStack) -> Path:
    if run_dir is not None or not any(device.driver != "sim" and device.simulated for device in _devices(config)):
        return run_dir or Path()
    import tempfile  # noqa: PLC0415  the device names its run directory, only tests and trials come here

    return Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="chargerd-")))


def _devices(config: BoardConfig) -> Iterator[DeviceConfig]:
    for evse in config.evses:
        yield from evse.devices


def _is_used(port: str, config: BoardConfig) -> bool:
    """Whether a device of this board opens the port; a board opened without it takes no port from another."""
    return any(
        path == port or path.startswith(f"{port}/") for device in _devices(config) for path in device.paths().values()
    )


def _open_meter_servers(config: BoardConfig, plant: Plant, run: Path, resources: contextlib.ExitStack) -> None:
    meters = [meter for meter in plant.settings.meter if _is_used(meter.port, config)]
    if not meters:
        return
    from hal.sim.meter_server import MeterServer  # noqa: PLC0415  only a simulated board pays for it

    for meter in meters:
        path = Path(meter.port.replace(RUN_DIR, str(run)))
        resources.callback(MeterServer(plant.evses[meter.evse - 1], meter.map, meter.unit, path).close)


def _open_peers(config: BoardConfig, plant: Plant, run: Path, resources: contextlib.ExitStack) -> None:
    for peer in plant.settings.peer:
        if _is_used(peer.port, config):
            module, _, name = PEERS[peer.kind].partition(":")
            make = getattr(importlib.import_module(module), name)
            opened = make(plant.evses[peer.evse - 1], peer, Path(peer.port.replace(RUN_DIR, str(run))))
            resources.callback(opened.close)


def _open_desk(config: BoardConfig, plant: Plant | None, path: Path, resources: contextlib.ExitStack) -> None:
    if plant is None:
        raise BoardError(
            str(config.path), "a desk was asked for on a board that is not simulated", "use a simulated board"
        )
    from hal.sim.desk import Desk  # noqa: PLC0415  only a simulated board pays for it

    resources.callback(Desk(plant, path).close)


def _serial(config: BoardConfig) -> str:
    if config.serial is not None:
        return config.serial
    assert config.serial_file is not None, "can't happen because the file gives one of the two"
    place = f"{config.path}: board.serial_file"
    try:
        raw = Path(config.serial_file).read_bytes()
    except OSError as error:
        raise BoardError(
            place, f"cannot read {config.serial_file} ({error.strerror})", "name a readable file"
        ) from error
    serial = raw.decode("ascii", "replace").strip("\0\r\n\t ")
    if not 1 <= len(serial) <= SERIAL_LENGTH or not serial.isprintable() or not serial.isascii():
        raise BoardError(
            place, f"{config.serial_file} holds no serial", f"expected 1 to {SERIAL_LENGTH} printable characters"
        )
    return serial
