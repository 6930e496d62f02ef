"""What is wired to what, from settings that nobody here knows."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from chargerd.ctl.board_picture import ROLE_NAMES, BoardPicture, device_nodes, picture_of
from hal.board_file import BACKENDS, BoardConfig, DeviceConfig, load_board
from hal.slot import DriverSettings
from tests.hal.boards import BENCH, BENCH_DUAL, bench_tables, write

METER = {"driver": "meter_modbus", "map": "eastron_sdm630", "port": "/dev/ttyS1"}


class Corner(msgspec.Struct, frozen=True):
    colour: str
    blink_hz: float | None = None


class Odd(DriverSettings, frozen=True, kw_only=True):
    """Every kind of value that a driver may have."""

    chip: str
    line: int
    ratio: float = 1.0
    inverted: bool = False
    names: tuple[str, ...] = ()
    corner: Corner | None = None
    table: dict[str, float] = {}  # noqa: RUF012  msgspec copies it

    def claims(self) -> tuple[str, ...]:
        return (f"gpio {self.chip} {self.line}",)


class Line(msgspec.Struct, frozen=True):
    chip: str | None = None
    line: str | int | None = None
    pi: int | None = None
    active: str = "high"

    @property
    def claim(self) -> str:
        return f"gpio pi {self.pi}" if self.pi is not None else f"gpio {self.chip} {self.line}"


class OnLines(DriverSettings, frozen=True, kw_only=True):
    """As drivers on GPIO lines do: a table for each line."""

    coil: Line
    lamps: tuple[Line, ...] = ()
    drive_ms: int = 300

    def claims(self) -> tuple[str, ...]:
        return tuple(line.claim for line in (self.coil, *self.lamps))

    def nodes(self) -> tuple[str, ...]:
        return tuple(line.chip or "char-gpiochip" for line in (self.coil, *self.lamps))


def board(tmp_path: Path, *evses: dict[str, Any]) -> BoardConfig:
    tables = bench_tables()
    tables["evse"] = [tables["evse"][0] | evse for evse in evses]
    return load_board(write(tmp_path / "board.toml", tables))


def with_device(config: BoardConfig, settings: DriverSettings) -> BoardConfig:
    """A board whose first EVSE also has a lock with these settings."""
    evse = config.evses[0]
    evse = msgspec.structs.replace(evse, devices=(*evse.devices, DeviceConfig("lock", "odd", settings)))
    return msgspec.structs.replace(config, evses=(evse,))


def with_lock(config: BoardConfig, settings: DriverSettings) -> BoardPicture:
    """The picture of it."""
    return picture_of(with_device(config, settings))


def test_every_role_has_a_name_for_people() -> None:
    assert set(ROLE_NAMES) == set(BACKENDS)


def test_the_bench_in_a_picture() -> None:
    picture = picture_of(load_board(BENCH))
    assert (picture.title, picture.simulated) == ("chargerd Bench, BENCH-0001", True)
    assert picture.deadman == "simulated: nothing real to open"
    (evse,) = picture.evses
    assert evse.title == "sType2 socket, three phases, 32 A at 230 V (22.1 kW)"
    assert [device.role for device in evse.devices] == list(BACKENDS)
    meter = evse.devices[2]
    assert (meter.driver, meter.wires, meter.line) == ("meter_modbus", ("unit 1 on {run}/meter-1",), "{run}/meter-1")
    assert meter.details == ("map eastron_sdm630",)
    assert meter.simulated
    assert picture.served == ("{run}/meter-1: the meter of EVSE 1, eastron_sdm630, unit 1",)


def test_limits_are_those_that_the_hardware_has(tmp_path: Path) -> None:
    evse = {
        "contactor_amps": 12,
        "phases": 3,
        "unbalance_amps": 16,
        "derating": [[50, 16], [60, 0]],
        "thermometer": {"driver": "sim"},
        "external_limit": {"driver": "sim"},
    }
    (first, second) = picture_of(board(tmp_path, {}, evse)).evses
    assert first.limits == ("board 16 A",)
    assert second.limits == (
        "board 16 A",
        "contactor 12 A",
        "enclosure: 16 A at 50 °C, 0 A at 60 °C",
        "one phase above another: 16 A",
        "external: as told; 0 A when it is silent",
    )


def test_a_line_names_all_who_share_it(tmp_path: Path) -> None:
    picture = picture_of(board(tmp_path, {"meter": METER}, {"meter": METER | {"unit": 2}}))
    (line,) = picture.lines
    assert line.name == "/dev/ttyS1"
    assert line.parameters.startswith("9600 baud, parity N")
    assert line.users == ("EVSE 1 energy meter: unit 1", "EVSE 2 energy meter: unit 2")


def test_each_line_of_the_dual_bench_stands_for_itself() -> None:
    assert [line.name for line in picture_of(load_board(BENCH_DUAL)).lines] == ["{run}/meter-1", "{run}/meter-2"]


def test_settings_of_a_driver_that_nobody_knows_are_listed_as_they_stand(tmp_path: Path) -> None:
    settings = Odd(
        chip="/dev/gpiochip0",
        line=17,
        ratio=0.5,
        inverted=True,
        names=("a", "b"),
        corner=Corner("red"),
        table={"x": 1.5},
    )
    lock = with_lock(board(tmp_path, {}), settings).evses[0].devices[-1]
    assert lock.wires == ("gpio /dev/gpiochip0 17",)
    assert lock.details == ("ratio 0.5", "inverted true", "names a, b", "corner (colour red)", "table (x: 1.5)")
    assert not lock.simulated


def test_settings_that_are_as_usual_are_not_listed(tmp_path: Path) -> None:
    lock = with_lock(board(tmp_path, {}), Odd(chip="/dev/gpiochip0", line=17)).evses[0].devices[-1]
    assert lock.details == ()


def test_a_line_that_is_a_table_is_named_after_its_key(tmp_path: Path) -> None:
    settings = OnLines(
        coil=Line(chip="/dev/gpiochip0", line="RELAY", active="low"), lamps=(Line(pi=17), Line(pi=1)), drive_ms=100
    )
    lock = with_lock(board(tmp_path, {}), settings).evses[0].devices[-1]
    assert lock.wires == ("gpio /dev/gpiochip0 RELAY: coil active low", "gpio pi 17: lamps", "gpio pi 1: lamps")
    assert lock.details == ("drive_ms 100",)


def test_a_serial_number_in_a_file_is_not_looked_up(tmp_path: Path) -> None:
    tables = bench_tables()
    del tables["board"]["serial"]
    tables["board"]["serial_file"] = "/proc/device-tree/serial-number"
    title = picture_of(load_board(write(tmp_path / "board.toml", tables))).title
    assert title == "V M, serial number in /proc/device-tree/serial-number"


@pytest.mark.parametrize(
    "evses, nodes", [(({},), []), (({"meter": METER}, {"meter": METER | {"unit": 2}}), ["/dev/ttyS1"])]
)
def test_device_nodes_are_named_once(tmp_path: Path, evses: tuple[dict[str, Any], ...], nodes: list[str]) -> None:
    assert [str(node) for node in device_nodes(board(tmp_path, *evses))] == nodes
