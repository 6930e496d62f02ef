"""What follows from a board that is right: warnings, notes, and faults that nobody can see on it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from chargerd.ctl.board_check import (
    SEEN_BY_THE_STATION,
    SEEN_EVERYWHERE,
    WATCHES,
    BoardCheck,
    Level,
    check_board,
)
from chargerd.evse.faults import ALARMS, FaultCode
from hal.types import EvseFacts
from tests.hal.boards import BENCH, BOARD_CONFIGS, bench_tables, write

SIM = {"driver": "sim"}


def check(tmp_path: Path, board: dict[str, Any] | None = None, **evse: Any) -> BoardCheck:
    """The least board, changed."""
    tables = bench_tables()
    tables["board"] |= board or {}
    tables["evse"][0] |= evse
    return check_board(write(tmp_path / "board.toml", tables))


def told(found: BoardCheck, level: Level) -> list[str]:
    return [f"{finding.place}: {finding.text}" for finding in found.findings if finding.level is level]


def blind(found: BoardCheck) -> set[str]:
    return {fault for spot in found.blind_spots for fault in spot.faults}


def test_the_bench_has_everything_and_misses_nothing_that_a_bench_can_have() -> None:
    found = check_board(BENCH)
    assert (found.problems, found.findings) == ((), ())
    assert blind(found) == {"phase_unbalance", "no_ground"}


def test_a_file_with_problems_has_nothing_else(tmp_path: Path) -> None:
    found = check(tmp_path, max_amps=100)
    assert found.config is None
    assert [str(problem).partition(": ")[2] for problem in found.problems] == [
        "evse[0].max_amps: found 100; expected a number from 6 to 80"
    ]
    assert found.findings == ()


def test_what_protects_people_is_missed_with_a_warning(tmp_path: Path) -> None:
    assert told(check(tmp_path), Level.WARNING) == [
        "EVSE 1: no residual current monitor",
        "EVSE 1: a vehicle that takes more than it is offered is not seen",
        "EVSE 1: heat in the enclosure is not seen",
    ]
    socket = check(tmp_path, connector="sType3", tethered=False, feedback=False)
    assert told(socket, Level.WARNING) == [
        "EVSE 1: no residual current monitor",
        "EVSE 1: a welded contactor is not seen",
        "EVSE 1: a vehicle that takes more than it is offered is not seen",
        "EVSE 1: the plug can be pulled out under load",
        "EVSE 1: the rating of the cable is not known",
        "EVSE 1: heat in the enclosure is not seen",
    ]


@pytest.mark.parametrize(
    "changes, note",
    [
        ({"contactor_amps": 10}, "EVSE 1: the contactor (10 A) is weaker than max_amps (16 A)"),
        (
            {"thermometer": SIM, "derating": [[50, 10], [60, 0]]},
            "EVSE 1: the derating curve begins at 10 A, below max_amps",
        ),
        ({"ventilated": True}, "EVSE 1: vehicles that need ventilation are charged"),
        ({"phases": 3}, "EVSE 1: three phases charge with 4.1 kW at least"),
        ({}, "EVSE 1: no reader: the CSMS alone, or an offline rule, can authorise"),
        ({}, "EVSE 1: nothing tells a user what goes on"),
    ],
)
def test_what_may_not_have_been_meant_is_noted(tmp_path: Path, changes: dict[str, Any], note: str) -> None:
    assert note in told(check(tmp_path, **changes), Level.NOTE)
    assert note not in told(check_board(BENCH), Level.NOTE)


def test_a_bench_without_dead_man_is_warned_of(tmp_path: Path) -> None:
    assert told(check(tmp_path, {"relay_deadman": "none"}), Level.WARNING)[0] == (
        "board: nothing opens the contactor when the software hangs"
    )


def test_names_that_change_at_the_next_start_are_warned_of(tmp_path: Path) -> None:
    meter = {"driver": "meter_modbus", "map": "eastron_sdm630"}
    unsteady = check(tmp_path, meter=meter | {"port": "/dev/ttyUSB0"})
    assert "EVSE 1 meter.port: /dev/ttyUSB0 may be another device after the next start" in told(unsteady, Level.WARNING)
    steady = check(tmp_path, meter=meter | {"port": "/dev/serial/by-id/usb-FTDI"})
    assert not any("next start" in text for text in told(steady, Level.WARNING))


def test_devices_of_another_machine_and_of_the_network_are_noted(tmp_path: Path) -> None:
    meter = {"driver": "meter_modbus", "map": "eastron_sdm630"}
    absent = check(tmp_path, meter=meter | {"port": "/dev/no-such-node"})
    assert "board: not on this machine: /dev/no-such-node" in told(absent, Level.NOTE)
    tcp = check(tmp_path, meter=meter | {"host": "192.0.2.7"})
    assert any("reached only with a drop-in" in text for text in told(tcp, Level.NOTE))


# ---- blind spots ----


ALWAYS_SEEN = {*SEEN_EVERYWHERE, *SEEN_BY_THE_STATION}


def test_every_fault_has_something_that_sees_it() -> None:
    """Whoever adds a fault says here what a board must have to see it."""
    watched = [fault for watch in WATCHES for fault in watch.faults]
    assert {*watched} | ALWAYS_SEEN == set(FaultCode)
    assert len(watched) + len(ALWAYS_SEEN) == len(FaultCode)


def test_a_board_with_nothing_is_blind_to_all_that_takes_a_device() -> None:
    socket = EvseFacts(max_amps=16, phases=3, has_feedback=False, has_meter=False)
    cable = msgspec.structs.replace(socket, tethered=True)
    blind_watches = [watch for facts in (socket, cable) for watch in WATCHES if not watch.fitted(facts)]
    missing = {fault for watch in blind_watches for fault in watch.faults}
    assert missing == set(FaultCode) - ALWAYS_SEEN


def test_a_fixed_cable_has_no_cable_faults_to_be_blind_to(tmp_path: Path) -> None:
    assert blind(check(tmp_path)).isdisjoint({"cable_invalid", "cable_changed", "lock_failure"})


def test_a_voltage_sense_behind_the_contactor_sees_a_weld_as_well(tmp_path: Path) -> None:
    without = check(tmp_path, feedback=False)
    assert "contactor_welded" in blind(without)
    sensing = check(tmp_path, feedback=False, inputs={"driver": "sim", "lines": ["output_voltage"]})
    assert "contactor_welded" not in blind(sensing)
    assert "contactor_no_close" in blind(sensing)
    assert not any("welded" in text for text in told(sensing, Level.WARNING))


def test_what_the_controller_behind_the_pilot_tells_is_seen() -> None:
    rapi, yeti = (blind(check_board(BOARD_CONFIGS / f"bench-{name}.toml")) for name in ("rapi", "yeti"))
    assert "no_ground" not in rapi
    assert "no_ground" in yeti


def test_every_alarm_that_a_driver_may_tell_is_a_fault_here(tmp_path: Path) -> None:
    modules = [check_board(path).config for path in sorted(BOARD_CONFIGS.glob("*.toml"))]
    told = {
        alarm
        for config in modules
        if config is not None
        for evse in config.evses
        for device in evse.devices
        for alarm in device.settings.alarms()
    }
    assert told
    assert told <= set(ALARMS)


def test_each_evse_has_its_own_blind_spots(tmp_path: Path) -> None:
    tables = bench_tables()
    tables["evse"].append(tables["evse"][0] | {"residual": SIM})
    found = check_board(write(tmp_path / "board.toml", tables))
    assert {spot.evse_id for spot in found.blind_spots if "residual_ac" in spot.faults} == {1}


def test_a_finding_is_a_value() -> None:
    assert msgspec.json.decode(msgspec.json.encode(check_board(BENCH).findings)) == []
