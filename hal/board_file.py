"""A board file (board-configs/*.toml) into a BoardConfig, or a BoardError that names file, key and remedy.

Everything that can be known without touching a device is checked here: keys, values, drivers, ratings, and what
contradicts what. Whether the devices are there is found out when the board is opened.
"""

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec

from hal.drivers.register_map import SUNSPEC, load_map
from hal.sim.settings import PEERS, PlantSettings
from hal.slot import DriverSettings
from hal.tables import at, check_keys, decode_table, did_you_mean, read_toml, shown
from hal.types import DERATING, PLUG_DERATING, BoardError, DeratePoint, EvseFacts, RelayDeadman, WakeUp

BACKENDS: dict[str, dict[str, str]] = {
    "pilot": {
        "sim": "hal.sim.devices:SimPilot",
        "pilot_rapi": "hal.drivers.pilot_rapi:RapiPilot",
        "pilot_yeti": "hal.drivers.pilot_yeti:YetiPilot",
        "pilot_pwm_iio": "hal.drivers.pilot_pwm_iio:PwmIioPilot",
        "pilot_evse_modbus": "hal.drivers.pilot_evse_modbus:ModulePilot",
    },
    "relays": {
        "sim": "hal.sim.devices:SimRelays",
        "relays_gpio": "hal.drivers.relays_gpio:GpioRelays",
        "pilot_rapi": "hal.drivers.pilot_rapi:RapiRelays",
        "pilot_yeti": "hal.drivers.pilot_yeti:YetiRelays",
        "pilot_evse_modbus": "hal.drivers.pilot_evse_modbus:ModuleRelays",
        "_blueprint": "hal.drivers._blueprint:SerialRelays",
    },
    "meter": {
        "sim": "hal.sim.devices:SimMeter",
        "meter_modbus": "hal.drivers.meter_modbus:ModbusMeter",
        "meter_signing": "hal.drivers.meter_signing:SigningModbusMeter",
        "meter_pulse": "hal.drivers.meter_pulse:PulseMeter",
        "pilot_yeti": "hal.drivers.pilot_yeti:YetiMeter",
    },
    "proximity": {
        "sim": "hal.sim.devices:SimProximity",
        "pilot_yeti": "hal.drivers.pilot_yeti:YetiProximity",
        "proximity_iio": "hal.drivers.proximity_iio:IioProximity",
        "pilot_evse_modbus": "hal.drivers.pilot_evse_modbus:ModuleProximity",
    },
    "lock": {
        "sim": "hal.sim.devices:SimLock",
        "lock_gpio": "hal.drivers.lock_gpio:GpioLock",
        "pilot_yeti": "hal.drivers.pilot_yeti:YetiLock",
    },
    "residual": {
        "sim": "hal.sim.devices:SimResidual",
        "residual_gpio": "hal.drivers.residual_gpio:GpioResidual",
        "pilot_rapi": "hal.drivers.pilot_rapi:RapiResidual",
        "pilot_yeti": "hal.drivers.pilot_yeti:YetiResidual",
    },
    "thermometer": {
        "sim": "hal.sim.devices:SimThermometer",
        "pilot_rapi": "hal.drivers.pilot_rapi:RapiThermometer",
        "pilot_yeti": "hal.drivers.pilot_yeti:YetiThermometer",
        "thermo_hwmon": "hal.drivers.thermo_hwmon:HwmonThermometer",
        "thermo_iio": "hal.drivers.thermo_iio:IioThermometer",
        "thermo_w1": "hal.drivers.thermo_w1:W1Thermometer",
    },
    "plug_thermometer": {
        "sim": "hal.sim.devices:SimPlugThermometer",
        "thermo_hwmon": "hal.drivers.thermo_hwmon:HwmonThermometer",
        "thermo_iio": "hal.drivers.thermo_iio:IioThermometer",
        "thermo_w1": "hal.drivers.thermo_w1:W1Thermometer",
    },
    "phase_switch": {
        "sim": "hal.sim.devices:SimPhaseSwitch",
        "phase_switch_gpio": "hal.drivers.phase_switch_gpio:GpioPhaseSwitch",
        "pilot_yeti": "hal.drivers.pilot_yeti:YetiPhaseSwitch",
    },
    "inputs": {"sim": "hal.sim.devices:SimInputs", "inputs_gpio": "hal.drivers.inputs_gpio:GpioInputs"},
    "external_limit": {
        "sim": "hal.sim.devices:SimLimitSource",
        "limit_gpio": "hal.drivers.limit_gpio:GpioLimit",
        "limit_modbus": "hal.drivers.limit_modbus:ModbusLimit",
    },
    "indicator": {"sim": "hal.sim.devices:SimIndicator", "indicator_leds": "hal.drivers.indicator_leds:LedIndicator"},
    "display": {
        "sim": "hal.sim.devices:SimDisplay",
        "display_hd44780": "hal.drivers.display_hd44780:Hd44780Display",
        "display_ssd1306": "hal.drivers.display_ssd1306:Ssd1306Display",
    },
    "reader": {
        "sim": "hal.sim.devices:SimReader",
        "reader_pn532": "hal.drivers.reader_pn532:Pn532Reader",
        "reader_hid": "hal.drivers.reader_hid:HidReader",
        "reader_wiegand": "hal.drivers.reader_wiegand:WiegandReader",
    },
}
"""Role -> driver name -> "module:Class"; imported only when a board names it. A new driver adds its line here."""

REQUIRED_ROLES = ("pilot", "relays")
"""Without these two an EVSE cannot be one; they are also the two that can energise something."""

RUN_DIR = "{run}"
"""In a path: the run directory, where a simulated board puts its pseudo-terminals."""

Connector = Literal[
    "cType1", "cType2", "sType2", "sType3", "sBS1361", "sCEE-7-7", "s309-1P-16A", "s309-1P-32A", "s309-3P-16A",
    "s309-3P-32A", "Other1PhMax16A", "Other1PhOver16A", "Other3Ph",
]  # fmt: skip
"""OCPP's names for the AC connectors; c: cable at the station, s: socket."""


class DeviceConfig(msgspec.Struct, frozen=True):
    """One device: its role, the driver's name and the driver's own settings."""

    role: str
    driver: str
    settings: DriverSettings

    @property
    def backend(self) -> type[Any]:
        """The driver's class."""
        return _backend(self.role, self.driver)

    @property
    def simulated(self) -> bool:
        """A window onto the plant, or a real driver on a port that the plant serves."""
        return self.driver == "sim" or any(RUN_DIR in path for path in self.paths().values())

    def paths(self) -> dict[str, str]:
        """The settings that are texts, by name."""
        values = msgspec.structs.asdict(self.settings)
        return {name: value for name, value in values.items() if isinstance(value, str)}


class EvseConfig(msgspec.Struct, frozen=True):
    """One EVSE: its facts and its devices by role."""

    facts: EvseFacts
    devices: tuple[DeviceConfig, ...]


class BoardConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A board file that makes sense. `serial` None: it is in `serial_file`. `plant`: None on real hardware."""

    path: Path
    vendor: str
    model: str
    serial: str | None
    serial_file: str | None
    relay_deadman: RelayDeadman
    evses: tuple[EvseConfig, ...]
    plant: PlantSettings | None

    @property
    def simulated(self) -> bool:
        """No real power anywhere."""
        return self.plant is not None


class BoardTable(msgspec.Struct, frozen=True, kw_only=True):
    """[board]. Lengths are those of OCPP's ChargingStationType, where these values go."""

    vendor: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    serial: Annotated[str, msgspec.Meta(min_length=1, max_length=25)] | None = None
    serial_file: str | None = None
    relay_deadman: RelayDeadman


class EvseTable(msgspec.Struct, frozen=True, kw_only=True):
    """The plain keys of [[evse]]; 6 and 80 A are the ends of what a pilot can say (IEC 61851-1 table A.7)."""

    max_amps: Annotated[float, msgspec.Meta(ge=6, le=80)]
    phases: Literal[1, 3]
    nominal_volts: Annotated[float, msgspec.Meta(ge=100, le=260)] = 230.0
    connector: Connector
    tethered: bool = False
    ventilated: bool = False
    feedback: bool = True
    contactor_amps: Annotated[float, msgspec.Meta(ge=6, le=400)] | None = None
    derating: tuple[DeratePoint, ...] = DERATING
    plug_derating: tuple[DeratePoint, ...] = PLUG_DERATING
    unbalance_amps: Annotated[float, msgspec.Meta(ge=6, le=80)] | None = None
    wake_up: WakeUp = WakeUp.INTERRUPT


def load_board(path: Path | str) -> BoardConfig:
    """The board described by a file; BoardError for the first thing that is wrong in it."""
    config, problems = examine_board(path)
    if config is None:
        raise problems[0]
    return config


def examine_board(path: Path | str) -> tuple[BoardConfig | None, list[BoardError]]:
    """The board described by a file, None when something is wrong in it; and everything that is wrong.

    One complaint for each table, since what follows a wrong key is often wrong for its sake alone; and what
    contradicts what is looked for only when each table is right by itself.
    """
    path, problems = Path(path), Problems()
    config: BoardConfig | None = None
    with problems:
        config = _decode_board_file(read_toml(path, "board file"), path, problems)
    if config is not None:
        for check in (_check_simulation, _check_claims, _check_served_ports, _check_run_paths):
            with problems:
                check(config)
    return (None if problems.found else config), problems.found


class Problems:
    """What is wrong, in the order found: `with problems:` notes the BoardError of its block and goes on after it."""

    def __init__(self) -> None:
        self.found: list[BoardError] = []

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, BoardError):
            self.found.append(error)
        return isinstance(error, BoardError)


def _decode_board_file(tables: Mapping[str, Any], path: Path, problems: Problems) -> BoardConfig | None:
    """The board, None when there are problems."""
    with problems:
        check_keys(tables, ("board", "evse", "plant"), str(path))
    for name in ("board", "evse"):
        if name not in tables:
            raise BoardError(str(path), f"[{name}] is missing", "see board-configs/README.md for the tables of a board")
    board: BoardTable | None = None
    plant: PlantSettings | None = None
    decoded: list[tuple[EvseTable, tuple[DeviceConfig, ...]]] = []
    with problems:
        board = _decode_board(tables["board"], path)
    with problems:
        plant = decode_table(PlantSettings, tables["plant"], str(path), "plant") if "plant" in tables else None
    for index, table in enumerate(_evse_tables(tables["evse"], str(path))):
        with problems:
            decoded.append(_decode_evse(table, str(path), f"evse[{index}]", problems))
    if problems.found or board is None:
        return None
    evses = []
    for index, (evse, devices) in enumerate(decoded):
        facts = _facts(evse, devices, board.relay_deadman)
        for device in devices:
            facts = device.settings.amend(facts)
        _check_evse(facts, devices, at(str(path), f"evse[{index}]"), problems)
        evses.append(EvseConfig(facts, devices))
    return BoardConfig(
        path=path,
        vendor=board.vendor,
        model=board.model,
        serial=board.serial,
        serial_file=board.serial_file,
        relay_deadman=board.relay_deadman,
        evses=tuple(evses),
        plant=plant or (PlantSettings() if _is_simulated(evses) else None),
    )


def _decode_board(table: object, path: Path) -> BoardTable:
    board = decode_table(BoardTable, table, str(path), "board")
    if (board.serial is None) == (board.serial_file is None):
        raise BoardError(
            f"{path}: board", "found both or neither of 'serial' and 'serial_file'", "give exactly one of them"
        )
    return board


def _evse_tables(tables: object, file: str) -> list[object]:
    if not isinstance(tables, list) or not tables:
        raise BoardError(
            at(file, "evse"), f"found {shown(tables)}", "expected one [[evse]] (double brackets) for each EVSE"
        )
    return tables


def _decode_evse(table: object, file: str, key: str, problems: Problems) -> tuple[EvseTable, tuple[DeviceConfig, ...]]:
    place = at(file, key)
    if not isinstance(table, Mapping):
        raise BoardError(place, f"found {shown(table)}", "expected a table")
    plain = [field.name for field in msgspec.structs.fields(EvseTable)]
    check_keys(table, [*plain, *BACKENDS], place)
    devices = []
    for role, drivers in BACKENDS.items():
        with problems:
            if role in table:
                devices.append(_decode_device(role, table[role], file, f"{key}.{role}"))
            elif role in REQUIRED_ROLES:
                raise BoardError(
                    place, f"[evse.{role}] is missing", f"every EVSE needs it; drivers: {', '.join(drivers)}"
                )
    evse = decode_table(EvseTable, {name: value for name, value in table.items() if name in plain}, file, key)
    return evse, tuple(devices)


def _check_evse(facts: EvseFacts, devices: tuple[DeviceConfig, ...], place: str, problems: Problems) -> None:
    """What contradicts what on one EVSE."""
    for check in (_check_connector, _check_ratings):
        with problems:
            check(facts, place)
    for device in devices:
        with problems:
            try:
                device.settings.check(facts)
            except BoardError as error:
                raise BoardError(f"{place}.{device.role}.{error.place}", error.problem, error.remedy) from error


def _decode_device(role: str, table: object, file: str, key: str) -> DeviceConfig:
    place = at(file, key)
    if not isinstance(table, Mapping):
        raise BoardError(place, f"found {shown(table)}", "expected a table with the key 'driver'")
    choices = BACKENDS[role]
    driver = table.get("driver")
    if driver is None:
        raise BoardError(place, "key 'driver' is missing", f"drivers for {role}: {', '.join(choices)}")
    if driver not in choices:
        near = did_you_mean(str(driver), choices)
        raise BoardError(
            f"{place}.driver", f"unknown driver {shown(driver)}", f"{near}drivers for {role}: {', '.join(choices)}"
        )
    try:
        module = importlib.import_module(_backend_module(role, driver))
    except ImportError as error:
        raise BoardError(
            f"{place}.driver", f"driver '{driver}' cannot be loaded ({error})", "install what it needs"
        ) from error
    rest = {name: value for name, value in table.items() if name != "driver"}
    # A module that serves several roles may ask for different keys in each.
    settings = getattr(_backend(role, driver), "settings_type", module.Settings)
    return DeviceConfig(role, driver, decode_table(cast(type[DriverSettings], settings), rest, file, key))


def _backend_module(role: str, driver: str) -> str:
    return BACKENDS[role][driver].partition(":")[0]


def _backend(role: str, driver: str) -> type[Any]:
    module, _, name = BACKENDS[role][driver].partition(":")
    return cast(type[Any], getattr(importlib.import_module(module), name))


def _facts(evse: EvseTable, devices: tuple[DeviceConfig, ...], deadman: RelayDeadman) -> EvseFacts:
    fitted = {device.role for device in devices}
    return EvseFacts(
        max_amps=evse.max_amps,
        phases=evse.phases,
        nominal_volts=evse.nominal_volts,
        connector_type=evse.connector,
        tethered=evse.tethered,
        ventilated=evse.ventilated,
        has_feedback=evse.feedback,
        has_meter="meter" in fitted,
        has_proximity="proximity" in fitted,
        has_lock="lock" in fitted,
        has_residual="residual" in fitted,
        has_thermometer="thermometer" in fitted,
        has_plug_thermometer="plug_thermometer" in fitted,
        has_phase_switch="phase_switch" in fitted,
        has_external_limit="external_limit" in fitted,
        contactor_amps=evse.contactor_amps,
        derating=evse.derating,
        plug_derating=evse.plug_derating,
        unbalance_amps=evse.unbalance_amps,
        wake_up=evse.wake_up,
        relay_deadman=deadman,
        alarms=tuple(alarm for device in devices for alarm in device.settings.alarms()),
    )


def _check_ratings(facts: EvseFacts, place: str) -> None:
    """What is physically impossible, or would leave a rule without effect."""
    for key, curve in (("derating", facts.derating), ("plug_derating", facts.plug_derating)):
        corners = [(point.celsius, point.amps) for point in curve]
        rising = sorted({celsius for celsius, _ in corners}) == [celsius for celsius, _ in corners]
        falling = [amps for _, amps in corners] == sorted((amps for _, amps in corners), reverse=True)
        if not corners or not rising or not falling or corners[-1][1] != 0:
            wanted = "corners [celsius, amps] with rising celsius and falling amps, the last with 0 A"
            raise BoardError(f"{place}.{key}", f"found {shown([list(corner) for corner in corners])}", f"give {wanted}")
    if facts.has_phase_switch and facts.phases != 3:
        raise BoardError(f"{place}.phase_switch", "an EVSE of one phase has none to switch", "set phases = 3")
    if facts.unbalance_amps is not None and facts.phases != 3:
        raise BoardError(f"{place}.unbalance_amps", "an EVSE of one phase always loads one phase", "lower max_amps")


def _check_connector(facts: EvseFacts, place: str) -> None:
    name = facts.connector_type
    if name[0] in "cs" and facts.tethered != (name[0] == "c"):
        what = "a cable fixed to the station" if name[0] == "c" else "a socket"
        raise BoardError(f"{place}.tethered", f"{name} is {what}, tethered says otherwise", "make the two agree")
    for fitted, role in ((facts.has_proximity, "proximity"), (facts.has_lock, "lock")):
        if facts.tethered and fitted:
            raise BoardError(
                f"{place}.{role}", f"a tethered cable has no {role} at the station", f"remove [evse.{role}]"
            )
    if (
        name == "sType2" and not facts.has_proximity
    ):  # IEC 61851-1 clause B.2: the station must honour the cable's rating
        raise BoardError(place, "a Type 2 socket without [evse.proximity]", "describe its proximity contact")


def _is_simulated(evses: Iterable[EvseConfig]) -> bool:
    """Whether no real power is anywhere: all pilots and contactors are simulated."""
    return all(device.simulated for evse in evses for device in evse.devices if device.role in REQUIRED_ROLES)


def _check_simulation(config: BoardConfig) -> None:
    """BoardError for a mixture of real and simulated.

    A simulated board may have real devices that energise nothing (a token reader on the developer's desk). The
    reverse is refused: beside a real contactor a simulated meter or residual current monitor would lie about real
    current.
    """
    simulated = _is_simulated(config.evses)
    for index, evse in enumerate(config.evses):
        for device in evse.devices:
            if device.simulated and not simulated:
                place = f"{config.path}: evse[{index}].{device.role}"
                raise BoardError(
                    place, "a simulated device on a board with a real pilot or contactor", "use a real driver"
                )
    place = f"{config.path}: board.relay_deadman"
    allowed = (RelayDeadman.SIMULATED, RelayDeadman.NONE) if simulated else (RelayDeadman.MCU, RelayDeadman.HARDWARE)
    if config.relay_deadman not in allowed:
        why = (
            "nothing real to open here" if simulated else "a real contactor must open by itself when the software dies"
        )
        raise BoardError(place, f"found '{config.relay_deadman}' ({why})", f"expected one of: {', '.join(allowed)}")
    if config.plant is not None and not simulated:
        raise BoardError(f"{config.path}: plant", "a plant on a board with real hardware", "remove [plant]")


def _check_claims(config: BoardConfig) -> None:
    claimed: dict[str, str] = {}
    buses: dict[str, tuple[str, str]] = {}
    for index, evse in enumerate(config.evses):
        for device in evse.devices:
            name = f"evse[{index}].{device.role}"
            place = f"{config.path}: {name}"
            for claim in device.settings.claims():
                if claim in claimed:
                    raise BoardError(place, f"uses {claim}, as {claimed[claim]} does", "give each device its own")
                claimed[claim] = name
            port, parameters = device.settings.bus() or ("", "")
            other, known = buses.setdefault(port, (name, parameters))
            if parameters != known:
                raise BoardError(place, f"sets {port} to {parameters}, {other} to {known}", "one line has one setting")


def _check_served_ports(config: BoardConfig) -> None:
    """Every port that the plant serves is served once, for an EVSE that is there, by something that exists."""
    plant = config.plant or PlantSettings()
    places = [
        (f"{config.path}: plant.meter[{index}]", meter.evse, meter.port) for index, meter in enumerate(plant.meter)
    ]
    places += [(f"{config.path}: plant.peer[{index}]", peer.evse, peer.port) for index, peer in enumerate(plant.peer)]
    served: set[str] = set()
    for place, evse, port in places:
        if evse > len(config.evses):
            raise BoardError(f"{place}.evse", f"found {evse}", f"expected an EVSE from 1 to {len(config.evses)}")
        if port in served:
            raise BoardError(place, "the same port or EVSE twice", "give each its own port, and each EVSE one meter")
        served.add(port)
    metered: set[int] = set()
    for index, meter in enumerate(plant.meter):
        place = f"{config.path}: plant.meter[{index}]"
        if meter.evse in metered:
            raise BoardError(place, "the same port or EVSE twice", "give each its own port, and each EVSE one meter")
        metered.add(meter.evse)
        try:
            if meter.map != SUNSPEC:
                load_map(meter.map)
        except BoardError as error:
            raise BoardError(f"{place}.map", error.problem, error.remedy) from error
    for index, peer in enumerate(plant.peer):
        if peer.kind not in PEERS:
            near = did_you_mean(peer.kind, PEERS)
            place = f"{config.path}: plant.peer[{index}].kind"
            raise BoardError(place, f"unknown kind '{peer.kind}'", f"{near}kinds: {', '.join(PEERS) or 'none'}")


def _check_run_paths(config: BoardConfig) -> None:
    """Nothing is in {run} but what the plant serves there."""
    plant = config.plant or PlantSettings()
    served = [*(meter.port for meter in plant.meter), *(peer.port for peer in plant.peer)]
    for index, evse in enumerate(config.evses):
        for device in evse.devices:
            for name, value in device.paths().items():
                if RUN_DIR in value and not any(value == port or value.startswith(f"{port}/") for port in served):
                    place = f"{config.path}: evse[{index}].{device.role}.{name}"
                    offers = f"ports of [[plant.meter]] and [[plant.peer]]: {', '.join(served) or 'none'}"
                    raise BoardError(place, f"nothing serves {value}", offers)
