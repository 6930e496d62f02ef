"""A board in a terminal: what stands there, how wide, in which colour."""

from pathlib import Path

import pytest

from chargerd.ctl.board_check import check_board
from chargerd.ctl.board_drawing import drawing
from tests.hal.boards import BENCH, BENCH_DUAL, bench_tables, write

METER = {"driver": "meter_modbus", "map": "eastron_sdm630", "port": "/dev/serial/by-id/usb-FTDI_Serial_AB12"}


def two_on_a_line(tmp_path: Path) -> Path:
    tables = bench_tables()
    first = tables["evse"][0]
    tables["evse"] = [first | {"meter": METER}, first | {"meter": METER | {"unit": 2}}]
    return write(tmp_path / "board.toml", tables)


def test_a_board_from_its_head_to_its_blind_spots(tmp_path: Path) -> None:
    assert drawing(check_board(two_on_a_line(tmp_path)), columns=120)[:14] == [
        "V M, S  SIMULATED",
        "dead-man simulated: nothing real to open",
        "",
        "EVSE 1  cType2 fixed cable, one phase, 16 A at 230 V (3.7 kW)",
        "│  limits: board 16 A",
        "├─ control pilot  sim",
        "├─ contactor      sim",
        "└─ energy meter   meter_modbus  ── unit 1 on /dev/serial/by-id/usb-FTDI_Serial_AB12",
        "                                   map eastron_sdm630",
        "",
        "EVSE 2  cType2 fixed cable, one phase, 16 A at 230 V (3.7 kW)",
        "│  limits: board 16 A",
        "├─ control pilot  sim",
        "├─ contactor      sim",
    ]


def test_shared_lines_warnings_and_blind_spots_follow(tmp_path: Path) -> None:
    lines = drawing(check_board(two_on_a_line(tmp_path)), columns=120)
    rest = lines[lines.index("lines") :]
    assert rest[2:4] == ["  ├─ EVSE 1 energy meter: unit 1", "  └─ EVSE 2 energy meter: unit 2"]
    assert rest.index("warnings") < rest.index("notes") < rest.index("faults that cannot be seen on this board")
    assert "  EVSE 2: residual_ac, residual_dc" in "\n".join(rest)


def test_what_the_plant_serves_is_said() -> None:
    lines = drawing(check_board(BENCH))
    assert lines[lines.index("served by the simulated plant") + 1] == (
        "  {run}/meter-1: the meter of EVSE 1, eastron_sdm630, unit 1"
    )


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 300])
@pytest.mark.parametrize("path", [BENCH, BENCH_DUAL], ids=["bench", "bench-dual"])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_lost(path: Path, columns: int) -> None:
    lines = drawing(check_board(path), columns=columns)
    assert max(map(len, lines)) <= min(columns, 120)
    words = {word for line in drawing(check_board(path), columns=120) for word in line.split()}
    assert words <= {word for line in lines for word in line.split()}


def test_paths_are_not_broken_where_they_fit(tmp_path: Path) -> None:
    lines = drawing(check_board(two_on_a_line(tmp_path)), columns=80)
    assert any("/dev/serial/by-id/usb-FTDI_Serial_AB12" in line for line in lines)


def test_colours_come_only_when_wanted(tmp_path: Path) -> None:
    check = check_board(two_on_a_line(tmp_path))
    assert not any("\x1b" in line for line in drawing(check))
    coloured = drawing(check, colours=True)
    assert coloured[0] == "\x1b[1mV M, S  SIMULATED\x1b[0m"
    assert any(line.startswith("\x1b[33m  EVSE 1: no residual") for line in coloured)
