import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hal.board_file import BACKENDS, load_board
from hal.slot import DriverSettings
from hal.types import BoardError, RelayDeadman
from tests.hal.boards import BENCH, BENCH_DUAL, BOARD_CONFIGS, bench_tables, write

Tables = dict[str, Any]
SIM = {"driver": "sim"}
BLUEPRINT = {"driver": "_blueprint", "port": "/dev/ttyACM0"}
MODBUS = {"driver": "meter_modbus", "map": "eastron_sdm630", "port": "/dev/ttyUSB0"}


def load(tmp_path: Path, *changes: Callable[[Tables], object]) -> Any:
    tables = bench_tables()
    for change in changes:
        change(tables)
    return load_board(write(tmp_path / "board.toml", tables))


def board(**values: Any) -> Callable[[Tables], object]:
    return lambda tables: tables["board"].update(values)


def evse(**values: Any) -> Callable[[Tables], object]:
    return lambda tables: tables["evse"][0].update(values)


def top(**values: Any) -> Callable[[Tables], object]:
    return lambda tables: tables.update(values)


def without(table: str, key: str) -> Callable[[Tables], object]:
    def change(tables: Tables) -> None:
        place = tables[table]
        del (place[0] if isinstance(place, list) else place)[key]

    return change


def socket(**values: Any) -> Callable[[Tables], object]:
    return evse(connector="sType2", tethered=False, proximity=SIM, **values)


def twice(tables: Tables) -> None:
    tables["evse"] = [tables["evse"][0], dict(tables["evse"][0])]


# ---- boards that make sense ----


def test_the_bench_is_one_socket_with_everything() -> None:
    config = load_board(BENCH)
    facts = config.evses[0].facts
    assert (facts.max_amps, facts.phases, facts.connector_type, facts.tethered) == (32, 3, "sType2", False)
    assert all((facts.has_meter, facts.has_proximity, facts.has_lock, facts.has_residual, facts.has_thermometer))
    assert {device.role for device in config.evses[0].devices} == set(BACKENDS)
    assert config.simulated
    assert config.relay_deadman is RelayDeadman.SIMULATED


def test_the_dual_bench_is_a_socket_and_a_cable() -> None:
    first, second = (evse.facts for evse in load_board(BENCH_DUAL).evses)
    assert (first.max_amps, first.phases, first.has_lock) == (32, 3, True)
    assert (second.max_amps, second.phases, second.tethered, second.has_proximity) == (16, 1, True, False)


def test_the_least_board_has_a_pilot_and_a_contactor(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert [device.driver for device in config.evses[0].devices] == ["sim", "sim"]
    assert config.plant is not None
    assert config.evses[0].facts.nominal_volts == 230


@pytest.mark.parametrize("max_amps", [6, 80])
def test_a_rating_at_the_ends_of_the_pilot_is_taken(tmp_path: Path, max_amps: float) -> None:
    assert load(tmp_path, evse(max_amps=max_amps)).evses[0].facts.max_amps == max_amps


def test_a_simulated_board_may_have_a_real_meter(tmp_path: Path) -> None:
    assert load(tmp_path, evse(meter=MODBUS)).simulated


def test_a_driver_of_another_package_is_not_imported_before_a_board_names_it(tmp_path: Path) -> None:
    path = write(tmp_path / "board.toml", bench_tables())
    ask = "print(*(name in sys.modules for name in ('pymodbus', 'serial')))"
    code = f"import sys, hal.board; hal.board.load_board({str(path)!r}); {ask}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


def test_every_backend_has_its_settings_and_its_class() -> None:
    import importlib

    for drivers in BACKENDS.values():
        for target in drivers.values():
            module_name, _, name = target.partition(":")
            module = importlib.import_module(module_name)
            assert isinstance(getattr(module, name), type)
            assert issubclass(module.Settings, DriverSettings)


# ---- boards that do not ----

CASES: list[tuple[str, list[Callable[[Tables], object]], str]] = [
    ("unknown table", [top(evze=[])], "board.toml: unknown key 'evze'; did you mean 'evse'? known keys: board, evse, "),
    ("no board", [lambda tables: tables.pop("board")], "board.toml: [board] is missing; see board-configs/README.md"),
    ("no evse", [lambda tables: tables.pop("evse")], "board.toml: [evse] is missing"),
    ("empty evse", [top(evse=[])], "board.toml: evse: found []; expected one [[evse]] (double brackets)"),
    ("single brackets", [top(evse={})], "board.toml: evse: found a table; expected one [[evse]] (double brackets)"),
    ("evse no table", [top(evse=[3])], "board.toml: evse[0]: found 3; expected a table"),
    ("no vendor", [without("board", "vendor")], "board.toml: board: key 'vendor' is missing; give it: text of 1 to 50"),
    ("long model", [board(model="M" * 21)], "board.model: found 'MMM"),
    ("two serials", [board(serial_file="/x")], "both or neither of 'serial' and 'serial_file'; give exactly one of th"),
    ("no serial", [without("board", "serial")], "both or neither of 'serial' and 'serial_file'"),
    ("deadman", [board(relay_deadman="mcuu")], "board.relay_deadman: found 'mcuu'; did you mean 'mcu'? expected one o"),
    ("key", [evse(max_amp=3)], "board.toml: evse[0]: unknown key 'max_amp'; did you mean 'max_amps'? known keys: max_"),
    ("too few amps", [evse(max_amps=5.9)], "evse[0].max_amps: found 5.9; expected a number from 6 to 80"),
    ("too many amps", [evse(max_amps=81)], "evse[0].max_amps: found 81; expected a number from 6 to 80"),
    ("two phases", [evse(phases=2)], "evse[0].phases: found 2; expected one of: 1, 3"),
    ("connector", [evse(connector="type2")], "evse[0].connector: found 'type2'; did you mean '"),
    ("cable as socket", [evse(tethered=False)], "evse[0].tethered: cType2 is a cable fixed to the station, tethered s"),
    ("socket as cable", [evse(connector="sType2")], "evse[0].tethered: sType2 is a socket, tethered says otherwise"),
    ("cable with PP", [evse(proximity=SIM)], "evse[0].proximity: a tethered cable has no proximity at the station; re"),
    ("cable with lock", [evse(lock=SIM)], "evse[0].lock: a tethered cable has no lock at the station"),
    ("socket without PP", [socket(), without("evse", "proximity")], "a Type 2 socket without [evse.proximity]; descri"),
    ("unbalance", [evse(unbalance_amps=5)], "evse[0].unbalance_amps: found 5; expected a number from 6 to 80"),
    ("one phase", [evse(phases=1, unbalance_amps=20)], "unbalance_amps: an EVSE of one phase always loads one phase"),
    ("no pilot", [without("evse", "pilot")], "board.toml: evse[0]: [evse.pilot] is missing; every EVSE needs it; driv"),
    ("no driver", [evse(pilot={})], "evse[0].pilot: key 'driver' is missing; drivers for pilot: sim"),
    ("device no table", [evse(pilot="sim")], "evse[0].pilot: found 'sim'; expected a table with the key 'driver'"),
    ("driver", [evse(meter={"driver": "meter_modbuss"})], "evse[0].meter.driver: unknown driver 'meter_modbuss'; did "),
    ("driver number", [evse(meter={"driver": 3})], "evse[0].meter.driver: unknown driver 3; drivers for meter: sim, m"),
    ("driver's key", [evse(pilot={**SIM, "pin": 1})], "board.toml: evse[0].pilot: unknown key 'pin'; known keys: none"),
    ("driver's value", [evse(meter={**MODBUS, "baud": 9601})], "evse[0].meter.baud: found 9601; expected one of: 1200"),
    ("driver's bound", [evse(meter={**MODBUS, "unit": 248})], "evse[0].meter.unit: found 248; expected a whole number"),
    ("map", [evse(meter={**MODBUS, "map": "sdm630"})], "evse[0].meter.map: there is no register map 'sdm630'; did you"),
    ("totals only", [evse(meter={**MODBUS, "map": "eastron_sdm72d_m"})], "evse[0].meter.map: eastron_sdm72d_m (Eastro"),
    ("real contactor", [evse(relays=BLUEPRINT)], "evse[0].pilot: a simulated device on a board with a real pilot or c"),
    ("lying deadman", [board(relay_deadman="mcu")], "relay_deadman: found 'mcu' (nothing real to open here); expected"),
    ("plant key", [top(plant={"sed": 1})], "board.toml: plant: unknown key 'sed'; did you mean 'seed'? known keys: se"),
    ("meter key", [top(plant={"meter": [{"evse": 1}]})], "board.toml: plant.meter[0]: key 'port' is missing; give it:"),
    ("meter of EVSE 2", [top(plant={"meter": [{"evse": 2, "port": "{run}/m", "map": "x"}]})], "plant.meter[0].evse: f"),
    ("plant's map", [top(plant={"meter": [{"evse": 1, "port": "x", "map": "x"}]})], "plant.meter[0].map: there is no "),
    ("port not served", [evse(meter={**MODBUS, "port": "{run}/m"})], "evse[0].meter.port: nothing serves {run}/m; por"),
]  # fmt: skip


@pytest.mark.parametrize("changes, text", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_wrong_is_named_with_place_and_remedy(
    tmp_path: Path, changes: list[Callable[[Tables], object]], text: str
) -> None:
    with pytest.raises(BoardError) as caught:
        load(tmp_path, *changes)
    assert text in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "board.toml"))


def test_a_real_contactor_needs_something_that_opens_it(tmp_path: Path) -> None:
    """A board without any simulated device is needed to see the rule."""
    with pytest.raises(BoardError, match="a real contactor must open by itself when the software dies"):
        load_real(tmp_path, "none")
    with pytest.raises(BoardError, match="expected one of: mcu, hardware"):
        load_real(tmp_path, "simulated")
    assert load_real(tmp_path, "mcu").simulated is False


def test_a_real_board_has_no_plant(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"plant: a plant on a board with real hardware; remove \[plant\]"):
        load_real(tmp_path, "mcu", top(plant={}))


def load_real(tmp_path: Path, deadman: str, *changes: Callable[[Tables], object]) -> Any:
    """A board whose every driver is real; as there is no real pilot yet, the blueprint stands in for one."""
    BACKENDS["pilot"]["_blueprint"] = BACKENDS["relays"]["_blueprint"]
    try:
        other = {**BLUEPRINT, "port": "/dev/ttyACM1"}
        return load(tmp_path, board(relay_deadman=deadman), evse(relays=BLUEPRINT, pilot=other), *changes)
    finally:
        del BACKENDS["pilot"]["_blueprint"]


def test_a_unit_on_a_line_is_one_device(tmp_path: Path) -> None:
    with pytest.raises(
        BoardError, match=r"evse\[1\].meter: uses unit 1 on /dev/ttyUSB0, as evse\[0\].meter does; give each"
    ):
        load(tmp_path, evse(meter=MODBUS), twice)


def test_two_units_share_a_line_of_one_setting(tmp_path: Path) -> None:
    def second(**values: Any) -> Callable[[Tables], object]:
        return lambda tables: tables["evse"][1].update(meter={**MODBUS, "unit": 2, **values})

    assert len(load(tmp_path, evse(meter=MODBUS), twice, second()).evses) == 2
    with pytest.raises(
        BoardError, match=r"evse\[1\].meter: sets /dev/ttyUSB0 to 19200 baud.*, evse\[0\].meter to 9600 baud"
    ):
        load(tmp_path, evse(meter=MODBUS), twice, second(baud=19200))


def test_two_meters_of_the_plant_need_two_ports(tmp_path: Path) -> None:
    meter = {"evse": 1, "port": "{run}/m", "map": "eastron_sdm630"}
    with pytest.raises(BoardError, match=r"plant.meter\[1\]: the same port or EVSE twice"):
        load(tmp_path, top(plant={"meter": [meter, {**meter, "port": "{run}/n"}]}))


def test_a_syntax_error_is_told_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text("[board]\nvendor = chargerd\n")
    with pytest.raises(BoardError, match=re.escape(f"{path}: line 2, column 10: not valid TOML: ")):
        load_board(path)


# ---- the guide ----


@pytest.mark.parametrize("role", BACKENDS)
def test_the_guide_explains_every_key(role: str) -> None:
    """Whoever adds a key or a driver says in board-configs/README.md what it is for."""
    import importlib

    guide = (BOARD_CONFIGS / "README.md").read_text()
    assert f"[evse.{role}]" in guide
    for driver, target in BACKENDS[role].items():
        assert f'"{driver}"' in guide
        module, _, name = target.partition(":")
        loaded = importlib.import_module(module)
        settings = getattr(getattr(loaded, name), "settings_type", loaded.Settings)
        for field in msgspec.structs.fields(settings):
            assert f"`{field.name}`" in guide, f"{role}.{field.name}"


def test_the_guide_explains_the_tables_of_the_board() -> None:
    import hal.board_file
    from hal.sim.settings import MeterPort, PlantPeer, PlantSettings

    guide = (BOARD_CONFIGS / "README.md").read_text()
    for kind in (hal.board_file.BoardTable, hal.board_file.EvseTable, PlantSettings, MeterPort, PlantPeer):
        for field in msgspec.structs.fields(kind):
            assert f"`{field.name}`" in guide, f"{kind.__name__}.{field.name}"
